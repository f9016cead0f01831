//! Looks at what the workers are at, from a thread that they cannot hold.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Holder, POLLED, Stalls, Turns};

/// From here on a worker that is held is told of while it lasts; and then each time that it has lasted ten times as long.
const LONG: Duration = Duration::from_secs(1);

/// Looks after the workers.
#[derive(Debug)]
pub(crate) struct Watchdog {
    threshold: Duration,
    stalls: Arc<Stalls>,
    sights: Vec<Sight>,
    looked: Instant,
}

/// What was seen of a worker.
#[derive(Debug)]
struct Sight {
    turns: Arc<Turns>,
    mark: u64,
    since: Instant,
    phase: Phase,
    /// When the worker was asked for an answer that has not come.
    asked: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is wrong.
    Well,
    /// A poll was reported; it is told of when it has lasted so long.
    Held { tell_at: Duration },
    /// Something beside the exchanges holds the worker; the same.
    Silent { tell_at: Duration },
}

impl Watchdog {
    pub(crate) fn new(
        threshold: Duration,
        stalls: Arc<Stalls>,
        workers: impl IntoIterator<Item = Arc<Turns>>,
    ) -> Self {
        let now = Instant::now();
        let sights = workers.into_iter().map(|turns| Sight {
            turns,
            mark: 0,
            since: now,
            phase: Phase::Well,
            asked: None,
        });
        Self {
            threshold,
            stalls,
            sights: sights.collect(),
            looked: now,
        }
    }

    /// How often to look: a stall is seen when it has lasted a quarter longer than the threshold, at the latest.
    pub(crate) fn period(threshold: Duration) -> Duration {
        (threshold / 4).max(Duration::from_millis(1))
    }

    /// Looks at all workers; `is_used` says which have connections, for the others are not woken.
    pub(crate) fn look(&mut self, now: Instant, is_used: impl Fn(usize) -> bool) {
        // A machine that kept this thread waiting kept the workers waiting, it may be: that is not the application's doing.
        let since_last = now.saturating_duration_since(self.looked);
        let late = since_last.saturating_sub(2 * Self::period(self.threshold));
        self.looked = now;
        if !late.is_zero() {
            self.sights
                .iter_mut()
                .for_each(|sight| sight.forgive(late, now));
        }
        for (worker, sight) in self.sights.iter_mut().enumerate() {
            sight.look_at_calls(worker, now, self.threshold, &self.stalls);
            sight.look_at_heart(worker, now, self.threshold, &self.stalls, is_used(worker));
        }
    }
}

impl Sight {
    fn look_at_calls(&mut self, worker: usize, now: Instant, threshold: Duration, stalls: &Stalls) {
        let mark = self.turns.now.load(Ordering::Relaxed);
        if mark != self.mark {
            if let Phase::Held { .. } = self.phase {
                let reported = self.mark & !POLLED;
                // The worker says it better, if it comes first.
                let label = self.turns.label(reported);
                if let Some(since) = self.turns.take_report(reported) {
                    let holder = Holder::Call {
                        label: label.as_deref(),
                    };
                    stalls.ended(worker, holder, now - since);
                }
                self.phase = Phase::Well;
            }
            self.end_silence(worker, now, stalls);
            self.mark = mark;
            self.since = now;
            self.asked = None;
            return;
        }
        let so_far = now.saturating_duration_since(self.since);
        if mark & POLLED == 0 || so_far < threshold {
            return;
        }
        match self.phase {
            Phase::Well => {
                *self.turns.held() = Some(self.since);
                stalls.began();
                self.turns.reported.store(mark & !POLLED, Ordering::Relaxed);
                self.phase = Phase::Held {
                    tell_at: LONG.max(threshold),
                };
            }
            Phase::Held { tell_at } if so_far >= tell_at => {
                let label = self.turns.label(mark);
                let holder = Holder::Call {
                    label: label.as_deref(),
                };
                stalls.goes_on(worker, holder, so_far);
                self.phase = Phase::Held {
                    tell_at: tell_at * 10,
                };
            }
            Phase::Held { .. } | Phase::Silent { .. } => {}
        }
    }

    /// Asks the worker for a sign while it is not in a call, and sees how long it takes.
    fn look_at_heart(
        &mut self,
        worker: usize,
        now: Instant,
        threshold: Duration,
        stalls: &Stalls,
        is_used: bool,
    ) {
        if self.mark & POLLED != 0 {
            return;
        }
        let asked = self.turns.asked.load(Ordering::Relaxed);
        if self.turns.answered.load(Ordering::Relaxed) == asked {
            self.end_silence(worker, now, stalls);
            self.asked = None;
            // Once in a tick is often enough, and an idle process is let sleep.
            if is_used && now.saturating_duration_since(self.since) >= crate::TICK {
                self.turns
                    .asked
                    .store(asked.wrapping_add(1), Ordering::Relaxed);
                self.turns.heart.notify_one();
                self.asked = Some(now);
                self.since = now;
            }
            return;
        }
        let so_far = now.saturating_duration_since(*self.asked.get_or_insert(now));
        match self.phase {
            Phase::Well if so_far >= threshold => {
                stalls.began();
                self.phase = Phase::Silent {
                    tell_at: LONG.max(threshold),
                };
            }
            Phase::Silent { tell_at } if so_far >= tell_at => {
                stalls.goes_on(worker, Holder::Task, so_far);
                self.phase = Phase::Silent {
                    tell_at: tell_at * 10,
                };
            }
            Phase::Well | Phase::Silent { .. } | Phase::Held { .. } => {}
        }
    }

    /// So much of the time says nothing.
    fn forgive(&mut self, late: Duration, now: Instant) {
        if self.phase == Phase::Well {
            self.since = (self.since + late).min(now);
            self.asked = self.asked.map(|asked| (asked + late).min(now));
        }
    }

    fn end_silence(&mut self, worker: usize, now: Instant, stalls: &Stalls) {
        if let (Phase::Silent { .. }, Some(asked)) = (self.phase, self.asked) {
            stalls.ended(worker, Holder::Task, now - asked);
            self.phase = Phase::Well;
        }
    }
}
