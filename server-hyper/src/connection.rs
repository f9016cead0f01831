//! Drives one connection: gives hyper its turn, then the application, and writes.
//!
//! It decides nothing about HTTP and nothing about the application: the former is hyper's, the latter `server-host`'s.
//! Its own matter is the order of the steps and when to stop.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use gateway_spec::Gone;
use hyper::server::conn::http1::{Builder, Connection as Http1};
use hyper_util::rt::TokioIo;
use server_host::http2::Opening;
use server_host::{
    Context, Fresh, Limits, NextRequest, Overdue, PeerState, Reading, Shutdown, Stream, Watching,
};

use crate::gate::Gate;
use crate::http2::{Frames, Http2};
use crate::io::{HyperIo, Io, News, Received, Shared};
use crate::request;
use crate::service::{OneAtATime, Outlet, Served, Serving, Standing, Turn};
use crate::upgrade::{self, Tunnel};

/// Turns of one poll: after so many the other connections of the worker have theirs.
pub(crate) const TURNS: usize = 16;

/// Hyper's smallest read buffer.
const HYPER_BUFFER: usize = 8 * 1024;

/// One connection, as a task; nothing once it is a WebSocket's, which has a task of its own.
pub(crate) struct Connection(Option<Open>);

struct Open {
    io: Shared<Io>,
    serving: Shared<Serving>,
    phase: Phase,
    waits: Waits,
}

/// What is waited for, and how long.
struct Waits {
    context: Context,
    fresh: Fresh,
    /// Whether there are bytes of a head.
    head: News,
}

/// What the bytes of the connection are.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each connection, and nearly all are of HTTP/1"
)]
enum Phase {
    /// Of a protocol that is still to be seen.
    Opening,
    /// Requests, and the replies to them.
    Http1(Http1<TokioIo<HyperIo>, OneAtATime>),
    /// Frames.
    Http2(Box<Http2>),
    /// The application's.
    Tunnel,
    /// A WebSocket's, which is to get a task of its own.
    Socket,
    /// Thrown away, until the peer has seen our end.
    Lingering { left: u64 },
}

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Over(pub(crate) Gone);

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self(Gone::PeerReset)
    }
}

impl Connection {
    pub(crate) fn new(stream: Stream, context: Context) -> Self {
        Self(Some(Open::new(stream, context)))
    }
}

impl Open {
    fn new(stream: Stream, context: Context) -> Self {
        let io = Shared::new(Io::new(stream));
        Self {
            serving: Shared::new(Serving::new(&context, Outlet::Socket(io.clone()))),
            io,
            phase: Phase::Opening,
            waits: Waits {
                context,
                fresh: Fresh::New,
                head: News::None,
            },
        }
    }

    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.waits.context.register(task.waker());
        self.look_at_deadlines()?;
        for _ in 0..TURNS {
            self.look_at_shutdown(task)?;
            let turn = self.turn(task)?;
            if let Phase::Socket = self.phase {
                return Ok(Poll::Ready(()));
            }
            if turn == Turn::Rest {
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// One step of protocol and application, and what it has to write; whether there may be another.
    fn turn(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let advanced = self.advance(task)?;
        if let Phase::Socket = self.phase {
            return Ok(Turn::Rest);
        }
        let mut serving = self.serving.lock();
        let given = serving.after_hyper(task);
        let mut io = self.io.lock();
        if let Phase::Http1(_) = self.phase {
            self.waits.note(&mut serving, &mut io)?;
            if serving.standing() == Standing::CutOff && given == Turn::Rest {
                let ending = self.waits.cut_off(&mut serving, &mut io, task)?;
                // Hyper's part of an exchange locks it when it is dropped.
                drop((serving, io));
                self.phase = ending;
                return Ok(Turn::Again);
            }
        }
        let written = self.waits.write(&self.phase, &serving, &mut io, task)?;
        if (advanced, given, written) != (Turn::Rest, Turn::Rest, Turn::Rest) {
            return Ok(Turn::Again);
        }
        self.waits
            .set_deadlines(&self.phase, &mut serving, &mut io, task)?;
        Ok(Turn::Rest)
    }

    /// One step of the protocol.
    fn advance(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        match &mut self.phase {
            Phase::Opening => self.open(task),
            Phase::Http1(hyper) => match Pin::new(hyper).poll(task) {
                Poll::Pending => Ok(Turn::Rest),
                Poll::Ready(result) => self.hyper_ended(result, task),
            },
            Phase::Http2(http2) => match http2.poll(&mut self.waits.context, task)? {
                Frames::Open(turn) => Ok(turn),
                Frames::Closed => {
                    self.phase = self.waits.close(&mut self.io.lock());
                    Ok(Turn::Again)
                }
            },
            Phase::Tunnel => self.tunnel(task),
            Phase::Socket => Ok(Turn::Rest),
            Phase::Lingering { left } => {
                let io = &mut *self.io.lock();
                let received = io.poll_read(task, &self.waits.context)?;
                *left = left
                    .checked_sub(io.input.len() as u64)
                    .ok_or(Over(Gone::Finished))?;
                io.input.clear();
                Ok(match received {
                    Received::Bytes | Received::End => Turn::Again,
                    Received::Nothing => Turn::Rest,
                })
            }
        }
    }

    /// Reads until the protocol is plain.
    fn open(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let mut io = self.io.lock();
        let context = &self.waits.context;
        let received = io.poll_read(task, context)?;
        let hyper = TokioIo::new(HyperIo::new(self.io.clone(), self.serving.clone()));
        self.phase = match (context.opening(&io.input), received) {
            (Opening::Undecided, Received::Nothing) => return Ok(Turn::Rest),
            (Opening::Undecided, Received::Bytes) => return Ok(Turn::Again),
            (Opening::Undecided, Received::End) if io.input.is_empty() => {
                return Err(Over(Gone::PeerReset));
            }
            (Opening::Http2, _) => Phase::Http2(Box::new(Http2::new(hyper, context))),
            (Opening::Broken, _) => self.waits.close(&mut io),
            (Opening::Undecided | Opening::Http1, _) => {
                io.gate = Gate::checking(request::limits(context.limits()));
                let service = OneAtATime::new(self.serving.clone());
                Phase::Http1(builder(context.limits()).serve_connection(hyper, service))
            }
        };
        Ok(Turn::Again)
    }

    /// Hyper is done with the connection.
    fn hyper_ended(
        &mut self,
        result: hyper::Result<()>,
        task: &mut Task<'_>,
    ) -> Result<Turn, Over> {
        let standing = self.serving.lock().standing();
        // What follows a request to switch protocols is the tunnel's.
        if let Phase::Http1(hyper) = std::mem::replace(&mut self.phase, Phase::Tunnel) {
            let read = hyper.into_parts().read_buf;
            self.io.lock().put_back(&read);
        }
        let serving = &mut *self.serving.lock();
        let io = &mut *self.io.lock();
        self.waits.note(serving, io)?;
        self.phase = match (standing, result) {
            (Standing::CutOff, _) => self.waits.cut_off(serving, io, task)?,
            (Standing::Tunnel, Ok(())) if serving.call.is_socket() => {
                io.gate = Gate::Open;
                Phase::Socket
            }
            (Standing::Tunnel, Ok(())) => {
                // No head comes any more.
                io.gate = Gate::Open;
                Phase::Tunnel
            }
            (Standing::Open | Standing::Tunnel | Standing::Lost, _) => {
                return Err(Over(Gone::PeerReset));
            }
            (Standing::Over, Ok(())) => {
                self.waits.answer_refused(io);
                self.waits.close(io)
            }
            // What it was told of was right.
            (Standing::Over, Err(_)) => self.waits.close(io),
        };
        Ok(Turn::Again)
    }

    fn tunnel(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let io = &mut *self.io.lock();
        let call = &mut self.serving.lock().call;
        match upgrade::advance(io, call, &self.waits.context, task) {
            Ok(Tunnel::Open(turn)) => return Ok(turn),
            Ok(Tunnel::Closed) => call.end(Gone::Finished),
            Err(over) => {
                // What was accepted before is still sent, as far as the socket takes it at once.
                let _ = io.poll_write(task);
                io.reset_on_close();
                return Err(over);
            }
        }
        self.phase = self.waits.close(io);
        Ok(Turn::Again)
    }

    fn look_at_shutdown(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let shutdown = self.waits.context.shutdown();
        if shutdown == Shutdown::No {
            return Ok(());
        }
        if shutdown == Shutdown::Retiring {
            self.retire();
            return Ok(());
        }
        if let Phase::Opening = self.phase {
            // The kernel took its request before the shutdown began, it may be.
            let mut io = self.io.lock();
            io.poll_read(task, &self.waits.context)?;
            if shutdown == Shutdown::Forced || (io.input.is_empty() && !io.has_unread()) {
                return Err(Over(Gone::Shutdown));
            }
        }
        let is_discarding = matches!(self.phase, Phase::Http1(_))
            && self.serving.lock().is_discarding()
            && self.io.lock().output.is_empty();
        if is_discarding {
            // The answer is out, and nobody wants what is left of the request.
            let lingering = self.waits.close(&mut self.io.lock());
            self.phase = lingering;
        }
        // Hyper is not given a head before it is whole.
        let is_idle = self.serving.lock().is_idle();
        let head_has_begun =
            self.waits.head == News::Bytes || (is_idle && !self.io.lock().input.is_empty());
        match &mut self.phase {
            Phase::Opening => self.waits.context.hurry(),
            Phase::Tunnel | Phase::Socket | Phase::Lingering { .. } => {}
            Phase::Http1(_) if is_idle && !head_has_begun && self.io.lock().output.is_empty() => {
                return Err(Over(Gone::Shutdown));
            }
            Phase::Http1(_) if head_has_begun && shutdown == Shutdown::Forced => {
                return Err(Over(Gone::Shutdown));
            }
            // Told to shut down, hyper would close now.
            Phase::Http1(_) if head_has_begun => {
                self.waits.context.hurry();
                self.serving.lock().close_after_reply();
            }
            Phase::Http1(hyper) => Pin::new(hyper).graceful_shutdown(),
            Phase::Http2(http2) => http2.graceful_shutdown(),
        }
        if shutdown == Shutdown::Forced {
            self.serving.lock().call.force();
        }
        Ok(())
    }

    /// The next answer is the last; until it is asked for, nothing ends.
    fn retire(&mut self) {
        match &mut self.phase {
            Phase::Http1(_) => self.serving.lock().close_after_reply(),
            Phase::Http2(http2) => http2.graceful_shutdown(),
            Phase::Opening | Phase::Tunnel | Phase::Socket | Phase::Lingering { .. } => {}
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        let Some(overdue) = self.waits.context.overdue() else {
            return Ok(());
        };
        let head_has_begun = self.waits.head == News::Bytes || !self.io.lock().input.is_empty();
        match (overdue, &mut self.phase) {
            (Overdue::Write, _) => {
                self.io.lock().reset_on_close();
                return Err(Over(Gone::WriteTimeout));
            }
            (Overdue::Read(Reading::Body), _) if !self.serving.lock().is_discarding() => {
                self.waits.context.expect_nothing();
                self.serving.lock().body_timed_out();
            }
            (Overdue::Read(Reading::Head), _) if head_has_begun => {
                self.waits.context.expect_nothing();
                let timeout = http::StatusCode::REQUEST_TIMEOUT;
                let why = "the request's head did not arrive in time";
                self.phase = self.waits.refuse(timeout, why, &mut self.io.lock());
            }
            // It came in time: this process is what was slow.
            (Overdue::Read(Reading::Head), Phase::Opening) if self.io.lock().has_unread() => {}
            (Overdue::Read(Reading::Idle), Phase::Http2(http2)) => {
                http2.graceful_shutdown();
                self.waits.context.expect(Reading::Linger);
            }
            (Overdue::Read(_), _) => return Err(Over(Gone::Finished)),
        }
        Ok(())
    }
}

impl Waits {
    /// Looks at what hyper has read, and what it made of it.
    fn note(&mut self, serving: &mut Serving, io: &mut Io) -> Result<(), Over> {
        match (serving.take_served(), io.take_received()) {
            (Served::Request, _) => {
                self.fresh = Fresh::Served;
                self.head = News::None;
                io.give_back_if_used(&self.context);
            }
            (Served::Nothing, News::Bytes) if serving.is_idle() => self.head = News::Bytes,
            (Served::Nothing, _) => {}
        }
        if io.read_ended() {
            if io.read_failed() {
                return Err(Over(Gone::PeerReset));
            }
            if serving.call.is_active() {
                serving.call.exchange().half_close();
            }
        }
        Ok(())
    }

    /// Answers the head that hyper was not given.
    fn answer_refused(&self, io: &mut Io) {
        if let Some((error, check)) = io.gate.refused() {
            self.context.refused(error.status(), &error);
            let date = self.context.date();
            io.output.with(|out| check.error_reply(&date, out));
        }
    }

    /// Answers a peer whose bytes are no request, and ends.
    fn refuse(&self, status: http::StatusCode, why: &str, io: &mut Io) -> Phase {
        self.context.refused(status, &why);
        let date = self.context.date();
        io.output
            .with(|out| http1::write_closing_reply(status, why, &date, out));
        self.close(io)
    }

    /// Ends the connection after what is to be sent. A peer that may still be sending is let finish for a while: a
    /// close now would make its system throw the reply away (RFC 9112 section 9.6).
    fn close(&self, io: &mut Io) -> Phase {
        io.shut_down();
        Phase::Lingering {
            // As much again as may be on its way from a fast uploader.
            left: 64 * self.context.limits().discard_bytes,
        }
    }

    /// Ends the connection so that the peer sees that something is missing, after what was accepted before: the end of
    /// a chunked body, or the rest of a known length. Where the connection's end is the body's, only a reset can tell.
    fn cut_off(
        &self,
        serving: &mut Serving,
        io: &mut Io,
        task: &mut Task<'_>,
    ) -> Result<Phase, Over> {
        if serving.call.scope().version == http::Version::HTTP_10 {
            let _ = io.poll_write(task);
            io.reset_on_close();
            return Err(Over(Gone::Aborted));
        }
        serving.call.exchange().set_gone(Gone::Aborted);
        serving.end(Gone::Aborted);
        Ok(self.close(io))
    }

    /// Writes; whether that lets hyper go on.
    fn write(
        &mut self,
        phase: &Phase,
        serving: &Serving,
        io: &mut Io,
        task: &mut Task<'_>,
    ) -> Result<Turn, Over> {
        let sent = upgrade::flush(io, &mut self.context, task)?;
        let unsent = io.unsent();
        if sent == News::Bytes || unsent > 0 {
            serving.unsent(unsent);
        }
        let goes_on = match phase {
            Phase::Lingering { .. } if io.is_shut_down() && io.read_ended() => {
                return Err(Over(Gone::Finished));
            }
            Phase::Http1(_) | Phase::Http2(_) => {
                io.lets_go_on() || serving.waits_for_room() && io.room() > 0
            }
            Phase::Tunnel => sent == News::Bytes,
            Phase::Opening | Phase::Socket | Phase::Lingering { .. } => false,
        };
        Ok(if goes_on { Turn::Again } else { Turn::Rest })
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(
        &mut self,
        phase: &Phase,
        serving: &mut Serving,
        io: &mut Io,
        task: &mut Task<'_>,
    ) -> Result<(), Over> {
        let mut watching = Watching::Events;
        match phase {
            Phase::Opening => self.context.expect(Reading::Head),
            Phase::Http1(_) if serving.call.is_active() => {
                if serving.waits_for_body() {
                    self.context.expect_body(serving.call.exchange().received());
                } else {
                    self.context.expect_nothing();
                }
                if !serving.reads_body() || io.read_ended() {
                    watching = look_at_peer(io, serving, task)?;
                }
            }
            // Until it has the answer, the peer is waited for by what it takes: it is not idle.
            Phase::Http1(_) if !io.output.is_empty() => self.context.expect_nothing(),
            Phase::Http1(_) if serving.is_discarding() => self.context.expect(Reading::Body),
            Phase::Http1(_) => {
                serving.rest();
                self.expect_request(io);
            }
            Phase::Http2(http2)
                if self.context.shutdown() == Shutdown::Forced
                    && http2.is_idle()
                    && io.output.is_empty() =>
            {
                // All is said; the peer may not know how to leave.
                return Err(Over(Gone::Shutdown));
            }
            Phase::Http2(http2) => http2.set_deadlines(&mut self.context),
            Phase::Tunnel => {
                self.context.expect_nothing();
                if !upgrade::may_read(io, serving.call.exchange()) || io.read_ended() {
                    watching = look_at_peer(io, serving, task)?;
                }
            }
            Phase::Socket => {}
            // Until then the peer is waited for by what it takes.
            Phase::Lingering { .. } if !io.is_shut_down() => self.context.expect_nothing(),
            Phase::Lingering { .. } => self.context.expect(Reading::Linger),
        }
        io.output.give_back();
        self.context.watch(watching);
        Ok(())
    }

    fn expect_request(&mut self, io: &Io) {
        let next = match (self.head, io.input.is_empty()) {
            (News::None, true) => NextRequest::Nothing,
            (News::Bytes, _) | (_, false) => NextRequest::Begun,
        };
        self.fresh.expect_request(next, &mut self.context);
    }
}

/// A peer that is not read may leave all the same: sees whether it has, and says how the next look comes about.
fn look_at_peer(io: &Io, serving: &Serving, task: &mut Task<'_>) -> Result<Watching, Over> {
    match io.peer_state(task) {
        // Whatever it does next is an event. Behind bytes that nobody takes there is none.
        PeerState::Open if io.stream.poll_readable(task)?.is_pending() => Ok(Watching::Events),
        PeerState::Open => Ok(Watching::EveryTick),
        PeerState::HalfClosed => {
            serving.call.exchange().half_close();
            Ok(Watching::EveryTick)
        }
        PeerState::Broken => Err(Over(Gone::PeerReset)),
    }
}

/// Hyper. It has no timer: the deadlines are the context's; and no limit of heads: those that it is told of are small.
fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        // A peer that has sent all it wants may still read.
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(HYPER_BUFFER));
    builder
}

impl Open {
    /// The connection is over, and why.
    fn end(&mut self, gone: Gone) {
        if let Phase::Http2(http2) = &self.phase {
            http2.end(gone);
        }
        self.serving.lock().end(gone);
        self.io.lock().give_back(&self.waits.context);
    }

    /// Gives the connection to its WebSocket.
    fn into_socket(self) {
        let Self {
            io, serving, waits, ..
        } = self;
        // Hyper is gone, and with it what else had them.
        let Some(call) = serving.into_inner().map(|serving| serving.call) else {
            return;
        };
        let Some(mut io) = io.into_inner() else {
            return;
        };
        io.give_back_if_used(&waits.context);
        let io = server_host::Io::with_parts(io.stream, io.input, io.output);
        call.into_socket(io, waits.context);
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let Some(open) = &mut self.0 else {
            return Poll::Ready(());
        };
        match open.drive(task) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {
                if let Some(open) = self.0.take() {
                    open.into_socket();
                }
            }
            Err(Over(gone)) => open.end(gone),
        }
        Poll::Ready(())
    }
}
