//! One stream, as a task: polls the application, brings it the body and sends what it gives.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, Gone, Headers};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, Uri};
use server_host::http2::{self, Expectation};
use server_host::{
    Call, Context, Informational, OUTBOUND_BYTES, Outgoing, Overdue, Reading, ReplyLength,
    Shutdown, Wanted,
};

use super::body::{Brought, RequestBody};
use super::part::{Gauge, Part};
use super::reply::{self, Connection, Framing};
use super::{News, Streams, request};
use crate::connection::TURNS;

/// One stream, as a task.
pub(super) struct Stream {
    /// Until the stream is dropped.
    call: Option<Call>,
    context: Context,
    streams: Streams,
    body: Option<RequestBody>,
    sending: Sending,
    reply: Reply,
    /// What there is no window for yet of an event.
    rest: Bytes,
    then: Then,
    gauge: Arc<Gauge>,
    brought: News,
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
        context: Context,
        streams: &Streams,
    ) -> Self {
        let mut call = streams.open(&context);
        let length = request::length(&request);
        let checked = http2::check(&mut request, length, context.limits());
        if checked.is_ok() {
            let facts = http2::facts(request.method(), Informational::Sent);
            request::fill(call.vacant(), &mut request, length);
            call.begin(facts);
        }
        let mut stream = Self {
            call: Some(call),
            streams: streams.clone(),
            body: None,
            sending: Sending::Head(respond),
            reply: Reply::Goes,
            rest: Bytes::new(),
            then: Then::More,
            gauge: Arc::default(),
            brought: News::None,
            context,
        };
        match checked {
            Ok(waits) if length != BodyLength::Empty => {
                let discard_bytes = stream.context.limits().discard_bytes;
                let body = RequestBody::new(request.into_body(), waits, discard_bytes);
                stream.body = Some(body);
            }
            Ok(_) => {}
            Err(refusal) => stream.refuse(refusal, request.method()),
        }
        stream
    }

    /// Answers a peer whose request is none.
    fn refuse(&mut self, refusal: http2::Refusal, method: &Method) {
        self.context.refused(refusal.status(), &refusal);
        let (head, framing, text) = reply::refusal(refusal, method, &self.context.date());
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
        self.then = match self.send_head(head, end) {
            Ok(()) => Then::End(None),
            Err(Over(_)) => Then::Abort(Patience::Waited),
        };
    }

    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        self.gauge.register(task.waker());
        if self.context.shutdown() == Shutdown::Forced {
            self.call().force();
        }
        self.look_at_deadlines()?;
        for _ in 0..TURNS {
            if self.turn(task)? == Turn::Rest {
                self.set_deadlines();
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// One step of body, application and reply.
    fn turn(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let brought = self.bring(task)?;
        let left = self.leaves_body();
        if self.call().is_active() {
            let wanted = self.call().poll(task).wanted;
            if let Some(body) = &mut self.body {
                body.settle(wanted);
            }
            self.ask_for_body(wanted);
        }
        let sent = self.send(task)?;
        let unsent = self.unsent();
        self.call().exchange().unsent(unsent);
        self.look_for_reset(task)?;
        // Where the application has made room meanwhile, the stream was not asked yet.
        let made_room = left && !self.leaves_body();
        Ok(if brought || made_room {
            Turn::Again
        } else {
            sent
        })
    }

    fn call(&mut self) -> &mut Call {
        self.call
            .as_mut()
            .expect("it is taken when the stream is dropped")
    }

    fn leaves_body(&mut self) -> bool {
        let wanted = self.call().exchange().wanted();
        self.body.as_ref().is_none_or(|body| body.is_left(wanted))
    }

    /// Brings the application what has come of the body.
    fn bring(&mut self, task: &mut Task<'_>) -> Result<bool, Over> {
        let (Some(body), Some(call)) = (&mut self.body, &self.call) else {
            return Ok(false);
        };
        match body.bring(call.exchange(), self.context.limits(), task) {
            Brought::Nothing => return Ok(false),
            Brought::Some => self.brought = News::Bytes,
            Brought::End => {
                if self.is_tunnel() {
                    self.call().exchange().half_close();
                }
                self.body = None;
            }
            Brought::Malformed => {
                call.exchange().fail_body(BodyError::Malformed);
                self.body = None;
            }
            // What still comes is let fall; the peer is told when the reply is complete.
            Brought::TooMuch => self.body = None,
            Brought::Lost => return Err(Over(self.streams.gone())),
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
    fn send(&mut self, task: &mut Task<'_>) -> Result<Turn, Over> {
        let mut turn = Turn::Rest;
        loop {
            if self.send_rest(task)?.is_pending() {
                return Ok(turn);
            }
            match std::mem::replace(&mut self.then, Then::More) {
                Then::More => {}
                Then::End(trailers) => return Err(self.send_end(trailers)),
                Then::Shutdown => {
                    self.send_data(Bytes::new(), EndStream::Yes)?;
                    self.reply = Reply::ShutTunnel;
                }
                Then::Abort(Patience::Fresh) => {
                    // A reset now would take with it what the connection has not sent yet.
                    self.then = Then::Abort(Patience::Waited);
                    task.waker().wake_by_ref();
                    return Ok(turn);
                }
                Then::Abort(Patience::Waited) if self.gauge.held() == 0 => {
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
            self.call().exchange().unsent(unsent);
            let Some(outgoing) = self.call().exchange().next_output() else {
                return Ok(turn);
            };
            self.take(outgoing)?;
            turn = Turn::Again;
        }
    }

    /// Bytes of the reply that the kernel does not have.
    fn unsent(&self) -> usize {
        self.rest.len() + self.gauge.held()
    }

    /// Gives the rest of an event to `h2`, within the peer's window; pending while it is closed.
    fn send_rest(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        while !self.rest.is_empty() {
            let Sending::Body(stream) = &mut self.sending else {
                return Err(Over(Gone::Aborted));
            };
            let mut room = stream.capacity();
            if room == 0 {
                stream.reserve_capacity(self.rest.len().min(OUTBOUND_BYTES));
                room = match stream.poll_capacity(task) {
                    Poll::Ready(Some(Ok(room))) => room,
                    Poll::Ready(Some(Err(_)) | None) => return Err(Over(self.streams.gone())),
                    Poll::Pending => return Ok(Poll::Pending),
                };
            }
            let bytes = self.rest.split_to(room.min(self.rest.len()));
            let last = self.rest.is_empty() && matches!(self.then, Then::End(None));
            if last {
                self.send_data(bytes, EndStream::Yes)?;
                return Err(Over(Gone::Finished));
            }
            self.send_data(bytes, EndStream::No)?;
        }
        Ok(Poll::Ready(()))
    }

    fn send_data(&mut self, bytes: Bytes, end: EndStream) -> Result<(), Over> {
        let part = Part::new(bytes, &self.gauge);
        match &mut self.sending {
            Sending::Body(stream) => stream
                .send_data(part, end == EndStream::Yes)
                .map_err(|_| Over(self.streams.gone())),
            Sending::Head(_) => Err(Over(Gone::Aborted)),
        }
    }

    fn send_head(&mut self, head: Response<()>, end: EndStream) -> Result<(), Over> {
        let Sending::Head(respond) = &mut self.sending else {
            return Err(Over(Gone::Aborted));
        };
        match respond.send_response(head, end == EndStream::Yes) {
            Ok(stream) => {
                self.sending = Sending::Body(stream);
                Ok(())
            }
            Err(_) => Err(Over(self.streams.gone())),
        }
    }

    fn send_end(&mut self, trailers: Option<HeaderMap>) -> Over {
        let sent = match (self.reply, trailers, &mut self.sending) {
            (Reply::ShutTunnel | Reply::Past, _, _) => Ok(()),
            (_, Some(trailers), Sending::Body(stream)) => stream
                .send_trailers(trailers)
                .map_err(|_| Over(self.streams.gone())),
            (_, _, _) => self.send_data(Bytes::new(), EndStream::Yes),
        };
        match sent {
            Ok(()) => Over(Gone::Finished),
            Err(over) => over,
        }
    }

    /// Takes one event of the application.
    fn take(&mut self, outgoing: Outgoing) -> Result<(), Over> {
        match outgoing {
            Outgoing::Informational(head) => {
                if let Sending::Head(respond) = &mut self.sending {
                    // If the stream is gone, that is seen elsewhere.
                    let _ = respond.send_informational(reply::informational(head));
                }
            }
            Outgoing::Head { head, .. }
                if self.call().scope().method == Method::CONNECT && head.status.is_success() =>
            {
                // It would make a tunnel (RFC 9110 section 9.3.6), which nobody asked for.
                self.then = Then::Abort(Patience::Waited);
            }
            Outgoing::Head {
                head,
                length,
                first,
            } => return self.start(head, length, first),
            Outgoing::Data(bytes) => {
                if self.reply != Reply::Past {
                    self.rest = bytes;
                }
            }
            Outgoing::End(trailers) => self.then = Then::End(trailers),
            Outgoing::Upgrade(head) => {
                self.send_head(reply::tunnel(head, &self.context.date()), EndStream::No)?;
                self.reply = Reply::Tunnel;
                if self.body.is_none() {
                    self.call().exchange().end_body(None);
                    self.call().exchange().half_close();
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
    ) -> Result<(), Over> {
        let date = self.context.date();
        let method = self.call().scope().method.clone();
        let (head, framing, connection) = reply::head(head, length, &first, &method, &date);
        if connection == Connection::Ends {
            self.streams.ask_for_end();
        }
        match (framing, length) {
            (Framing::Suppressed, _) => {
                self.send_head(head, EndStream::Yes)?;
                self.reply = Reply::Past;
            }
            (Framing::Follows, ReplyLength::Whole) if first.is_empty() => {
                self.send_head(head, EndStream::Yes)?;
                self.reply = Reply::Past;
            }
            (Framing::Follows, _) => {
                self.send_head(head, EndStream::No)?;
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
    fn look_for_reset(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let reset = match &mut self.sending {
            Sending::Head(respond) => respond.poll_reset(task),
            Sending::Body(stream) => stream.poll_reset(task),
        };
        match reset {
            Poll::Pending => Ok(()),
            Poll::Ready(_) => Err(Over(self.streams.gone())),
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => return Err(Over(Gone::WriteTimeout)),
            Some(Overdue::Read(_)) => {
                self.context.expect_nothing();
                self.call().exchange().fail_body(BodyError::Timeout);
            }
        }
        Ok(())
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(&mut self) {
        let brought = std::mem::replace(&mut self.brought, News::None);
        let waits = !self.is_tunnel()
            && self.body.is_some()
            && matches!(self.call().exchange().wanted(), Wanted::Now(1..));
        match (waits, brought) {
            (true, News::Bytes) => self.context.expect_anew(Reading::Body),
            (true, News::None) => self.context.expect(Reading::Body),
            (false, _) => self.context.expect_nothing(),
        }
        match (self.unsent(), self.gauge.take_written()) {
            (0, _) => self.context.expect_no_write(),
            (_, News::Bytes) => self.context.expect_write_anew(),
            (_, News::None) => self.context.expect_write(),
        }
    }

    fn end(&mut self, gone: Gone) {
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
            self.streams.note_reset();
        }
        let call = self.call();
        call.exchange().set_gone(gone);
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

impl Future for Stream {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        match me.drive(task) {
            Ok(poll) => poll,
            Err(Over(gone)) => {
                me.end(gone);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams
            .close(self.call.take().filter(|call| !call.is_active()));
    }
}
