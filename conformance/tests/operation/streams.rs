//! A client of HTTP/2, with streams beside each other.

use std::net::SocketAddr;

use gateway_spec::bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

/// A connection of HTTP/2.
pub(super) struct Streams {
    requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<()>,
}

impl Streams {
    pub(super) async fn connect(to: SocketAddr) -> Result<Self, Box<dyn std::error::Error>> {
        let stream = TcpStream::connect(to).await?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            requests,
            connection,
        })
    }

    pub(super) async fn get(
        &mut self,
        path: &str,
    ) -> Result<ResponseFuture, Box<dyn std::error::Error>> {
        let request = http::Request::get(format!("http://a{path}")).body(())?;
        let mut ready = self.requests.clone().ready().await?;
        Ok(ready.send_request(request, true)?.0)
    }

    /// Asks, and waits for the answer's head: all that was sent before has arrived then.
    pub(super) async fn ask(
        &mut self,
        path: &str,
    ) -> Result<http::Response<()>, Box<dyn std::error::Error>> {
        let answer = self.get(path).await?.await?;
        let (head, mut body) = answer.into_parts();
        while let Some(part) = body.data().await {
            let _ = part?;
        }
        Ok(http::Response::from_parts(head, ()))
    }

    /// Asks for a WebSocket (RFC 8441); its stream is open for as long as both are held.
    pub(super) async fn upgrade(
        &mut self,
        path: &str,
    ) -> Result<(h2::RecvStream, h2::SendStream<Bytes>), Box<dyn std::error::Error>> {
        let mut ready = self.requests.clone().ready().await?;
        let request = http::Request::connect(format!("http://a{path}"))
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(())?;
        let (answer, sender) = ready.send_request(request, false)?;
        let answer = answer.await?;
        assert_eq!(answer.status(), 200);
        Ok((answer.into_body(), sender))
    }

    /// Ends the connection in order.
    pub(super) async fn close(self) -> Result<(), Box<dyn std::error::Error>> {
        drop(self.requests);
        Ok(self.connection.await?)
    }
}

/// Waits on a thread that may block.
pub(super) async fn blocking(
    wait: impl FnOnce() + Send + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    Ok(spawn_blocking(wait).await?)
}
