//! tokio-tungstenite alone: a WebSocket echo on any path, a current-thread runtime and a listener a worker.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use peer::{accept, args, per_runtime};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

async fn echo(stream: TcpStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let data = matches!(message, Message::Text(_) | Message::Binary(_));
        if data && socket.send(message).await.is_err() {
            return;
        }
    }
}

fn main() {
    let args = args();
    per_runtime(args.workers, move || accept(args.port, echo));
}
