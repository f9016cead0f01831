//! The coarse time of a worker and the deadlines of its connections.
//!
//! One thread ticks for all connections. A pending timer of the runtime would cost some 400
//! instructions at every wake-up; here setting a deadline is one store, and whoever is due is found by a scan at each
//! tick.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

/// How often a worker looks at its deadlines: they are met late by at most this much.
pub const TICK: Duration = Duration::from_millis(100);

pub(crate) const TICKS_A_SECOND: u64 = 1_000 / TICK.as_millis() as u64;

/// The coarse time of a worker.
#[derive(Debug)]
pub(crate) struct Clock {
    now: AtomicU32,
    alarms: Mutex<Vec<Arc<Alarm>>>,
}

/// The one deadline of a connection, or of its socket, and the way to wake it.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// In ticks; 0 is none.
    deadline: AtomicU32,
    every_tick: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// The deadline of an alarm that was rung: before any that a clock gives.
const RUNG: u32 = 1;

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            now: AtomicU32::new(1),
            alarms: Mutex::new(Vec::new()),
        }
    }

    /// Ticks since the worker started.
    #[inline]
    pub(crate) fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    /// The tick at which so long will have passed.
    #[inline]
    pub(crate) fn deadline(&self, after: Duration) -> u32 {
        self.after(ticks(after))
    }

    /// The tick at which so many will have passed.
    #[inline]
    pub(crate) fn after(&self, ticks: u32) -> u32 {
        // One more: the tick under way is already partly over.
        self.now().saturating_add(ticks).saturating_add(1)
    }

    /// An alarm of a new connection or socket; it is forgotten when its owner drops it.
    pub(crate) fn alarm(&self) -> Arc<Alarm> {
        let alarm = Arc::new(Alarm {
            deadline: AtomicU32::new(0),
            every_tick: AtomicBool::new(false),
            waker: Mutex::new(None),
        });
        self.alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&alarm));
        alarm
    }

    /// Wakes every connection: something changed that all must see.
    pub(crate) fn wake_all(&self) {
        let alarms = self
            .alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        alarms.iter().for_each(|alarm| alarm.wake());
    }

    /// The time has come to so many ticks: wakes whoever is due and forgets the alarms that nobody holds.
    pub(crate) fn tick(&self, ticks: u32) {
        // From 1, since a deadline of 0 is none.
        let now = ticks.saturating_add(1);
        self.now.store(now, Ordering::Relaxed);
        let mut due = Vec::new();
        self.alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|alarm| {
                let held = Arc::strong_count(alarm) > 1;
                if held && (alarm.is_due(now) || alarm.every_tick.load(Ordering::Relaxed)) {
                    due.push(Arc::clone(alarm));
                }
                held
            });
        due.iter().for_each(|alarm| alarm.wake());
    }
}

/// Whole ticks of so long, rounded up.
#[inline]
pub(crate) fn ticks(length: Duration) -> u32 {
    // Seconds and the rest apart: a whole `Duration` is divided in 128 bits, which every request would pay for.
    let whole = length.as_secs().saturating_mul(TICKS_A_SECOND);
    let ticks = whole.saturating_add(length.subsec_nanos().div_ceil(TICK.subsec_nanos()).into());
    u32::try_from(ticks).unwrap_or(u32::MAX / 2)
}

impl Alarm {
    /// Sets the deadline to this tick; 0 is none.
    #[inline]
    pub(crate) fn set(&self, deadline: u32) {
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_due(&self, now: u32) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline != 0 && now >= deadline
    }

    /// Asks to be woken at each tick, deadline or not.
    pub(crate) fn set_every_tick(&self, on: bool) {
        self.every_tick.store(on, Ordering::Relaxed);
    }

    /// Names the task to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut kept = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = match &*kept {
            Some(kept) if kept.will_wake(waker) => None,
            _ => kept.replace(waker.clone()),
        };
        drop(kept);
        drop(unused);
    }

    /// Makes it due at this tick, if it was to be later.
    pub(crate) fn hurry(&self, deadline: u32) {
        self.deadline.fetch_min(deadline, Ordering::Relaxed);
    }

    /// Makes it due now.
    pub(crate) fn ring(&self) {
        self.set(RUNG);
        self.wake();
    }

    /// Whether it is due since it was [rung](Self::ring), and not since its time has come.
    pub(crate) fn has_rung(&self) -> bool {
        self.deadline.load(Ordering::Relaxed) == RUNG
    }

    fn wake(&self) {
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The thread that drives the clocks of all workers, until it is dropped.
///
/// A thread, so that no runtime has a timer pending: it wakes a worker only for a connection that is due.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Ticker {
    /// Calls `tick` in every `period`, which is a [`TICK`] at the most, with the number of ticks since the start and the time.
    pub(crate) fn start(
        period: Duration,
        mut tick: impl FnMut(u32, Instant) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let start = Instant::now();
            while !stopped.load(Ordering::Acquire) {
                thread::park_timeout(period);
                // By the time itself: a thread that the system kept waiting makes up for it.
                let now = Instant::now();
                let ticks = (now - start).as_millis() / TICK.as_millis();
                tick(u32::try_from(ticks).unwrap_or(u32::MAX), now);
            }
        };
        let thread = thread::Builder::new()
            .name(String::from("ticker"))
            .spawn(run)?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A tick that panicked has been reported by its thread.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_met_at_its_tick_and_not_before() {
        let clock = Clock::new();
        let alarm = clock.alarm();
        alarm.set(clock.deadline(TICK * 2));
        let mut ticks = 0;
        while !alarm.is_due(clock.now()) {
            ticks += 1;
            clock.tick(ticks);
        }
        assert_eq!(ticks, 3);
        alarm.set(0);
        assert!(!alarm.is_due(clock.now()));
    }

    #[test]
    fn a_deadline_is_rounded_up_to_a_tick() {
        let clock = Clock::new();
        for (after, ticks) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (TICK, 1),
            (TICK + Duration::from_nanos(1), 2),
            (Duration::from_millis(999), 10),
            (Duration::from_secs(75), 750),
            (Duration::from_millis(75_001), 751),
            (Duration::MAX, u32::MAX / 2),
        ] {
            assert_eq!(clock.deadline(after), clock.now() + ticks + 1, "{after:?}");
        }
    }

    #[test]
    fn dropped_alarms_are_forgotten() {
        let clock = Clock::new();
        drop(clock.alarm());
        let kept = clock.alarm();
        clock.tick(1);
        assert_eq!(clock.alarms.lock().expect("not poisoned").len(), 1);
        drop(kept);
    }
}
