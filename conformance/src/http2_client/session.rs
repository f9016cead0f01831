//! A client that keeps to the rules: the `h2` crate's, which can reset streams and keep its windows closed.

use std::future::poll_fn;
use std::net::SocketAddr;

use gateway_spec::bytes::Bytes;
use h2::SendStream;
use h2::client::{self, ResponseFuture, SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::PATIENCE;

/// Runs a conversation to its end, on a runtime of its own.
#[track_caller]
pub(crate) fn converse<T>(conversation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    match runtime.block_on(async { tokio::time::timeout(PATIENCE, conversation).await }) {
        Ok(result) => result,
        Err(_) => panic!("the conversation took over {PATIENCE:?}"),
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    requests: SendRequest<Bytes>,
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Session {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let tcp = TcpStream::connect(to).await.expect("it listens");
        let (requests, connection) = client::handshake(tcp).await.expect("it speaks HTTP/2");
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    /// Begins a request; its body is still to be sent.
    pub(crate) async fn begin(&self, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.requests.clone().ready().await.expect("it is open");
        let begun = ready.send_request(request, false);
        begun.expect("the request is right")
    }

    /// Sends a request without a body.
    pub(crate) async fn send(&self, request: Request<()>) -> Result<ResponseFuture, h2::Error> {
        let mut ready = self.requests.clone().ready().await?;
        Ok(ready.send_request(request, true)?.0)
    }

    /// Sends a request without a body, and reads all of the response.
    pub(crate) async fn ask(&self, request: Request<()>) -> Result<Answer, h2::Error> {
        Answer::read(self.send(request).await?).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, h2::Error> {
        self.ask(request("GET", path)).await
    }

    /// Sends a body, and reads all of the response.
    pub(crate) async fn post(&self, path: &str, body: Bytes) -> Result<Answer, h2::Error> {
        let (response, mut stream) = self.begin(request("POST", path)).await;
        let (answer, ()) = tokio::join!(Answer::read(response), send_all(&mut stream, body));
        answer
    }

    /// Whether extended CONNECT is offered.
    pub(crate) fn may_tunnel(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }
}

impl Answer {
    pub(crate) async fn read(response: ResponseFuture) -> Result<Self, h2::Error> {
        let (head, mut stream) = response.await?.into_parts();
        let mut body = Vec::new();
        while let Some(bytes) = stream.data().await {
            let bytes = bytes?;
            stream.flow_control().release_capacity(bytes.len())?;
            body.extend_from_slice(&bytes);
        }
        Ok(Self {
            head: Response::from_parts(head, ()),
            body,
            trailers: stream.trailers().await?,
        })
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.head.headers().get(name)?;
        Some(value.to_str().expect("the peer's fields are plain"))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the peer answers in text")
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://a{path}");
    let request = Request::builder().method(method).uri(uri);
    request.body(()).expect("a right request")
}

/// Sends all of a body as far as windows allow, and then its end. A stream that is reset meanwhile takes no more.
pub(crate) async fn send_all(stream: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(Ok(capacity)) = poll_fn(|task| stream.poll_capacity(task)).await else {
            return;
        };
        let piece = bytes.split_to(capacity.min(bytes.len()));
        if stream.send_data(piece, false).is_err() {
            return;
        }
    }
    let _ = stream.send_data(Bytes::new(), true);
}
