//! A client of HTTP/2, by the `h2` crate: over TLS, and in the clear.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A request, sent so many times beside each other over one connection.
pub(crate) struct Asked<'a> {
    pub(crate) url: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
    pub(crate) times: usize,
}

/// Asks over TLS; the last answer, which must be 200 as all others.
pub(crate) fn ask_over_tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    asked: &Asked<'_>,
) -> String {
    block_on(async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(config));
        let tls = tls.connect(name, socket).await.expect("a handshake");
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        ask_over(tls, asked).await
    })
}

/// Asks in the clear.
pub(crate) fn ask(address: SocketAddr, asked: &Asked<'_>) -> String {
    block_on(async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        ask_over(socket, asked).await
    })
}

fn block_on<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(asking)
}

async fn ask_over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    asked: &Asked<'_>,
) -> String {
    let (mut client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..asked.times {
        let mut request = http::Request::get(asked.url);
        for (name, value) in asked.fields {
            request = request.header(*name, *value);
        }
        client = client.ready().await.expect("it takes requests");
        let (answer, _) = client
            .send_request(request.body(()).expect("a request"), true)
            .expect("it is sent");
        answers.push(answer);
    }
    let mut text = String::new();
    for answer in answers {
        let mut answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        text.clear();
        while let Some(part) = answer.body_mut().data().await {
            let part = part.expect("it is whole");
            text.push_str(std::str::from_utf8(&part).expect("text"));
            let _ = answer
                .body_mut()
                .flow_control()
                .release_capacity(part.len());
        }
    }
    drop(client);
    connection
        .await
        .expect("no panic")
        .expect("it ends in order");
    text
}
