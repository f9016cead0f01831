//! What a worker has counted, and how it is told.
//!
//! A worker's own thread alone writes its counts, so each is a plain load and store, and no request pays for a lock that
//! another may hold. Whoever asks reads them as they are, which may tear between two of them and never within one.

mod histogram;
mod process;
mod routes;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use crate::context::{Overdue, Reading};
use crate::observe::{Observed, Outcome, Why};

pub(crate) use histogram::Histogram;
pub(crate) use process::{Process, resident_bytes};
pub(crate) use routes::{Route, Routes};
pub(crate) use text::render;

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
    /// Responses by their status code, [`CODES`].
    statuses: Vec<Count>,
    /// Exchanges that ended without a response.
    unanswered: Count,
    outcomes: Vec<Count>,
    pub(crate) received: Count,
    pub(crate) sent: Count,
    pub(crate) durations: Histogram,
    pub(crate) routes: Routes,
    overdue: Vec<Count>,
}

/// All ends of an exchange.
pub(crate) fn outcomes() -> impl Iterator<Item = Outcome> {
    let others = [
        Outcome::Finished,
        Outcome::Aborted,
        Outcome::Panicked,
        Outcome::Refused,
    ];
    others.into_iter().chain(Why::ALL.map(Outcome::Gone))
}

/// All timers of connections, and what they are called.
const TIMERS: [(&str, Overdue); 5] = [
    ("head", Overdue::Read(Reading::Head)),
    ("idle", Overdue::Read(Reading::Idle)),
    ("body", Overdue::Read(Reading::Body)),
    ("linger", Overdue::Read(Reading::Linger)),
    ("write", Overdue::Write),
];

impl Counts {
    pub(crate) fn new() -> Self {
        let zeros = |count: usize| std::iter::repeat_with(Count::default).take(count).collect();
        Self {
            accepted: Count::default(),
            websockets: Count::default(),
            statuses: zeros(CODES.len()),
            unanswered: Count::default(),
            outcomes: zeros(outcomes().count()),
            received: Count::default(),
            sent: Count::default(),
            durations: Histogram::new(),
            routes: Routes::default(),
            overdue: zeros(TIMERS.len()),
        }
    }

    /// An exchange is over.
    pub(crate) fn exchange(&self, observed: &Observed<'_>) {
        self.end(observed.sent.status, observed.outcome);
        self.received.add(observed.received);
        self.sent.add(observed.sent.bytes);
        self.durations.add(observed.took);
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
        let at = outcomes().position(|one| one == outcome);
        if let Some(count) = at.and_then(|at| self.outcomes.get(at)) {
            count.add(1);
        }
    }

    /// A timer of a connection has run out.
    pub(crate) fn overdue(&self, overdue: Overdue) {
        for ((_, timer), count) in TIMERS.iter().zip(&self.overdue) {
            if *timer == overdue {
                count.add(1);
            }
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
        let names = TIMERS.iter().map(|(name, _)| *name);
        names.zip(self.overdue.iter().map(Count::get))
    }

    /// All exchanges that are over.
    pub(crate) fn total(&self) -> u64 {
        self.outcomes().map(|(_, count)| count).sum()
    }
}
