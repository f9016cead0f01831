//! What one exchange costs in the process: `cargo run --release -p gateway-test-client --example measure`.
#![forbid(unsafe_code)]

use std::time::Instant;

use gateway_spec::{Accept, AppError, CloseCode, Connection, Done, application_fn};
use test_client::TestClient;

const TIMES: u32 = 100_000;

async fn app(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond("Hello, world!").await,
        Connection::WebSocket(socket) => {
            let mut socket = socket.handshake.accept(Accept::new()).await?;
            while let Some(message) = socket.message().await {
                socket.send(message).await?;
            }
            socket.close(CloseCode::NORMAL, "").await
        }
        other => other.refuse().await,
    }
}

fn main() {
    test_client::run(async {
        let client = TestClient::new(application_fn(app));

        let start = Instant::now();
        for _ in 0..TIMES {
            let reply = client.get("/").send().await.expect("a whole answer");
            assert_eq!(reply.body, "Hello, world!");
        }
        print("a request and its answer", start);

        let start = Instant::now();
        for _ in 0..TIMES {
            let mut socket = client.websocket("/").connect().await.expect("accepted");
            socket.send("hello").await.expect("open");
            assert_eq!(socket.text().await.expect("open"), "hello");
            let closed = socket.close(CloseCode::NORMAL, "").await;
            assert_eq!(closed.code, 1000);
        }
        print("a WebSocket: handshake, an echo, both close frames", start);

        let mut socket = client.websocket("/").connect().await.expect("accepted");
        let start = Instant::now();
        for _ in 0..TIMES {
            socket.send("hello").await.expect("open");
            assert_eq!(socket.text().await.expect("open"), "hello");
        }
        print("an echo on an open WebSocket", start);
    });
}

fn print(what: &str, start: Instant) {
    let each = start.elapsed() / TIMES;
    println!("{what}: {:.1} µs", each.as_nanos() as f64 / 1000.0);
}
