//! Drives one connection: sees which protocol it speaks, reads, asks the protocol what it was, polls the application,
//! writes. HTTP/2 has a connection of its own.
//!
//! It decides nothing about HTTP and nothing about the application: the former is `http1`'s, the latter
//! `server-host`'s. Its own matter is the order of the steps and when to stop.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{Gone, ResponseHead};
use http::Version;
use http1::{AfterReply, BodyFraming, Event, HeadFacts, PeerError, Step};
use server_host::http2::Opening;
use server_host::{
    Call, Context, Desk, Facts, Fresh, INBOUND_BYTES, Io, NextRequest, OUTBOUND_BYTES, Outgoing,
    Overdue, PeerState, Progress, Reading, Received, Requests, Served, Shutdown, Stream, Wanted,
    Watching, Written, is_of_file,
};

use crate::body::{self, Intake};
use crate::http2::Http2;
use crate::reply::{self, Effect};
use crate::{request, upgrade};

/// Turns of one poll: after so many the other connections of the worker have theirs.
pub(crate) const TURNS: usize = 16;

/// Bytes that are read ahead of a request that is being answered: enough to see a pipelining client, and by reading
/// on to see one that leaves.
const READ_AHEAD: usize = 16 * 1024;

/// One connection, as a task.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each connection, and nearly all are of HTTP/1"
)]
pub(crate) enum Connection {
    Http1(Http1),
    Http2(Box<Http2>),
    /// It is over.
    Over,
}

/// A connection that speaks HTTP/1, or does not show yet what it speaks.
pub(crate) struct Http1 {
    io: Io,
    http1: http1::Connection,
    /// Of the last head.
    head: HeadFacts,
    call: Call,
    context: Context,
    phase: Phase,
    fresh: Fresh,
    /// Bytes of the request's body that may still be thrown away, before the reply is complete and after it.
    worth: u64,
}

/// What the bytes of the connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Of a protocol that is still to be seen.
    Opening,
    /// Requests, and the replies to them.
    Http,
    /// What is left of a request that was answered without being read: so many bytes more are thrown away.
    Discarding { left: u64 },
    /// The application's.
    Tunnel,
    /// Thrown away, until the peer has seen our end.
    Lingering { left: u64 },
}

/// What has become of a head that was looked for.
#[derive(Debug, Clone, Copy)]
enum Head {
    /// It is not complete, or not wanted yet.
    Missing,
    /// What came is no request that is served, and the connection ends.
    Refused,
    Complete(Facts),
}

/// HTTP/1 is over on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// With the connection, and why.
    Gone(Gone),
    /// Before it began: the connection speaks HTTP/2.
    Http2,
    /// The connection is a WebSocket's.
    Socket,
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self::Gone(Gone::PeerReset)
    }
}

impl Connection {
    pub(crate) fn new(stream: Stream, context: Context) -> Self {
        Self::Http1(Http1::new(stream, context))
    }

    // Out of line, so that what each request of HTTP/1 runs through stays in one place.
    #[cold]
    fn poll_http2(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match self {
            Self::Http2(http2) => http2.poll(task),
            Self::Http1(_) | Self::Over => Poll::Ready(()),
        }
    }

    #[cold]
    fn leave_http1(&mut self, over: Over, task: &mut Task<'_>) -> Poll<()> {
        if let Self::Http1(mut http1) = mem::replace(self, Self::Over) {
            match over {
                Over::Gone(gone) => http1.end(gone),
                // What was read so far is its.
                Over::Http2 => {
                    *self = Self::Http2(Box::new(Http2::new(http1.io, http1.context)));
                }
                Over::Socket => http1.call.into_socket(http1.io, http1.context),
            }
        }
        self.poll_http2(task)
    }
}

impl Http1 {
    fn new(stream: Stream, context: Context) -> Self {
        Self {
            io: Io::new(stream),
            http1: http1::Connection::new(request::limits(context.limits())),
            head: HeadFacts::default(),
            call: context.call(),
            context,
            phase: Phase::Opening,
            fresh: Fresh::New,
            worth: 0,
        }
    }

    #[inline]
    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        self.look_at_shutdown(task)?;
        self.look_at_deadlines()?;
        self.io.wake();
        for _ in 0..TURNS {
            let could_read = self.may_read();
            if !(could_read && self.is_between_requests() && self.read_and_serve(task)?) {
                if could_read {
                    self.read(task)?;
                }
                while self.advance(task)? {}
            }
            let written = self.write(task)?;
            // What was written makes room for more of the answer, or for the answer to what was read ahead.
            if written && !self.is_between_requests() {
                continue;
            }
            // Where the application has made room meanwhile, the socket was not asked yet.
            let may_read = self.may_read();
            if may_read && (!could_read || self.io.may_have_more()) {
                continue;
            }
            if self.rest(may_read, task)? {
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// Reads once to a desk and serves from there what is as the request before: whether that was all that came. What it was not is input.
    #[inline]
    fn read_and_serve(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        let mut desk = Desk::take();
        let read = self.io.try_read_to(&mut desk);
        let served = read.map_err(Over::from).and_then(|length| {
            let bytes = &desk[..length];
            let (used, served) = self.serve_repeated(bytes, task);
            if used < length {
                self.io.keep(&bytes[used..]);
            }
            served.map(|()| used > 0 && used == length)
        });
        desk.give_back();
        served
    }

    /// Reads once.
    #[inline]
    fn read(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        match self.io.poll_read(task)? {
            Received::Bytes => {
                if self.call.is_active() {
                    self.context.expect_nothing();
                }
            }
            Received::End => {
                self.http1.end_of_input();
                if self.call.is_active() {
                    self.call.exchange().half_close();
                }
            }
            Received::Nothing => {}
        }
        Ok(())
    }

    /// Nothing more can be done now, unless the socket has something: says what is waited for. Whether there is nothing.
    fn rest(&mut self, may_read: bool, task: &mut Task<'_>) -> Result<bool, Over> {
        if may_read && self.io.rest(task)? != Received::Nothing {
            return Ok(false);
        }
        if self.is_between_requests() {
            self.call.rest();
        }
        self.io.output.give_back();
        self.set_deadlines(task)?;
        Ok(true)
    }

    /// Whether all that was asked is answered, and nothing of another request is here.
    fn is_between_requests(&self) -> bool {
        self.phase == Phase::Http && !self.call.is_active() && self.io.input.is_empty()
    }

    fn may_read(&self) -> bool {
        match self.phase {
            Phase::Opening | Phase::Discarding { .. } | Phase::Lingering { .. } => true,
            Phase::Tunnel => {
                self.io.input.len() < INBOUND_BYTES && self.call.exchange().wanted().room() > 0
            }
            Phase::Http if !self.call.is_active() => self.io.output.len() < OUTBOUND_BYTES,
            Phase::Http => match self.intake() {
                Intake::Bring | Intake::Discard => true,
                Intake::Leave => false,
                Intake::Nothing => self.io.input.len() < READ_AHEAD,
            },
        }
    }

    fn intake(&self) -> Intake {
        match self.head.framing {
            BodyFraming::Empty => Intake::Nothing,
            BodyFraming::Sized(_) | BodyFraming::Chunked => {
                match Intake::of(self.call.exchange().wanted()) {
                    // It stays where it is until the answer is out.
                    Intake::Discard if self.worth == 0 => Intake::Leave,
                    intake => intake,
                }
            }
        }
    }

    /// One step of protocol and application; whether there may be another.
    fn advance(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        match self.phase {
            Phase::Opening => self.open(),
            Phase::Http => self.exchange(task),
            Phase::Tunnel => {
                let brought = upgrade::bring(&mut self.io, self.call.exchange());
                let replied = self.reply(task)?;
                let made_room =
                    self.phase == Phase::Tunnel && self.call.exchange().wanted().room() > 0;
                Ok(brought || replied || (made_room && !self.io.input.is_empty()))
            }
            Phase::Discarding { left } => self.discard(left),
            Phase::Lingering { left } => {
                let left = left
                    .checked_sub(self.io.input.len() as u64)
                    .ok_or(Over::Gone(Gone::Finished))?;
                self.io.input.clear();
                self.phase = Phase::Lingering { left };
                if self.io.read_ended() && self.io.is_shut_down() {
                    Err(Over::Gone(Gone::Finished))
                } else {
                    Ok(false)
                }
            }
        }
    }

    /// One step of the exchange under way, or the beginning of one.
    #[inline]
    fn exchange(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        if self.call.is_active() {
            let parsed = self.parse_part()?;
            return self.go_on(parsed, task);
        }
        match self.serve_repeated_input(task)? {
            Some(next) => Ok(next),
            None => self.serve_next(task),
        }
    }

    /// Serves the requests at the front of the input that are as the one before them. Whether there is another step, if there were any.
    #[inline]
    fn serve_repeated_input(&mut self, task: &mut Task<'_>) -> Result<Option<bool>, Over> {
        let input = mem::take(&mut self.io.input);
        let (used, served) = self.serve_repeated(&input, task);
        self.io.input = input;
        if used == 0 {
            return Ok(None);
        }
        self.io.take(used);
        // That nothing else is here was so while the input was not.
        served?;
        self.after_reply(true, true).map(Some)
    }

    /// Serves the requests at the front of these bytes that are as the one before them, one after the other without another look at anything else. How
    /// many bytes they were, and whether the connection is over with them.
    #[inline(never)]
    fn serve_repeated(&mut self, bytes: &[u8], task: &mut Task<'_>) -> (usize, Result<(), Over>) {
        let mut used = 0;
        let mut served = Ok(());
        while used < bytes.len() && self.io.output.len() < OUTBOUND_BYTES {
            let Some((length, facts)) = self.next_repeated(&bytes[used..]) else {
                break;
            };
            used += length;
            self.count_request();
            served = self.serve(facts, task).map(drop);
            // One of the two is so where it has failed, too: nothing is served after that.
            if self.phase != Phase::Http || self.call.is_active() {
                break;
            }
        }
        (used, served)
    }

    /// The length of a head at the front of these bytes that is as the one before it, and what is to be known of it for the reply.
    #[inline]
    fn next_repeated(&mut self, input: &[u8]) -> Option<(usize, Facts)> {
        if let Some(scope) = self.call.kept()
            && request::is_plain(scope)
            && let Some(length) =
                self.http1
                    .next_same(input, &scope.method, &scope.uri, &scope.headers)
        {
            return Some((length, request::PLAIN));
        }
        let scope = self.call.vacant();
        let head = request::parts(scope, &mut self.head);
        let length = self.http1.next_repeated(input, head)?;
        request::complete_plain(scope);
        Some((length, request::PLAIN))
    }

    /// Reads a head, and calls the application for it.
    #[inline(never)]
    fn serve_next(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        match self.parse_head()? {
            Head::Missing => Ok(false),
            Head::Refused => Ok(true),
            Head::Complete(facts) if self.head.framing == BodyFraming::Empty => {
                self.serve(facts, task)
            }
            Head::Complete(facts) => match self.whole_body() {
                Some(body) => self.serve_with(facts, Some(body), task),
                None => {
                    self.worth = self.context.limits().discard_bytes;
                    self.call.begin(facts);
                    self.go_on(true, task)
                }
            },
        }
    }

    /// The body of the request whose head was read, if all of it came with it, as a short one does: then nothing more is to come, and the
    /// application need not be asked and woken for it.
    fn whole_body(&mut self) -> Option<Bytes> {
        let BodyFraming::Sized(length) = self.head.framing else {
            return None;
        };
        let is_here = length > 0 && length <= self.io.input.len() as u64;
        if !is_here || length > self.context.limits().body_bytes || self.http1.expects_continue() {
            return None;
        }
        match self.http1.next_part(&mut self.io.input) {
            Ok(Step::Event(Event::Data(body))) => {
                // Its end takes no bytes.
                let _end = self.http1.next_part(&mut self.io.input);
                self.head.framing = BodyFraming::Empty;
                Some(body)
            }
            _ => None,
        }
    }

    /// Calls the application for a request without a body, and writes what it answers at once: what nearly all exchanges are.
    #[inline]
    fn serve(&mut self, facts: Facts, task: &mut Task<'_>) -> Result<bool, Over> {
        self.serve_with(facts, None, task)
    }

    /// The same for one whose body is here.
    #[inline(always)]
    fn serve_with(
        &mut self,
        facts: Facts,
        body: Option<Bytes>,
        task: &mut Task<'_>,
    ) -> Result<bool, Over> {
        let Self {
            io,
            http1,
            call,
            context,
            ..
        } = self;
        let mut goes_on = false;
        let write = |head: &mut ResponseHead, body: Bytes| {
            goes_on = reply::write_usual(head, &body, http1, context, &mut io.output);
            if goes_on {
                return Ok(());
            }
            reply::write_whole(head, body, http1, context, &mut io.output)
        };
        let served = match body {
            None => call.serve(facts, task, write),
            Some(body) => call.serve_with_body(facts, body, task, write),
        };
        match served {
            Served::Whole(Ok(())) if goes_on => self.after_reply(true, true),
            Served::Whole(Ok(())) => {
                let goes_on = self.start_next()?;
                self.after_reply(true, goes_on)
            }
            Served::Whole(Err(_usage)) => self.abort(task),
            Served::Goes(progress) => {
                let replied = self.reply_with(progress, task)?;
                self.after_reply(true, replied)
            }
        }
    }

    #[inline(never)]
    fn go_on(&mut self, parsed: bool, task: &mut Task<'_>) -> Result<bool, Over> {
        let had_room = self.intake() != Intake::Leave;
        let progress = self.call.poll(task);
        let replied = self.reply_with(progress, task)?;
        if !self.call.is_active() || self.head.framing == BodyFraming::Empty {
            return self.after_reply(parsed, replied);
        }
        let made_room = !had_room && self.intake() != Intake::Leave;
        Ok(parsed || replied || (made_room && !self.io.input.is_empty()))
    }

    /// Whether there is another step where nothing of the request is to come.
    fn after_reply(&self, parsed: bool, replied: bool) -> Result<bool, Over> {
        if self.call.is_active() {
            // Only the application goes on, which was asked just now.
            return Ok(false);
        }
        // The next request may be here, or the end.
        let is_next = self.io.read_ended() || !self.is_between_requests();
        Ok((parsed || replied) && is_next)
    }

    /// Sees which protocol the connection speaks.
    fn open(&mut self) -> Result<bool, Over> {
        match self.context.opening(&self.io.input) {
            Opening::Undecided if !self.io.read_ended() => Ok(false),
            Opening::Undecided | Opening::Http1 => {
                self.phase = Phase::Http;
                Ok(true)
            }
            Opening::Http2 => Err(Over::Http2),
            Opening::Broken => self.close(),
        }
    }

    /// Asks the protocol for the next part of the body.
    fn parse_part(&mut self) -> Result<bool, Over> {
        if self.head.framing == BodyFraming::Empty {
            return Ok(false);
        }
        let intake = self.intake();
        if matches!(intake, Intake::Leave | Intake::Nothing) {
            return Ok(false);
        }
        match self.http1.next_part(&mut self.io.input) {
            Ok(Step::Event(event)) => {
                let bytes = body::bring(event, self.call.exchange());
                if intake == Intake::Discard {
                    self.worth = self.worth.saturating_sub(bytes as u64);
                }
                Ok(true)
            }
            Ok(Step::NeedBytes | Step::Paused) => Ok(false),
            Ok(Step::Closed) => self.close(),
            Err(error) => {
                body::fail(error, self.call.exchange(), self.context.limits());
                Ok(true)
            }
        }
    }

    /// Reads a head into the call's scope.
    #[inline]
    fn parse_head(&mut self) -> Result<Head, Over> {
        // Answers that the peer does not take hold back its next request.
        if (self.io.input.is_empty() && !self.io.read_ended())
            || self.io.output.len() >= OUTBOUND_BYTES
        {
            return Ok(Head::Missing);
        }
        let scope = self.call.vacant();
        let head = request::parts(scope, &mut self.head);
        let refused = match self.http1.next_event(&mut self.io.input, head) {
            Ok(Step::Event(_head)) => {
                let facts = request::complete(scope, self.head);
                self.count_request();
                return Ok(Head::Complete(facts));
            }
            Ok(Step::NeedBytes | Step::Paused) => return Ok(Head::Missing),
            Ok(Step::Closed) => self.close(),
            Err(error) => self.refuse(error),
        };
        refused.map(|_| Head::Refused)
    }

    #[inline]
    fn count_request(&mut self) {
        if self.context.count_request() == Requests::Last {
            self.http1.close_after_reply();
        }
        self.fresh = Fresh::Served;
    }

    /// Puts onto the wire what the application has sent.
    fn reply_with(&mut self, progress: Progress, task: &mut Task<'_>) -> Result<bool, Over> {
        if self.head.framing == BodyFraming::Empty {
            if progress.output
                && let Some(next) = self.reply_whole(task)
            {
                return next;
            }
        } else if Intake::of(progress.wanted) == Intake::Bring
            && matches!(progress.wanted, Wanted::Now(_))
        {
            reply::ask_for_body(&mut self.http1, &mut self.io.output);
        }
        self.reply_on(progress, task)
    }

    /// As [`reply_with`](Self::reply_with), after another poll of the application.
    fn reply(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        if !self.call.is_active() {
            return Ok(false);
        }
        let progress = self.call.poll(task);
        self.reply_with(progress, task)
    }

    /// The whole reply to a request without a body, if that is what the application has sent: what nearly all exchanges are.
    #[inline]
    fn reply_whole(&mut self, task: &mut Task<'_>) -> Option<Result<bool, Over>> {
        let Self {
            io, http1, call, ..
        } = self;
        if self.phase != Phase::Http || io.output.len() >= OUTBOUND_BYTES {
            return None;
        }
        let context = &self.context;
        let (exchange, _) = call.exchange_and_scope()?;
        let written = exchange.write_whole(|head, body| {
            reply::write_whole(head, body, http1, context, &mut io.output)
        })?;
        Some(match written {
            Ok(()) => self.next_request(),
            Err(_usage) => self.abort(task),
        })
    }

    fn reply_on(&mut self, progress: Progress, task: &mut Task<'_>) -> Result<bool, Over> {
        let mut replied = false;
        while progress.output
            && let Some(outgoing) = self.next_output()
        {
            replied = true;
            if let Outgoing::Head { length, .. } = &outgoing
                && self.head.framing != BodyFraming::Empty
                && !self
                    .call
                    .exchange()
                    .can_keep_connection(*length, self.context.limits().discard_bytes)
            {
                self.http1.close_after_reply();
            }
            let effect = if self.phase == Phase::Tunnel {
                upgrade::write(outgoing, &mut self.io.output)
            } else {
                reply::write(
                    outgoing,
                    &mut self.http1,
                    &self.context,
                    &mut self.io.output,
                )
            };
            match effect {
                Effect::Goes => {}
                Effect::Upgraded if self.call.is_socket() => return Err(Over::Socket),
                Effect::Upgraded => self.phase = Phase::Tunnel,
                Effect::Shutdown => self.io.shut_down(),
                Effect::Complete => return self.next_request(),
                Effect::Close => {
                    self.call.end(Gone::Finished);
                    return self.close();
                }
                Effect::Abort => return self.abort(task),
            }
        }
        Ok(replied)
    }

    /// What the application has sent, while the socket keeps up with it.
    fn next_output(&self) -> Option<Outgoing> {
        if self.io.output.len() >= OUTBOUND_BYTES {
            return None;
        }
        if self.io.sends_files() {
            self.call.exchange().next_output_or_file()
        } else {
            self.call.exchange().next_output()
        }
    }

    /// The reply is on its way: on to the next request, or to the end.
    fn next_request(&mut self) -> Result<bool, Over> {
        self.call.end(Gone::Finished);
        self.start_next()
    }

    #[inline]
    fn start_next(&mut self) -> Result<bool, Over> {
        match self.http1.after_reply() {
            AfterReply::KeepOpen => match self.http1.start_next() {
                Ok(()) => Ok(!self.io.input.is_empty()),
                Err(_usage) => self.close(),
            },
            AfterReply::Drain => {
                self.phase = Phase::Discarding { left: self.worth };
                Ok(true)
            }
            AfterReply::Close => self.close(),
        }
    }

    /// Throws away the rest of a body that nobody wants.
    fn discard(&mut self, left: u64) -> Result<bool, Over> {
        match self.http1.next_part(&mut self.io.input) {
            Ok(Step::Event(Event::Data(bytes))) => match left.checked_sub(bytes.len() as u64) {
                Some(left) => {
                    self.phase = Phase::Discarding { left };
                    Ok(true)
                }
                None => self.close(),
            },
            Ok(Step::Event(Event::End)) => {
                self.phase = Phase::Http;
                self.fresh = Fresh::Served;
                // A shutdown may have begun meanwhile.
                match (self.http1.after_reply(), self.http1.start_next()) {
                    (AfterReply::KeepOpen, Ok(())) => Ok(true),
                    _ => self.close(),
                }
            }
            Ok(Step::Event(_)) => Ok(true),
            Ok(Step::NeedBytes) => Ok(false),
            Ok(Step::Paused | Step::Closed) | Err(_) => self.close(),
        }
    }

    /// Answers a peer whose bytes are no request, and ends.
    fn refuse(&mut self, error: PeerError) -> Result<bool, Over> {
        if error == PeerError::TruncatedHead
            && self.io.output.is_empty()
            && self.io.input.is_empty()
        {
            return Err(Over::Gone(Gone::PeerReset));
        }
        self.context.refused(error.status(), &error);
        let date = self.context.date();
        // A reply that has begun cannot be taken back; it was ended, since no call is active.
        let _ = self
            .io
            .output
            .with(|out| self.http1.error_reply(error, &date, out));
        self.close()
    }

    /// Ends the connection after what is to be sent. A peer that may still be sending is let finish for a while: a
    /// close now would make its system throw the reply away (RFC 9112 section 9.6).
    fn close(&mut self) -> Result<bool, Over> {
        self.io.shut_down();
        if !matches!(self.phase, Phase::Lingering { .. }) {
            // As much again as may be on its way from a fast uploader.
            self.phase = Phase::Lingering {
                left: 64 * self.context.limits().discard_bytes,
            };
        }
        Ok(true)
    }

    /// Ends the connection so that the peer sees that something is missing, after what was accepted before: the end of
    /// a chunked body, or the rest of a known length. Where the connection's end is the body's or a tunnel's, only a reset
    /// can tell.
    fn abort(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        let is_tunnel = self.phase == Phase::Tunnel;
        if is_tunnel || self.call.scope().version == Version::HTTP_10 {
            let _ = self.io.poll_write(task);
            self.io.reset_on_close();
            return Err(Over::Gone(Gone::Aborted));
        }
        self.call.end(Gone::Aborted);
        self.close()
    }

    fn write(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        let before = self.io.output.len();
        let written = match self.io.poll_write(task) {
            Ok(written) => written,
            Err(error) => return Err(self.broken(&error)),
        };
        let after = self.io.output.len();
        if self.call.is_active() && (before > 0 || after > 0) {
            self.call.exchange().unsent(after);
        }
        if after == 0 {
            self.context.expect_no_write();
        } else {
            self.context.expect_write(before - after);
        }
        if let (Phase::Lingering { .. }, true, true) =
            (self.phase, self.io.is_shut_down(), self.io.read_ended())
        {
            return Err(Over::Gone(Gone::Finished));
        }
        Ok(written == Written::Bytes)
    }

    /// Nothing more can be written: the connection is broken, or an answer is that cannot be completed (HTTP-25).
    #[cold]
    fn broken(&self, error: &io::Error) -> Over {
        if !is_of_file(error) {
            return Over::Gone(Gone::PeerReset);
        }
        self.io.reset_on_close();
        Over::Gone(Gone::Aborted)
    }

    fn look_at_shutdown(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let shutdown = self.context.shutdown();
        if matches!(shutdown, Shutdown::No | Shutdown::Retiring) {
            return Ok(());
        }
        self.http1.close_after_reply();
        if let Phase::Discarding { .. } = self.phase {
            // The answer is out, and nobody wants what is left of the request.
            self.close()?;
        }
        if matches!(self.phase, Phase::Opening | Phase::Http) && !self.call.is_active() {
            // The kernel took its request before the shutdown began, it may be.
            let asks = self.fresh == Fresh::New && {
                self.read(task)?;
                self.io.has_unread()
            };
            if (asks || !self.io.input.is_empty()) && shutdown == Shutdown::Draining {
                self.context.hurry();
            } else if self.io.output.is_empty() {
                return Err(Over::Gone(Gone::Shutdown));
            } else {
                self.close()?;
            }
        }
        if shutdown == Shutdown::Forced {
            self.call.force();
        }
        Ok(())
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => {
                self.io.reset_on_close();
                return Err(Over::Gone(Gone::WriteTimeout));
            }
            Some(Overdue::Read(Reading::Body)) if !self.call.is_active() => {
                return Err(Over::Gone(Gone::Finished));
            }
            Some(Overdue::Read(Reading::Body)) => {
                self.context.expect_nothing();
                self.call
                    .exchange()
                    .fail_body(gateway_spec::BodyError::Timeout);
            }
            Some(Overdue::Read(Reading::Head)) if !self.io.input.is_empty() => {
                self.context.expect_nothing();
                self.refuse_slow_head()?;
            }
            // It came in time: this process is what was slow.
            Some(Overdue::Read(Reading::Head))
                if self.fresh == Fresh::New && self.io.has_unread() => {}
            Some(Overdue::Read(Reading::Head | Reading::Idle | Reading::Linger)) => {
                return Err(Over::Gone(Gone::Finished));
            }
        }
        Ok(())
    }

    fn refuse_slow_head(&mut self) -> Result<bool, Over> {
        let (status, why) = (
            http::StatusCode::REQUEST_TIMEOUT,
            "the request's head did not arrive in time",
        );
        self.context.refused(status, &why);
        let date = self.context.date();
        self.io
            .output
            .with(|out| http1::write_closing_reply(status, why, &date, out));
        self.close()
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let mut watching = Watching::Events;
        match self.phase {
            Phase::Opening => self.expect_request(),
            // Until it has the answer, the peer is waited for by what it takes: it is not idle.
            Phase::Http | Phase::Discarding { .. }
                if !self.call.is_active() && !self.io.output.is_empty() =>
            {
                self.context.expect_nothing();
            }
            Phase::Http if !self.call.is_active() => self.expect_request(),
            Phase::Http | Phase::Tunnel => {
                let intake = if self.phase == Phase::Tunnel {
                    Intake::Nothing
                } else {
                    self.intake()
                };
                match intake {
                    Intake::Bring if matches!(self.call.exchange().wanted(), Wanted::Now(_)) => {
                        self.context.expect_body(self.call.exchange().received());
                    }
                    _ => self.context.expect_nothing(),
                }
                if !self.may_read() || self.io.read_ended() {
                    watching = Watching::EveryTick;
                    self.look_at_peer(task)?;
                }
            }
            Phase::Discarding { .. } => self.context.expect(Reading::Body),
            // Until then the peer is waited for by what it takes.
            Phase::Lingering { .. } if !self.io.is_shut_down() => self.context.expect_nothing(),
            Phase::Lingering { .. } => self.context.expect(Reading::Linger),
        }
        self.context.watch(watching);
        Ok(())
    }

    fn expect_request(&mut self) {
        let next = match self.io.input.is_empty() {
            true => NextRequest::Nothing,
            false => NextRequest::Begun,
        };
        self.fresh.expect_request(next, &mut self.context);
    }

    fn end(&mut self, gone: Gone) {
        if self.call.is_active() {
            self.call.exchange().set_gone(gone);
            self.call.end(gone);
        }
        self.call.rest();
        self.io.output.give_back();
        self.io.input.clear();
        self.io.give_back();
    }

    /// A peer that is not read may leave all the same.
    fn look_at_peer(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        match self.io.peer_state(task) {
            PeerState::Open => Ok(()),
            PeerState::HalfClosed => {
                self.call.exchange().half_close();
                Ok(())
            }
            PeerState::Broken => Err(Over::Gone(Gone::PeerReset)),
        }
    }
}

impl Future for Connection {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        let Self::Http1(http1) = me else {
            return me.poll_http2(task);
        };
        match http1.drive(task) {
            Ok(poll) => poll,
            Err(over) => me.leave_http1(over, task),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runtime adds 96 bytes to a task, and allocates multiples of 128.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_connections_task_is_one_of_640_bytes() {
        let size = size_of::<Connection>();
        assert!(size <= 640 - 96, "{size}");
    }
}
