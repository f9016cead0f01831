//! An exchange in memory: for asynchronous middleware, for tests, for clients in the process.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::layer::write_as_event;
use super::responder::poll_send;
use crate::{
    Abort, Gone, GoneSignal, Http, HttpReceive, HttpSend, HttpTransport, Scope, SendError, Signal,
};

/// The server's side of an exchange that [`Http::intercept`] or [`Http::in_memory`] made.
///
/// Dropping it tells the application that its client is gone ([`Gone::Aborted`]); an outer exchange that was not
/// finished is aborted.
///
/// # Examples
///
/// Middleware that waits for the head of the response and then decides:
///
/// ```
/// # use gateway_spec::{AppError, Application, Connection, Done, Http, HttpSend};
/// # use http::StatusCode;
/// async fn hide_errors(app: &impl Application, http: Http) -> Result<(), AppError> {
///     let (inner, mut events) = http.intercept();
///     let call = app.call(Connection::Http(inner));
///     let relay = async {
///         while let Some(mut event) = events.sent().await {
///             if let HttpSend::Start { head, body, .. } = &mut event
///                 && head.status.is_server_error()
///             {
///                 *body = "sorry".into();
///             }
///             events.forward(event).await?;
///         }
///         Ok(())
///     };
///     # let _ = call; relay.await
///     // … polls `call` and `relay` side by side, with any runtime's `join`.
/// }
/// ```
pub struct Events {
    shared: Arc<InMemory>,
}

/// The application may run ahead of its middleware by so many events and bytes.
const EVENTS_AHEAD: usize = 16;
const BYTES_AHEAD: usize = 64 * 1024;

impl Events {
    pub(super) fn between(outer: Http) -> (Http, Self) {
        let (scope, outer) = outer.into_transport();
        Self::make(scope, Some(outer))
    }

    pub(super) fn in_memory(scope: Scope) -> (Http, Self) {
        Self::make(scope, None)
    }

    fn make(scope: Scope, outer: Option<Arc<dyn HttpTransport>>) -> (Http, Self) {
        let shared = Arc::new(InMemory {
            outer,
            state: Mutex::new(State::default()),
        });
        (Http::new(scope, Arc::clone(&shared) as _), Self { shared })
    }

    /// The next event that the application sends; `None` once it has ended or [aborted](Self::aborted).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn sent(&mut self) -> Option<HttpSend> {
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// The next event that the application sends, by polling.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Option<HttpSend>> {
        let mut state = self.shared.lock();
        if let Some(event) = state.sent.pop_front() {
            state.ahead -= weight(&event);
            let waker = state.sender.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(event));
        }
        if state.aborted.is_some() || matches!(state.phase, Phase::Ended) {
            return Poll::Ready(None);
        }
        state.taker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// How the application gave the exchange up, if it did.
    #[must_use]
    pub fn aborted(&self) -> Option<Abort> {
        self.shared.lock().aborted
    }

    /// Whether the application has dropped the body before its end.
    #[must_use]
    pub fn body_unwanted(&self) -> bool {
        self.shared.lock().stopped
    }

    /// Hands an event to the application, of an exchange [in memory](Http::in_memory).
    ///
    /// The queue has no bound: whoever delivers knows what it delivers.
    pub fn deliver(&self, event: HttpReceive) {
        let mut state = self.shared.lock();
        let gone = match &event {
            HttpReceive::Disconnect(gone) => Some(*gone),
            _ => None,
        };
        if !state.stopped || gone.is_some() {
            state.received.push_back(event);
        }
        let waker = state.receiver.take();
        let signal = state.gone.clone();
        if let Some(gone) = gone.filter(|gone| gone.is_final()) {
            state.left.get_or_insert(gone);
        }
        let sender = if state.left.is_some() {
            state.sender.take()
        } else {
            None
        };
        drop(state);
        if let Some(gone) = gone {
            signal.raise(gone);
        }
        waker.into_iter().chain(sender).for_each(Waker::wake);
    }

    /// Tells the application that its client is gone.
    pub fn disconnect(&self, gone: Gone) {
        self.deliver(HttpReceive::Disconnect(gone));
    }

    /// Sends an event to the client, of an [intercepted](Http::intercept) exchange.
    ///
    /// # Errors
    ///
    /// As [`HttpTransport::send`]; [`SendError::Unsupported`] of an exchange in memory.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the event is lost.
    pub async fn forward(&mut self, event: HttpSend) -> Result<(), SendError> {
        let outer = self.shared.outer.as_ref().ok_or(SendError::Unsupported)?;
        let mut event = Some(event);
        poll_fn(|cx| poll_send(&**outer, cx, &mut event)).await
    }

    /// The exchange that was intercepted.
    #[must_use]
    pub fn outer(&self) -> Option<&Arc<dyn HttpTransport>> {
        self.shared.outer.as_ref()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.disconnect(Gone::Aborted);
        if let Some(outer) = &self.shared.outer {
            // After a complete response this does nothing.
            outer.abort(Abort::Dropped);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("waiting", &self.shared.lock().sent.len())
            .finish_non_exhaustive()
    }
}

/// The application's side.
struct InMemory {
    outer: Option<Arc<dyn HttpTransport>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    received: VecDeque<HttpReceive>,
    sent: VecDeque<HttpSend>,
    ahead: usize,
    phase: Phase,
    left: Option<Gone>,
    aborted: Option<Abort>,
    stopped: bool,
    gone: Signal<Gone>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    taker: Option<Waker>,
}

#[derive(Default, Clone, Copy)]
enum Phase {
    #[default]
    Before,
    Body,
    Ended,
}

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, abort: Option<Abort>) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Ended) {
            return;
        }
        state.aborted = abort;
        state.phase = Phase::Ended;
        let gone = if abort.is_some() {
            Gone::Aborted
        } else {
            Gone::Finished
        };
        state.left.get_or_insert(gone);
        let (taker, receiver) = (state.taker.take(), state.receiver.take());
        drop(state);
        taker.into_iter().chain(receiver).for_each(Waker::wake);
    }
}

impl HttpTransport for InMemory {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        if let Some(outer) = &self.outer {
            return outer.poll_receive(cx);
        }
        let mut state = self.lock();
        match state.received.pop_front() {
            // What is final stays for whoever asks again.
            Some(HttpReceive::Disconnect(gone)) if gone.is_final() => {
                state.received.push_front(HttpReceive::Disconnect(gone));
                Poll::Ready(HttpReceive::Disconnect(gone))
            }
            Some(event) => Poll::Ready(event),
            None => match state.left {
                Some(gone) => Poll::Ready(HttpReceive::Disconnect(gone)),
                None => {
                    state.receiver = Some(cx.waker().clone());
                    Poll::Pending
                }
            },
        }
    }

    fn stop_receiving(&self) {
        if let Some(outer) = &self.outer {
            return outer.stop_receiving();
        }
        let mut state = self.lock();
        state.stopped = true;
        state
            .received
            .retain(|event| matches!(event, HttpReceive::Disconnect(_)));
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        if state.sent.len() < EVENTS_AHEAD && state.ahead < BYTES_AHEAD {
            return Poll::Ready(Ok(()));
        }
        state.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let mut state = self.lock();
        if let Some(gone) = state.left {
            return Err(SendError::Gone(gone));
        }
        let next = match (&event, state.phase) {
            (HttpSend::Informational(_), Phase::Before) => Phase::Before,
            (HttpSend::Start { more: true, .. } | HttpSend::Upgrade { .. }, Phase::Before)
            | (HttpSend::Body { more: true, .. } | HttpSend::File(_), Phase::Body) => Phase::Body,
            (HttpSend::Start { more: false, .. }, Phase::Before)
            | (HttpSend::Body { more: false, .. } | HttpSend::Trailers(_), Phase::Body) => {
                Phase::Ended
            }
            _ => return Err(SendError::OutOfOrder),
        };
        state.phase = next;
        if matches!(next, Phase::Ended) {
            state.left = Some(Gone::Finished);
        }
        state.ahead += weight(&event);
        state.sent.push_back(event);
        let waker = state.taker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        write_as_event(self, cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        {
            let mut state = self.lock();
            if !state.sent.is_empty() {
                match state.left {
                    Some(gone) if gone != Gone::Finished => return Poll::Ready(Err(gone)),
                    _ => state.sender = Some(cx.waker().clone()),
                }
                return Poll::Pending;
            }
        }
        match &self.outer {
            Some(outer) => outer.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        if let Some(outer) = &self.outer {
            return outer.poll_buffered(cx, n);
        }
        let mut state = self.lock();
        let mut bytes = 0;
        for event in &state.received {
            match event {
                HttpReceive::Body {
                    bytes: part,
                    more: true,
                } => bytes += part.len(),
                HttpReceive::Disconnect(gone) if gone.is_final() => return Poll::Ready(Err(*gone)),
                _ => return Poll::Ready(Ok(())),
            }
        }
        if bytes >= n {
            return Poll::Ready(Ok(()));
        }
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        state.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        match &self.outer {
            Some(outer) => outer.gone(),
            None => self.lock().gone.wait(),
        }
    }

    fn close(&self) {
        self.end(None);
    }

    fn abort(&self, why: Abort) {
        self.end(Some(why));
    }
}

fn weight(event: &HttpSend) -> usize {
    match event {
        HttpSend::Start { body, .. } => body.len(),
        HttpSend::Body { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
