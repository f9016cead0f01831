//! A value that one thread leaves behind and one future waits for.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

pub(crate) struct Completion<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Waiting(Option<Waker>),
    Complete(T),
    Taken,
}

impl<T> Completion<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State::Waiting(None)),
        }
    }

    /// Leaves the value, and gives the one who is to be woken.
    #[must_use = "wake it"]
    pub(crate) fn complete(&self, value: T) -> Option<Waker> {
        match std::mem::replace(&mut *self.lock(), State::Complete(value)) {
            State::Waiting(waker) => waker,
            State::Complete(_) | State::Taken => None,
        }
    }

    /// The value, once it is there. Only one future may wait, and only until it has the value.
    pub(crate) fn wait(&self) -> impl Future<Output = T> {
        poll_fn(|cx| self.poll(cx))
    }

    /// As [`wait`](Self::wait), by polling.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        if let State::Waiting(waker) = &mut *state {
            let unused = waker.replace(cx.waker().clone());
            drop(state);
            // A waker may be the last of its task, whose destructors are the application's code.
            drop(unused);
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Complete(value) => Poll::Ready(value),
            State::Waiting(_) | State::Taken => Poll::Pending,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing under this lock can panic half-way, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
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

    #[test]
    fn a_waiting_future_is_given_to_be_woken_and_gets_the_value() {
        let (completion, count) = (Completion::new(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut wait = pin!(completion.wait());
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        completion.complete(7).unwrap().wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(7));
    }

    #[test]
    fn a_value_that_was_there_first_is_not_waited_for() {
        let completion = Completion::new();
        assert!(completion.complete(7).is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(pin!(completion.wait()).poll(&mut cx), Poll::Ready(7));
    }
}
