//! One computation on its way through the pool: queued, running, over.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use gateway_spec::{Gone, GoneSignal, Unavailable};
use hosting::{drop_confined, panic_text};

use super::CpuError;
use crate::completion::Completion;
use crate::pool::{Job, Refusal};

type Function<T> = Box<dyn FnOnce(&Cancelled) -> T + Send>;

/// Whether anybody still waits for what a computation gives: lent to it by
/// [`run_cancellable`](super::CpuPool::run_cancellable).
///
/// # Examples
///
/// ```
/// use adapters::cpu::Cancelled;
///
/// fn sum(numbers: &[u64], cancelled: &Cancelled) -> Option<u64> {
///     let mut sum = 0;
///     for some in numbers.chunks(10_000) {
///         if cancelled.is_cancelled() {
///             return None;
///         }
///         sum += some.iter().sum::<u64>();
///     }
///     Some(sum)
/// }
/// # let _ = sum;
/// ```
#[derive(Clone, Default)]
pub struct Cancelled {
    flag: Arc<AtomicBool>,
}

impl Cancelled {
    /// Whether its client has left, its future was dropped, or its pool stops. As cheap as reading a number, but not free: ask
    /// every 10 µs or so.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Relaxed)
    }

    fn set(&self) {
        self.flag.store(true, Relaxed);
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled")
            .field(&self.is_cancelled())
            .finish()
    }
}

pub(super) struct Work<T> {
    stage: Mutex<Stage<T>>,
    outcome: Completion<Result<T, CpuError>>,
    gone: Option<GoneSignal>,
    cancelled: Cancelled,
    retry_after: Unavailable,
}

enum Stage<T> {
    /// For whoever is first: a thread, a refusal, or the future that takes it back.
    Queued(Function<T>),
    Running,
    /// Not to be seen yet.
    Ran(Result<T, CpuError>),
    Over,
}

impl<T> Work<T> {
    pub(super) fn new(
        function: Function<T>,
        gone: Option<GoneSignal>,
        retry_after: Unavailable,
    ) -> Self {
        Self {
            stage: Mutex::new(Stage::Queued(function)),
            outcome: Completion::new(),
            gone,
            cancelled: Cancelled::default(),
            retry_after,
        }
    }

    pub(super) fn poll_outcome(&self, task: &mut Context<'_>) -> Poll<Result<T, CpuError>> {
        self.outcome.poll(task)
    }

    /// Nobody waits for it any more: drops it if it is queued, else it is told. Whether it was queued.
    pub(super) fn take_back(&self) -> bool {
        self.cancelled.set();
        match self.take() {
            Some(function) => {
                drop_confined(|| drop(function));
                true
            }
            None => false,
        }
    }

    fn take(&self) -> Option<Function<T>> {
        let mut stage = self.stage();
        match std::mem::replace(&mut *stage, Stage::Running) {
            Stage::Queued(function) => Some(function),
            other => {
                *stage = other;
                None
            }
        }
    }

    fn client_left(&self) -> Option<Gone> {
        let gone = self.gone.as_ref()?.value()?;
        gone.is_final().then_some(gone)
    }

    fn stage(&self) -> MutexGuard<'_, Stage<T>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Job for Work<T> {
    fn is_wanted(&self) -> bool {
        matches!(*self.stage(), Stage::Queued(_)) && self.client_left().is_none()
    }

    fn run(&self) {
        let Some(function) = self.take() else { return };
        // What a panic may have torn is the computation's own.
        let ran = catch_unwind(AssertUnwindSafe(|| function(&self.cancelled)));
        let result = ran.map_err(|payload| {
            let error = CpuError::Panicked(panic_text(&*payload));
            // Its destructor is the application's code too.
            drop_confined(|| drop(payload));
            error
        });
        *self.stage() = Stage::Ran(result);
    }

    fn publish(&self) -> Option<Waker> {
        let ran = std::mem::replace(&mut *self.stage(), Stage::Over);
        match ran {
            Stage::Ran(result) => self.outcome.complete(result),
            Stage::Queued(_) | Stage::Running | Stage::Over => None,
        }
    }

    fn refuse(&self, why: Refusal) {
        let Some(function) = self.take() else { return };
        drop_confined(|| drop(function));
        let error = match (why, self.client_left()) {
            (_, Some(gone)) => CpuError::Gone(gone),
            (Refusal::Stopped, None) => CpuError::Stopped(self.retry_after),
            (Refusal::Busy | Refusal::Unwanted, None) => CpuError::Busy(self.retry_after),
        };
        self.outcome
            .complete(Err(error))
            .into_iter()
            .for_each(Waker::wake);
    }

    fn release(&self) {
        self.cancelled.set();
    }
}
