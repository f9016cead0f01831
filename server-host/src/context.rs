//! What a connection needs of its worker: facts, calls, buffers, the date and the deadlines.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use gateway_spec::{Capabilities, ConnectionInfo, TlsInfo};
use http::uri::Scheme;
use http::{HeaderValue, StatusCode};

use crate::Call;
use crate::buffers;
use crate::clock::{Alarm, Clock};
use crate::date::HttpDate;
use crate::http2::Opening;
use crate::metrics::{Counts, OpenStream, Timer};
use crate::observe::Refused;
use crate::pace::Kept;
use crate::proxy::header::{Header, Security};
use crate::settings::{Limits, Timeouts};
use crate::worker::Seat;

/// One connection, as its worker sees it. Counts as open until it is dropped.
#[derive(Debug)]
pub struct Context {
    worker: Seat,
    info: Arc<ConnectionInfo>,
    alarm: Arc<Alarm>,
    /// The waker that the alarm has.
    waker: Option<Waker>,
    reading: Option<(Reading, u32)>,
    // Boxed, as is the next: nearly all connections wait for neither at nearly all times.
    writing: Option<Box<Writing>>,
    /// Of the body that is being received, once it was waited for.
    body: Option<Box<Body>>,
    /// A tick at which the connection wants to be polled; 0 is none.
    also: u32,
    resets: ResetCount,
    /// Requests that may still come.
    requests: u32,
}

/// What is waited for until the peer takes bytes.
#[derive(Debug, Default)]
struct Writing {
    until: u32,
    kept: Kept,
}

/// How a peer keeps its pace with a body.
#[derive(Debug, Default)]
struct Body {
    kept: Kept,
    /// Bytes that had been received when it was waited for last.
    received: u64,
}

/// How often the peer has cancelled, until when it is counted.
#[derive(Debug, Clone, Copy, Default)]
struct ResetCount {
    resets: u32,
    until: u32,
}

/// Whether a peer cancels more than an operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resets {
    /// No more.
    Allowed,
    /// More: [`Limits::resets`] were passed within [`Timeouts::resets`](crate::Timeouts::resets).
    Excessive,
}

/// Whether another request may come on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// Others may follow.
    Welcome,
    /// This is the last one: [`Limits::requests`] are reached, or a shutdown has begun.
    Last,
}

/// What a connection waits for from its peer; each has its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// The end of a head, from its first byte or the connection's start.
    Head,
    /// The next request.
    Idle,
    /// A part of a body that the application waits for.
    Body,
    /// The peer's end, after ours.
    Linger,
}

/// A time that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The peer did not send what was waited for.
    Read(Reading),
    /// The peer did not take what was to be sent.
    Write,
}

impl Overdue {
    /// What it is called where it is counted.
    const fn timer(self) -> Timer {
        match self {
            Self::Read(Reading::Head) => Timer::Head,
            Self::Read(Reading::Idle) => Timer::Idle,
            Self::Read(Reading::Body) => Timer::Body,
            Self::Read(Reading::Linger) => Timer::Linger,
            Self::Write => Timer::Write,
        }
    }
}

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// There is none.
    No,
    /// Another process serves in this one's place. Serve who is connected, and with the next answer tell clients to connect
    /// anew: none of them is to find its connection closed where it was about to ask.
    Retiring,
    /// Finish what is under way, take nothing new.
    Draining,
    /// The grace period is over: end at once, in order where that is possible.
    Forced,
}

impl Context {
    pub(crate) fn new(worker: Seat, info: ConnectionInfo) -> Self {
        let alarm = worker.clock.alarm();
        let requests = worker.settings.limits.requests.get();
        Self {
            info: Arc::new(info.with_drain(worker.drain.clone())),
            worker,
            alarm,
            waker: None,
            reading: None,
            writing: None,
            body: None,
            also: 0,
            resets: ResetCount::default(),
            requests,
        }
    }

    /// The context of one of several streams of this connection: the same facts, and deadlines of its own. The drain waits for
    /// it too, but it is no connection.
    #[must_use]
    pub fn for_stream(&self) -> Self {
        let requests = self.requests;
        Self {
            worker: Seat::for_other(self.worker.worker()),
            info: Arc::clone(&self.info),
            alarm: self.worker.clock.alarm(),
            waker: None,
            reading: None,
            writing: None,
            body: None,
            also: 0,
            resets: ResetCount::default(),
            requests,
        }
    }

    /// A stream of HTTP/2 begins: what is returned is kept until it ends. From the head's end on, whether its call becomes a task
    /// or not, so that both servers count the same.
    pub fn open_stream(&self) -> OpenStream {
        OpenStream::new(&self.worker.counts)
    }

    /// The connection's facts, as every scope shows them.
    #[must_use]
    pub fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
    }

    /// Says what a proxy has said before the first byte of HTTP.
    pub(crate) fn set_proxied(&mut self, header: Header) {
        match header {
            Header::Local => {}
            Header::Unknown => Arc::make_mut(&mut self.info).client = None,
            Header::Proxied {
                client,
                server,
                security,
            } => {
                let info = Arc::make_mut(&mut self.info);
                info.client = Some(client);
                info.server = Some(server);
                if security == Security::Tls {
                    info.scheme = Scheme::HTTPS;
                }
            }
        }
    }

    /// Says what was agreed on before the first byte of HTTP.
    pub(crate) fn set_tls(&mut self, tls: TlsInfo) {
        let info = Arc::make_mut(&mut self.info);
        info.scheme = Scheme::HTTPS;
        info.tls = Some(Arc::new(tls));
    }

    /// Which protocol the connection speaks, by all that has come so far.
    ///
    /// In clear text its first bytes say so. Over TLS it was agreed on by ALPN, and HTTP/2 cannot be spoken otherwise (RFC 9113
    /// section 3.3): what speaks the other one is broken.
    #[must_use]
    pub fn opening(&self, bytes: &[u8]) -> Opening {
        let opening = Opening::of(bytes);
        let Some(tls) = &self.info.tls else {
            return opening;
        };
        match (tls.application_protocol.as_deref(), opening) {
            (_, Opening::Undecided) => opening,
            (Some("h2"), Opening::Http2) => opening,
            (Some("h2"), _) | (_, Opening::Http2) => Opening::Broken,
            (_, opening) => opening,
        }
    }

    /// Says what the server offers on this connection alone; calls made from now on show it.
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        Arc::make_mut(&mut self.info).capabilities = capabilities;
    }

    /// Notes that the peer has cancelled so many more streams.
    pub fn note_resets(&mut self, resets: u32) -> Resets {
        let now = self.worker.clock.now();
        if now >= self.resets.until {
            self.resets = ResetCount {
                resets: 0,
                until: self.deadline(self.worker.settings.timeouts.resets),
            };
        }
        self.resets.resets = self.resets.resets.saturating_add(resets);
        if self.resets.resets > self.worker.settings.limits.resets {
            Resets::Excessive
        } else {
            Resets::Allowed
        }
    }

    /// A request has come, of HTTP/1, or a stream of HTTP/2: whether others may follow.
    #[inline]
    pub fn count_request(&mut self) -> Requests {
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 || self.worker.shutdown() != Shutdown::No {
            Requests::Last
        } else {
            Requests::Welcome
        }
    }

    /// What the server offers.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.info.capabilities
    }

    /// A place for calls of the application, one after another.
    #[must_use]
    pub fn call(&self) -> Call {
        Call::new(Arc::clone(self.worker.worker()), Arc::clone(&self.info))
    }

    /// The sizes that the operator allows.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.worker.settings.limits
    }

    /// The value of `Date`.
    #[must_use]
    #[inline]
    pub fn date(&self) -> HttpDate {
        self.worker.dates.get(&self.worker.clock)
    }

    /// The value of `Date`, as a field has it.
    #[must_use]
    pub fn date_value(&self) -> HeaderValue {
        self.worker.dates.value(&self.worker.clock)
    }

    /// An empty read buffer; give it back with [`give_buffer`](Self::give_buffer).
    #[must_use]
    #[inline]
    pub fn take_buffer(&self) -> BytesMut {
        let mut buffer = BytesMut::new();
        buffers::lend(&mut buffer);
        buffer
    }

    /// Gives a read buffer back, and leaves an empty one without memory.
    #[inline]
    pub fn give_buffer(&self, buffer: &mut BytesMut) {
        buffers::give(buffer);
    }

    /// Logs and counts a request that was refused before the application saw it.
    pub fn refused(&self, status: StatusCode, why: &dyn std::fmt::Display) {
        let refused = Refused { status, why };
        self.worker.refused(self.info.client.as_ref(), &refused);
    }

    /// Names the task to wake for deadlines and shutdowns. Call it at the start of each poll.
    #[inline]
    pub fn register(&mut self, waker: &Waker) {
        // A task has one waker for all its life, so the alarm's lock is taken once.
        if !self
            .waker
            .as_ref()
            .is_some_and(|kept| kept.will_wake(waker))
        {
            self.alarm.register(waker);
            self.waker = Some(waker.clone());
        }
    }

    /// How far a shutdown has come.
    #[must_use]
    #[inline]
    pub fn shutdown(&self) -> Shutdown {
        self.worker.shutdown()
    }

    /// Waits for this from the peer, from now on; a wait of the same kind that is under way goes on.
    #[inline]
    pub fn expect(&mut self, reading: Reading) {
        if self.reading.is_none_or(|(kind, _)| kind != reading) {
            self.expect_anew(reading);
        }
    }

    /// Waits for this from the peer, beginning now: bytes of it have come.
    pub fn expect_anew(&mut self, reading: Reading) {
        // What is waited for next has its own pace.
        self.body = None;
        let until = self.worker.clock.after(self.worker.waits.of_kind(reading));
        self.reading = Some((reading, until));
        self.hurry();
        self.set_alarm();
    }

    /// Waits for a part of a body. `received` is how many bytes have come so far
    /// ([`Exchange::received`](crate::Exchange::received)): more than at the last time are progress.
    pub fn expect_body(&mut self, received: u64) {
        let body = self.body.get_or_insert_default();
        let moved = received.wrapping_sub(body.received);
        if body.kept.is_waited_for() && moved == 0 {
            return;
        }
        body.received = received;
        let now = self.worker.clock.now();
        let until = body.kept.wait(&self.worker.paces.body, moved, now);
        self.reading = Some((Reading::Body, until));
        self.set_alarm();
    }

    /// Waits less long for a head, if a shutdown has begun: a tenth of the grace period, and at most a second. A head is one packet
    /// or a few, so who is at it gets it served, and who is not holds nobody up.
    pub fn hurry(&mut self) {
        if let Some((Reading::Head, at)) = &mut self.reading {
            *at = (*at).min(self.worker.heads_until());
            self.set_alarm();
        }
    }

    /// Whether this is waited for from the peer.
    #[must_use]
    pub fn waits_for(&self, reading: Reading) -> bool {
        self.reading.is_some_and(|(kind, _)| kind == reading)
    }

    /// Waits for nothing from the peer.
    #[inline]
    pub fn expect_nothing(&mut self) {
        if let Some((reading, _)) = self.reading.take() {
            if reading == Reading::Body
                && let Some(body) = &mut self.body
            {
                let now = self.worker.clock.now();
                body.kept.pause(&self.worker.paces.body, now);
            }
            self.set_alarm();
        }
    }

    /// Waits for the peer to take bytes. `taken` is how many it has taken since the last time: they are progress.
    pub fn expect_write(&mut self, taken: usize) {
        if self.writing.is_some() && taken == 0 {
            return;
        }
        let writing = self.writing.get_or_insert_default();
        let now = self.worker.clock.now();
        writing.until = writing
            .kept
            .wait(&self.worker.paces.write, taken as u64, now);
        self.set_alarm();
    }

    /// Nothing waits to be written.
    #[inline]
    pub fn expect_no_write(&mut self) {
        if self.writing.take().is_some() {
            self.set_alarm();
        }
    }

    /// Has the connection polled at this tick too; 0 is none.
    #[inline]
    pub(crate) fn also_wake_at(&mut self, tick: u32) {
        if self.also != tick {
            self.also = tick;
            self.set_alarm();
        }
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.worker.clock
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.worker.counts
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.worker.settings.timeouts
    }

    /// The wait that is over, if one is.
    #[must_use]
    #[inline]
    pub fn overdue(&self) -> Option<Overdue> {
        let now = self.worker.clock.now();
        if !self.alarm.is_due(now) {
            return None;
        }
        self.overdue_at(now)
    }

    #[cold]
    fn overdue_at(&self, now: u32) -> Option<Overdue> {
        let overdue = match (&self.writing, self.reading) {
            (Some(writing), _) if now >= writing.until => Overdue::Write,
            (_, Some((kind, at))) if now >= at => Overdue::Read(kind),
            _ => return None,
        };
        self.worker.counts.ran_out(overdue.timer());
        Some(overdue)
    }

    /// Asks to be polled at each tick, to look after a peer that is not read.
    #[inline]
    pub fn watch(&self, watching: Watching) {
        self.alarm.set_every_tick(watching == Watching::EveryTick);
    }

    fn deadline(&self, after: Duration) -> u32 {
        self.worker.clock.deadline(after)
    }

    fn set_alarm(&self) {
        let writing = self.writing.as_ref().map(|writing| writing.until);
        let at = match (self.reading, writing) {
            (Some((_, reading)), Some(writing)) => reading.min(writing),
            (Some((_, at)), None) | (None, Some(at)) => at,
            (None, None) => 0,
        };
        self.alarm.set(match (at, self.also) {
            (at, 0) | (0, at) => at,
            (at, also) => at.min(also),
        });
    }
}

/// Whether a connection wants to be polled at each tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// Only when something happens.
    Events,
    /// At each tick too.
    EveryTick,
}
