//! A thread waits for a future.

use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use gateway_spec::WorkerThread;
use tokio::runtime::Handle;

/// Panics on a thread that must not block.
#[track_caller]
pub(super) fn assert_may_block(runtime: &Handle) {
    assert!(
        !WorkerThread::is_current(),
        "an application was called as if the thread could wait for it, on a server's worker thread (SYNC-1)"
    );
    // Tokio knows whether this thread drives a runtime, and panics if it does. `Handle::try_current` does not: it succeeds
    // within `spawn_blocking` too, where waiting is right.
    runtime.block_on(ready(()));
}

/// Drives a future, the thread parked while it waits; `None` once the deadline has passed, even if the future is ready: one that always
/// is would have no bound.
pub(super) fn block_until<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    while deadline.is_none_or(|deadline| deadline > Instant::now()) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // An unpark between the poll and the park makes the park return at once.
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) => thread::park_timeout(left),
        }
    }
    None
}

/// As [`block_until`], for as long as it takes.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    block_until(None, future).expect("without a deadline it waits until the future is ready")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_that_has_passed_counts_also_for_what_is_ready() {
        let now = Instant::now();
        assert_eq!(block_until(Some(now), ready(())), None);
        let later = now + Duration::from_secs(3600);
        assert_eq!(block_until(Some(later), ready(())), Some(()));
        assert_eq!(block_until(None, ready(())), Some(()));
    }
}
