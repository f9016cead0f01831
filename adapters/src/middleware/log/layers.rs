//! The transports that write what passes into a journal.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use gateway_spec::{
    Abort, DrainSignal, Http, HttpLayer, HttpReceive, HttpSend, HttpTransport, Layered, Lifespan,
    LifespanTransport, SendError, State, WebSocket, WebSocketLayer, WebSocketReceive,
    WebSocketSend, WebSocketTransport,
};

use super::describe::{counted, sent};
use super::{EventKind, EventSink, Journal};

pub(super) fn on_http<S: EventSink>(http: Http, journal: &Arc<Journal<S>>) -> Http {
    http.map_transport(|inner| {
        let journal = Arc::clone(journal);
        Arc::new(Layered(OnHttp { inner, journal }))
    })
}

pub(super) fn on_socket<S: EventSink>(socket: WebSocket, journal: &Arc<Journal<S>>) -> WebSocket {
    socket.map_transport(|inner| {
        let journal = Arc::clone(journal);
        Arc::new(Layered(OnSocket { inner, journal }))
    })
}

/// The lifespan, and its shutdown.
pub(super) fn on_lifespan<S: EventSink>(
    lifespan: Lifespan,
    journal: &Arc<Journal<S>>,
) -> (Lifespan, DrainSignal) {
    let mut shutdown = None;
    let lifespan = lifespan.map_transport(|inner| {
        shutdown = Some(inner.shutdown());
        let journal = Arc::clone(journal);
        Arc::new(OnLifespan { inner, journal })
    });
    (lifespan, shutdown.expect("wrapping happens once, at once"))
}

struct OnHttp<S> {
    inner: Arc<dyn HttpTransport>,
    journal: Arc<Journal<S>>,
}

impl<S: EventSink> HttpLayer for OnHttp<S> {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let event = ready!(self.inner.poll_receive(cx));
        let text = self.journal.shown.received(&event);
        self.journal.note(EventKind::Received, text);
        Poll::Ready(event)
    }

    fn stop_receiving(&self) {
        self.journal
            .note(EventKind::LetGo, "the body is not wanted");
        self.inner.stop_receiving();
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let what = self.journal.shown.sending(&event);
        let result = self.inner.send(event);
        self.journal.note(EventKind::Sent, sent(&what, &result));
        result
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        let written = ready!(self.inner.poll_write(cx, bytes));
        let what = match &written {
            Ok(accepted) => format!("written, {}, more", counted(*accepted, "byte")),
            Err(_) => String::from("written"),
        };
        let result = written.as_ref().map(|_| ()).map_err(SendError::clone);
        self.journal.note(EventKind::Sent, sent(&what, &result));
        Poll::Ready(written)
    }

    fn close(&self) {
        self.journal
            .note(EventKind::LetGo, "the tunnel was dropped");
        self.inner.close();
    }

    fn abort(&self, why: Abort) {
        self.journal.note(EventKind::LetGo, aborted(why));
        self.inner.abort(why);
    }
}

fn aborted(why: Abort) -> &'static str {
    match why {
        Abort::Dropped => "dropped without an end",
        Abort::Deliberate => "aborted",
    }
}

struct OnSocket<S> {
    inner: Arc<dyn WebSocketTransport>,
    journal: Arc<Journal<S>>,
}

impl<S: EventSink> WebSocketLayer for OnSocket<S> {
    fn inner(&self) -> &dyn WebSocketTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let event = ready!(self.inner.poll_receive(cx));
        let text = self.journal.shown.socket_received(&event);
        self.journal.note(EventKind::Received, text);
        Poll::Ready(event)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let what = self.journal.shown.socket_sending(&event);
        let result = self.inner.send(event);
        self.journal.note(EventKind::Sent, sent(&what, &result));
        result
    }

    fn take_http(&self) -> Option<Http> {
        let http = self.inner.take_http()?;
        let what = "the handshake was given back as a request";
        self.journal.note(EventKind::LetGo, what);
        Some(on_http(http, &self.journal))
    }

    fn abort(&self, why: Abort) {
        self.journal.note(EventKind::LetGo, aborted(why));
        self.inner.abort(why);
    }
}

struct OnLifespan<S> {
    inner: Arc<dyn LifespanTransport>,
    journal: Arc<Journal<S>>,
}

impl<S: EventSink> LifespanTransport for OnLifespan<S> {
    fn started(&self, state: State) {
        let what = format!("started with {state:?}");
        self.journal.note(EventKind::Sent, what);
        self.inner.started(state);
    }

    fn refuse(&self) {
        self.journal.note(EventKind::Sent, "refused");
        self.inner.refuse();
    }

    fn shutdown(&self) -> DrainSignal {
        self.inner.shutdown()
    }

    fn stopped(&self) {
        self.journal.note(EventKind::Sent, "stopped");
        self.inner.stopped();
    }

    fn abort(&self) {
        self.journal
            .note(EventKind::LetGo, "dropped without an end");
        self.inner.abort();
    }
}
