//! What all clients have seen, together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Counts and times of all clients. Held for a few additions at a time.
#[derive(Debug)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug)]
pub(crate) struct Counts {
    /// Clients that are in their room now.
    pub(crate) here: u32,
    pub(crate) said: u64,
    pub(crate) kept: u64,
    pub(crate) refused: u64,
    pub(crate) live: u64,
    pub(crate) replayed: u64,
    /// Messages that a client was told after later ones, or never.
    pub(crate) missing: u64,
    /// Messages of which two clients were told different things.
    pub(crate) different: u64,
    /// Links that broke, by how.
    pub(crate) broken: BTreeMap<String, u64>,
    /// Links that ended for good, by why.
    pub(crate) ended: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) recovered: BTreeMap<String, u64>,
    /// Times in microseconds.
    pub(crate) entering: Histogram<u64>,
    pub(crate) delivery: Histogram<u64>,
    pub(crate) answer: Histogram<u64>,
    pub(crate) resuming: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let times =
            || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are in order");
        Self(Mutex::new(Counts {
            here: 0,
            said: 0,
            kept: 0,
            refused: 0,
            live: 0,
            replayed: 0,
            missing: 0,
            different: 0,
            broken: BTreeMap::new(),
            ended: BTreeMap::new(),
            faults: BTreeMap::new(),
            recovered: BTreeMap::new(),
            entering: times(),
            delivery: times(),
            answer: times(),
            resuming: times(),
        }))
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a time to the others.
pub(crate) fn record(times: &mut Histogram<u64>, time: Duration) {
    times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
}

/// One more of a kind.
pub(crate) fn count(kinds: &mut BTreeMap<String, u64>, kind: &str) {
    match kinds.get_mut(kind) {
        Some(number) => *number += 1,
        None => {
            kinds.insert(kind.to_owned(), 1);
        }
    }
}
