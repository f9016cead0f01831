//! actix-web as its guide writes it.
#![forbid(unsafe_code)]

use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use actix_ws::Message;
use bytes::Bytes;
use futures_util::stream;
use peer::{CHUNK, CHUNKS, HELLO, args};

#[derive(serde::Serialize)]
struct Hello {
    message: &'static str,
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(HELLO)
}

async fn sleep() -> HttpResponse {
    actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    hello().await
}

async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, messages) = actix_ws::handle(&request, body)?;
    let mut messages = messages.max_frame_size(1 << 20);
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Close(_) => return,
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}

async fn chunks() -> HttpResponse {
    let chunks = (0..CHUNKS).map(|_| Ok::<_, actix_web::Error>(Bytes::from_static(&CHUNK)));
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(stream::iter(chunks))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let args = args();
    let json = || async { web::Json(Hello { message: HELLO }) };
    let user = |id: web::Path<String>| async move { id.into_inner() };
    HttpServer::new(move || {
        App::new()
            .route("/", web::get().to(hello))
            .route("/json", web::get().to(json))
            .route("/user/{id}", web::get().to(user))
            .route("/echo", web::post().to(|body: Bytes| async move { body }))
            .route("/stream", web::get().to(chunks))
            .route("/sleep", web::get().to(sleep))
            .route("/ws", web::get().to(echo))
    })
    .workers(args.workers)
    .backlog(4096)
    .bind(("127.0.0.1", args.port))?
    .run()
    .await
}
