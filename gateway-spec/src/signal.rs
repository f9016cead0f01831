//! A value that is raised once in a while and that many may wait for.
//!
//! [`GoneSignal`] and [`DrainSignal`] are its two uses in the contract. Nothing here knows a runtime: a waiter
//! leaves its waker in a slot of its own and takes it back when it is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::Gone;

/// Resolves with the reason when the client of an exchange is gone.
///
/// It first resolves with [`Gone::HalfClosed`] if the client merely stopped sending; awaited again, it resolves with
/// the final reason (SRV-3).
pub type GoneSignal = Wait<Gone>;

/// Resolves with the shutdown's deadline when the server begins to drain (SRV-4).
pub type DrainSignal = Wait<Instant>;

/// The raising side: a shared value with any number of waiters.
///
/// Clones are the same signal. A later [`raise`](Self::raise) replaces the value and wakes everybody again.
///
/// # Examples
///
/// ```
/// use gateway_spec::Signal;
///
/// let signal = Signal::new();
/// let waiter = signal.wait();
/// assert_eq!(waiter.value(), None);
/// signal.raise(7);
/// assert_eq!(waiter.value(), Some(7));
/// ```
pub struct Signal<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

impl<T: Copy> Signal<T> {
    /// A signal that was not raised yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                value: None,
                raised: 0,
                slots: Vec::new(),
            })),
        }
    }

    /// Sets the value and wakes all waiters.
    pub fn raise(&self, value: T) {
        let wakers: Vec<Waker> = {
            let mut shared = lock(&self.shared);
            shared.value = Some(value);
            shared.raised += 1;
            shared
                .slots
                .iter_mut()
                .filter_map(Slot::take_waker)
                .collect()
        };
        // Outside the lock: a waker may run the task at once, and that task may ask the signal.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The value last raised.
    #[must_use]
    pub fn value(&self) -> Option<T> {
        lock(&self.shared).value
    }

    /// A waiter of its own, independent of all others.
    pub fn wait(&self) -> Wait<T> {
        Wait {
            signal: self.clone(),
            seen: 0,
            slot: None,
        }
    }
}

impl<T: Copy> Default for Signal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.value()).finish()
    }
}

/// A waiter: a future that resolves with each value it has not seen yet.
///
/// It is `'static` and may be moved to another task. Polled again after it resolved, it waits for the next value, so
/// `wait.await` consumes one value and `(&mut wait).await` leaves the waiter in place for the next.
///
/// # Cancel safety
///
/// Dropping it loses nothing: the value stays raised for every other waiter.
#[must_use = "does nothing until awaited"]
pub struct Wait<T: Copy> {
    signal: Signal<T>,
    seen: u64,
    slot: Option<usize>,
}

impl<T: Copy> Wait<T> {
    /// The value last raised, whether seen or not.
    #[must_use]
    pub fn value(&self) -> Option<T> {
        self.signal.value()
    }
}

impl<T: Copy> Future for Wait<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let me = &mut *self;
        let mut shared = lock(&me.signal.shared);
        if let Some(value) = shared.value.filter(|_| shared.raised > me.seen) {
            me.seen = shared.raised;
            if let Some(slot) = me.slot.take() {
                shared.slots[slot] = Slot::Free;
            }
            return Poll::Ready(value);
        }
        let slot = *me.slot.get_or_insert_with(|| shared.free_slot());
        shared.slots[slot].store(cx.waker());
        Poll::Pending
    }
}

impl<T: Copy> Drop for Wait<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            lock(&self.signal.shared).slots[slot] = Slot::Free;
        }
    }
}

impl<T: Copy> Clone for Wait<T> {
    fn clone(&self) -> Self {
        Self {
            signal: self.signal.clone(),
            seen: self.seen,
            slot: None,
        }
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.value()).finish()
    }
}

struct Shared<T> {
    value: Option<T>,
    raised: u64,
    // A keyed slot a waiter, and freed slots are used again: watchers that come and go leave nothing behind.
    slots: Vec<Slot>,
}

enum Slot {
    Free,
    Taken(Option<Waker>),
}

impl<T> Shared<T> {
    fn free_slot(&mut self) -> usize {
        let free = self
            .slots
            .iter()
            .position(|slot| matches!(slot, Slot::Free));
        free.unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        })
    }
}

impl Slot {
    fn store(&mut self, waker: &Waker) {
        match self {
            Self::Taken(Some(kept)) if kept.will_wake(waker) => {}
            slot => *slot = Self::Taken(Some(waker.clone())),
        }
    }

    fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::Taken(waker) => waker.take(),
            Self::Free => None,
        }
    }
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    // No code of others runs under this lock, so a poisoned one is still whole.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T: Copy>(wait: &mut Wait<T>, count: &Arc<Count>) -> Poll<T> {
        Pin::new(wait).poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
    }

    #[test]
    fn every_waiter_is_woken_once() {
        let signal = Signal::new();
        let counts = [
            Arc::new(Count::default()),
            Arc::new(Count::default()),
            Arc::new(Count::default()),
        ];
        let mut waits = [signal.wait(), signal.wait(), signal.wait()];
        for (wait, count) in waits.iter_mut().zip(&counts) {
            assert!(poll(wait, count).is_pending());
            assert!(poll(wait, count).is_pending());
        }
        signal.raise(1);
        for (wait, count) in waits.iter_mut().zip(&counts) {
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
            assert_eq!(poll(wait, count), Poll::Ready(1));
        }
    }

    #[test]
    fn a_waiter_sees_each_value_once_and_the_next_one_after_it() {
        let (signal, count) = (Signal::new(), Arc::new(Count::default()));
        let mut wait = signal.wait();
        signal.raise("half closed");
        assert_eq!(poll(&mut wait, &count), Poll::Ready("half closed"));
        assert!(poll(&mut wait, &count).is_pending());
        signal.raise("reset");
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut wait, &count), Poll::Ready("reset"));
    }

    #[test]
    fn dropped_waiters_give_their_slots_back() {
        let (signal, count) = (Signal::<u8>::new(), Arc::new(Count::default()));
        for _ in 0..100 {
            assert!(poll(&mut signal.wait(), &count).is_pending());
        }
        assert_eq!(lock(&signal.shared).slots.len(), 1);
        signal.raise(1);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
