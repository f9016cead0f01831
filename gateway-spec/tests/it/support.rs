//! Transports that follow a script and write down what was asked of them, and futures polled by hand.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, BodyLength, Capabilities, ConnectionInfo, Done, DrainSignal, Gone, GoneSignal,
    Http, HttpReceive, HttpScope, HttpSend, HttpTransport, Lifespan, LifespanScope,
    LifespanTransport, Scope, SendError, Signal, State, Text, WebSocket, WebSocketReceive,
    WebSocketSend, WebSocketTransport,
};

/// What a future gives that must not wait.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A future that is polled step by step, and counts how often it was woken.
pub(crate) struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<T> Task<T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::default(),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.count()
    }
}

/// `POST /a/b?c=d` with a body of this length.
pub(crate) fn scope(body: BodyLength) -> Scope {
    let info = Arc::new(ConnectionInfo::new(Capabilities::new("script")));
    let mut scope = HttpScope::new(info);
    scope.method = http::Method::POST;
    scope.uri = "/a/b?c=d".parse().unwrap();
    scope.body = body;
    Scope::new(scope)
}

/// A part with more to come.
pub(crate) fn part(bytes: &'static str) -> HttpReceive {
    HttpReceive::Body {
        bytes: Bytes::from_static(bytes.as_bytes()),
        more: true,
    }
}

/// The last part.
pub(crate) fn last(bytes: &'static str) -> HttpReceive {
    HttpReceive::Body {
        bytes: Bytes::from_static(bytes.as_bytes()),
        more: false,
    }
}

/// An exchange over a [`Script`].
pub(crate) fn exchange<const N: usize>(events: [HttpReceive; N]) -> (Http, Arc<Script>) {
    exchange_of(BodyLength::Unknown, events)
}

pub(crate) fn exchange_of<const N: usize>(
    length: BodyLength,
    events: [HttpReceive; N],
) -> (Http, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.lock().receive.extend(events);
    (Http::new(scope(length), Arc::clone(&script) as _), script)
}

/// A transport that gives what it was told to and writes down what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    state: Mutex<ScriptState>,
    pub(crate) gone: Signal<Gone>,
}

#[derive(Default)]
pub(crate) struct ScriptState {
    receive: VecDeque<HttpReceive>,
    calls: Vec<String>,
    blocked: bool,
    refusal: Option<SendError>,
    wakers: Vec<Waker>,
}

impl Script {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ScriptState> {
        self.state.lock().unwrap()
    }

    /// What was called since this was last asked, one line a call.
    pub(crate) fn calls(&self) -> String {
        std::mem::take(&mut self.lock().calls).join("; ")
    }

    pub(crate) fn deliver(&self, event: HttpReceive) {
        self.lock().receive.push_back(event);
        self.wake();
    }

    /// Has nothing accepted until [`unblock`](Self::unblock).
    pub(crate) fn block(&self) {
        self.lock().blocked = true;
    }

    pub(crate) fn unblock(&self) {
        self.lock().blocked = false;
        self.wake();
    }

    /// Refuses the next event.
    pub(crate) fn refuse(&self, error: SendError) {
        self.lock().refusal = Some(error);
    }

    /// The client leaves.
    pub(crate) fn leave(&self, gone: Gone) {
        self.gone.raise(gone);
        self.deliver(HttpReceive::Disconnect(gone));
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn call(&self, call: impl Into<String>) {
        self.lock().calls.push(call.into());
    }

    fn poll_credit(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if let Some(gone) = self.gone.value().filter(|gone| gone.is_final()) {
            return Poll::Ready(Err(gone));
        }
        let mut state = self.lock();
        if state.blocked {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl HttpTransport for Script {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let mut state = self.lock();
        if let Some(event) = state.receive.pop_front() {
            return Poll::Ready(event);
        }
        state.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn stop_receiving(&self) {
        self.call("stop receiving");
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_credit(cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        if let Some(refusal) = self.lock().refusal.take() {
            return Err(refusal);
        }
        self.call(summary(&event));
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        std::task::ready!(self.poll_credit(cx))?;
        if let Some(refusal) = self.lock().refusal.take() {
            return Poll::Ready(Err(refusal));
        }
        let taken = bytes.len().min(4);
        self.call(format!("write {:?}", text(&bytes[..taken])));
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        std::task::ready!(self.poll_credit(cx))?;
        self.call("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        std::task::ready!(self.poll_credit(cx))?;
        self.call(format!("buffered {n}"));
        Poll::Ready(Ok(()))
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

/// An event in a few words.
pub(crate) fn summary(event: &HttpSend) -> String {
    let tail = |more: bool| if more { " …" } else { "" };
    match event {
        HttpSend::Informational(head) => format!("inform {}", head.status.as_u16()),
        HttpSend::Start {
            head,
            body,
            more,
            trailers,
        } => {
            let plan = match trailers {
                gateway_spec::TrailersPlan::None => String::new(),
                plan => format!(" {plan:?}"),
            };
            let status = head.status.as_u16();
            format!("start {status} {:?}{}{plan}", text(body), tail(*more))
        }
        HttpSend::Body { bytes, more } => format!("body {:?}{}", text(bytes), tail(*more)),
        HttpSend::File(region) => format!("file {}+{}", region.offset, region.length),
        HttpSend::Trailers(trailers) => format!("trailers {}", trailers.len()),
        HttpSend::Upgrade { head } => format!("upgrade {}", head.status.as_u16()),
        other => format!("{other:?}"),
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// A WebSocket over a [`SocketScript`].
pub(crate) fn socket<const N: usize>(
    events: [WebSocketReceive; N],
) -> (WebSocket, Arc<SocketScript>) {
    let script = Arc::new(SocketScript::default());
    script.state.lock().unwrap().receive.extend(events);
    let handshake = gateway_spec::Handshake::new(Arc::clone(&script) as _);
    let offered = vec![Text::from("chat.v1"), Text::from("chat.v2")];
    let socket = WebSocket::new(scope(BodyLength::Empty), offered, handshake);
    (socket, script)
}

/// As [`Script`], of a WebSocket.
#[derive(Default)]
pub(crate) struct SocketScript {
    state: Mutex<SocketState>,
    pub(crate) gone: Signal<Gone>,
}

#[derive(Default)]
struct SocketState {
    receive: VecDeque<WebSocketReceive>,
    calls: Vec<String>,
    http: Option<Http>,
    refusal: Option<SendError>,
}

impl SocketScript {
    pub(crate) fn calls(&self) -> String {
        std::mem::take(&mut self.state.lock().unwrap().calls).join("; ")
    }

    pub(crate) fn refuse(&self, error: SendError) {
        self.state.lock().unwrap().refusal = Some(error);
    }

    /// The exchange that `take_http` gives.
    pub(crate) fn keep(&self, http: Http) {
        self.state.lock().unwrap().http = Some(http);
    }

    fn call(&self, call: impl Into<String>) {
        self.state.lock().unwrap().calls.push(call.into());
    }

    fn credit(&self) -> Result<(), Gone> {
        match self.gone.value().filter(|gone| gone.is_final()) {
            Some(gone) => Err(gone),
            None => Ok(()),
        }
    }
}

impl WebSocketTransport for SocketScript {
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let receive = &mut self.state.lock().unwrap().receive;
        match receive.front() {
            Some(WebSocketReceive::Disconnect(end)) => {
                Poll::Ready(WebSocketReceive::Disconnect(end.clone()))
            }
            Some(_) => receive.pop_front().map_or(Poll::Pending, Poll::Ready),
            None => Poll::Pending,
        }
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(self.credit())
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        if let Some(refusal) = self.state.lock().unwrap().refusal.take() {
            return Err(refusal);
        }
        self.call(match event {
            WebSocketSend::Accept(accept) => format!("accept {:?}", accept.subprotocol.as_deref()),
            WebSocketSend::Deny(response) => format!("deny {}", response.head.status.as_u16()),
            WebSocketSend::Close(frame) => format!("close {} {:?}", frame.code, &*frame.reason),
            other => format!("{other:?}"),
        });
        Ok(())
    }

    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.call("flush");
        Poll::Ready(self.credit())
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn take_http(&self) -> Option<Http> {
        self.state.lock().unwrap().http.take()
    }

    fn abort(&self, why: Abort) {
        self.call(format!("abort {why:?}"));
    }
}

/// A lifespan over a [`LifeScript`].
pub(crate) fn lifespan() -> (Lifespan, Arc<LifeScript>) {
    let script = Arc::new(LifeScript::default());
    let scope = LifespanScope::new(Capabilities::new("script")).with_drain(script.drain.clone());
    (Lifespan::new(scope, Arc::clone(&script) as _), script)
}

/// As [`Script`], of a lifespan.
#[derive(Default)]
pub(crate) struct LifeScript {
    calls: Mutex<Vec<String>>,
    pub(crate) drain: Signal<Instant>,
    pub(crate) shutdown: Signal<Instant>,
}

impl LifeScript {
    pub(crate) fn calls(&self) -> String {
        std::mem::take(&mut *self.calls.lock().unwrap()).join("; ")
    }

    fn call(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }
}

impl LifespanTransport for LifeScript {
    fn started(&self, state: State) {
        self.call(format!("started {state:?}"));
    }

    fn refuse(&self) {
        self.call("refuse");
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.call("stopped");
    }

    fn abort(&self) {
        self.call("abort");
    }
}

/// That an application's error says that this is why its client is gone.
#[track_caller]
pub(crate) fn assert_gone<T: Debug>(result: Result<T, impl Into<AppError>>, gone: Gone) {
    let error: AppError = result.unwrap_err().into();
    assert_eq!(error.gone(), Some(gone), "{error:?}");
}

/// A terminal call that went well.
#[track_caller]
pub(crate) fn assert_done(result: Result<Done, AppError>) {
    drop(result.unwrap());
}
