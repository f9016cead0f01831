//! A client of HTTP/2 over TLS, by the `h2` crate.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// `GET` of this path, so many times beside each other over one connection; the last answer, which must be 200.
pub(crate) fn get_over_tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    path: &str,
    times: usize,
) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(Arc::clone(config));
        let tls = tls.connect(name, socket).await.expect("a handshake");
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut client, connection) = h2::client::handshake(tls).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..times {
            let request = http::Request::get(format!("https://localhost{path}"));
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
    })
}
