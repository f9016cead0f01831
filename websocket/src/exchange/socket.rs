//! A socket without its exchange: what happens, what follows from it, and what is then to be done with the exchange.
//!
//! Nothing here waits, wakes or sends; [`Exchange`](super::Exchange) does what is queued.

use std::{collections::VecDeque, mem, time::Instant};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Accept, BodyError, Cause, CloseCode, CloseFrame, Disconnect, Gone, HttpReceive,
    HttpSend, Message, Response, ResponseHead, Scope, SendError, TrailersPlan, WebSocketReceive,
};
use http::header;

use crate::{
    error::{NotSent, ProtocolError},
    frame::Frame,
    handshake::Offer,
    session::{Event, Role, Session, Step},
    state::State,
    upgrade::Settings,
    watch::Standing,
};

/// One socket, from its handshake to its end.
pub(super) struct Socket {
    phase: Phase,
    /// What is to be done with the exchange, in this order. Short: messages wait for credit before they are queued, a pong waits for
    /// its own, and there is one of everything else.
    pub(super) queue: VecDeque<Action>,
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

pub(super) struct Open {
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

pub(super) enum Action {
    Bytes(Bytes),
    Event(Box<HttpSend>),
    Close,
    Abort(Abort),
}

/// What there is to do for whoever receives.
pub(super) enum Next {
    Receive(WebSocketReceive),
    /// Wait for credit, for the pong.
    Pong,
    /// Wait for bytes of the tunnel.
    Read(Readers),
    /// Wait for the handshake's answer.
    Answer,
}

/// Who may wait for bytes of the tunnel. An exchange remembers one waker for them.
#[derive(Clone, Copy)]
pub(super) enum Readers {
    /// The application.
    One,
    /// The application, and the server for the client's close frame.
    Two,
}

/// Payloads from this size on are handed on as they are; copying a shorter one behind its header costs less than a second event.
const WHOLE: usize = 4096;

impl Socket {
    pub(super) fn new(scope: Scope, offer: Offer, settings: Settings) -> Self {
        Self {
            phase: Phase::Handshake(Box::new(Offered {
                scope,
                offer,
                settings,
            })),
            queue: VecDeque::new(),
        }
    }

    /// Why nothing can be sent, if so; there may still be no credit.
    pub(super) fn check_ready(&self) -> Result<(), Gone> {
        match &self.phase {
            Phase::Handshake(_) => Ok(()),
            Phase::Open(open) if open.session.state() == State::Open => Ok(()),
            Phase::Open(_) => Err(Gone::Finished),
            Phase::Left | Phase::GivenBack => Err(Gone::Finished),
            Phase::Ended(end) => Err(end.gone()),
        }
    }

    /// The socket, if something can be sent by it (WS-11).
    fn open(&mut self) -> Result<&mut Open, SendError> {
        match &mut self.phase {
            Phase::Open(open) => Ok(open),
            Phase::Handshake(_) => Err(SendError::OutOfOrder),
            Phase::Left | Phase::GivenBack => Err(SendError::Gone(Gone::Finished)),
            Phase::Ended(end) => Err(SendError::Gone(end.gone())),
        }
    }

    /// Ends the handshake otherwise than by accepting it (WS-11).
    fn leave(&mut self) -> Result<(), SendError> {
        match &self.phase {
            Phase::Handshake(_) => {
                self.phase = Phase::Left;
                Ok(())
            }
            Phase::Open(_) => Err(SendError::OutOfOrder),
            Phase::Left | Phase::GivenBack => Err(SendError::Gone(Gone::Finished)),
            Phase::Ended(end) => Err(SendError::Gone(end.gone())),
        }
    }

    /// Leaves the handshake by accepting it (WS-5): the answer's head, and the socket that is open once it is sent.
    pub(super) fn accept(&mut self, accept: &Accept) -> Result<(ResponseHead, Open), SendError> {
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

    /// Opens the socket, once the acceptance is sent.
    pub(super) fn opened(&mut self, open: Open) {
        self.phase = Phase::Open(Box::new(open));
    }

    /// Leaves the handshake by a plain response (WS-15).
    pub(super) fn deny(&mut self, response: Response) -> Result<(), SendError> {
        self.leave()?;
        let Response { head, body, .. } = response;
        let event = HttpSend::Start {
            head,
            body,
            more: false,
            trailers: TrailersPlan::None,
        };
        self.queue.push_back(Action::Event(Box::new(event)));
        Ok(())
    }

    /// Leaves the handshake by giving back what it began with (WS-6).
    pub(super) fn give_back(&mut self) -> Option<Scope> {
        match mem::replace(&mut self.phase, Phase::GivenBack) {
            Phase::Handshake(offered) => Some(offered.scope),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Sends a message.
    pub(super) fn message(&mut self, message: &Message) -> Result<(), SendError> {
        let frame = self.open()?.session.encode(message)?;
        self.push(&frame);
        Ok(())
    }

    /// Sends a ping of the application's or the server's.
    pub(super) fn ping(&mut self, payload: Bytes) -> Result<(), SendError> {
        let mut out = BytesMut::new();
        self.open()?.session.ping(payload, &mut out)?;
        self.queue.push_back(Action::Bytes(out.freeze()));
        Ok(())
    }

    /// Sends a pong that nobody asked for.
    pub(super) fn unasked_pong(&mut self, payload: Bytes) -> Result<(), SendError> {
        let mut out = BytesMut::new();
        self.open()?.session.pong(payload, &mut out)?;
        self.queue.push_back(Action::Bytes(out.freeze()));
        Ok(())
    }

    /// Ends what the application has given up (WS-14).
    pub(super) fn abort(&mut self, why: Abort, draining: Option<Instant>) {
        match (&self.phase, why) {
            (Phase::Handshake(_) | Phase::Left, _) => {
                self.phase = Phase::Left;
                self.queue.push_back(Action::Abort(why));
            }
            (Phase::GivenBack | Phase::Ended(_), _) => {}
            (Phase::Open(open), _) if open.session.state() != State::Open => {}
            (Phase::Open(_), Abort::Deliberate) => {
                self.end(1006, "", Cause::Local, Action::Abort(why));
            }
            (Phase::Open(_), Abort::Dropped) => match draining {
                None => self.give_up(CloseCode::INTERNAL_ERROR, "", Cause::Local),
                Some(_) => self.give_up(CloseCode::RESTART, "", Cause::Shutdown),
            },
        }
    }

    /// Ends an open socket without waiting for the client's close frame.
    pub(super) fn give_up(&mut self, code: CloseCode, reason: &'static str, cause: Cause) {
        if self.close(&CloseFrame::new(code, reason), cause).is_ok() {
            self.end(1006, "", cause, Action::Close);
        }
    }

    /// Where the socket stands, for the server.
    pub(super) fn standing(&self) -> Standing {
        match &self.phase {
            Phase::Handshake(_) => Standing::Handshake,
            Phase::Open(open) => match open.session.state() {
                State::Open => Standing::Open,
                State::CloseSent => Standing::Closing,
                _ => Standing::Over,
            },
            Phase::Left | Phase::GivenBack | Phase::Ended(_) => Standing::Over,
        }
    }

    /// Ends a socket whose client does not answer our close frame.
    pub(super) fn stop_closing(&mut self) {
        if self.standing() == Standing::Closing {
            self.lost(Gone::Finished);
        }
    }

    /// Whether the tunnel is open.
    pub(super) fn has_tunnel(&self) -> bool {
        matches!(&self.phase, Phase::Open(_))
    }

    /// The phase, for a log.
    pub(super) fn phase(&self) -> &'static str {
        match &self.phase {
            Phase::Handshake(_) => "Handshake",
            Phase::Open(_) => "Open",
            Phase::Left => "Left",
            Phase::GivenBack => "GivenBack",
            Phase::Ended(_) => "Ended",
        }
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
    pub(super) fn close(&mut self, frame: &CloseFrame, cause: Cause) -> Result<(), SendError> {
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
    pub(super) fn take(&mut self, event: HttpReceive) {
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
    pub(super) fn pong(&mut self, ready: Result<(), Gone>) -> Option<Bytes> {
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
    pub(super) fn next(&mut self) -> Next {
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
                    Next::Read(match open.session.state() {
                        State::CloseSent => Readers::Two,
                        _ => Readers::One,
                    })
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
            // The client sent no close frame (WS-13); the words are ours, for a log.
            Ok(()) => self.end(1006, &frame.reason, Cause::Protocol, Action::Close),
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
