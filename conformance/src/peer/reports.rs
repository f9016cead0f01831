//! What the application tells of itself, and the gates that it waits at: both by name.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::sync::Notify;

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on a thread that may block.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Lines and permits by name, shared by all connections.
#[derive(Debug, Default)]
pub(super) struct Reports {
    boards: Mutex<Boards>,
    changed: Notify,
    /// Whether each exchange's events are written down too.
    traced: bool,
    exchanges: AtomicUsize,
}

#[derive(Debug, Default)]
struct Boards {
    lines: HashMap<String, Vec<String>>,
    permits: HashMap<String, usize>,
    /// Nobody waits any more.
    abandoned: bool,
}

impl Reports {
    /// With the events of each exchange written down.
    pub(super) fn traced() -> Self {
        Self {
            traced: true,
            ..Self::default()
        }
    }

    pub(super) fn is_traced(&self) -> bool {
        self.traced
    }

    /// The number of a further exchange.
    pub(super) fn next(&self) -> usize {
        self.exchanges.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a line under a name.
    pub(super) fn say(&self, name: &str, line: impl ToString) {
        self.boards()
            .lines
            .entry(name.to_owned())
            .or_default()
            .push(line.to_string());
        self.changed.notify_waiters();
    }

    /// All lines under a name, once there are at least `count`.
    pub(super) async fn lines(&self, name: &str, count: usize) -> Vec<String> {
        self.wait(|boards| {
            let lines = boards.lines.get(name).cloned().unwrap_or_default();
            (lines.len() >= count || boards.abandoned).then_some(lines)
        })
        .await
    }

    /// Opens a gate for one that waits there, now or later.
    pub(super) fn open(&self, gate: &str) {
        *self.boards().permits.entry(gate.to_owned()).or_default() += 1;
        self.changed.notify_waiters();
    }

    /// Opens all gates for all, for ever.
    pub(super) fn open_all(&self) {
        self.boards().abandoned = true;
        self.changed.notify_waiters();
    }

    /// Waits until the gate is opened for this caller.
    pub(super) async fn pass(&self, gate: &str) {
        self.wait(|boards| {
            if boards.abandoned {
                return Some(());
            }
            let permits = boards.permits.get_mut(gate)?;
            *permits = permits.checked_sub(1)?;
            Some(())
        })
        .await;
    }

    /// Waits as [`pass`](Self::pass) does, on a thread that may block.
    pub(super) fn pass_blocking(&self, gate: &str) {
        block_on(self.pass(gate));
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut Boards) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = look(&mut self.boards()) {
                return found;
            }
            changed.await;
        }
    }

    fn boards(&self) -> MutexGuard<'_, Boards> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
