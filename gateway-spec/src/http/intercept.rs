//! An exchange in memory: for asynchronous middleware, for tests, for clients in the process.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use super::layer::piece_of;
use crate::signal::park;
use crate::{
    Abort, Gone, GoneSignal, Http, HttpReceive, HttpSend, HttpTransport, Scope, SendError, Signal,
    TrailersPlan,
};

/// The server's side of an exchange that [`Http::intercept`] or [`Http::in_memory`] made.
///
/// Dropping it tells the application that its client is gone ([`Gone::Aborted`]). An outer exchange that was not finished
/// then ends as the application ended its own: closed, aborted on purpose, or as if dropped (MW-7).
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
        outer.rewrap(|outer| {
            let shared = InMemory::new(Some(outer));
            (Arc::clone(&shared) as _, Self { shared })
        })
    }

    pub(super) fn in_memory(scope: Scope) -> (Http, Self) {
        let shared = InMemory::new(None);
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
        if let Phase::Ended(_) = state.phase {
            return Poll::Ready(None);
        }
        let unused = park(&mut state.taker, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    /// How the application gave the exchange up, if it did.
    #[must_use]
    pub fn aborted(&self) -> Option<Abort> {
        match self.shared.lock().phase {
            Phase::Ended(End::Aborted(why)) => Some(why),
            _ => None,
        }
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
        let wanted = state.left.is_none() && (gone.is_some() || !state.stopped);
        if !wanted {
            return;
        }
        match gone.filter(|gone| gone.is_final()) {
            // What came before can still be received; from then on it is the answer to everything.
            Some(gone) => state.left = Some(gone),
            None => state.received.push_back(event),
        }
        let wakers = state.wake_application();
        let signal = state.gone.clone();
        drop(state);
        if let Some(gone) = gone {
            signal.raise(gone);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
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
        poll_fn(|cx| outer.poll_send(cx, &mut event)).await
    }

    /// The exchange that was intercepted.
    #[must_use]
    pub fn outer(&self) -> Option<&Arc<dyn HttpTransport>> {
        self.shared.outer.as_ref()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let undelivered = std::mem::take(&mut state.sent);
        let end = match state.phase {
            Phase::Ended(end) => end,
            _ => End::Aborted(Abort::Dropped),
        };
        // A flush of what nobody will take must fail, even if all of it was accepted.
        if state.left.is_none() || !undelivered.is_empty() {
            state.left = Some(self.shared.left_outside().unwrap_or(Gone::Aborted));
        }
        let (signal, gone) = (state.gone.clone(), state.left);
        let wakers = state.wake_application();
        drop(state);
        if let Some(gone) = gone.filter(|_| signal.value().is_none_or(|seen| !seen.is_final())) {
            signal.raise(gone);
        }
        wakers.into_iter().flatten().for_each(Waker::wake);
        if let Some(outer) = &self.shared.outer {
            match end {
                End::Closed if undelivered.is_empty() => outer.close(),
                End::Aborted(why) => outer.abort(why),
                // After a complete response this does nothing.
                End::Closed | End::Complete => outer.abort(Abort::Dropped),
            }
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
    /// Why nothing can be sent any more.
    left: Option<Gone>,
    stopped: bool,
    gone: Signal<Gone>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    taker: Option<Waker>,
}

/// What may be sent next (HTTP-20).
#[derive(Default)]
enum Phase {
    #[default]
    Before,
    Body(TrailersPlan),
    Tunnel,
    /// A tunnel whose direction to the client was closed.
    HalfTunnel,
    Ended(End),
}

#[derive(Clone, Copy)]
enum End {
    Complete,
    /// A tunnel was dropped.
    Closed,
    Aborted(Abort),
}

impl Phase {
    fn after(&self, event: &HttpSend) -> Result<Self, SendError> {
        match (self, event) {
            (Self::Before, HttpSend::Informational(_)) => Ok(Self::Before),
            (Self::Before, HttpSend::Upgrade { .. }) => Ok(Self::Tunnel),
            (Self::Before, HttpSend::Start { more, trailers, .. }) => Ok(if *more {
                Self::Body(trailers.clone())
            } else {
                Self::Ended(End::Complete)
            }),
            (Self::Body(plan), HttpSend::Body { more: true, .. } | HttpSend::File(_)) => {
                Ok(Self::Body(plan.clone()))
            }
            (Self::Body(_), HttpSend::Body { more: false, .. }) => Ok(Self::Ended(End::Complete)),
            (Self::Body(plan), HttpSend::Trailers(trailers)) => {
                let planned = match plan {
                    TrailersPlan::None => false,
                    TrailersPlan::Announced(names) => {
                        trailers.keys().all(|name| names.contains(name))
                    }
                    TrailersPlan::Maybe => true,
                };
                if !planned {
                    return Err(SendError::BadTrailer);
                }
                Ok(Self::Ended(End::Complete))
            }
            (Self::Tunnel, HttpSend::Body { more: true, .. } | HttpSend::File(_)) => {
                Ok(Self::Tunnel)
            }
            (Self::Tunnel, HttpSend::Body { more: false, .. }) => Ok(Self::HalfTunnel),
            _ => Err(SendError::OutOfOrder),
        }
    }
}

impl State {
    fn wake_application(&mut self) -> [Option<Waker>; 2] {
        [self.receiver.take(), self.sender.take()]
    }
}

impl InMemory {
    fn new(outer: Option<Arc<dyn HttpTransport>>) -> Arc<Self> {
        Arc::new(Self {
            outer,
            state: Mutex::new(State::default()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the client behind all this is gone for good, if it is.
    fn left_outside(&self) -> Option<Gone> {
        let gone = self.outer.as_ref()?.gone().value()?;
        Some(gone).filter(|gone| gone.is_final())
    }

    fn left(&self, state: &State) -> Option<Gone> {
        state.left.or_else(|| self.left_outside())
    }

    /// Ends the exchange. Consumes the lock: the wakers are called without it.
    fn end(mut state: MutexGuard<'_, State>, end: End) {
        state.phase = Phase::Ended(end);
        let gone = match end {
            End::Complete | End::Closed => Gone::Finished,
            End::Aborted(_) => Gone::Aborted,
        };
        let is_new = state.left.is_none();
        state.left.get_or_insert(gone);
        let unread = std::mem::take(&mut state.received);
        let wakers = state.wake_application();
        let taker = state.taker.take();
        let signal = state.gone.clone();
        drop(state);
        drop(unread);
        if is_new {
            signal.raise(gone);
        }
        wakers
            .into_iter()
            .flatten()
            .chain(taker)
            .for_each(Waker::wake);
    }
}

impl HttpTransport for InMemory {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        if let Some(outer) = &self.outer {
            return outer.poll_receive(cx);
        }
        let mut state = self.lock();
        if let Some(event) = state.received.pop_front() {
            return Poll::Ready(event);
        }
        if let Some(gone) = state.left {
            return Poll::Ready(HttpReceive::Disconnect(gone));
        }
        let unused = park(&mut state.receiver, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn stop_receiving(&self) {
        if let Some(outer) = &self.outer {
            return outer.stop_receiving();
        }
        let mut state = self.lock();
        state.stopped = true;
        let (kept, unwanted) = std::mem::take(&mut state.received)
            .into_iter()
            .partition::<VecDeque<_>, _>(|event| matches!(event, HttpReceive::Disconnect(_)));
        state.received = kept;
        drop(state);
        drop(unwanted);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Some(gone) = self.left(&state) {
            return Poll::Ready(Err(gone));
        }
        if state.sent.len() < EVENTS_AHEAD && state.ahead < BYTES_AHEAD {
            return Poll::Ready(Ok(()));
        }
        let unused = park(&mut state.sender, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let mut state = self.lock();
        if let Some(gone) = self.left(&state) {
            return Err(SendError::Gone(gone));
        }
        let next = state.phase.after(&event)?;
        state.ahead += weight(&event);
        state.sent.push_back(event);
        if let Phase::Ended(end) = next {
            Self::end(state, end);
            return Ok(());
        }
        state.phase = next;
        let waker = state.taker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        ready!(self.poll_ready(cx))?;
        let (event, accepted) = piece_of(bytes);
        self.send(event)?;
        Poll::Ready(Ok(accepted))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Some(gone) = self.left(&state).filter(|gone| *gone != Gone::Finished) {
            return Poll::Ready(Err(gone));
        }
        if !state.sent.is_empty() {
            let unused = park(&mut state.sender, cx.waker());
            drop(state);
            drop(unused);
            return Poll::Pending;
        }
        drop(state);
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
                _ => return Poll::Ready(Ok(())),
            }
        }
        if bytes >= n {
            return Poll::Ready(Ok(()));
        }
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        let unused = park(&mut state.receiver, cx.waker());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        match &self.outer {
            Some(outer) => outer.gone(),
            None => self.lock().gone.wait(),
        }
    }

    fn close(&self) {
        let state = self.lock();
        if let Phase::Tunnel | Phase::HalfTunnel = state.phase {
            Self::end(state, End::Closed);
        }
    }

    fn abort(&self, why: Abort) {
        let state = self.lock();
        if !matches!(state.phase, Phase::Ended(_)) {
            Self::end(state, End::Aborted(why));
        }
    }
}

fn weight(event: &HttpSend) -> usize {
    match event {
        HttpSend::Start { body, .. } => body.len(),
        HttpSend::Body { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
