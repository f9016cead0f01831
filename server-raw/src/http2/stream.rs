//! One stream: polls the application, brings it the body and sends what it gives.
//!
//! The connection gives each stream its first turns itself. Most are over then; the others become tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, Gone, Headers};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, Uri};
use server_host::http2::{self, Expectation, Streams};
use server_host::{
    Call, Context, Informational, OUTBOUND_BYTES, OpenStream, Outgoing, Overdue, ReplyLength,
    Shutdown, Wanted,
};

use super::body::{Brought, RequestBody};
use super::part::{Meter, Part};
use super::reply::{self, Connection, Framing};
use super::request;
use crate::connection::TURNS;

/// One stream.
pub(super) struct Stream {
    call: Call,
    body: Option<RequestBody>,
    sending: Sending,
    reply: Reply,
    /// What there is no window for yet of an event.
    rest: Bytes,
    then: Then,
    meter: Meter,
    _open: OpenStream,
}

/// A stream that waits for something, as a task: with deadlines of its own.
pub(super) struct StreamTask {
    stream: Stream,
    context: Context,
    streams: Streams,
}

/// Where a stream belongs.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    /// Its own, or the connection's.
    pub(super) context: &'a Context,
    pub(super) streams: &'a Streams,
}

impl Home<'_> {
    /// The stream is over, and not at its end.
    fn lost(self) -> Over {
        Over(self.streams.gone())
    }
}

/// The direction to the peer.
enum Sending {
    /// Its head is still to be sent.
    Head(SendResponse<Part>),
    Body(SendStream<Part>),
}

/// How far the reply has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Its head, or its body.
    Goes,
    /// All that is sent was, but the application is not at its end.
    Past,
    /// There is none: the bytes are a tunnel's.
    Tunnel,
    /// The same, and our direction has ended.
    ShutTunnel,
}

/// What follows the rest of an event.
#[derive(Debug)]
enum Then {
    /// More events.
    More,
    /// The end, with trailers if there are some.
    End(Option<HeaderMap>),
    /// The end of a tunnel's direction to the peer.
    Shutdown,
    /// An end that the peer can see is not clean, once it has what came before.
    Abort(Patience),
}

/// Whether the connection had a turn since all was given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Fresh,
    Waited,
}

/// The stream is over.
struct Over(Gone);

impl Stream {
    /// A stream that begins with this request.
    pub(super) fn new(
        mut request: Request<RecvStream>,
        respond: SendResponse<Part>,
        home: Home<'_>,
    ) -> Self {
        let context = home.context;
        let mut call = context.call();
        let length = request::length(&request);
        let checked = http2::check(&mut request, length, context.limits());
        if checked.is_ok() {
            let facts = http2::facts(request.method(), Informational::Sent);
            request::fill(call.vacant(), &mut request, length);
            call.begin(facts);
        }
        let mut stream = Self {
            call,
            body: None,
            sending: Sending::Head(respond),
            reply: Reply::Goes,
            rest: Bytes::new(),
            then: Then::More,
            meter: Meter::default(),
            _open: context.open_stream(),
        };
        match checked {
            Ok(waits) if length != BodyLength::Empty => {
                let discard_bytes = context.limits().discard_bytes;
                let body = RequestBody::new(request.into_body(), waits, discard_bytes);
                stream.body = Some(body);
            }
            Ok(_) => {}
            Err(refusal) => stream.refuse(refusal, request.method(), home),
        }
        stream
    }

    /// Answers a peer whose request is none.
    fn refuse(&mut self, refusal: http2::Refusal, method: &Method, home: Home<'_>) {
        let context = home.context;
        context.refused(refusal.status(), &refusal);
        let (head, framing, text) = reply::refusal(refusal, method, context.date_value());
        let end = match framing {
            Framing::Follows => {
                self.rest = text;
                EndStream::No
            }
            Framing::Suppressed => {
                self.reply = Reply::Past;
                EndStream::Yes
            }
        };
        self.then = match self.send_head(head, end, home) {
            Ok(()) => Then::End(None),
            Err(Over(_)) => Then::Abort(Patience::Waited),
        };
    }

    /// Turns, until nothing more can be done now; ready when the stream is over.
    pub(super) fn run(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            match self.turn(home, task) {
                Ok(Turn::Again) => {}
                Ok(Turn::Rest) => return Poll::Pending,
                Err(Over(gone)) => {
                    self.end(gone, home.streams);
                    return Poll::Ready(());
                }
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// One step of body, application and reply.
    fn turn(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Result<Turn, Over> {
        let brought = self.bring(home, task)?;
        let left = self.leaves_body();
        if self.call.is_active() {
            let wanted = self.call.poll(task).wanted;
            if let Some(body) = &mut self.body {
                body.settle(wanted);
            }
            self.ask_for_body(wanted);
        }
        let sent = self.send(home, task)?;
        if self.call.is_active() {
            self.call.exchange().unsent(self.unsent());
        }
        self.look_for_reset(home, task)?;
        // Where the application has made room meanwhile, the stream was not asked yet.
        let made_room = left && !self.leaves_body();
        Ok(if brought || made_room {
            Turn::Again
        } else {
            sent
        })
    }

    fn leaves_body(&mut self) -> bool {
        let exchange = self.call.exchange();
        let body = self.body.as_ref();
        body.is_none_or(|body| body.is_left(exchange.wanted()))
    }

    /// Brings the application what has come of the body.
    fn bring(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Result<bool, Over> {
        let Some(body) = &mut self.body else {
            return Ok(false);
        };
        match body.bring(self.call.exchange(), home.context.limits(), task) {
            Brought::Nothing => return Ok(false),
            Brought::Some => {}
            Brought::End => {
                if self.is_tunnel() {
                    self.call.exchange().half_close();
                }
                self.body = None;
            }
            Brought::Malformed => {
                self.call.exchange().fail_body(BodyError::Malformed);
                self.body = None;
            }
            // What still comes is let fall; the peer is told when the reply is complete.
            Brought::TooMuch => self.body = None,
            Brought::Lost => return Err(home.lost()),
        }
        Ok(true)
    }

    /// Tells a peer that waits for it to send its body, if that was not answered before (SRV-8).
    fn ask_for_body(&mut self, wanted: Wanted) {
        if let (Some(body), Wanted::Now(_)) = (&mut self.body, wanted)
            && body.take_expectation() == Expectation::Continue
            && let Sending::Head(respond) = &mut self.sending
        {
            // If the stream is gone, that is seen elsewhere.
            let _ = respond.send_informational(reply::go_on());
        }
    }

    /// Sends what the application gives, as far as the peer's window goes.
    fn send(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Result<Turn, Over> {
        let mut turn = Turn::Rest;
        loop {
            if self.send_rest(home, task)?.is_pending() {
                return Ok(turn);
            }
            match std::mem::replace(&mut self.then, Then::More) {
                Then::More => {}
                Then::End(trailers) => return Err(self.send_end(trailers, home)),
                Then::Shutdown => {
                    self.send_data(Bytes::new(), EndStream::Yes, home)?;
                    self.reply = Reply::ShutTunnel;
                }
                Then::Abort(Patience::Fresh) => {
                    // A reset now would take with it what the connection has not sent yet.
                    self.then = Then::Abort(Patience::Waited);
                    task.waker().wake_by_ref();
                    return Ok(turn);
                }
                Then::Abort(Patience::Waited) if self.meter.held() == 0 => {
                    return Err(Over(Gone::Aborted));
                }
                Then::Abort(Patience::Waited) => {
                    self.then = Then::Abort(Patience::Waited);
                    return Ok(turn);
                }
            }
            let unsent = self.unsent();
            if unsent >= OUTBOUND_BYTES {
                return Ok(turn);
            }
            // What has left meanwhile makes room: a file is read on only where there is some, and nobody says so later.
            self.call.exchange().unsent(unsent);
            let Some(outgoing) = self.call.exchange().next_output() else {
                return Ok(turn);
            };
            self.take(outgoing, home)?;
            turn = Turn::Again;
        }
    }

    /// Bytes of the reply that the kernel does not have.
    fn unsent(&self) -> usize {
        self.rest.len() + self.meter.held()
    }

    /// Gives the rest of an event to `h2`, within the peer's window; pending while it is closed.
    fn send_rest(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        while !self.rest.is_empty() {
            let Sending::Body(stream) = &mut self.sending else {
                return Err(Over(Gone::Aborted));
            };
            let mut room = stream.capacity();
            if room == 0 {
                stream.reserve_capacity(self.rest.len().min(OUTBOUND_BYTES));
                room = match stream.poll_capacity(task) {
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Err(home.lost()),
                    Poll::Pending => return Ok(Poll::Pending),
                };
            }
            let bytes = self.rest.split_to(room.min(self.rest.len()));
            let last = self.rest.is_empty() && matches!(self.then, Then::End(None));
            if last {
                self.send_part(Part::last(bytes), EndStream::Yes, home)?;
                return Err(Over(Gone::Finished));
            }
            self.send_data(bytes, EndStream::No, home)?;
        }
        Ok(Poll::Ready(()))
    }

    fn send_data(&mut self, bytes: Bytes, end: EndStream, home: Home<'_>) -> Result<(), Over> {
        let part = self.meter.part(bytes);
        self.send_part(part, end, home)
    }

    fn send_part(&mut self, part: Part, end: EndStream, home: Home<'_>) -> Result<(), Over> {
        match &mut self.sending {
            Sending::Body(stream) => stream
                .send_data(part, end == EndStream::Yes)
                .map_err(|_| home.lost()),
            Sending::Head(_) => Err(Over(Gone::Aborted)),
        }
    }

    fn send_head(
        &mut self,
        head: Response<()>,
        end: EndStream,
        home: Home<'_>,
    ) -> Result<(), Over> {
        let Sending::Head(respond) = &mut self.sending else {
            return Err(Over(Gone::Aborted));
        };
        match respond.send_response(head, end == EndStream::Yes) {
            Ok(stream) => {
                self.sending = Sending::Body(stream);
                Ok(())
            }
            Err(_) => Err(home.lost()),
        }
    }

    fn send_end(&mut self, trailers: Option<HeaderMap>, home: Home<'_>) -> Over {
        let sent = match (self.reply, trailers, &mut self.sending) {
            (Reply::ShutTunnel | Reply::Past, _, _) => Ok(()),
            (_, Some(trailers), Sending::Body(stream)) => {
                stream.send_trailers(trailers).map_err(|_| home.lost())
            }
            (_, _, _) => self.send_data(Bytes::new(), EndStream::Yes, home),
        };
        match sent {
            Ok(()) => Over(Gone::Finished),
            Err(over) => over,
        }
    }

    /// Takes one event of the application.
    fn take(&mut self, outgoing: Outgoing, home: Home<'_>) -> Result<(), Over> {
        match outgoing {
            Outgoing::Informational(head) => {
                if let Sending::Head(respond) = &mut self.sending {
                    // If the stream is gone, that is seen elsewhere.
                    let _ = respond.send_informational(reply::informational(head));
                }
            }
            Outgoing::Head { head, .. }
                if self.call.scope().method == Method::CONNECT && head.status.is_success() =>
            {
                // It would make a tunnel (RFC 9110 section 9.3.6), which nobody asked for.
                self.then = Then::Abort(Patience::Waited);
            }
            Outgoing::Head {
                head,
                length,
                first,
            } => return self.start(head, length, first, home),
            Outgoing::Data(bytes) => {
                if self.reply != Reply::Past {
                    self.rest = bytes;
                }
            }
            Outgoing::End(trailers) => self.then = Then::End(trailers),
            Outgoing::Upgrade(head) => {
                self.send_head(
                    reply::tunnel(head, home.context.date_value()),
                    EndStream::No,
                    home,
                )?;
                self.reply = Reply::Tunnel;
                if self.body.is_none() {
                    self.call.exchange().end_body(None);
                    self.call.exchange().half_close();
                }
            }
            Outgoing::Shutdown => self.then = Then::Shutdown,
            Outgoing::Close => self.then = Then::End(None),
            // A part of a file is sent by whoever asks for it.
            Outgoing::Abort | Outgoing::File(_) => self.then = Then::Abort(Patience::Fresh),
        }
        Ok(())
    }

    fn start(
        &mut self,
        head: gateway_spec::ResponseHead,
        length: ReplyLength,
        first: Bytes,
        home: Home<'_>,
    ) -> Result<(), Over> {
        let date = home.context.date_value();
        let call = &mut self.call;
        // The memory of the request's fields becomes the response's, if the application has let go of them.
        let fields = call.scope_mut().map(|scope| &mut scope.headers);
        let spare = fields.and_then(Headers::as_map_mut).map(std::mem::take);
        let spare = spare.unwrap_or_default();
        let method = &call.scope().method;
        let (head, framing, connection) = reply::head(head, length, &first, method, date, spare);
        if connection == Connection::Ends {
            home.streams.ask_for_end();
        }
        match (framing, length) {
            (Framing::Suppressed, _) => {
                self.send_head(head, EndStream::Yes, home)?;
                self.reply = Reply::Past;
            }
            (Framing::Follows, ReplyLength::Whole) if first.is_empty() => {
                self.send_head(head, EndStream::Yes, home)?;
                self.reply = Reply::Past;
            }
            (Framing::Follows, _) => {
                self.send_head(head, EndStream::No, home)?;
                self.rest = first;
            }
        }
        if length == ReplyLength::Whole {
            self.then = Then::End(None);
        }
        Ok(())
    }

    fn is_tunnel(&self) -> bool {
        matches!(self.reply, Reply::Tunnel | Reply::ShutTunnel)
    }

    /// The peer may cancel the stream, or be gone.
    fn look_for_reset(&mut self, home: Home<'_>, task: &mut Task<'_>) -> Result<(), Over> {
        let reset = match &mut self.sending {
            Sending::Head(respond) => respond.poll_reset(task),
            Sending::Body(stream) => stream.poll_reset(task),
        };
        match reset {
            Poll::Pending => Ok(()),
            Poll::Ready(_) => Err(home.lost()),
        }
    }

    fn end(&mut self, gone: Gone, streams: &Streams) {
        let reason = match gone {
            Gone::Finished => None,
            Gone::Aborted => Some(Reason::INTERNAL_ERROR),
            _ => Some(Reason::CANCEL),
        };
        if let Some(reason) = reason {
            match &mut self.sending {
                Sending::Head(respond) => respond.send_reset(reason),
                Sending::Body(stream) => stream.send_reset(reason),
            }
        }
        if gone == Gone::StreamReset {
            streams.note_reset();
        }
        let call = &mut self.call;
        call.end(gone);
        // Slices of them would hold a read buffer.
        if let Some(scope) = call.scope_mut() {
            scope.headers = Headers::new();
            scope.uri = Uri::default();
        }
    }
}

/// Whether a stream should have another turn at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Again,
    Rest,
}

/// Whether a frame is the last of its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndStream {
    Yes,
    No,
}

impl Drop for StreamTask {
    fn drop(&mut self) {
        self.streams.close();
    }
}

impl StreamTask {
    /// A stream that had its first turns; its context is its own.
    pub(super) fn new(stream: Stream, home: Home<'_>) -> Self {
        home.streams.open();
        Self {
            stream,
            context: home.context.for_stream(),
            streams: home.streams.clone(),
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => return Err(Over(Gone::WriteTimeout)),
            Some(Overdue::Read(_)) => {
                self.context.expect_nothing();
                let body_timed_out = BodyError::Timeout;
                self.stream.call.exchange().fail_body(body_timed_out);
            }
        }
        Ok(())
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(&mut self) {
        let Self {
            stream, context, ..
        } = self;
        let waits = !stream.is_tunnel()
            && stream.body.is_some()
            && matches!(stream.call.exchange().wanted(), Wanted::Now(1..));
        if waits {
            context.expect_body(stream.call.exchange().received());
        } else {
            context.expect_nothing();
        }
        match (stream.unsent(), stream.meter.take_written()) {
            (0, _) => context.expect_no_write(),
            (_, written) => context.expect_write(written),
        }
    }
}

impl Future for StreamTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        me.context.register(task.waker());
        me.stream.meter.register(task.waker());
        if me.context.shutdown() == Shutdown::Forced {
            me.stream.call.force();
        }
        if let Err(Over(gone)) = me.look_at_deadlines() {
            me.stream.end(gone, &me.streams);
            return Poll::Ready(());
        }
        let home = Home {
            context: &me.context,
            streams: &me.streams,
        };
        let poll = me.stream.run(home, task);
        if poll.is_pending() {
            me.set_deadlines();
        }
        poll
    }
}
