//! Plain hyper, as a fair baseline for `server-hyper`: `half_close(true)`, which the contract needs, and the request
//! kept until it is answered, as every real application does.
#![forbid(unsafe_code)]

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peer::{HELLO, JSON};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (kind, body) = match request.uri().path() {
        "/json" => ("application/json", JSON),
        _ => ("text/plain; charset=utf-8", HELLO),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    drop(request);
    Ok(response)
}

async fn serve(port: u16) -> std::io::Result<()> {
    let listener = TcpListener::from_std(peer::listener(port))?;
    println!(
        "listening on http://{} (hyper-held, 1 worker)",
        listener.local_addr()?
    );
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.half_close(true).pipeline_flush(true);
            // A client that leaves is not the benchmark's concern.
            let _ = http
                .serve_connection(TokioIo::new(stream), service_fn(hello))
                .await;
        });
    }
}

fn main() -> std::io::Result<()> {
    let port = peer::args().port;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let server = tokio::spawn(serve(port));
        terminate.recv().await;
        server.abort();
        Ok(())
    })
}
