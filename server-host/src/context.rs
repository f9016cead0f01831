//! What a connection needs of its worker: facts, calls, buffers, the date and the deadlines.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use gateway_spec::{Capabilities, ConnectionInfo};
use http::{HeaderValue, StatusCode};

use crate::buffers;
use crate::clock::{Alarm, Clock};
use crate::date::HttpDate;
use crate::settings::{Limits, Timeouts};
use crate::worker::Worker;
use crate::{AccessLogging, Call};

/// One connection, as its worker sees it. Counts as open until it is dropped.
#[derive(Debug)]
pub struct Context {
    worker: Arc<Worker>,
    info: Arc<ConnectionInfo>,
    alarm: Arc<Alarm>,
    /// The waker that the alarm has.
    waker: Option<Waker>,
    reading: Option<(Reading, u32)>,
    writing: Option<u32>,
    /// A tick at which the connection wants to be polled; 0 is none.
    also: u32,
    resets: ResetCount,
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

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// There is none.
    No,
    /// Finish what is under way, take nothing new.
    Draining,
    /// The grace period is over: end at once, in order where that is possible.
    Forced,
}

impl Context {
    pub(crate) fn new(worker: Arc<Worker>, info: ConnectionInfo) -> Self {
        worker.opened();
        let alarm = worker.clock.alarm();
        Self {
            info: Arc::new(info.with_drain(worker.drain.clone())),
            worker,
            alarm,
            waker: None,
            reading: None,
            writing: None,
            also: 0,
            resets: ResetCount::default(),
        }
    }

    /// The context of one of several streams of this connection: the same facts, and deadlines of its own. It counts
    /// as open too, so the drain waits for it.
    #[must_use]
    pub fn for_stream(&self) -> Self {
        self.worker.opened();
        Self {
            worker: Arc::clone(&self.worker),
            info: Arc::clone(&self.info),
            alarm: self.worker.clock.alarm(),
            waker: None,
            reading: None,
            writing: None,
            also: 0,
            resets: ResetCount::default(),
        }
    }

    /// The connection's facts, as every scope shows them.
    #[must_use]
    pub fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
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

    /// What the server offers.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.info.capabilities
    }

    /// A place for calls of the application, one after another.
    #[must_use]
    pub fn call(&self) -> Call {
        Call::new(Arc::clone(&self.worker), Arc::clone(&self.info))
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
        buffers::take()
    }

    /// Gives a read buffer back.
    #[inline]
    pub fn give_buffer(&self, buffer: BytesMut) {
        buffers::give(buffer);
    }

    /// Logs a request that was refused before the application saw it.
    pub fn refused(&self, status: StatusCode, why: &dyn std::fmt::Display) {
        if self.worker.settings.access_log == AccessLogging::On {
            self.worker
                .access_log
                .refused(self.info.client.as_ref(), status.as_u16(), why);
        }
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
        let timeouts = &self.worker.settings.timeouts;
        let after = match reading {
            Reading::Head => timeouts.head,
            Reading::Idle => timeouts.idle,
            Reading::Body => timeouts.body,
            Reading::Linger => timeouts.linger,
        };
        self.reading = Some((reading, self.deadline(after)));
        self.hurry();
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
        if self.reading.take().is_some() {
            self.set_alarm();
        }
    }

    /// Waits for the peer to take bytes; a wait that is under way goes on.
    pub fn expect_write(&mut self) {
        if self.writing.is_none() {
            self.expect_write_anew();
        }
    }

    /// Waits for the peer to take bytes, beginning now: it has taken some.
    pub fn expect_write_anew(&mut self) {
        self.writing = Some(self.deadline(self.worker.settings.timeouts.write));
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
        match (self.writing, self.reading) {
            (Some(at), _) if now >= at => Some(Overdue::Write),
            (_, Some((kind, at))) if now >= at => Some(Overdue::Read(kind)),
            _ => None,
        }
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
        let at = match (self.reading, self.writing) {
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

impl Drop for Context {
    fn drop(&mut self) {
        self.worker.closed();
    }
}
