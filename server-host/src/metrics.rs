//! What a worker has counted, and how it is told.
//!
//! A worker's own thread alone writes its counts, so each is a plain load and store, and no request pays for a lock that
//! another may hold. Whoever asks reads them as they are, which may tear between two of them and never within one.

mod histogram;
mod open;
mod process;
mod routes;
mod text;
mod timer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::observe::{Limit, Observed, Outcome, Why};

pub(crate) use histogram::Histogram;
pub use open::OpenStream;
pub(crate) use open::{Gauge, Open};
pub(crate) use process::{Process, resident_bytes};
pub(crate) use routes::{Labels, OTHERS, ROUTES, Route, Routes};
pub(crate) use text::render;
pub(crate) use timer::Timer;

/// A number that one thread writes and all may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before.wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, less: u64) {
        self.add(less.wrapping_neg());
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The status codes that there may be.
const CODES: std::ops::Range<u16> = 100..600;

/// What one worker has counted.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Connections that were accepted.
    pub(crate) accepted: Count,
    /// WebSockets that are open.
    pub(crate) websockets: Count,
    /// Streams of HTTP/2 that are open.
    pub(crate) streams: Count,
    /// Calls that go on after their exchange.
    pub(crate) left_behind: Count,
    /// Responses by their status code, [`CODES`].
    statuses: Vec<Count>,
    /// Exchanges that ended without a response.
    unanswered: Count,
    outcomes: Vec<Count>,
    /// Exchanges that failed: each once, however many signs of it there are.
    pub(crate) failures: Count,
    pub(crate) received: Count,
    pub(crate) sent: Count,
    pub(crate) durations: Histogram,
    pub(crate) routes: Routes,
    timers: Vec<Count>,
}

/// All ends of an exchange.
pub(crate) fn outcomes() -> impl Iterator<Item = Outcome> {
    let others = [
        Outcome::Finished,
        Outcome::Aborted,
        Outcome::AbortedByRequest,
        Outcome::Panicked,
        Outcome::Refused,
    ];
    let limited = Limit::ALL.map(Outcome::Limited);
    let gone = Why::ALL.map(Outcome::Gone);
    others.into_iter().chain(limited).chain(gone)
}

impl Counts {
    /// Those of one worker; `labels` are its process's.
    pub(crate) fn new(labels: &Arc<Labels>) -> Self {
        let zeros = |count: usize| std::iter::repeat_with(Count::default).take(count).collect();
        Self {
            accepted: Count::default(),
            websockets: Count::default(),
            streams: Count::default(),
            left_behind: Count::default(),
            statuses: zeros(CODES.len()),
            unanswered: Count::default(),
            outcomes: zeros(outcomes().count()),
            failures: Count::default(),
            received: Count::default(),
            sent: Count::default(),
            durations: Histogram::new(),
            routes: Routes::new(labels),
            timers: zeros(Timer::ALL.len()),
        }
    }

    /// An exchange is over.
    pub(crate) fn exchange(&self, observed: &Observed<'_>) {
        self.end(observed.sent.status, observed.outcome);
        self.received.add(observed.received);
        self.sent.add(observed.sent.bytes);
        // What the application never saw says nothing of how fast it is.
        if !matches!(observed.outcome, Outcome::Limited(_)) {
            self.durations.add(observed.took);
        }
        if let Some(label) = observed.scope.label.get() {
            self.routes.add(label, observed.took);
        }
    }

    /// A request was refused before the application saw it.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.end(Some(status), Outcome::Refused);
    }

    fn end(&self, status: Option<StatusCode>, outcome: Outcome) {
        let code = status.and_then(|status| status.as_u16().checked_sub(CODES.start));
        let by_status = code.and_then(|at| self.statuses.get(usize::from(at)));
        by_status.unwrap_or(&self.unanswered).add(1);
        if is_failure(status, outcome) {
            self.failures.add(1);
        }
        let at = outcomes().position(|one| one == outcome);
        if let Some(count) = at.and_then(|at| self.outcomes.get(at)) {
            count.add(1);
        }
    }

    /// A timer of a connection has run out.
    pub(crate) fn ran_out(&self, timer: Timer) {
        if let Some(count) = self.timers.get(timer as usize) {
            count.add(1);
        }
    }

    /// Responses by status code.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        CODES.zip(self.statuses.iter().map(Count::get))
    }

    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.get()
    }

    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        outcomes().zip(self.outcomes.iter().map(Count::get))
    }

    pub(crate) fn timers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = Timer::ALL.map(Timer::name).into_iter();
        names.zip(self.timers.iter().map(Count::get))
    }

    /// All exchanges that are over.
    pub(crate) fn total(&self) -> u64 {
        self.outcomes().map(|(_, count)| count).sum()
    }
}

/// Whether an exchange failed by the server's or the application's fault.
fn is_failure(status: Option<StatusCode>, outcome: Outcome) -> bool {
    status.is_some_and(|status| status.is_server_error())
        || matches!(outcome, Outcome::Aborted | Outcome::Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_once() {
        let counts = Counts::new(&Arc::default());
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        for (status, outcome, failures) in [
            (Some(StatusCode::OK), Outcome::Finished, 0),
            (Some(StatusCode::NOT_FOUND), Outcome::Refused, 0),
            (None, Outcome::Gone(Why::PeerReset), 0),
            (Some(StatusCode::OK), Outcome::AbortedByRequest, 0),
            (Some(failed), Outcome::Panicked, 1),
            (Some(failed), Outcome::Finished, 2),
            (Some(StatusCode::OK), Outcome::Aborted, 3),
            (None, Outcome::Panicked, 4),
        ] {
            counts.end(status, outcome);
            assert_eq!(counts.failures.get(), failures, "{status:?} {outcome:?}");
        }
        assert_eq!(counts.total(), 8);
    }

    #[test]
    fn each_timer_has_a_count_of_its_own() {
        let counts = Counts::new(&Arc::default());
        for timer in Timer::ALL {
            counts.ran_out(timer);
        }
        let all: Vec<_> = counts.timers().collect();
        let expected: Vec<_> = Timer::ALL.map(|timer| (timer.name(), 1)).into();
        assert_eq!(all, expected);
    }
}
