//! hyper with nothing on it; its WebSockets are fastwebsockets'. A current-thread runtime and a listener a worker.
//!
//! - `--mode http1`
//! - `--mode http2`: by prior knowledge.
#![forbid(unsafe_code)]

mod answer;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use peer::{CHUNKS, HELLO, JSON, accept, args, per_runtime};
use tokio::net::TcpStream;

use crate::answer::Answer;

async fn handle(mut request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    Ok(match request.uri().path() {
        "/" => Answer::typed("text/plain", Answer::whole(HELLO)),
        "/json" => Answer::typed("application/json", Answer::whole(JSON)),
        "/echo" => Answer::typed(
            "application/octet-stream",
            Answer::Echo(request.into_body()),
        ),
        "/stream" => Answer::typed("text/plain", Answer::Chunks(CHUNKS)),
        "/sleep" => {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Answer::typed("text/plain", Answer::whole(HELLO))
        }
        "/ws" => match upgrade(&mut request) {
            Ok((response, upgraded)) => {
                tokio::spawn(tokio::task::unconstrained(echo(upgraded)));
                response.map(|_| Answer::empty())
            }
            Err(_) => Answer::status(StatusCode::BAD_REQUEST),
        },
        path => match path.strip_prefix("/user/") {
            Some(id) => Answer::typed("text/plain", Answer::copied(id)),
            None => Answer::status(StatusCode::NOT_FOUND),
        },
    })
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn speak_http1(stream: TcpStream) {
    // A client that leaves is not the benchmark's concern.
    let _ = http1::Builder::new()
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service_fn(handle))
        .with_upgrades()
        .await;
}

async fn speak_http2(stream: TcpStream) {
    // As above.
    let _ = http2::Builder::new(Spawn)
        .serve_connection(TokioIo::new(stream), service_fn(handle))
        .await;
}

#[derive(Clone)]
struct Spawn;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

fn main() {
    let args = args();
    let port = args.port;
    match args.mode.as_str() {
        "http1" => per_runtime(args.workers, move || accept(port, speak_http1)),
        "http2" => per_runtime(args.workers, move || accept(port, speak_http2)),
        mode => panic!("unknown mode {mode}"),
    }
}
