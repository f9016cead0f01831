//! Who waits for a socket.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

/// Where one task leaves its waker.
pub(crate) type Slot = Mutex<Option<Waker>>;

/// The tasks that may wait: one receives, one sends, and the server waits for the end. As a waker it wakes all.
///
/// An exchange remembers one waker for credit, but two wait for it: the receiver's pong needs some too. So the exchange gets this.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) receiver: Slot,
    pub(crate) sender: Slot,
    pub(crate) watcher: Slot,
}

impl Waiting {
    /// Remembers who waits; the last one counts.
    pub(crate) fn keep(slot: &Slot, waker: &Waker) {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = match &*slot {
            Some(kept) if kept.will_wake(waker) => None,
            _ => slot.replace(waker.clone()),
        };
        // Not dropped under the lock: that may run code of the application, which may ask again (SRV-13).
        drop(slot);
        drop(unused);
    }

    /// Wakes whoever waits.
    pub(crate) fn wake(&self) {
        for slot in [&self.receiver, &self.sender, &self.watcher] {
            // Not woken under the lock: a waker may run the task at once, and the task may wait again.
            let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        Self::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Self::wake(self);
    }
}
