//! A socket without its tunnel: what happens, what follows from it, and what is then to be done with the tunnel.
//!
//! Nothing here waits, wakes or sends: what is to go out is put into an [`Outlet`]. [`Exchange`](crate::exchange::Exchange) is a socket over
//! any exchange, [`Line`](crate::Line) one whose bytes are at hand.

use std::{mem, time::Instant};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Accept, BodyError, Cause, CloseCode, CloseFrame, Disconnect, Gone, HttpReceive,
    HttpSend, Message, Response, ResponseHead, Scope, SendError, TrailersPlan, WebSocketReceive,
};
use http::header;

use crate::{
    error::{NotSent, ProtocolError},
    frame::{Frame, FrameHeader, Opcode},
    handshake::Offer,
    session::{Event, Role, Session, Step, Whole},
    state::State,
    upgrade::Settings,
    watch::{Ending, Standing},
};

/// One socket, from its handshake to its end.
pub(crate) struct Socket {
    phase: Phase,
}

/// Where goes what a socket has to say. Not much at a time: messages wait for credit before they are given, a pong waits for its own,
/// and there is one of everything else.
pub(crate) trait Outlet {
    /// Sends a frame.
    fn frame(&mut self, frame: Frame);

    /// Answers the handshake otherwise than by accepting it.
    fn event(&mut self, event: HttpSend);

    /// Ends the tunnel, after all that came before.
    fn close(&mut self);

    /// Ends the exchange, or the tunnel, in a way that is not clean.
    fn abort(&mut self, why: Abort);
}

// Nearly all are open for nearly all of their life, so that is not boxed.
enum Phase {
    /// Not answered yet.
    Handshake(Box<Offered>),
    Open(Open),
    /// Denied, aborted or wrongly accepted: what is left of the exchange is the server's.
    Left,
    /// The application has the plain exchange.
    GivenBack,
    Ended(Box<Disconnect>),
}

struct Offered {
    scope: Scope,
    offer: Offer,
    settings: Settings,
}

pub(crate) struct Open {
    session: Session,
    /// A message that came before all of the input, and was taken apart already.
    ready: Option<Message>,
    input: BytesMut,
    tunnel: Tunnel,
    /// A ping whose pong waits for credit; nothing is read before it is sent, or a client that only pings would make us hold its pongs.
    unanswered: Option<Box<Bytes>>,
    /// Who ends the socket, once our close frame is sent.
    cause: Cause,
    /// How many bytes more the session waits for, at least, of the tunnel; none while it was not asked since some came.
    missing: usize,
}

/// The tunnel's way in.
#[derive(Clone, Copy)]
enum Tunnel {
    Open,
    Ended(Gone),
}

/// How an open socket's tunnel ends.
enum Last {
    Close,
    Abort(Abort),
}

/// What there is to do for whoever receives.
pub(crate) enum Next {
    Receive(WebSocketReceive),
    /// Wait for credit, for the pong.
    Pong,
    /// Wait for bytes of the tunnel.
    Read(Readers),
    /// Wait for the handshake's answer.
    Answer,
}

/// What there is for whoever receives, at first sight.
pub(crate) enum AtHand {
    Message(Message),
    /// It is to wait for bytes of the tunnel.
    Nothing,
    /// [`Socket::next`] says.
    Unknown,
}

/// What an open socket has of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing that is whole: it waits for so many bytes more, at least.
    Wanted(usize),
    /// So many bytes that the application has not received yet.
    Unread(usize),
    /// It is not open: nothing is wanted any more.
    Over,
}

/// Who may wait for bytes of the tunnel. An exchange remembers one waker for them.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    /// The application.
    One,
    /// The application, and the server for the client's close frame.
    Two,
}

impl Socket {
    pub(crate) fn new(scope: Scope, offer: Offer, settings: Settings) -> Self {
        Self {
            phase: Phase::Handshake(Box::new(Offered {
                scope,
                offer,
                settings,
            })),
        }
    }

    /// Why nothing can be sent, if so; there may still be no credit.
    pub(crate) fn check_ready(&self) -> Result<(), Gone> {
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
    pub(crate) fn accept(&mut self, accept: &Accept) -> Result<(ResponseHead, Open), SendError> {
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
            ready: None,
            input: BytesMut::new(),
            tunnel: Tunnel::Open,
            unanswered: None,
            cause: Cause::Remote,
            missing: 0,
        };
        self.phase = Phase::Left;
        Ok((head, open))
    }

    /// Opens the socket, once the acceptance is sent.
    pub(crate) fn opened(&mut self, open: Open) {
        self.phase = Phase::Open(open);
    }

    /// Leaves the handshake by a plain response (WS-15).
    pub(crate) fn deny(
        &mut self,
        response: Response,
        out: &mut impl Outlet,
    ) -> Result<(), SendError> {
        self.leave()?;
        let Response { head, body, .. } = response;
        let event = HttpSend::Start {
            head,
            body,
            more: false,
            trailers: TrailersPlan::None,
        };
        out.event(event);
        Ok(())
    }

    /// Leaves the handshake by giving back what it began with (WS-6).
    pub(crate) fn give_back(&mut self) -> Option<Scope> {
        match mem::replace(&mut self.phase, Phase::GivenBack) {
            Phase::Handshake(offered) => Some(offered.scope),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Sends a message.
    #[inline]
    pub(crate) fn message(
        &mut self,
        message: Message,
        out: &mut impl Outlet,
    ) -> Result<(), SendError> {
        out.frame(self.open()?.session.seal(message)?);
        Ok(())
    }

    /// The header of this message's frame, if that is short and plain, and the message may be sent.
    #[inline]
    pub(crate) fn short_header(&self, message: &Message) -> Option<[u8; 2]> {
        match &self.phase {
            Phase::Open(open) => open.session.short_header(message),
            _ => None,
        }
    }

    /// Sends a ping of the application's or the server's.
    pub(crate) fn ping(&mut self, payload: Bytes, out: &mut impl Outlet) -> Result<(), SendError> {
        out.frame(self.open()?.session.control(Opcode::Ping, payload)?);
        Ok(())
    }

    /// Sends a pong that nobody asked for.
    pub(crate) fn unasked_pong(
        &mut self,
        payload: Bytes,
        out: &mut impl Outlet,
    ) -> Result<(), SendError> {
        out.frame(self.open()?.session.control(Opcode::Pong, payload)?);
        Ok(())
    }

    /// Ends what the application has given up (WS-14).
    pub(crate) fn abort(&mut self, why: Abort, draining: Option<Instant>, out: &mut impl Outlet) {
        match (&self.phase, why) {
            (Phase::Handshake(_) | Phase::Left, _) => {
                self.phase = Phase::Left;
                out.abort(why);
            }
            (Phase::GivenBack | Phase::Ended(_), _) => {}
            (Phase::Open(open), _) if open.session.state() != State::Open => {}
            (Phase::Open(_), Abort::Deliberate) => {
                self.end(1006, "", Cause::Local, Last::Abort(why), out);
            }
            (Phase::Open(_), Abort::Dropped) => match draining {
                None => self.give_up(CloseCode::INTERNAL_ERROR, "", Cause::Local, out),
                Some(_) => self.give_up(CloseCode::RESTART, "", Cause::Shutdown, out),
            },
        }
    }

    /// Ends an open socket without waiting for the client's close frame.
    pub(crate) fn give_up(
        &mut self,
        code: CloseCode,
        reason: &'static str,
        cause: Cause,
        out: &mut impl Outlet,
    ) {
        let frame = CloseFrame::new(code, reason);
        if self.close(&frame, cause, out).is_ok() {
            self.end(1006, "", cause, Last::Close, out);
        }
    }

    /// Ends an open socket for a reason of the server's.
    pub(crate) fn end_for(&mut self, why: Ending, out: &mut impl Outlet) {
        let (code, reason, cause) = match why {
            Ending::Silence => (
                CloseCode::INTERNAL_ERROR,
                "the client was silent for too long",
                Cause::Timeout,
            ),
            Ending::Shutdown => (
                CloseCode::RESTART,
                "the server is shutting down",
                Cause::Shutdown,
            ),
        };
        self.give_up(code, reason, cause, out);
    }

    /// Where the socket stands, for the server.
    pub(crate) fn standing(&self) -> Standing {
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
    pub(crate) fn stop_closing(&mut self, out: &mut impl Outlet) {
        if self.standing() == Standing::Closing {
            self.lost(Gone::Finished, out);
        }
    }

    /// Whether the tunnel is open.
    pub(crate) fn has_tunnel(&self) -> bool {
        matches!(&self.phase, Phase::Open(_))
    }

    /// The phase, for a log.
    pub(crate) fn phase(&self) -> &'static str {
        match &self.phase {
            Phase::Handshake(_) => "Handshake",
            Phase::Open(_) => "Open",
            Phase::Left => "Left",
            Phase::GivenBack => "GivenBack",
            Phase::Ended(_) => "Ended",
        }
    }

    /// Sends our close frame, which says that `cause` ends the socket.
    pub(crate) fn close(
        &mut self,
        frame: &CloseFrame,
        cause: Cause,
        out: &mut impl Outlet,
    ) -> Result<(), SendError> {
        let open = self.open()?;
        out.frame(open.session.closing(Some(frame))?);
        open.cause = cause;
        // Nothing is answered after it, and what came means nothing any more.
        open.unanswered = None;
        open.ready = None;
        Ok(())
    }

    /// Ends an open socket: this is its disconnect.
    fn end(&mut self, code: u16, reason: &str, cause: Cause, last: Last, out: &mut impl Outlet) {
        let end = Disconnect::new(code, reason.to_owned(), cause);
        self.phase = Phase::Ended(Box::new(end));
        match last {
            Last::Close => out.close(),
            Last::Abort(why) => out.abort(why),
        }
    }

    /// The tunnel ended without a close frame of the client's.
    fn lost(&mut self, gone: Gone, out: &mut impl Outlet) {
        let Phase::Open(open) = &self.phase else {
            return;
        };
        let cause = match (open.session.state(), gone) {
            (State::CloseSent | State::Closed, _) => open.cause,
            (_, Gone::WriteTimeout) => Cause::Timeout,
            (_, Gone::Shutdown) => Cause::Shutdown,
            _ => Cause::Lost,
        };
        self.end(1006, "", cause, Last::Close, out);
    }

    /// Takes what came by the tunnel.
    pub(crate) fn take(&mut self, event: HttpReceive) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        match event {
            HttpReceive::Body { bytes, more } => {
                open.missing = 0;
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
            HttpReceive::Disconnect(gone) => self.end_of_input(gone),
            HttpReceive::Failed(BodyError::Gone(gone)) => open.tunnel = Tunnel::Ended(gone),
            HttpReceive::Failed(BodyError::Timeout) => {
                open.tunnel = Tunnel::Ended(Gone::WriteTimeout)
            }
            HttpReceive::Failed(_) => open.tunnel = Tunnel::Ended(Gone::Aborted),
            _ => {}
        }
    }

    /// A socket that waits owns no buffer.
    pub(crate) fn let_go(&mut self) {
        if let Phase::Open(open) = &mut self.phase
            && open.input.is_empty()
        {
            open.input = BytesMut::new();
        }
    }

    /// Nothing more comes. The first reason counts.
    pub(crate) fn end_of_input(&mut self, gone: Gone) {
        if let Phase::Open(open) = &mut self.phase
            && let Tunnel::Open = open.tunnel
        {
            open.tunnel = Tunnel::Ended(gone);
        }
    }

    /// Takes what came by the wire; `bytes` is empty afterwards.
    #[inline]
    pub(crate) fn bring(&mut self, bytes: &mut BytesMut) {
        let Phase::Open(open) = &mut self.phase else {
            bytes.clear();
            return;
        };
        open.missing = 0;
        if open.input.is_empty() {
            mem::swap(&mut open.input, bytes);
        } else {
            open.input.extend_from_slice(bytes);
            bytes.clear();
        }
    }

    /// Takes a message that is not long from the front of what came by the wire, as a copy: how many bytes it was. The rest is to be
    /// [brought](Self::bring).
    #[inline]
    pub(crate) fn copy_message(&mut self, bytes: &[u8], copies: &mut BytesMut) -> usize {
        if let Phase::Open(open) = &mut self.phase
            && open.input.is_empty()
            && open.ready.is_none()
            && open.unanswered.is_none()
            && let Some((message, count)) = open.session.copy_whole(bytes, copies)
        {
            open.missing = 0;
            open.ready = Some(message);
            return count;
        }
        0
    }

    /// Gives the wire what is left of the input, to read more behind it, if all was looked at that is whole: how many bytes more are
    /// waited for. Else, how much of the input was not looked at.
    #[inline]
    pub(crate) fn hand_out(&mut self, input: &mut BytesMut) -> Input {
        match &mut self.phase {
            Phase::Open(open) if open.missing > 0 => {
                // A socket that waits owns no buffer.
                if open.input.capacity() > 0 && input.is_empty() {
                    *input = mem::take(&mut open.input);
                }
                Input::Wanted(open.missing)
            }
            Phase::Open(open) => {
                let ready = open
                    .ready
                    .as_ref()
                    .map_or(0, |ready| ready.as_bytes().len());
                Input::Unread(open.input.len() + ready)
            }
            _ => Input::Over,
        }
    }

    /// Whether it is, or was, open.
    #[inline]
    pub(crate) fn was_opened(&self) -> bool {
        matches!(self.phase, Phase::Open(_) | Phase::Ended(_))
    }

    /// Whether a ping waits for its pong.
    #[inline]
    pub(crate) fn owes_a_pong(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.unanswered.is_some())
    }

    /// Answers a ping, now that there is credit or none will come, and gives it out.
    pub(crate) fn pong(&mut self, ready: Result<(), Gone>, out: &mut impl Outlet) -> Option<Bytes> {
        let Phase::Open(open) = &mut self.phase else {
            return None;
        };
        if let Err(gone) = ready {
            self.lost(gone, out);
            return None;
        }
        let payload = *open.unanswered.take()?;
        out.frame(open.session.control(Opcode::Pong, payload.clone()).ok()?);
        Some(payload)
    }

    /// What there is for whoever receives, as far as that is known without a look at the input.
    #[inline]
    pub(crate) fn at_hand(&mut self) -> AtHand {
        let Phase::Open(open) = &mut self.phase else {
            return AtHand::Unknown;
        };
        if let Some(message) = open.ready.take() {
            return AtHand::Message(message);
        }
        if open.input.is_empty()
            && open.unanswered.is_none()
            && open.session.is_between_frames()
            && let Tunnel::Open = open.tunnel
        {
            open.missing = FrameHeader::LEAST_BYTES;
            return AtHand::Nothing;
        }
        AtHand::Unknown
    }

    /// What there is to do for whoever receives.
    #[inline(always)]
    pub(crate) fn next(&mut self, out: &mut impl Outlet) -> Next {
        if let Phase::Open(open) = &mut self.phase
            && let Some(message) = open.ready.take()
        {
            return Next::Receive(WebSocketReceive::Message(message));
        }
        if let Phase::Open(open) = &mut self.phase
            && open.missing == 0
            && open.unanswered.is_none()
        {
            match open.session.next_whole(&mut open.input) {
                Whole::Message(message) => {
                    return Next::Receive(WebSocketReceive::Message(message));
                }
                Whole::Broken(error) => self.broken(error, out),
                Whole::Nothing => {
                    open.missing = FrameHeader::LEAST_BYTES;
                    if let Tunnel::Open = open.tunnel {
                        return Next::Read(Readers::One);
                    }
                }
                Whole::Other => {}
            }
        }
        self.next_of_any_kind(out)
    }

    #[inline(never)]
    fn next_of_any_kind(&mut self, out: &mut impl Outlet) -> Next {
        let open = match &mut self.phase {
            Phase::Handshake(_) | Phase::Left | Phase::GivenBack => return Next::Answer,
            Phase::Ended(end) => {
                return Next::Receive(WebSocketReceive::Disconnect((**end).clone()));
            }
            Phase::Open(open) => open,
        };
        if open.unanswered.is_some() {
            return Next::Pong;
        }
        if open.missing > 0 {
            return self.wait_for_bytes(out);
        }
        match open.session.next_event(&mut open.input) {
            Ok(Step::Event(Event::Message(message))) => {
                Next::Receive(WebSocketReceive::Message(message))
            }
            Ok(Step::Event(Event::Pong(payload))) => Next::Receive(WebSocketReceive::Pong(payload)),
            Ok(Step::Event(Event::Ping(payload))) => {
                open.unanswered = Some(Box::new(payload));
                Next::Pong
            }
            Ok(Step::Event(Event::Close(frame))) => {
                self.closed(frame.as_ref(), out);
                self.next_of_any_kind(out)
            }
            Ok(Step::NeedBytes { missing }) => {
                open.missing = missing;
                self.wait_for_bytes(out)
            }
            Ok(Step::Closed) => {
                self.lost(Gone::Finished, out);
                self.next_of_any_kind(out)
            }
            Err(error) => {
                self.broken(error, out);
                self.next_of_any_kind(out)
            }
        }
    }

    /// What came was not enough.
    #[inline]
    fn wait_for_bytes(&mut self, out: &mut impl Outlet) -> Next {
        let Phase::Open(open) = &mut self.phase else {
            return Next::Answer;
        };
        if let Tunnel::Ended(gone) = open.tunnel {
            self.lost(gone, out);
            return self.next_of_any_kind(out);
        }
        Next::Read(match open.session.state() {
            State::CloseSent => Readers::Two,
            _ => Readers::One,
        })
    }

    /// The client's close frame came: it is answered in kind, if it is not an answer itself.
    fn closed(&mut self, frame: Option<&CloseFrame>, out: &mut impl Outlet) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        let cause = match open.session.closing(frame) {
            Ok(answer) => {
                out.frame(answer);
                Cause::Remote
            }
            Err(_) => open.cause,
        };
        match frame {
            None => self.end(1005, "", cause, Last::Close, out),
            Some(frame) => self.end(frame.code.get(), &frame.reason, cause, Last::Close, out),
        }
    }

    /// The client broke the protocol: it is told so, if it can still be told.
    fn broken(&mut self, error: ProtocolError, out: &mut impl Outlet) {
        let frame = CloseFrame::from(error);
        match self.close(&frame, Cause::Protocol, out) {
            // The client sent no close frame (WS-13); the words are ours, for a log.
            Ok(()) => self.end(1006, &frame.reason, Cause::Protocol, Last::Close, out),
            Err(_) => self.lost(Gone::Aborted, out),
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
