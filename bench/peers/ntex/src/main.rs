//! ntex as its guide writes it, on tokio.
#![forbid(unsafe_code)]

use std::io;

use futures_util::stream;
use ntex::service::{fn_factory_with_config, fn_service};
use ntex::time::Millis;
use ntex::util::Bytes;
use ntex::web::{self, App, HttpRequest, HttpResponse, ws};
use peer::{CHUNK, CHUNKS, HELLO, args};

#[derive(serde::Serialize)]
struct Hello {
    message: &'static str,
}

async fn hello() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body(HELLO)
}

async fn sleep() -> HttpResponse {
    ntex::time::sleep(Millis(10)).await;
    hello().await
}

async fn answer(frame: ws::Frame) -> io::Result<Option<ws::Message>> {
    Ok(match frame {
        ws::Frame::Ping(bytes) => Some(ws::Message::Pong(bytes)),
        ws::Frame::Text(text) => Some(ws::Message::Text(
            String::from_utf8_lossy(&text).as_ref().into(),
        )),
        ws::Frame::Binary(bytes) => Some(ws::Message::Binary(bytes)),
        ws::Frame::Close(_) => Some(ws::Message::Close(None)),
        _ => None,
    })
}

async fn echo(request: HttpRequest) -> Result<HttpResponse, web::Error> {
    let service =
        fn_factory_with_config(async |_: ws::WsSink| Ok::<_, web::Error>(fn_service(answer)));
    ws::start(request, None::<&str>, service).await
}

async fn chunks() -> HttpResponse {
    let chunks = (0..CHUNKS).map(|_| Ok::<_, io::Error>(Bytes::from_static(&CHUNK)));
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(stream::iter(chunks))
}

#[ntex::main]
async fn main() -> io::Result<()> {
    let args = args();
    web::server(async || {
        let json = || async { HttpResponse::Ok().json(&Hello { message: HELLO }) };
        let user = |id: web::types::Path<String>| async move { id.into_inner() };
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
    .bind(("127.0.0.1", args.port))?
    .run()
    .await
}
