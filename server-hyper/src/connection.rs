//! Drives one connection: gives hyper its turn, then the application, and writes.
//!
//! It decides nothing about HTTP and nothing about the application: the former is hyper's, the latter `server-host`'s.
//! Its own matter is the order of the steps and when to stop.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use gateway_spec::Gone;
use http1::PeerError;
use hyper::server::conn::http1::{Builder, Connection as Http1};
use hyper_util::rt::TokioIo;
use server_host::{
    Context, Limits, OUTBOUND_BYTES, Overdue, PeerState, Reading, Shutdown, Stream, Watching,
};

use crate::http2::Http2;
use crate::io::{HyperIo, Io, News, Received, Shared};
use crate::service::{OneAtATime, Outlet, Served, Serving, Standing, Turn};
use crate::upgrade::{self, Tunnel};

/// Turns of one poll: after so many the other connections of the worker have theirs.
pub(crate) const TURNS: usize = 16;

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Hyper's smallest read buffer, and its number of fields without an allocation.
const HYPER_BUFFER: usize = 8 * 1024;
const HYPER_FIELDS: usize = 100;

/// One connection, as a task.
pub(crate) struct Connection {
    io: Shared<Io>,
    serving: Shared<Serving>,
    context: Context,
    phase: Phase,
    fresh: Fresh,
    /// Whether there are bytes of a head.
    head: News,
}

/// What the bytes of the connection are.
enum Phase {
    /// Of a protocol that is still to be seen.
    Opening,
    /// Requests, and the replies to them.
    Http1(Http1<TokioIo<HyperIo>, OneAtATime>),
    /// Frames.
    Http2(Box<Http2>),
    /// The application's.
    Tunnel,
    /// Thrown away, until the peer has seen our end.
    Lingering { left: u64 },
}

/// Whether a request was served since the idle time began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    New,
    Waiting,
    Served,
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
        let io = Shared::new(Io::new(stream));
        Self {
            serving: Shared::new(Serving::new(&context, Outlet::Socket(io.clone()))),
            io,
            context,
            phase: Phase::Opening,
            fresh: Fresh::New,
            head: News::None,
        }
    }

    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        self.look_at_shutdown()?;
        self.look_at_deadlines()?;
        for _ in 0..TURNS {
            let advanced = self.advance(task)?;
            let written = self.write(task)?;
            if (advanced, written) == (Turn::Rest, Turn::Rest) {
                self.set_deadlines(task)?;
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// One step of protocol and application; whether there may be another.
    fn advance(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        match &mut self.phase {
            Phase::Opening => self.open(task),
            Phase::Http1(hyper) => match Pin::new(hyper).poll(task) {
                Poll::Pending => self.after_hyper(task),
                Poll::Ready(result) => self.hyper_ended(result, task),
            },
            Phase::Http2(http2) => match http2.poll(task) {
                Poll::Pending => Ok(Turn::Rest),
                Poll::Ready(()) if self.io.lock().read_failed() => Err(Over(Gone::PeerReset)),
                Poll::Ready(()) => self.close(),
            },
            Phase::Tunnel => self.tunnel(task),
            Phase::Lingering { left } => {
                let io = &mut *self.io.lock();
                let received = io.poll_read(task, &self.context)?;
                *left = left
                    .checked_sub(io.input.len() as u64)
                    .ok_or(Over(Gone::Finished))?;
                io.input.clear();
                self.serving.lock().after_hyper(task);
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
        let received = io.poll_read(task, &self.context)?;
        let seen = io.input.len().min(PREFACE.len());
        let may_be_http2 = io.input[..seen] == PREFACE[..seen];
        let hyper = TokioIo::new(HyperIo::new(self.io.clone()));
        let limits = self.context.limits();
        self.phase = match (received, may_be_http2, seen) {
            (Received::Nothing, _, 0) => return Ok(Turn::Rest),
            (Received::End, _, 0) => return Err(Over(Gone::PeerReset)),
            (Received::Nothing, true, ..24) => return Ok(Turn::Rest),
            (Received::Bytes, true, ..24) => return Ok(Turn::Again),
            (_, true, 24..) => Phase::Http2(Box::new(Http2::new(hyper, &self.context))),
            (_, _, _) => {
                let service = OneAtATime::new(self.serving.clone());
                Phase::Http1(builder(limits).serve_connection(hyper, service))
            }
        };
        Ok(Turn::Again)
    }

    /// Hyper had its turn: now the application has its own, if hyper did not give it one.
    fn after_hyper(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let mut serving = self.serving.lock();
        let turn = serving.after_hyper(task);
        if let Some(error) = serving.take_refused() {
            self.context.refused(error.status(), &error);
        }
        let mut io = self.io.lock();
        match (serving.take_served(), io.take_received()) {
            (Served::Request, _) => {
                self.fresh = Fresh::Served;
                self.head = News::None;
                io.give_back_if_used(&self.context);
            }
            (Served::Nothing, News::Bytes) if !serving.call.is_active() => self.head = News::Bytes,
            (Served::Nothing, _) => {}
        }
        if serving.call.is_active() && io.read_ended() {
            if io.read_failed() {
                return Err(Over(Gone::PeerReset));
            }
            serving.call.exchange().half_close();
        }
        if serving.standing() == Standing::CutOff && turn == Turn::Rest {
            drop((serving, io));
            return self.cut_off(task);
        }
        Ok(turn)
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
            let mut io = self.io.lock();
            let behind = std::mem::take(&mut io.input);
            io.input.extend_from_slice(&read);
            io.input.extend_from_slice(&behind);
        }
        if let Some(error) = self.serving.lock().take_refused() {
            self.context.refused(error.status(), &error);
        }
        match (standing, result) {
            _ if self.io.lock().read_failed() => Err(Over(Gone::PeerReset)),
            (Standing::CutOff, _) => self.cut_off(task),
            (Standing::Tunnel, Ok(())) => Ok(Turn::Again),
            (Standing::Open | Standing::Tunnel, _) => Err(Over(Gone::PeerReset)),
            (Standing::Over, Ok(())) => self.close(),
            (Standing::Over, Err(error)) if error.is_incomplete_message() => {
                self.refuse(PeerError::TruncatedHead)
            }
            (Standing::Over, Err(error)) => {
                if error.is_parse() {
                    // Hyper has answered it.
                    self.context.refused(status_of(&error), &error);
                }
                self.close()
            }
        }
    }

    fn tunnel(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let io = &mut *self.io.lock();
        let call = &mut self.serving.lock().call;
        match upgrade::advance(io, call, &self.context, task) {
            Ok(Tunnel::Open(turn)) => return Ok(turn),
            Ok(Tunnel::Closed) => call.end(Gone::Finished),
            Err(over) => {
                // What was accepted before is still sent, as far as the socket takes it at once.
                let _ = io.poll_write(task);
                io.reset_on_close();
                return Err(over);
            }
        }
        io.shut_down();
        self.phase = self.lingering();
        Ok(Turn::Again)
    }

    /// Answers a peer whose bytes are no request, and ends.
    fn refuse(&mut self, error: PeerError) -> Result<Turn, Over> {
        self.answer_and_close(error.status(), &error.to_string())
    }

    fn answer_and_close(&mut self, status: http::StatusCode, why: &str) -> Result<Turn, Over> {
        self.context.refused(status, &why);
        let date = self.context.date();
        self.io
            .lock()
            .output
            .with(|out| http1::write_closing_reply(status, why, &date, out));
        self.close()
    }

    /// Ends the connection after what is to be sent. A peer that may still be sending is let finish for a while: a
    /// close now would make its system throw the reply away (RFC 9112 section 9.6).
    fn close(&mut self) -> Result<Turn, Over> {
        self.io.lock().shut_down();
        if !matches!(self.phase, Phase::Lingering { .. }) {
            self.phase = self.lingering();
        }
        Ok(Turn::Again)
    }

    /// As much again as may be on its way from a fast uploader.
    fn lingering(&self) -> Phase {
        Phase::Lingering {
            left: 64 * self.context.limits().discard_bytes,
        }
    }

    /// Ends the connection so that the peer sees that something is missing, after what was accepted before.
    fn cut_off(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let mut serving = self.serving.lock();
        if serving.call.scope().version == http::Version::HTTP_10 {
            // The end of the connection is the end of a body there, so it must be another.
            let mut io = self.io.lock();
            io.poll_write(task)?;
            io.reset_on_close();
            return Err(Over(Gone::Aborted));
        }
        serving.call.exchange().set_gone(Gone::Aborted);
        serving.end(Gone::Aborted);
        drop(serving);
        self.close()
    }

    fn write(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let io = &mut *self.io.lock();
        let held_back = io.output.len() >= OUTBOUND_BYTES;
        let sent = upgrade::flush(io, &mut self.context, task)?;
        let serving = self.serving.lock();
        let unsent = io.unsent();
        if sent == News::Bytes || unsent > 0 {
            serving.unsent(unsent);
        }
        match self.phase {
            Phase::Lingering { .. } if io.is_shut_down() && io.read_ended() => {
                Err(Over(Gone::Finished))
            }
            Phase::Http1(_) if serving.waits_for_room() && io.room() > 0 => Ok(Turn::Again),
            Phase::Http1(_) | Phase::Http2(_) if held_back && io.output.len() < OUTBOUND_BYTES => {
                Ok(Turn::Again)
            }
            Phase::Tunnel if sent == News::Bytes => Ok(Turn::Again),
            _ => Ok(Turn::Rest),
        }
    }

    fn look_at_shutdown(&mut self) -> Result<(), Over> {
        let shutdown = self.context.shutdown();
        if shutdown == Shutdown::No {
            return Ok(());
        }
        let mut serving = self.serving.lock();
        let io = self.io.lock();
        match &mut self.phase {
            Phase::Opening if io.input.is_empty() => return Err(Over(Gone::Shutdown)),
            Phase::Http1(_)
                if !serving.call.is_active()
                    && !serving.is_discarding()
                    && self.head == News::None
                    && io.output.is_empty() =>
            {
                return Err(Over(Gone::Shutdown));
            }
            Phase::Opening | Phase::Lingering { .. } | Phase::Tunnel => {}
            Phase::Http1(hyper) => {
                drop(io);
                Pin::new(hyper).graceful_shutdown();
            }
            Phase::Http2(http2) => http2.graceful_shutdown(),
        }
        if shutdown == Shutdown::Forced {
            serving.call.force();
        }
        Ok(())
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => {
                self.io.lock().reset_on_close();
                return Err(Over(Gone::WriteTimeout));
            }
            Some(Overdue::Read(Reading::Body)) => {
                self.context.expect_nothing();
                let serving = self.serving.lock();
                if serving.is_discarding() {
                    return Err(Over(Gone::Finished));
                }
                serving.body_timed_out();
            }
            Some(Overdue::Read(Reading::Head)) if self.head_has_begun() => {
                self.context.expect_nothing();
                let timeout = http::StatusCode::REQUEST_TIMEOUT;
                self.answer_and_close(timeout, "the request's head did not arrive in time")?;
            }
            Some(Overdue::Read(Reading::Idle)) if let Phase::Http2(http2) = &mut self.phase => {
                http2.graceful_shutdown();
                self.context.expect(Reading::Linger);
            }
            Some(Overdue::Read(Reading::Head | Reading::Idle | Reading::Linger)) => {
                return Err(Over(Gone::Finished));
            }
        }
        Ok(())
    }

    fn head_has_begun(&self) -> bool {
        self.head == News::Bytes || !self.io.lock().input.is_empty()
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let mut watching = Watching::Events;
        let mut serving = self.serving.lock();
        match &mut self.phase {
            Phase::Opening => self.context.expect(Reading::Head),
            Phase::Http1(_) if serving.call.is_active() => {
                if serving.take_brought() == News::Bytes {
                    self.context.expect_nothing();
                }
                if serving.waits_for_body() {
                    self.context.expect(Reading::Body);
                } else {
                    self.context.expect_nothing();
                }
                let io = self.io.lock();
                if !serving.reads_body() && !io.read_ended() {
                    watching = Watching::EveryTick;
                    look_at_peer(&io, &serving, task)?;
                }
            }
            Phase::Http1(_) if serving.is_discarding() => self.context.expect(Reading::Body),
            Phase::Http1(_) if !self.io.lock().output.is_empty() => self.context.expect_nothing(),
            Phase::Http1(_) => match (self.head, self.fresh) {
                (News::None, Fresh::Served) => {
                    self.fresh = Fresh::Waiting;
                    self.context.expect_anew(Reading::Idle);
                }
                (News::None, Fresh::Waiting) => self.context.expect(Reading::Idle),
                (News::Bytes, _) | (News::None, Fresh::New) => self.context.expect(Reading::Head),
            },
            Phase::Http2(http2)
                if self.context.shutdown() == Shutdown::Forced
                    && http2.is_idle()
                    && self.io.lock().output.is_empty() =>
            {
                // All is said; the peer may not know how to leave.
                return Err(Over(Gone::Shutdown));
            }
            Phase::Http2(http2) => http2.set_deadlines(&mut self.context),
            Phase::Tunnel => {
                self.context.expect_nothing();
                let io = self.io.lock();
                if !upgrade::may_read(&io, serving.call.exchange()) && !io.read_ended() {
                    watching = Watching::EveryTick;
                    look_at_peer(&io, &serving, task)?;
                }
            }
            Phase::Lingering { .. } => self.context.expect(Reading::Linger),
        }
        self.context.watch(watching);
        Ok(())
    }
}

/// A peer that is not read may leave all the same.
fn look_at_peer(io: &Io, serving: &Serving, task: &mut Task<'_>) -> Result<(), Over> {
    match io.peer_state(task) {
        PeerState::Open => Ok(()),
        PeerState::HalfClosed => {
            serving.call.exchange().half_close();
            Ok(())
        }
        PeerState::Broken => Err(Over(Gone::PeerReset)),
    }
}

/// Hyper, with what the operator allows. It has no timer: the deadlines are the context's.
fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        // A peer that has sent all it wants may still read.
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(HYPER_BUFFER));
    if limits.header_fields != HYPER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}

fn status_of(error: &hyper::Error) -> http::StatusCode {
    if error.is_parse_too_large() {
        http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        http::StatusCode::BAD_REQUEST
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        match me.drive(task) {
            Ok(poll) => poll,
            Err(Over(gone)) => {
                if let Phase::Http2(http2) = &me.phase {
                    http2.end(gone);
                }
                let mut serving = me.serving.lock();
                serving.call.exchange().set_gone(gone);
                serving.end(gone);
                me.io.lock().give_back(&me.context);
                Poll::Ready(())
            }
        }
    }
}
