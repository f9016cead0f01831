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
use peer::{CHUNKS, HELLO, JSON, args, listener, per_worker};
use tokio::net::{TcpListener, TcpStream};

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

async fn serve<F>(port: u16, speak: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener(port)).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        if stream.set_nodelay(true).is_ok() {
            tokio::spawn(speak(stream));
        }
    }
}

fn main() {
    let args = args();
    let worker = args.clone();
    per_worker(args.workers, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        match worker.mode.as_str() {
            "http1" => runtime.block_on(serve(worker.port, speak_http1)),
            "http2" => runtime.block_on(serve(worker.port, speak_http2)),
            mode => panic!("unknown mode {mode}"),
        }
    });
}
