//! Calls an application so many times over a transport that does next to nothing: `bench-contract CASE CALLS`.
//!
//! `run` beside it counts instructions and allocations of two lengths and prints the difference a call.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, Application, BoxApplication, Capabilities, Connection, ConnectionInfo, Done,
    Gone, GoneSignal, Http, HttpReceive, HttpScope, HttpSend, HttpTransport, Response, Scope,
    SendError, Signal, application_fn,
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
    let transport = Arc::new(Sink::default());
    let info = Arc::new(ConnectionInfo::new(Capabilities::new("sink")));
    let scope = Scope::new(HttpScope::new(info));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..calls {
        let http = Http::new(scope.clone(), Arc::clone(&transport) as _);
        let call = pin!(app.call(Connection::Http(black_box(http))));
        match call.poll(&mut cx) {
            Poll::Ready(Ok(done)) => drop(done),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => panic!("nothing here waits"),
        }
    }
    transport.report();
}

/// What the sink itself takes of one event.
fn transport_alone(calls: u32) {
    let sink = Arc::new(Sink::default());
    let transport: Arc<dyn HttpTransport> = Arc::clone(&sink) as _;
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..calls {
        let transport = black_box(&transport);
        let ready = transport.poll_ready(&mut cx);
        assert!(ready.is_ready());
        let event = HttpSend::Body {
            bytes: Bytes::from_static(b"Hello, world!"),
            more: true,
        };
        let sent = transport.send(event);
        assert!(sent.is_ok());
    }
    sink.report();
}

/// A transport that counts what it is sent, behind the lock that a server's has.
#[derive(Default)]
struct Sink {
    bytes: Mutex<usize>,
}

impl Sink {
    fn report(&self) {
        println!("{} bytes", self.count());
    }

    fn count(&self) -> usize {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpTransport for Sink {
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<HttpReceive> {
        Poll::Pending
    }

    fn stop_receiving(&self) {}

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) {
            usize::MAX => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let length = match &event {
            HttpSend::Start { body, .. } => body.len(),
            HttpSend::Body { bytes, .. } => bytes.len(),
            _ => 0,
        };
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += length;
        Ok(())
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_buffered(&self, _: &mut Context<'_>, _: usize) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn gone(&self) -> GoneSignal {
        Signal::new().wait()
    }

    fn close(&self) {}

    fn abort(&self, _: Abort) {}
}
