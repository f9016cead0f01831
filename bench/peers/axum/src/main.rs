//! axum as its guide writes it, on a current-thread runtime and a listener a worker.
//!
//! With `--mode json-N` and `--mode body-N` it is what `bench/router` is at that step, in so many routes.
#![forbid(unsafe_code)]

mod routes;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::Message;
use axum::extract::{Path, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use bytes::Bytes;
use peer::{CHUNK, CHUNKS, HELLO, args, listener, per_runtime};

#[derive(serde::Serialize)]
struct Hello {
    message: &'static str,
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            let data = matches!(message, Message::Text(_) | Message::Binary(_));
            if data && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn stream() -> impl IntoResponse {
    let chunks = (0..CHUNKS).map(|_| Ok::<_, Infallible>(Bytes::from_static(&CHUNK)));
    Body::from_stream(futures_util::stream::iter(chunks))
}

async fn sleep() -> &'static str {
    tokio::time::sleep(Duration::from_millis(10)).await;
    HELLO
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/json", get(|| async { Json(Hello { message: HELLO }) }))
        .route(
            "/user/{id}",
            get(|Path(id): Path<String>| async move { id }),
        )
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/stream", get(stream))
        .route("/sleep", get(sleep))
        .route("/ws", get(echo))
}

async fn serve(app: Router, port: u16) {
    let listener = tokio::net::TcpListener::from_std(listener(port)).expect("a listener");
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
    axum::serve(listener, app)
        .await
        .expect("it serves for ever");
}

fn main() {
    let args = args();
    let app = match args.mode.split_once('-') {
        Some((step, count)) => routes::app(step, count.parse().expect("a number of routes")),
        None => app(),
    };
    per_runtime(args.workers, move || serve(app.clone(), args.port));
}
