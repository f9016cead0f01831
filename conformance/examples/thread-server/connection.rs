//! One connection on a thread of its own, so it reads as it goes: a request, its exchange, what is left of the request, the
//! next request; and at last a goodbye that loses nothing.
//!
//! The thread sleeps in [`Connection::wait`] alone: for the socket, for its bell, or for the time. Errors are [`Gone`]: why
//! nothing can be sent any more.

use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use gateway_spec::{
    Address, AppError, BodyLength, ConnectionInfo, Gone, Headers, Http, HttpScope, Scope,
    WorkerThread,
};
use http::{HeaderValue, StatusCode, Version, header};
use http1::{AfterReply, BodyFraming, RequestHead, Step};
use rustix::event::PollFlags;

use crate::bell::Bell;
use crate::exchange::{BODY_BYTES, DISCARD_BYTES, End, Exchange, date};
use crate::output::Output;
use crate::server::{CAPABILITIES, Call, Server};

/// Bytes of a closing connection that are read and thrown away, so that an uploader reads the answer (SRV-6).
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How long a head may go on that had begun when the drain did.
const LAST_HEAD: Duration = Duration::from_secs(1);

pub(crate) struct Connection {
    server: Arc<Server>,
    socket: TcpStream,
    info: Arc<ConnectionInfo>,
    bell: Arc<Bell>,
    /// Rung by the bell: the drain's beginning, and the end of the applications' time.
    waker: Waker,
    input: BytesMut,
    input_ended: bool,
    output: Output,
    output_ended: bool,
    /// The socket took no more, and did not say yet that it does again.
    is_full: bool,
    /// When it last took something.
    written: Instant,
}

impl Connection {
    pub(crate) fn new(server: Arc<Server>, socket: TcpStream, bell: Arc<Bell>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Answers are written whole: waiting to join small ones would only delay them.
        socket.set_nodelay(true)?;
        let info = ConnectionInfo::new(CAPABILITIES)
            .with_client(Address::Tcp(socket.peer_addr()?))
            .with_server(Address::Tcp(socket.local_addr()?))
            .with_drain(server.drain.clone());
        Ok(Self {
            server,
            socket,
            info: Arc::new(info),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            input: BytesMut::new(),
            input_ended: false,
            output: Output::default(),
            output_ended: false,
            is_full: false,
            written: Instant::now(),
        })
    }

    /// Serves it to its end.
    pub(crate) fn run(mut self) {
        // SRV-11: applications find timers and I/O wherever they are polled.
        let runtime = self.server.runtime.clone();
        let _entered = runtime.enter();
        // SYNC-1: what blocks here would wait for what this thread alone can bring.
        let _mark = WorkerThread::enter();
        // All of them end what this thread waits for. Dropped with it, so that nobody rings for nothing.
        let mut drain = self.server.drain.wait();
        let mut forced = self.server.forced.wait();
        let mut over = self.server.over.wait();
        let mut cx = Context::from_waker(&self.waker);
        let _ = std::pin::Pin::new(&mut drain).poll(&mut cx);
        let _ = std::pin::Pin::new(&mut forced).poll(&mut cx);
        let _ = std::pin::Pin::new(&mut over).poll(&mut cx);
        if let Ok(()) = self.serve() {
            let _ = self.say_goodbye();
        }
    }

    /// Request after request (HTTP-2), until one of both ends wants no more.
    fn serve(&mut self) -> Result<(), Gone> {
        let limits = http1::Limits::default().with_chunked_body_bytes(BODY_BYTES);
        let mut http1 = http1::Connection::new(limits);
        let mut patience = self.server.times.head;
        loop {
            let Some(head) = self.read_head(&mut http1, patience)? else {
                return Ok(());
            };
            let Some(after) = self.exchange(http1, head)? else {
                return Ok(());
            };
            http1 = after;
            match http1.after_reply() {
                AfterReply::KeepOpen => {}
                AfterReply::Drain if self.discard_body(&mut http1)? => {}
                AfterReply::Drain | AfterReply::Close => return Ok(()),
            }
            if http1.start_next().is_err() {
                return Ok(());
            }
            patience = self.server.times.idle;
        }
    }

    /// The next head; `None` if what came is none and was answered, or if none comes any more (HTTP-1).
    fn read_head(
        &mut self,
        http1: &mut http1::Connection,
        patience: Duration,
    ) -> Result<Option<RequestHead>, Gone> {
        let mut head = RequestHead::default();
        let mut until = Instant::now() + patience;
        let mut is_idle = true;
        let mut drains = false;
        if self.input_ended {
            http1.end_of_input();
        }
        loop {
            match http1.next_event(&mut self.input, &mut head) {
                Ok(Step::Event(_)) => {
                    if self.is_draining() {
                        http1.close_after_reply(); // SRV-16
                    }
                    return Ok(Some(head));
                }
                Ok(Step::NeedBytes) => {}
                Ok(Step::Paused | Step::Closed) => return Ok(None),
                Err(error) => {
                    // Nothing was answered yet, so this can be.
                    let _ = http1.error_reply(error, &date(), self.output.tail());
                    return Ok(None);
                }
            }
            if is_idle && !self.input.is_empty() {
                is_idle = false;
                until = Instant::now() + self.server.times.head;
            }
            if self.read()? {
                if self.input_ended {
                    http1.end_of_input();
                }
                continue;
            }
            // SRV-16: no new requests. A head that has begun may end, if it does so soon.
            if self.is_draining() && is_idle || self.is_forced() {
                return Err(Gone::Shutdown);
            }
            if self.is_draining() && !drains {
                drains = true;
                until = until.min(Instant::now() + LAST_HEAD);
            }
            if Instant::now() >= until {
                if !is_idle {
                    let (status, why) = (StatusCode::REQUEST_TIMEOUT, "the head took too long");
                    http1::write_closing_reply(status, why, &date(), self.output.tail());
                }
                return Ok(None);
            }
            self.wait(PollFlags::IN, Some(until))?;
        }
    }

    /// Calls the application for a request, and sees it through; `None` if the connection is to end after it.
    fn exchange(
        &mut self,
        mut http1: http1::Connection,
        head: RequestHead,
    ) -> Result<Option<http1::Connection>, Gone> {
        let Some(counts) = self.server.calls.add(self.server.limits.calls) else {
            let wait = Headers::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("1"))]);
            let (busy, out) = (StatusCode::SERVICE_UNAVAILABLE, self.output.tail());
            // No answer was begun, and this one is well formed.
            let _ = http1.send_whole(busy, &wait, b"busy\n", &date(), out); // HTTP-3
            self.flush()?;
            return Ok(Some(http1));
        };
        let version = head.facts.version;
        let exchange = Arc::new(Exchange::new(http1, &head, Arc::clone(&self.bell)));
        let http = Http::new(self.scope(head), Arc::clone(&exchange) as _);
        let mut call = Some(Call::new(&self.server, http, &exchange, counts));

        let ended = self.see_through(&exchange, &mut call);

        let gone = match ended {
            _ if self.is_forced() => Gone::Shutdown,
            Ok(End::Complete | End::Close) => Gone::Finished,
            Ok(End::Abort | End::Reset) => Gone::Aborted,
            Err(gone) => gone,
        };
        let http1 = exchange.finish(gone); // SRV-2
        if let Some(call) = call {
            call.go_on(&self.server.runtime);
        }
        match (ended?, http1) {
            (End::Complete, http1) => Ok(http1),
            // Where the connection's end is the body's, only a reset can tell too (HTTP-29).
            (End::Reset, _) => self.cut_off(),
            (End::Abort, _) if version == Version::HTTP_10 => self.cut_off(),
            _ => Ok(None),
        }
    }

    /// What is known before the body (SCOPE).
    fn scope(&self, head: RequestHead) -> Scope {
        let mut scope = HttpScope::new(Arc::clone(&self.info));
        scope.method = head.method;
        scope.uri = head.uri;
        scope.version = head.facts.version;
        scope.headers = head.headers;
        scope.body = match head.facts.framing {
            BodyFraming::Empty => BodyLength::Empty,
            BodyFraming::Sized(length) => BodyLength::Known(length),
            BodyFraming::Chunked => BodyLength::Unknown,
        };
        scope.state = self.server.state.clone();
        Scope::new(scope)
    }

    /// Polls the application and moves bytes, both ways, until the exchange has ended and all of it is sent. The call is
    /// taken out when it has returned.
    fn see_through(&mut self, exchange: &Exchange, call: &mut Option<Call>) -> Result<End, Gone> {
        let mut body_timer = Timer::default();
        let mut is_half_closed = self.input_ended;
        if is_half_closed {
            exchange.end_input();
        }
        loop {
            if self.is_draining() {
                exchange.be_the_last(); // SRV-16
            }
            self.poll(exchange, call);
            exchange.read(&mut self.input);
            let todo = exchange.todo();
            let is_all_sent = self.write(exchange)?;
            if let Some(end) = todo.ended.filter(|_| is_all_sent) {
                return Ok(end);
            }
            if self.server.over.value().is_some() {
                return Err(Gone::Shutdown);
            }
            if is_all_sent && todo.end_output && !self.output_ended {
                self.end_output()?; // HTTP-31
            }

            let reads = todo.read && !self.input_ended;
            let body_until = body_timer.run(todo.hurry && reads, self.server.times.body);
            let write_until = (!is_all_sent).then(|| self.written + self.server.times.write);
            let mut interest = PollFlags::empty();
            interest.set(PollFlags::IN, reads);
            interest.set(PollFlags::OUT, !is_all_sent);
            interest.set(PollFlags::RDHUP, !is_half_closed);
            let ready = self.wait(interest, body_until.into_iter().chain(write_until).min())?;

            if ready.contains(PollFlags::ERR) {
                return Err(Gone::PeerReset);
            }
            self.is_full &= !ready.contains(PollFlags::OUT);
            if ready.contains(PollFlags::RDHUP) && !is_half_closed {
                is_half_closed = true;
                exchange.half_close(); // SRV-3
            }
            if reads && self.read()? {
                exchange.hear();
                body_timer = Timer::default();
                if self.input_ended {
                    is_half_closed = true;
                    exchange.end_input();
                }
            }
            let now = Instant::now();
            if body_until.is_some_and(|until| now >= until) && ready.is_empty() {
                exchange.time_out();
            }
            if write_until.is_some_and(|until| now >= until) && ready.is_empty() {
                self.reset_on_close();
                return Err(Gone::WriteTimeout);
            }
        }
    }

    /// Polls the application, unless it has returned, and settles what it leaves open (SRV-12).
    fn poll(&self, exchange: &Exchange, call: &mut Option<Call>) {
        let mut cx = Context::from_waker(&self.waker);
        let Some(running) = call else {
            return;
        };
        match running.poll(&mut cx) {
            Poll::Pending if self.is_forced() => {
                exchange.settle(&AppError::status(StatusCode::SERVICE_UNAVAILABLE));
            }
            Poll::Pending => {
                if exchange.answer_if_abandoned() {
                    running.log(&"the application dropped its handle without an answer (SRV-12)");
                }
            }
            Poll::Ready(result) => {
                match result {
                    Ok(_done) if exchange.settle(&AppError::message("there is no answer")) => {
                        running.log(&"the application returned without an answer (SRV-12)");
                    }
                    Ok(_done) => {}
                    Err(error) => {
                        exchange.settle(&error); // APP-6
                        running.report(&error);
                    }
                }
                *call = None;
            }
        }
    }

    /// Throws away the rest of a body (SRV-6); whether it was short enough to be worth it.
    fn discard_body(&mut self, http1: &mut http1::Connection) -> Result<bool, Gone> {
        let mut left = DISCARD_BYTES;
        let mut head = RequestHead::default();
        if self.input_ended {
            http1.end_of_input();
        }
        loop {
            match http1.next_event(&mut self.input, &mut head) {
                Ok(Step::Event(http1::Event::Data(bytes))) => {
                    match left.checked_sub(bytes.len() as u64) {
                        Some(less) => left = less,
                        None => return Ok(false),
                    }
                }
                Ok(Step::Event(http1::Event::End)) => return Ok(true),
                Ok(Step::Event(_)) => {}
                Ok(Step::NeedBytes) => {
                    let until = Instant::now() + self.server.times.body;
                    while !self.read()? {
                        // The answer is out: what is left holds no drain (SRV-16).
                        if Instant::now() >= until || self.is_draining() {
                            return Ok(false);
                        }
                        self.wait(PollFlags::IN, Some(until))?;
                    }
                    if self.input_ended {
                        http1.end_of_input();
                    }
                }
                Ok(Step::Paused | Step::Closed) | Err(_) => return Ok(false),
            }
        }
    }

    /// Sends what is left, ends our direction, and reads on for a while: to close at once would take from a client that is
    /// still sending what it has not read yet (RFC 9112 section 9.6).
    fn say_goodbye(&mut self) -> Result<(), Gone> {
        self.flush()?;
        if !self.output_ended {
            self.end_output()?;
        }
        let until = Instant::now() + self.server.times.linger;
        let mut left = LINGER_BYTES;
        while !self.input_ended && Instant::now() < until && !self.is_forced() {
            self.input.clear();
            if self.read()? {
                left = left.checked_sub(self.input.len()).ok_or(Gone::Finished)?;
            } else {
                self.wait(PollFlags::IN, Some(until))?;
            }
        }
        Ok(())
    }

    /// Sends what there is.
    fn flush(&mut self) -> Result<(), Gone> {
        while let Err(error) = self.output.write_to(&self.socket) {
            let until = Instant::now() + self.server.times.write;
            let is_blocked = error.kind() == io::ErrorKind::WouldBlock && !self.is_forced();
            if !is_blocked || self.wait(PollFlags::OUT, Some(until))?.is_empty() {
                return Err(Gone::WriteTimeout);
            }
        }
        Ok(())
    }

    // The socket.

    /// Reads what there is, at most so much that it counts as one event; whether there was something, or the end.
    fn read(&mut self) -> Result<bool, Gone> {
        if self.input_ended {
            return Ok(false);
        }
        let mut part = [0; 16 * 1024];
        match self.socket.read(&mut part) {
            Ok(0) => self.input_ended = true,
            Ok(length) => self.input.extend_from_slice(&part[..length]),
            Err(error) if is_nothing(&error) => return Ok(false),
            Err(_) => return Err(Gone::PeerReset),
        }
        Ok(true)
    }

    /// Writes what the exchange has to send; whether that was all.
    fn write(&mut self, exchange: &Exchange) -> Result<bool, Gone> {
        while !self.is_full {
            if self.output.is_empty() {
                self.written = Instant::now();
                exchange.take_output(&mut self.output);
                if self.output.is_empty() {
                    return Ok(true);
                }
            }
            let before = self.output.len();
            let written = self.output.write_to(&self.socket);
            if self.output.len() != before {
                self.written = Instant::now();
            }
            exchange.sent_all_but(self.output.len());
            match written {
                Ok(()) => {}
                Err(error) if is_nothing(&error) => self.is_full = true,
                // A file was shorter than its region: the response is cut off (HTTP-25).
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Gone::Aborted);
                }
                Err(_) => return Err(Gone::PeerReset),
            }
        }
        Ok(false)
    }

    fn end_output(&mut self) -> Result<(), Gone> {
        self.output_ended = true;
        let ended = self.socket.shutdown(Shutdown::Write);
        ended.map_err(|_| Gone::PeerReset)
    }

    /// Ends the connection by a reset.
    fn cut_off<T>(&self) -> Result<T, Gone> {
        self.reset_on_close();
        Err(Gone::Aborted)
    }

    /// Whoever waits for the client's answer must know that there is none.
    fn reset_on_close(&self) {
        // If it cannot be set, the close is an ordinary one.
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    fn wait(&self, interest: PollFlags, until: Option<Instant>) -> Result<PollFlags, Gone> {
        // When both directions have ended, the socket has no more to say, and would say so again and again.
        let is_over = self.output_ended && interest.is_empty();
        let socket = (!is_over).then_some(&self.socket);
        let ready = self.bell.wait(socket, interest, until);
        ready.map_err(|_| Gone::PeerReset)
    }

    fn is_draining(&self) -> bool {
        self.info.draining().is_some()
    }

    fn is_forced(&self) -> bool {
        self.server.forced.value().is_some()
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Runs while something is waited for.
#[derive(Default)]
struct Timer {
    since: Option<Instant>,
}

impl Timer {
    /// When the time is up, while it runs.
    fn run(&mut self, runs: bool, at_most: Duration) -> Option<Instant> {
        self.since = runs.then(|| self.since.unwrap_or_else(Instant::now));
        self.since.map(|since| since + at_most)
    }
}
