//! What a pool has done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Refusal;
use crate::pool::PoolStats;

#[derive(Default)]
pub(super) struct Counters {
    completed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    waited: AtomicU64,
    wait_nanos: AtomicU64,
    wait_max_nanos: AtomicU64,
    wait_counts: [AtomicU64; PoolStats::WAIT_BOUNDS.len() + 1],
}

/// What a pool does now.
pub(super) struct Now {
    pub(super) threads: usize,
    pub(super) running: usize,
    pub(super) queued: usize,
    pub(super) saturated: Duration,
}

impl Counters {
    pub(super) fn count_completed(&self) {
        add(&self.completed, 1);
    }

    pub(super) fn count_waiting(&self) {
        add(&self.waited, 1);
    }

    pub(super) fn count_refused(&self, why: Refusal) {
        match why {
            Refusal::Busy | Refusal::Stopped => add(&self.refused, 1),
            Refusal::Unwanted => add(&self.dropped, 1),
        }
    }

    /// With what is now.
    pub(super) fn stats(&self, now: Now) -> PoolStats {
        PoolStats {
            threads: now.threads,
            running: now.running,
            queued: now.queued,
            saturated: now.saturated,
            completed: self.completed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            waited: self.waited.load(Relaxed),
            queue_wait: Duration::from_nanos(self.wait_nanos.load(Relaxed)),
            queue_wait_max: Duration::from_nanos(self.wait_max_nanos.load(Relaxed)),
            wait_counts: std::array::from_fn(|bucket| self.wait_counts[bucket].load(Relaxed)),
        }
    }

    pub(super) fn count_wait(&self, waited: Duration) {
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        add(&self.wait_nanos, nanos);
        self.wait_max_nanos.fetch_max(nanos, Relaxed);
        let bucket = PoolStats::WAIT_BOUNDS.partition_point(|bound| *bound < waited);
        add(&self.wait_counts[bucket], 1);
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}
