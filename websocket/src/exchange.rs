//! A [`WebSocketTransport`] over the [`HttpTransport`] of an exchange: the [`Session`]'s bytes are the tunnel's.
//!
//! Protocol is the session's, and waiting is the exchange's. Here is what joins them: which call is right in which [`Phase`], who is
//! woken, and how a socket ends (WS-12).
//!
//! No lock is held while the exchange is called, for it may call wakers, and a waker may call back. What is to be done with the
//! exchange is queued under the lock, and whoever comes first does it, for all, in order.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Accept, BodyError, Cause, CloseCode, CloseFrame, ConnectionInfo, Disconnect, Gone,
    GoneSignal, Http, HttpReceive, HttpSend, HttpTransport, ResponseHead, Scope, SendError,
    TrailersPlan, WebSocketReceive, WebSocketSend, WebSocketTransport,
};
use http::header;

use crate::{
    error::{NotSent, ProtocolError},
    frame::Frame,
    handshake::Offer,
    session::{Event, Role, Session, Step},
    state::State,
    upgrade::Settings,
    waiting::{Slot, Waiting},
};

/// The socket of one exchange.
pub(crate) struct Exchange {
    http: Arc<dyn HttpTransport>,
    connection: Arc<ConnectionInfo>,
    waiting: Arc<Waiting>,
    /// Wakes all of `waiting`.
    waker: Waker,
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    /// What is to be done with the exchange, in this order. Short: messages wait for credit before they are queued, a pong waits for
    /// its own, and there is one of everything else.
    queue: VecDeque<Action>,
    worker: Worker,
}

enum Phase {
    /// Not answered yet.
    Handshake(Box<Offered>),
    Open(Box<Open>),
    /// Denied, aborted or wrongly accepted: what is left of the exchange is the server's.
    Left,
    /// The application has the plain exchange.
    GivenBack,
    Ended(Disconnect),
}

struct Offered {
    scope: Scope,
    offer: Offer,
    settings: Settings,
}

struct Open {
    session: Session,
    input: BytesMut,
    tunnel: Tunnel,
    /// A ping whose pong waits for credit; nothing is read before it is sent, or a client that only pings would make us hold its pongs.
    unanswered: Option<Bytes>,
    /// Who ends the socket, once our close frame is sent.
    cause: Cause,
}

/// The tunnel's way in.
#[derive(Clone, Copy)]
enum Tunnel {
    Open,
    Ended(Gone),
}

enum Action {
    Bytes(Bytes),
    Event(Box<HttpSend>),
    Close,
    Abort(Abort),
}

/// Whether somebody is doing what is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worker {
    Idle,
    Busy,
}

/// What there is to do for whoever receives.
enum Next {
    Receive(WebSocketReceive),
    /// Wait for credit, for the pong.
    Pong,
    /// Wait for bytes of the tunnel.
    Read,
    /// Wait for the handshake's answer.
    Answer,
}

/// Payloads from this size on are handed on as they are; copying a shorter one behind its header costs less than a second event.
const WHOLE: usize = 4096;

impl Exchange {
    pub(crate) fn new(
        scope: Scope,
        http: Arc<dyn HttpTransport>,
        offer: Offer,
        settings: Settings,
    ) -> Self {
        let waiting = Arc::new(Waiting::default());
        Self {
            http,
            connection: Arc::clone(&scope.connection),
            waker: Waker::from(Arc::clone(&waiting)),
            waiting,
            inner: Mutex::new(Inner {
                phase: Phase::Handshake(Box::new(Offered {
                    scope,
                    offer,
                    settings,
                })),
                queue: VecDeque::new(),
                worker: Worker::Idle,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is queued, unless somebody is at it. Fails with the first thing that the exchange does not take.
    fn work<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> Result<(), SendError> {
        if inner.worker == Worker::Busy || inner.queue.is_empty() {
            return Ok(());
        }
        inner.worker = Worker::Busy;
        let mut outcome = Ok(());
        let mut ended = false;
        while let Some(action) = inner.queue.pop_front() {
            drop(inner);
            let done = match action {
                Action::Bytes(bytes) => self.http.send(HttpSend::Body { bytes, more: true }),
                Action::Event(event) => self.http.send(*event),
                Action::Close => {
                    self.http.close();
                    ended = true;
                    Ok(())
                }
                Action::Abort(why) => {
                    self.http.abort(why);
                    ended = true;
                    Ok(())
                }
            };
            inner = self.lock();
            if let Err(error) = done {
                inner.refused(&error);
                ended = true;
                outcome = outcome.and(Err(error));
            }
        }
        inner.worker = Worker::Idle;
        drop(inner);
        if ended {
            // They may wait for something that the exchange will not tell them any more.
            self.waiting.wake();
        }
        outcome
    }

    /// As [`work`](Self::work), where nobody can be told: the way in will show it.
    fn work_quietly<'a>(&'a self, inner: MutexGuard<'a, Inner>) {
        drop(self.work(inner));
    }

    fn receive(&self, slot: &Slot, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        loop {
            let mut inner = self.lock();
            let next = inner.next();
            self.work_quietly(inner);
            match next {
                Next::Receive(event) => return Poll::Ready(event),
                Next::Pong => {
                    let ready = ready!(self.poll_credit(slot, cx));
                    inner = self.lock();
                    let answered = inner.pong(ready);
                    self.work_quietly(inner);
                    if let Some(payload) = answered {
                        return Poll::Ready(WebSocketReceive::Ping(payload));
                    }
                }
                Next::Read => {
                    Waiting::keep(slot, cx.waker());
                    let event = ready!(self.http.poll_receive(cx));
                    self.lock().take(event);
                }
                Next::Answer => {
                    Waiting::keep(slot, cx.waker());
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether our close frame is sent and the client's is not read.
    fn is_closing(&self) -> bool {
        matches!(&self.lock().phase, Phase::Open(open) if open.session.state() == State::CloseSent)
    }

    fn poll_credit(&self, slot: &Slot, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        Waiting::keep(slot, cx.waker());
        self.http.poll_ready(&mut Context::from_waker(&self.waker))
    }
}

impl WebSocketTransport for Exchange {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        self.receive(&self.waiting.receiver, cx)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        match &self.lock().phase {
            Phase::Handshake(_) => {}
            Phase::Open(open) if open.session.state() == State::Open => {}
            Phase::Open(_) | Phase::Left | Phase::GivenBack => {
                return Poll::Ready(Err(Gone::Finished));
            }
            Phase::Ended(end) => return Poll::Ready(Err(end.gone())),
        }
        self.poll_credit(&self.waiting.sender, cx)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let mut inner = self.lock();
        match event {
            WebSocketSend::Accept(accept) => {
                let (head, open) = inner.accept(&accept)?;
                drop(inner);
                // Refused, the exchange stays the server's to answer.
                self.http.send(HttpSend::Upgrade { head })?;
                self.lock().phase = Phase::Open(Box::new(open));
                self.waiting.wake();
                return Ok(());
            }
            WebSocketSend::Deny(response) => {
                inner.leave()?;
                let (head, body) = (response.head, response.body);
                let event = HttpSend::Start {
                    head,
                    body,
                    more: false,
                    trailers: TrailersPlan::None,
                };
                inner.queue.push_back(Action::Event(Box::new(event)));
            }
            WebSocketSend::Message(message) => {
                let frame = inner.open()?.session.encode(&message)?;
                inner.push(&frame);
            }
            WebSocketSend::Ping(payload) => {
                let mut out = BytesMut::new();
                inner.open()?.session.ping(payload, &mut out)?;
                inner.queue.push_back(Action::Bytes(out.freeze()));
            }
            WebSocketSend::Pong(payload) => {
                let mut out = BytesMut::new();
                inner.open()?.session.pong(payload, &mut out)?;
                inner.queue.push_back(Action::Bytes(out.freeze()));
            }
            WebSocketSend::Close(frame) => inner.close(&frame, Cause::Local)?,
            _ => return Err(SendError::Unsupported),
        }
        self.work(inner)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Waiting::keep(&self.waiting.sender, cx.waker());
        self.http.poll_flush(&mut Context::from_waker(&self.waker))
    }

    fn gone(&self) -> GoneSignal {
        self.http.gone()
    }

    fn take_http(&self) -> Option<Http> {
        let mut inner = self.lock();
        match mem::replace(&mut inner.phase, Phase::GivenBack) {
            Phase::Handshake(offered) => Some(Http::new(offered.scope, Arc::clone(&self.http))),
            other => {
                inner.phase = other;
                None
            }
        }
    }

    fn abort(&self, why: Abort) {
        let mut inner = self.lock();
        match &inner.phase {
            Phase::Handshake(_) | Phase::Left => {
                inner.phase = Phase::Left;
                inner.queue.push_back(Action::Abort(why));
            }
            Phase::GivenBack | Phase::Ended(_) => return,
            Phase::Open(open) if open.session.state() != State::Open => return,
            Phase::Open(_) if why == Abort::Deliberate => {
                inner.end(1006, "", Cause::Local, Action::Abort(why));
            }
            Phase::Open(_) => {
                let (code, cause) = match self.connection.draining() {
                    None => (CloseCode::INTERNAL_ERROR, Cause::Local),
                    Some(_) => (CloseCode::RESTART, Cause::Shutdown),
                };
                // In the state Open, which was looked at above, it is taken. Nobody is left to wait for the client's.
                if inner.close(&CloseFrame::new(code, ""), cause).is_ok() {
                    inner.end(1006, "", cause, Action::Close);
                }
            }
        }
        self.work_quietly(inner);
    }
}

impl Inner {
    fn open(&mut self) -> Result<&mut Open, SendError> {
        match &mut self.phase {
            Phase::Open(open) => Ok(open),
            Phase::Handshake(_) => Err(SendError::OutOfOrder),
            Phase::Left | Phase::GivenBack => Err(SendError::Gone(Gone::Finished)),
            Phase::Ended(end) => Err(SendError::Gone(end.gone())),
        }
    }

    /// Ends the handshake otherwise than by accepting it.
    fn leave(&mut self) -> Result<(), SendError> {
        match self.phase {
            Phase::Handshake(_) => {
                self.phase = Phase::Left;
                Ok(())
            }
            Phase::Open(_) => Err(SendError::OutOfOrder),
            Phase::Left | Phase::GivenBack | Phase::Ended(_) => {
                Err(SendError::Gone(Gone::Finished))
            }
        }
    }

    /// Leaves the handshake by accepting it (WS-5): the answer's head, and the socket that is open once it is sent.
    fn accept(&mut self, accept: &Accept) -> Result<(ResponseHead, Open), SendError> {
        let Phase::Handshake(offered) = &self.phase else {
            return Err(self.leave().err().unwrap_or(SendError::OutOfOrder));
        };
        if accept.headers.iter().any(|(name, _)| is_owned(name)) {
            return Err(SendError::BadHandshake);
        }
        let Offered {
            offer, settings, ..
        } = &**offered;
        let accepted = offer
            .accept(accept.subprotocol.as_deref(), settings.deflate.as_ref())
            .map_err(|_| SendError::BadHandshake)?;

        let mut head = ResponseHead::new(accepted.status);
        head.headers = accept.headers.clone();
        // `Connection` is the server's to write (HTTP-23).
        let fields = accepted
            .headers
            .into_iter()
            .filter(|(name, _)| *name != header::CONNECTION);
        head.headers.extend(fields);
        let open = Open {
            session: Session::new(Role::Server, &accepted.agreement, settings.limits),
            input: BytesMut::new(),
            tunnel: Tunnel::Open,
            unanswered: None,
            cause: Cause::Remote,
        };
        self.phase = Phase::Left;
        Ok((head, open))
    }

    /// Queues a frame: in one piece if it is short, without a copy of the payload if it is long.
    fn push(&mut self, frame: &Frame) {
        if frame.payload().len() < WHOLE {
            self.queue.push_back(Action::Bytes(frame.to_bytes()));
            return;
        }
        let mut header = BytesMut::new();
        frame.header().write(&mut header);
        self.queue.push_back(Action::Bytes(header.freeze()));
        self.queue.push_back(Action::Bytes(frame.payload().clone()));
    }

    /// Queues our close frame, which says that `cause` ends the socket.
    fn close(&mut self, frame: &CloseFrame, cause: Cause) -> Result<(), SendError> {
        let open = self.open()?;
        let mut out = BytesMut::new();
        open.session.close(Some(frame), &mut out)?;
        open.cause = cause;
        // Nothing is answered after it.
        open.unanswered = None;
        self.queue.push_back(Action::Bytes(out.freeze()));
        Ok(())
    }

    /// Ends an open socket: this is its disconnect.
    fn end(&mut self, code: u16, reason: &str, cause: Cause, last: Action) {
        self.phase = Phase::Ended(Disconnect::new(code, reason.to_owned(), cause));
        self.queue.push_back(last);
    }

    /// The exchange did not take something: nothing more can be said by it.
    fn refused(&mut self, error: &SendError) {
        self.queue.clear();
        match error {
            SendError::Gone(gone) => self.lost(*gone),
            _ => self.lost(Gone::Aborted),
        }
    }

    /// The tunnel ended without a close frame of the client's.
    fn lost(&mut self, gone: Gone) {
        let Phase::Open(open) = &self.phase else {
            return;
        };
        let cause = match (open.session.state(), gone) {
            (State::CloseSent | State::Closed, _) => open.cause,
            (_, Gone::WriteTimeout) => Cause::Timeout,
            (_, Gone::Shutdown) => Cause::Shutdown,
            _ => Cause::Lost,
        };
        self.end(1006, "", cause, Action::Close);
    }

    /// Takes what came by the tunnel.
    fn take(&mut self, event: HttpReceive) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        match event {
            HttpReceive::Body { bytes, more } => {
                if open.input.is_empty() {
                    // No copy if nobody else has the bytes.
                    open.input = BytesMut::from(bytes);
                } else {
                    open.input.extend_from_slice(&bytes);
                }
                if !more {
                    open.tunnel = Tunnel::Ended(Gone::HalfClosed);
                }
            }
            HttpReceive::Disconnect(gone) => open.tunnel = Tunnel::Ended(gone),
            HttpReceive::Failed(BodyError::Gone(gone)) => open.tunnel = Tunnel::Ended(gone),
            HttpReceive::Failed(BodyError::Timeout) => {
                open.tunnel = Tunnel::Ended(Gone::WriteTimeout)
            }
            HttpReceive::Failed(_) => open.tunnel = Tunnel::Ended(Gone::Aborted),
            _ => {}
        }
    }

    /// Answers a ping, now that there is credit or none will come, and gives it out.
    fn pong(&mut self, ready: Result<(), Gone>) -> Option<Bytes> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        if let Err(gone) = ready {
            self.lost(gone);
            return None;
        }
        let payload = open.unanswered.take()?;
        let mut out = BytesMut::new();
        open.session.pong(payload.clone(), &mut out).ok()?;
        self.queue.push_back(Action::Bytes(out.freeze()));
        Some(payload)
    }

    /// What there is to do for whoever receives.
    fn next(&mut self) -> Next {
        let open = match &mut self.phase {
            Phase::Handshake(_) | Phase::Left | Phase::GivenBack => return Next::Answer,
            Phase::Ended(end) => return Next::Receive(WebSocketReceive::Disconnect(end.clone())),
            Phase::Open(open) => open,
        };
        if open.unanswered.is_some() {
            return Next::Pong;
        }
        match open.session.next_event(&mut open.input) {
            Ok(Step::Event(Event::Message(message))) => {
                Next::Receive(WebSocketReceive::Message(message))
            }
            Ok(Step::Event(Event::Pong(payload))) => Next::Receive(WebSocketReceive::Pong(payload)),
            Ok(Step::Event(Event::Ping(payload))) => {
                open.unanswered = Some(payload);
                Next::Pong
            }
            Ok(Step::Event(Event::Close(frame))) => {
                self.closed(frame.as_ref());
                self.next()
            }
            Ok(Step::NeedBytes { .. }) => match open.tunnel {
                Tunnel::Open => {
                    if open.input.is_empty() {
                        // A socket that waits owns no buffer.
                        open.input = BytesMut::new();
                    }
                    Next::Read
                }
                Tunnel::Ended(gone) => {
                    self.lost(gone);
                    self.next()
                }
            },
            Ok(Step::Closed) => {
                self.lost(Gone::Finished);
                self.next()
            }
            Err(error) => {
                self.broken(error);
                self.next()
            }
        }
    }

    /// The client's close frame came: it is answered in kind, if it is not an answer itself.
    fn closed(&mut self, frame: Option<&CloseFrame>) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        let mut out = BytesMut::new();
        let cause = match open.session.close(frame, &mut out) {
            Ok(()) => Cause::Remote,
            Err(_) => open.cause,
        };
        if !out.is_empty() {
            self.queue.push_back(Action::Bytes(out.freeze()));
        }
        match frame {
            None => self.end(1005, "", cause, Action::Close),
            Some(frame) => self.end(frame.code.get(), &frame.reason, cause, Action::Close),
        }
    }

    /// The client broke the protocol: it is told so, if it can still be told.
    fn broken(&mut self, error: ProtocolError) {
        let frame = CloseFrame::from(error);
        match self.close(&frame, Cause::Protocol) {
            Ok(()) => self.end(
                frame.code.get(),
                &frame.reason,
                Cause::Protocol,
                Action::Close,
            ),
            Err(_) => self.lost(Gone::Aborted),
        }
    }
}

/// Fields of the answer that the handshake owns (WS-5).
fn is_owned(name: &str) -> bool {
    const PREFIX: &str = "sec-websocket-";
    let start = name.get(..PREFIX.len()).unwrap_or(name);
    [PREFIX, "connection", "upgrade"]
        .iter()
        .any(|owned| start.eq_ignore_ascii_case(owned))
}

impl From<NotSent> for SendError {
    fn from(error: NotSent) -> Self {
        match error {
            NotSent::Closed => Self::Gone(Gone::Finished),
            NotSent::ControlTooLong => Self::BadHandshake,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Every handle is gone. One that owed the client something has aborted, so our close frame is the last word.
        if let Phase::Open(_) = inner.phase {
            self.http.close();
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        let phase = match &inner.phase {
            Phase::Handshake(_) => "Handshake",
            Phase::Open(_) => "Open",
            Phase::Left => "Left",
            Phase::GivenBack => "GivenBack",
            Phase::Ended(_) => "Ended",
        };
        f.debug_struct("Exchange")
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

/// The end of a socket, for the server: resolves when nothing is left to wait for.
///
/// An application is done when its close frame is sent; the client's answer is still to come (RFC 6455 §5.5.1). A server that
/// polls this after the application has returned waits for it, and should bound the wait by a timer. Dropped, or where nobody waits, the
/// tunnel is closed behind our close frame at once, which a client that has read it does not mind.
///
/// # Cancel safety
///
/// Nothing is lost.
#[must_use = "dropped, it does not wait for the client's close frame"]
#[derive(Debug)]
pub struct Closing {
    exchange: Arc<Exchange>,
}

impl Closing {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while self.exchange.is_closing() {
            // What comes now is skipped by the session; the disconnect ends the loop.
            drop(ready!(
                self.exchange.receive(&self.exchange.waiting.closing, cx)
            ));
        }
        Poll::Ready(())
    }
}
