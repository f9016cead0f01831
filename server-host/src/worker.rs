//! A worker: a thread with its own runtime, its own listeners and all connections that it accepts.

mod observing;
mod seat;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway_spec::{Capabilities, ConnectionInfo, HttpScope, Scope, Signal, State, WorkerThread};
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::accept::Queued;
use crate::access_log::AccessLog;
use crate::app::App;
use crate::call::Kit;
use crate::clock::{Clock, ticks};
use crate::crew::Leaving;
use crate::crowd::Crowd;
use crate::date::Dates;
use crate::metrics::{Count, Counts};
use crate::opens::Sources;
use crate::pace::Pace;
use crate::proxy::Rewriting;
use crate::pulse::Pulse;
use crate::stall::{Mark, Stalls, Turns};
use crate::{Exchange, Protocol, Reading, Settings, Shutdown, Timeouts};

pub(crate) use observing::Observing;
pub(crate) use seat::Seat;

/// What the connections of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) app: App,
    pub(crate) blank: Blank,
    kits: Mutex<Kits>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) waits: Waits,
    pub(crate) paces: Paces,
    pub(crate) capabilities: Capabilities,
    pub(crate) drain: Signal<Instant>,
    /// Raised when the grace period is over.
    forced: Signal<()>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) dates: Dates,
    /// By whom it is told apart.
    number: usize,
    pub(crate) counts: Arc<Counts>,
    pub(crate) turns: Arc<Turns>,
    stalls: Arc<Stalls>,
    access_log: Option<AccessLog>,
    pub(crate) observing: Observing,
    /// Whether anybody wants to know of exchanges.
    pub(crate) is_observed: bool,
    /// Exchanges that were observed.
    observed: Count,
    /// [`SERVING`], [`RETIRING`], [`DRAINING`] or [`FORCED`].
    phase: AtomicU8,
    /// The tick until which a head that has begun is waited for.
    heads_until: AtomicU32,
    /// All that the drain waits for.
    open: AtomicUsize,
    /// Those of it that are sockets.
    connections: AtomicUsize,
    /// Calls of the application under way. Written by the worker's own thread alone, so it is loaded and stored: no
    /// request pays for a locked instruction.
    calls: AtomicUsize,
    /// Told whenever something has ended, here or on another worker.
    closed: Arc<Notify>,
    pub(crate) handshakes: Crowd,
    /// What becomes of connections above the limit.
    when_full: WhenFull,
    /// The connections of a worker that gives the oldest up.
    pub(crate) crowd: Crowd,
    pulse: Arc<Pulse>,
    /// What is to be changed of scopes, if anything.
    pub(crate) rewriting: Option<Arc<Rewriting>>,
}

/// How long peers are waited for, in ticks.
#[derive(Debug)]
pub(crate) struct Waits {
    head: u32,
    idle: u32,
    body: u32,
    linger: u32,
}

impl Waits {
    fn of(timeouts: &Timeouts) -> Self {
        Self {
            head: ticks(timeouts.head),
            idle: ticks(timeouts.idle),
            body: ticks(timeouts.body),
            linger: ticks(timeouts.linger),
        }
    }

    #[inline]
    pub(crate) const fn of_kind(&self, reading: Reading) -> u32 {
        match reading {
            Reading::Head => self.head,
            Reading::Idle => self.idle,
            Reading::Body => self.body,
            Reading::Linger => self.linger,
        }
    }
}

/// How fast peers have to be.
#[derive(Debug)]
pub(crate) struct Paces {
    pub(crate) body: Pace,
    pub(crate) write: Pace,
}

impl Paces {
    fn of(timeouts: &Timeouts) -> Self {
        Self {
            body: Pace::new(timeouts.body, timeouts.body_rate, timeouts.body_ceiling),
            write: Pace::new(timeouts.write, timeouts.write_rate, timeouts.write_ceiling),
        }
    }
}

/// What a worker is made of.
pub(crate) struct Equipment {
    pub(crate) number: usize,
    pub(crate) app: App,
    pub(crate) state: State,
    pub(crate) settings: Arc<Settings>,
    pub(crate) capabilities: Capabilities,
    pub(crate) forced: Signal<()>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) closed: Arc<Notify>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) stalls: Arc<Stalls>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) observing: Observing,
    pub(crate) when_full: WhenFull,
}

/// What becomes of connections when a worker has as many as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// New ones wait in the kernel.
    NewWait,
    /// The oldest is given up for each new one.
    OldestLeaves,
}

/// What stands where connections without a request have their scopes and exchanges. Nothing changes it: the exchange is over, and a scope that
/// is shared is copied by whoever writes into it.
#[derive(Debug)]
pub(crate) struct Blank {
    scope: Scope,
    exchange: Arc<Exchange>,
}

impl Blank {
    fn new(state: State, capabilities: Capabilities) -> Self {
        let mut scope = HttpScope::new(Arc::new(ConnectionInfo::new(capabilities)));
        scope.state = state;
        Self {
            scope: Scope::new(scope),
            exchange: Arc::new(Exchange::over()),
        }
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    pub(crate) fn shared_scope(&self) -> &Scope {
        &self.scope
    }

    /// One of its own for the calls of a place, with the label that is shown there.
    pub(crate) fn scope(&self, mark: &Mark) -> Scope {
        let mut scope = self.scope.clone();
        scope.edit().label = mark.label();
        scope
    }
}

/// Each is a pointer, which goes to a connection and comes back.
type Kits = Vec<Box<Kit>>;

/// Kits that a worker keeps: of some KiB each, and as many as requests are at work at once on one thread where their applications do not wait.
const KITS: usize = 64;

impl Worker {
    pub(crate) fn new(equipment: Equipment) -> Self {
        let Equipment {
            number,
            app,
            state,
            settings,
            capabilities,
            forced,
            clock,
            closed,
            counts,
            turns,
            stalls,
            access_log,
            observing,
            when_full,
        } = equipment;
        let rewriting = Rewriting::new(&settings.proxies);
        Self {
            app,
            is_observed: access_log.is_some()
                || observing.counts
                || observing.spans
                || settings.recycling.requests.is_some(),
            waits: Waits::of(&settings.timeouts),
            paces: Paces::of(&settings.timeouts),
            blank: Blank::new(state, capabilities),
            kits: Mutex::default(),
            settings,
            capabilities,
            drain: Signal::new(),
            forced,
            clock,
            heads_until: AtomicU32::new(u32::MAX),
            dates: Dates::new(),
            number,
            counts,
            turns,
            stalls,
            access_log,
            observing,
            observed: Count::default(),
            phase: AtomicU8::new(SERVING),
            open: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            closed,
            handshakes: Crowd::default(),
            when_full,
            crowd: Crowd::default(),
            pulse: Arc::default(),
            rewriting,
        }
    }

    /// By whom it is told apart.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Calls of the application under way.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Sockets that are open, those at a handshake among them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Something has begun that the drain waits for.
    fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// It has ended.
    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.closed.notify_waiters();
    }

    /// Counts a call, if one more may run (HTTP-3).
    pub(crate) fn call_begins(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        let may = calls < self.settings.limits.exchanges;
        if may {
            self.calls.store(calls + 1, Ordering::Relaxed);
        }
        may
    }

    /// What a call needs.
    #[inline]
    pub(crate) fn take_kit(&self) -> Box<Kit> {
        let kit = self.lock_kits().pop();
        kit.unwrap_or_else(|| Box::new(Kit::new(self)))
    }

    /// Takes back what no call needs any more.
    #[inline]
    pub(crate) fn give_kit(&self, kit: Box<Kit>) {
        let mut kits = self.lock_kits();
        if kits.len() < KITS {
            return kits.push(kit);
        }
        drop(kits);
        // Without the lock: what is in it may be the application's.
        spare(kit);
    }

    #[inline]
    fn lock_kits(&self) -> MutexGuard<'_, Kits> {
        self.kits.lock()
    }

    /// A call that was counted has returned, or was dropped.
    pub(crate) fn call_ended(&self) {
        let calls = self.calls.load(Ordering::Relaxed);
        self.calls.store(calls.wrapping_sub(1), Ordering::Relaxed);
    }

    /// By which it says that it lives.
    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// What it has to do: connections, and those at work once more.
    pub(crate) fn load(&self) -> usize {
        self.connections() + self.calls()
    }

    /// Told whenever something has ended, here or on another worker.
    pub(crate) fn freed(&self) -> &Notify {
        &self.closed
    }

    /// What becomes of connections when it has as many as it may have.
    pub(crate) fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Whether it may have one more connection.
    pub(crate) fn has_room(&self) -> bool {
        self.when_full == WhenFull::OldestLeaves
            || self.connections() < self.settings.limits.connections
    }

    /// Runs on a thread of its own until the drain has ended.
    pub(crate) fn run<P: Protocol>(
        self: Arc<Self>,
        runtime: Runtime,
        protocol: Arc<P>,
        sources: Sources,
        shutdown: &Signal<Leaving>,
    ) -> io::Result<()> {
        let _mark = WorkerThread::enter();
        runtime.spawn(self.pulse().beat());
        let result = runtime.block_on(Arc::clone(&self).serve(protocol, sources, shutdown));
        self.pulse.end();
        // Futures that did not end in time are dropped here, in a runtime that still exists.
        drop(runtime);
        self.flush();
        result
    }

    async fn serve<P: Protocol>(
        self: Arc<Self>,
        protocol: Arc<P>,
        sources: Sources,
        shutdown: &Signal<Leaving>,
    ) -> io::Result<()> {
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move { turns.beat().await });
        let accepting = sources.open(&self, protocol, shutdown);
        let Leaving { deadline, queued } = shutdown.wait().await;
        let grace = deadline.saturating_duration_since(Instant::now());
        let farewell = farewell(grace);
        // A head is one packet or a few: who began one is served, and who does not end it holds nobody up.
        let heads_until = match queued {
            Queued::Taken => farewell,
            Queued::Left => grace / 2 + farewell,
        };
        self.heads_until
            .store(self.clock.deadline(heads_until), Ordering::Relaxed);
        let phase = match queued {
            Queued::Taken => DRAINING,
            Queued::Left => RETIRING,
        };
        self.phase.store(phase, Ordering::Relaxed);
        // Applications are told of the time that is theirs; the rest is for goodbyes.
        let force_at = deadline - farewell;
        self.drain.raise(force_at);
        for task in accepting {
            // It takes what the kernel has accepted for it, if that is not left to another process, and ends.
            if let Ok(Err(error)) = task.await {
                tracing::error!(%error, "a listener could not be used");
            }
        }
        self.clock.wake_all();
        if queued == Queued::Left {
            // Clients that are silent may be about to ask: nobody hurries, since others are served already.
            let half = (deadline - grace / 2).into();
            let _ = tokio::time::timeout_at(half, self.all_closed()).await;
            self.phase.store(DRAINING, Ordering::Relaxed);
            self.clock.wake_all();
        }
        self.drain_until(force_at, deadline).await;
        Ok(())
    }

    async fn drain_until(&self, force_at: Instant, deadline: Instant) {
        if tokio::time::timeout_at(force_at.into(), self.all_closed())
            .await
            .is_ok()
        {
            return;
        }
        self.phase.store(FORCED, Ordering::Relaxed);
        self.forced.raise(());
        self.clock.wake_all();
        if tokio::time::timeout_at(deadline.into(), self.all_closed())
            .await
            .is_err()
        {
            let open = self.open.load(Ordering::Relaxed);
            tracing::warn!(
                open,
                "the grace period is over: dropping what is still open"
            );
        }
    }

    async fn all_closed(&self) {
        loop {
            let mut closed = pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            closed.await;
        }
    }

    /// The time has come to so many ticks.
    pub(crate) fn tick(&self, ticks: u32) {
        self.clock.tick(ticks);
        self.flush();
        self.forget_requests();
    }

    /// Forgets what clients have said who are idle now. Here, so that a client that goes on finds its request as it was, and no request pays for it.
    fn forget_requests(&self) {
        self.lock_kits().iter_mut().for_each(|kit| kit.forget(self));
    }

    /// Gives on what was logged.
    fn flush(&self) {
        if let Some(log) = &self.access_log {
            log.flush();
        }
    }

    #[inline]
    pub(crate) fn shutdown(&self) -> Shutdown {
        match self.phase.load(Ordering::Relaxed) {
            SERVING => Shutdown::No,
            RETIRING => Shutdown::Retiring,
            DRAINING => Shutdown::Draining,
            _ => Shutdown::Forced,
        }
    }

    /// The tick until which a head that has begun is waited for: far off, until a shutdown begins.
    pub(crate) fn heads_until(&self) -> u32 {
        self.heads_until.load(Ordering::Relaxed)
    }
}

#[cold]
fn spare(kit: Box<Kit>) {
    drop(kit);
}

const SERVING: u8 = 0;
const RETIRING: u8 = 1;
const DRAINING: u8 = 2;
const FORCED: u8 = 3;

/// The end of the grace period that is kept for goodbyes: close frames and last writes. Heads that have begun get as much
/// of its beginning.
fn farewell(grace: Duration) -> Duration {
    (grace / 10).min(Duration::from_secs(1))
}
