//! The application that is measured: what the peers answer, written over the contract.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | 13 bytes of text |
//! | `GET /json` | `{"message":"Hello, world!"}` |
//! | `GET /user/{id}` | the id |
//! | `POST /echo` | the body, while it comes |
//! | `GET /stream` | 64 chunks of 1 KiB |
//! | `GET /sleep` | 13 bytes of text, after 10 ms |
//! | `GET /hold/{n}` | 13 bytes of text, after its worker's thread was held for n ms, as no application should |
//! | `GET /bytes/{n}` | so many bytes, in pieces of 64 KiB |
//! | `POST /sink` | how many bytes the body had |
//! | `GET /ws` | a WebSocket that sends back its messages |
//! | `GET /crowd` | a WebSocket whose messages go to everybody there |
#![forbid(unsafe_code)]

mod bulk;
mod crowd;

use std::time::Duration;

use bytes::Bytes;
use gateway::types::StatusCode;
use gateway::{
    Accept, AppError, Application, CloseCode, Connection, Done, Handshake, Http, Respond, Response,
    WebSocket,
};

use crate::crowd::Crowd;

const HELLO: &str = "Hello, world!";
const JSON: &str = r#"{"message":"Hello, world!"}"#;

#[derive(Default)]
struct Bench {
    crowd: Crowd,
}

// Futures are made as blocks, which hold what they are called with once, and what is rare is boxed: what an idle WebSocket costs is for
// the most part this application's future.
impl Application for Bench {
    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` would hold the connection a second time"
    )]
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        async move {
            match connection {
                Connection::Http(http) if http.scope.path() == "/" => hello(http).await,
                Connection::Http(http) => Box::pin(answer(http)).await,
                // What the request said is not wanted any more: the handshake alone goes on.
                Connection::WebSocket(socket) if socket.scope.path() == "/ws" => {
                    echo(into_handshake(socket)).await
                }
                Connection::WebSocket(socket) if socket.scope.path() == "/crowd" => {
                    Box::pin(self.crowd.join(socket)).await
                }
                other => Box::pin(other.refuse()).await,
            }
        }
    }
}

fn hello(http: Http) -> Respond {
    http.responder.respond(HELLO)
}

async fn answer(http: Http) -> Result<Done, AppError> {
    match http.scope.path() {
        "/json" => {
            let json = Response::typed("application/json", JSON);
            http.responder.respond(json).await
        }
        "/echo" => bulk::echo(http).await,
        "/sink" => bulk::sink(http).await,
        "/stream" => bulk::stream(http.responder).await,
        "/sleep" => {
            tokio::time::sleep(Duration::from_millis(10)).await;
            http.responder.respond(HELLO).await
        }
        path => {
            if let Some(id) = path.strip_prefix("/user/") {
                let id = Bytes::copy_from_slice(id.as_bytes());
                return http.responder.respond(Response::text(id)).await;
            }
            if let Some(Ok(milliseconds)) = path.strip_prefix("/hold/").map(str::parse) {
                std::thread::sleep(Duration::from_millis(milliseconds));
                return http.responder.respond(HELLO).await;
            }
            match path.strip_prefix("/bytes/").map(str::parse) {
                Some(Ok(count)) => bulk::bytes(http.responder, count).await,
                _ => http.responder.respond(StatusCode::NOT_FOUND).await,
            }
        }
    }
}

fn into_handshake(socket: WebSocket) -> Handshake {
    socket.handshake
}

async fn echo(handshake: Handshake) -> Result<Done, AppError> {
    let mut socket = handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

fn main() -> std::process::ExitCode {
    gateway::run(Bench::default())
}
