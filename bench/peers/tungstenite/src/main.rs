//! tokio-tungstenite alone: a WebSocket echo on any path, a current-thread runtime and a listener a worker.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use peer::{args, listener, per_worker};
use tokio::net::{TcpListener, TcpStream};
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

async fn serve(port: u16) {
    let listener = TcpListener::from_std(listener(port)).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if stream.set_nodelay(true).is_ok() {
            tokio::spawn(echo(stream));
        }
    }
}

fn main() {
    let args = args();
    per_worker(args.workers, move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(serve(args.port));
    });
}
