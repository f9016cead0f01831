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
///
/// # Examples
///
/// ```
/// use gateway_spec::{Gone, GoneSignal};
///
/// /// Passes over the half-close.
/// async fn really_gone(mut signal: GoneSignal) -> Gone {
///     loop {
///         let gone = (&mut signal).await;
///         if gone.is_final() {
///             return gone;
///         }
///     }
/// }
/// # let _ = really_gone;
/// ```
pub type GoneSignal = Wait<Gone>;

/// Resolves with the shutdown's deadline when the server begins to drain (SRV-4).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use gateway_spec::DrainSignal;
///
/// /// How long is left to say goodbye.
/// async fn time_left(drain: DrainSignal) -> Duration {
///     drain.await.saturating_duration_since(Instant::now())
/// }
/// # let _ = time_left;
/// ```
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
                free: None,
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
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// use gateway_spec::Signal;
///
/// let signal = Signal::new();
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut wait = pin!(signal.wait());
/// assert_eq!(wait.as_mut().poll(&mut cx), Poll::Pending);
/// signal.raise(7);
/// assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(7));
/// assert_eq!(wait.as_mut().poll(&mut cx), Poll::Pending);
/// ```
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
        // Wakers are dropped outside of the lock: the last one may drop a task, and with it a waiter of this signal.
        let (outcome, _unused) = {
            let mut shared = lock(&me.signal.shared);
            match shared.value {
                Some(value) if shared.raised > me.seen => {
                    me.seen = shared.raised;
                    let unused = me.slot.take().and_then(|slot| shared.release(slot));
                    (Poll::Ready(value), unused)
                }
                _ => {
                    let slot = *me.slot.get_or_insert_with(|| shared.claim());
                    (Poll::Pending, shared.store(slot, cx.waker()))
                }
            }
        };
        outcome
    }
}

impl<T: Copy> Drop for Wait<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let unused = lock(&self.signal.shared).release(slot);
            drop(unused);
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
    // A keyed slot a waiter. Freed slots are used again, so watchers that come and go leave nothing behind; they are
    // chained, so a signal that a hundred thousand sockets wait for takes one more at the price of the first.
    slots: Vec<Slot>,
    free: Option<usize>,
}

enum Slot {
    Free { next: Option<usize> },
    Taken(Option<Waker>),
}

impl<T> Shared<T> {
    fn claim(&mut self) -> usize {
        let taken = Slot::Taken(None);
        match self.free {
            Some(slot) => {
                if let Slot::Free { next } = std::mem::replace(&mut self.slots[slot], taken) {
                    self.free = next;
                }
                slot
            }
            None => {
                self.slots.push(taken);
                self.slots.len() - 1
            }
        }
    }

    /// Frees a slot and gives what was in it, for dropping outside of the lock.
    fn release(&mut self, slot: usize) -> Option<Waker> {
        let free = Slot::Free { next: self.free };
        self.free = Some(slot);
        match std::mem::replace(&mut self.slots[slot], free) {
            Slot::Taken(waker) => waker,
            Slot::Free { .. } => None,
        }
    }

    /// Leaves a waker and gives the one that it replaces, for dropping outside of the lock.
    fn store(&mut self, slot: usize, waker: &Waker) -> Option<Waker> {
        match &mut self.slots[slot] {
            Slot::Taken(kept) => park(kept, waker),
            Slot::Free { .. } => None,
        }
    }
}

impl Slot {
    fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::Taken(waker) => waker.take(),
            Self::Free { .. } => None,
        }
    }
}

/// Leaves a waker in a place and gives the one that it replaces: to be dropped when no lock is held.
pub(crate) fn park(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(kept) if kept.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
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
    fn slots_are_used_again_in_any_order() {
        let (signal, count) = (Signal::new(), Arc::new(Count::default()));
        let mut waits = [(); 5].map(|()| signal.wait());
        for wait in &mut waits {
            assert!(poll(wait, &count).is_pending());
        }
        let [first, second, third, fourth, fifth] = waits;
        drop((second, fourth, first));
        let mut new = [(); 4].map(|()| signal.wait());
        for wait in &mut new {
            assert!(poll(wait, &count).is_pending());
        }
        assert_eq!(lock(&signal.shared).slots.len(), 6);
        signal.raise(1);
        assert_eq!(count.0.load(Ordering::Relaxed), 6);
        drop((third, fifth));
    }

    #[test]
    fn a_waker_that_owns_a_waiter_may_be_dropped_by_any_call() {
        struct Owner {
            _wait: Mutex<Wait<u8>>,
        }
        impl Wake for Owner {
            fn wake(self: Arc<Self>) {}
        }
        let (signal, count) = (Signal::new(), Arc::new(Count::default()));
        let own = || {
            let mut owned = signal.wait();
            assert!(poll(&mut owned, &count).is_pending());
            let owner = Owner {
                _wait: Mutex::new(owned),
            };
            Waker::from(Arc::new(owner))
        };
        let mut wait = signal.wait();
        let owner = own();
        assert!(
            Pin::new(&mut wait)
                .poll(&mut Context::from_waker(&owner))
                .is_pending()
        );
        drop(owner);
        // Replaces the last handle to its owner, then drops the last handle to another.
        let owner = own();
        assert!(
            Pin::new(&mut wait)
                .poll(&mut Context::from_waker(&owner))
                .is_pending()
        );
        drop(owner);
        drop(wait);
        assert!(
            lock(&signal.shared)
                .slots
                .iter()
                .all(|slot| matches!(slot, Slot::Free { .. }))
        );
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
