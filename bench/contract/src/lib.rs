//! A transport that does next to nothing, and calls of an application over it: what the contract costs by itself.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{
    Abort, Application, BodyLength, Capabilities, Connection, ConnectionInfo, Gone, GoneSignal,
    Http, HttpReceive, HttpScope, HttpSend, HttpTransport, Scope, SendError, Signal,
};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

/// Calls applications over a [`Sink`].
///
/// # Examples
///
/// ```
/// use bench_contract::Caller;
///
/// let caller = Caller::new("/hello");
/// caller.call(&gateway_spec::application_fn(|connection: gateway_spec::Connection| connection.refuse()));
/// ```
#[derive(Debug)]
pub struct Caller {
    scope: Scope,
    transport: Arc<Sink>,
}

impl Caller {
    /// Whose requests are `GET` of this path.
    ///
    /// # Panics
    ///
    /// If it is no path.
    #[must_use]
    pub fn new(path: &'static str) -> Self {
        let info = Arc::new(ConnectionInfo::new(Capabilities::new("sink")));
        let mut scope = HttpScope::new(info);
        scope.uri = http::Uri::from_static(path);
        Self {
            scope: Scope::new(scope),
            transport: Arc::new(Sink::default()),
        }
    }

    /// The same by `POST`, with a body that is there at once.
    ///
    /// # Panics
    ///
    /// If the type is not visible ASCII.
    #[must_use]
    pub fn posting(mut self, content_type: &'static str, body: &'static str) -> Self {
        let scope = self.scope.edit();
        scope.method = Method::POST;
        scope.body = BodyLength::Known(body.len() as u64);
        let content_type = HeaderValue::from_static(content_type);
        scope.headers.append(CONTENT_TYPE, content_type);
        self.transport = Arc::new(Sink {
            body: Some(Bytes::from_static(body.as_bytes())),
            ..Sink::default()
        });
        self
    }

    /// One call.
    ///
    /// # Panics
    ///
    /// If the application fails, or waits for anything: nothing here would wake it.
    pub fn call(&self, app: &impl Application) {
        let mut cx = Context::from_waker(Waker::noop());
        let http = Http::new(self.scope.clone(), Arc::clone(&self.transport) as _);
        let call = pin!(app.call(Connection::Http(black_box(http))));
        match call.poll(&mut cx) {
            Poll::Ready(Ok(done)) => drop(done),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => panic!("nothing here waits"),
        }
    }
}

/// A transport that counts what it is sent, behind the lock that a server's has. It has nothing to receive, unless each of
/// its calls has the same body.
///
/// # Examples
///
/// ```
/// use gateway_spec::{HttpSend, HttpTransport};
///
/// let part = HttpSend::Body { bytes: "part".into(), more: true };
/// assert!(bench_contract::Sink::default().send(part).is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Sink {
    bytes: Mutex<usize>,
    body: Option<Bytes>,
}

impl HttpTransport for Sink {
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<HttpReceive> {
        match &self.body {
            Some(body) => Poll::Ready(HttpReceive::Body {
                bytes: body.clone(),
                more: false,
            }),
            None => Poll::Pending,
        }
    }

    fn stop_receiving(&self) {}

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) {
            usize::MAX => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += length(&event);
        Ok(())
    }

    // By one lock, and from where the event lies: as a server has it.
    fn poll_send(
        &self,
        _: &mut Context<'_>,
        event: &mut Option<HttpSend>,
    ) -> Poll<Result<(), SendError>> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if *bytes == usize::MAX {
            return Poll::Pending;
        }
        *bytes += event.as_ref().map_or(0, length);
        drop(bytes);
        *event = None;
        Poll::Ready(Ok(()))
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

/// Bytes of a body that are in it.
const fn length(event: &HttpSend) -> usize {
    match event {
        HttpSend::Start { body, .. } => body.len(),
        HttpSend::Body { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
