//! What the tests of middleware share: applications of one kind of connection, and watchers of futures.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use gateway_spec::{
    Abort, Accept, AppError, Application, Capabilities, CloseCode, Connection, ConnectionInfo,
    Done, Gone, GoneSignal, Http, HttpReceive, HttpScope, HttpSend, HttpTransport, Scope,
    SendError, Signal, WebSocket, application_fn,
};
use test_client::Exchange;
use tokio::sync::Notify;

/// An application of requests alone.
pub(crate) fn http_app<F, Fut>(serve: F) -> impl Application + Clone
where
    F: Fn(Http) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection: Connection| {
        let serving = match connection {
            Connection::Http(http) => Ok(serve(http)),
            other => Err(other),
        };
        async move {
            match serving {
                Ok(serving) => serving.await,
                Err(other) => other.refuse().await,
            }
        }
    })
}

/// An application of WebSockets alone.
pub(crate) fn socket_app<F, Fut>(serve: F) -> impl Application + Clone
where
    F: Fn(WebSocket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection: Connection| {
        let serving = match connection {
            Connection::WebSocket(socket) => Ok(serve(socket)),
            other => Err(other),
        };
        async move {
            match serving {
                Ok(serving) => serving.await,
                Err(other) => other.refuse().await,
            }
        }
    })
}

/// Says its name.
pub(crate) fn named(name: &'static str) -> impl Application + Clone {
    application_fn(move |connection: Connection| async move {
        match connection {
            Connection::Http(http) => http.responder.respond(name).await,
            Connection::WebSocket(socket) => {
                let mut socket = socket.handshake.accept(Accept::new()).await?;
                socket.send(name).await?;
                socket.close(CloseCode::NORMAL, "").await
            }
            other => other.refuse().await,
        }
    })
}

/// Sends every message back.
pub(crate) async fn echo(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

/// Watches a piece of work: whether it has begun, and how it was left.
#[derive(Clone, Default)]
pub(crate) struct Work(Arc<Watched>);

#[derive(Default)]
struct Watched {
    begun: Notify,
    dropped: AtomicBool,
    done: AtomicBool,
}

/// Held by the work.
pub(crate) struct Doing(Work);

impl Work {
    pub(crate) fn begin(&self) -> Doing {
        self.0.begun.notify_one();
        Doing(self.clone())
    }

    pub(crate) async fn begun(&self) {
        self.0.begun.notified().await;
    }

    /// Whether it was dropped before its end.
    pub(crate) fn was_dropped(&self) -> bool {
        self.0.dropped.load(Ordering::Acquire)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0.done.load(Ordering::Acquire)
    }
}

impl Doing {
    pub(crate) fn done(self) {
        self.0.0.done.store(true, Ordering::Release);
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if !self.0.is_done() {
            self.0.0.dropped.store(true, Ordering::Release);
        }
    }
}

/// A client that has asked, and whose work has begun.
pub(crate) async fn asked(exchange: Exchange, work: &Work) -> Exchange {
    work.begun().await;
    exchange
}

/// A scope of a request for this target.
pub(crate) fn scope(target: &str) -> HttpScope {
    let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    let mut scope = HttpScope::new(info);
    scope.uri = target.parse().unwrap();
    scope
}

/// A server that takes everything, and says nothing of its own accord.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) gone: Signal<Gone>,
    calls: Mutex<Vec<String>>,
}

impl Silent {
    pub(crate) fn exchange(self: &Arc<Self>, scope: HttpScope) -> Http {
        Http::new(Scope::new(scope), Arc::clone(self) as _)
    }

    pub(crate) fn calls(&self) -> String {
        std::mem::take(&mut *self.calls.lock().unwrap()).join("; ")
    }

    fn call(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

impl HttpTransport for Silent {
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<HttpReceive> {
        Poll::Pending
    }

    fn stop_receiving(&self) {
        self.call("stop receiving");
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.call(match event {
            HttpSend::Start { head, more, .. } => format!("start {} {more}", head.status.as_u16()),
            HttpSend::Body { bytes, more } => format!("body {} {more}", bytes.len()),
            HttpSend::Upgrade { head } => format!("upgrade {}", head.status.as_u16()),
            other => format!("{other:?}"),
        });
        Ok(())
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.call(format!("write {}", bytes.len()));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn poll_buffered(&self, _: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        self.call(format!("buffered {n}"));
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn close(&self) {
        self.call("close");
    }

    fn abort(&self, why: Abort) {
        self.call(format!("abort {why:?}"));
    }
}
