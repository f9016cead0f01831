//! Plain hyper, as a fair baseline for `server-hyper`: `half_close(true)`, which the contract needs, and the request
//! kept until it is answered, as every real application does.
#![forbid(unsafe_code)]

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peer::{HELLO, JSON, accept, args, per_runtime};
use tokio::net::TcpStream;

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

async fn speak(stream: TcpStream) {
    let mut http = http1::Builder::new();
    http.half_close(true).pipeline_flush(true);
    // A client that leaves is not the benchmark's concern.
    let _ = http
        .serve_connection(TokioIo::new(stream), service_fn(hello))
        .await;
}

fn main() {
    let args = args();
    per_runtime(args.workers, move || accept(args.port, speak));
}
