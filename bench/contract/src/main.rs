//! Calls an application so many times over a transport that does next to nothing: `bench-contract CASE CALLS`.
//!
//! `bench/run contract` counts instructions and allocations of two lengths and prints the difference a call.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bench_contract::{Caller, Sink};
use bytes::Bytes;
use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, HttpSend, HttpTransport, Response,
    application_fn,
};
use http::StatusCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (case, calls) = (arguments.next(), arguments.next());
    let Some(calls) = calls.and_then(|calls| calls.parse().ok()) else {
        eprintln!("usage: bench-contract CASE CALLS");
        return ExitCode::FAILURE;
    };
    match case.as_deref() {
        Some("transport") => transport_alone(calls),
        Some("plain") => run(&application_fn(plain), calls),
        Some("header") => run(&application_fn(header), calls),
        Some("boxed") => run(&BoxApplication::new(application_fn(plain)), calls),
        Some("stream") => run(&application_fn(stream), calls),
        _ => {
            eprintln!("cases: transport, plain, header, boxed, stream");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A whole answer without a field.
async fn plain(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond(Response::new("Hello, world!")).await,
        other => other.refuse().await,
    }
}

/// A whole answer with one field, its content type.
async fn header(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond("Hello, world!").await,
        other => other.refuse().await,
    }
}

/// A head, ten parts, the end.
async fn stream(connection: Connection) -> Result<Done, AppError> {
    let Connection::Http(http) = connection else {
        return connection.refuse().await;
    };
    let mut writer = http.responder.start(StatusCode::OK).await?;
    for _ in 0..10 {
        writer.write("Hello, world!").await?;
    }
    writer.finish().await
}

fn run(app: &impl Application, calls: u32) {
    let caller = Caller::new("/");
    for _ in 0..calls {
        caller.call(app);
    }
}

/// What the sink itself takes of one event.
fn transport_alone(calls: u32) {
    let transport: Arc<dyn HttpTransport> = Arc::new(Sink::default());
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..calls {
        let transport = black_box(&transport);
        let mut event = Some(HttpSend::Body {
            bytes: Bytes::from_static(b"Hello, world!"),
            more: true,
        });
        let sent = transport.poll_send(&mut cx, &mut event);
        assert!(matches!(sent, Poll::Ready(Ok(()))));
    }
}
