//! Computations from asynchronous code: a pool with as many threads as there are cores.
//!
//! A computation of more than some 100 µs holds up every connection of its worker (APP-7). [`run_cpu`] has it done beside, and gives
//! its value:
//!
//! ```
//! use adapters::cpu::run_cpu;
//! use gateway_spec::{AppError, Connection, Done, application_fn};
//!
//! async fn checksum(connection: Connection) -> Result<Done, AppError> {
//!     let Connection::Http(mut http) = connection else {
//!         return connection.refuse().await;
//!     };
//!     let body = http.body.collect(1 << 20).await?;
//!     let sum = run_cpu(http.body.gone(), move || body.iter().map(|&byte| u64::from(byte)).sum::<u64>()).await?;
//!     http.responder.respond(sum.to_string()).await
//! }
//! # let app = application_fn(checksum);
//! # let response = adapters::blocking::Caller::new(app)?.request(http::Request::post("/").body("abc")?);
//! # assert_eq!(response?.body_mut().text(100)?, "294");
//! # Ok::<(), AppError>(())
//! ```
//!
//! # What becomes of it
//!
//! - While every core is busy it waits in a queue, first come, first served, with a bound in length and in time. Beyond that it is
//!   [`CpuError::Busy`], which `?` makes a 503 with `Retry-After`.
//! - If its client leaves, or its future is dropped, while it is queued, it is dropped unrun. Once it runs, nothing stops it but
//!   itself: [`CpuPool::run_cancellable`] lends it a [`Cancelled`] to ask now and then.
//! - A panic of it is [`CpuError::Panicked`], and the thread lives on.
//! - The call that awaits it is open, so a server's drain waits for it.
//!
//! # Why not rayon
//!
//! rayon shares one computation out among cores; this admits many, one core each, and says no when there are too many. rayon's pool
//! has no bound, no deadline, no order among its callers and no way to take back what is queued, so all of this would stand before it,
//! and its threads would be the only part used. Within one computation it is the right tool: what runs here may call it.
//! The threads and the queue are those of [`Pool`], where the same is asked of code that blocks.

mod error;
mod work;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Instant;

use gateway_spec::GoneSignal;

use self::work::Work;
use crate::beside::beside;
use crate::pool::{Pool, PoolSettings, PoolStats, Ticket};

pub use error::CpuError;
pub use work::Cancelled;

/// Has `work` done on the [process's pool](CpuPool::global). See [`CpuPool::run`].
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(adapters::cpu::run_cpu(None, || 6 * 7).await?, 42);
/// # Ok::<(), adapters::cpu::CpuError>(()) }).unwrap();
/// ```
pub fn run_cpu<T, W>(gone: impl Into<Option<GoneSignal>>, work: W) -> RunCpu<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    CpuPool::global().run(gone, work)
}

/// A pool for computations. Clones are the same pool; when the last is dropped, it stops.
///
/// Most programs need only [`run_cpu`]: more threads than cores make computations slower, not more. A pool of one's own gives
/// one kind of work a bound of its own, such as one thread for thumbnails.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use adapters::PoolSettings;
/// use adapters::cpu::CpuPool;
///
/// let settings = PoolSettings::for_cores().with_threads(NonZeroUsize::MIN).with_queue(100);
/// let thumbnails = CpuPool::new("thumbnails", settings);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let thumbnail = thumbnails.run(None, || vec![0; 100]).await?;
/// assert_eq!(thumbnail.len(), 100);
/// assert_eq!(thumbnails.stats().completed, 1);
/// # Ok::<(), adapters::cpu::CpuError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CpuPool {
    pool: Pool,
}

impl CpuPool {
    /// A pool without threads yet. The name is that of its threads. [`PoolSettings::for_cores`] has the bounds to begin with.
    ///
    /// # Panics
    ///
    /// If the name has a zero byte.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: PoolSettings) -> Self {
        Self {
            pool: Pool::new(name, settings),
        }
    }

    /// The pool of the process, which [`run_cpu`] uses: called `cpu`, with [`PoolSettings::for_cores`].
    #[must_use]
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<CpuPool> = LazyLock::new(CpuPool::default);
        &GLOBAL
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.pool.name()
    }

    /// The bounds.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        self.pool.settings()
    }

    /// What the pool does now and has done so far: for metrics.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    /// Has `work` done, and gives its value. It is queued at once, before the future is polled.
    ///
    /// `gone` is the client that the value is for: of [`RequestBody::gone`](gateway_spec::RequestBody::gone) or its siblings; `None` if
    /// it is for nobody in particular. A half-close is not gone (SRV-3).
    ///
    /// # Errors
    ///
    /// [`CpuError`], of the future.
    ///
    /// # Cancel safety
    ///
    /// Dropped while the work is queued, the work is dropped too. Dropped while it runs, its value is.
    pub fn run<T, W>(&self, gone: impl Into<Option<GoneSignal>>, work: W) -> RunCpu<T>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        self.run_cancellable(gone, move |_cancelled| work())
    }

    /// As [`run`](Self::run), for work that can be cut short.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// # use adapters::cpu::CpuPool;
    /// fn largest_prime_below(limit: u64) -> impl FnOnce(&adapters::cpu::Cancelled) -> Option<u64> {
    ///     move |cancelled| {
    ///         (2..limit).rev().find(|candidate| {
    ///             // Nobody will read what this gives.
    ///             cancelled.is_cancelled() || (2..*candidate).all(|divisor| candidate % divisor != 0)
    ///         })
    ///     }
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let prime = CpuPool::global().run_cancellable(None, largest_prime_below(100)).await?;
    /// assert_eq!(prime, Some(97));
    /// # Ok::<(), adapters::cpu::CpuError>(()) }).unwrap();
    /// ```
    pub fn run_cancellable<T, W>(&self, gone: impl Into<Option<GoneSignal>>, work: W) -> RunCpu<T>
    where
        T: Send + 'static,
        W: FnOnce(&Cancelled) -> T + Send + 'static,
    {
        self.pool.submit_work(gone.into(), Box::new(work))
    }

    /// Stops the pool, for all clones: what is queued gives [`CpuError::Stopped`], as everything does that comes from now on, and what
    /// runs is [`Cancelled`]. Waits for it, at most until the deadline and for [`join_grace`](PoolSettings::join_grace), and gives the
    /// number of threads that did not come back; a warning says so.
    ///
    /// For the shutdown of a lifespan, if threads must not be left behind. A process that ends needs no such thing: by then all calls have
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// The pool has stopped once the future was polled; only the waiting is given up.
    pub async fn shutdown(&self, deadline: Instant) -> usize {
        self.pool.close();
        let pool = self.pool.clone();
        let joined = beside(self.name(), move || Ok(pool.join_until(deadline, None))).await;
        // Without a thread to wait on, nothing was waited for.
        joined.unwrap_or_else(|_error| self.stats().threads)
    }
}

impl Pool {
    /// Has a function that may block called on a thread, and gives what it returns: for code that has no exchange of its
    /// own, such as a part of a handler. It is queued at once, before the future is polled. A whole application belongs in a
    /// [`SyncAdapter`](crate::SyncAdapter).
    ///
    /// `gone` is the client that the value is for; `None` if it is for nobody in particular.
    ///
    /// # Errors
    ///
    /// [`CpuError`], of the future.
    ///
    /// # Cancel safety
    ///
    /// Dropped while the call is queued, the call is dropped too. Dropped while it runs, its value is.
    ///
    /// # Examples
    ///
    /// ```
    /// use adapters::Pool;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let files = Pool::default();
    /// let read = files.run(None, || std::fs::read("no such file")).await?;
    /// assert!(read.is_err());
    /// # Ok::<(), adapters::cpu::CpuError>(()) }).unwrap();
    /// ```
    pub fn run<T, W>(&self, gone: impl Into<Option<GoneSignal>>, work: W) -> RunCpu<T>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        self.submit_work(gone.into(), Box::new(move |_cancelled: &Cancelled| work()))
    }

    fn submit_work<T: Send + 'static>(
        &self,
        gone: Option<GoneSignal>,
        work: Box<dyn FnOnce(&Cancelled) -> T + Send>,
    ) -> RunCpu<T> {
        let retry_after = self.settings().retry_after();
        let work = Arc::new(Work::new(work, gone.clone(), retry_after));
        let ticket = self.submit(Arc::clone(&work) as _);
        RunCpu { work, ticket, gone }
    }
}

impl Default for CpuPool {
    /// A pool called `cpu` with [`PoolSettings::for_cores`].
    fn default() -> Self {
        Self::new("cpu", PoolSettings::for_cores())
    }
}

/// The future of [`run_cpu`], [`CpuPool::run`] and [`Pool::run`].
///
/// # Examples
///
/// ```
/// use adapters::cpu::{RunCpu, run_cpu};
///
/// fn answer() -> RunCpu<u32> {
///     run_cpu(None, || 6 * 7)
/// }
/// # let _ = answer;
/// ```
#[must_use = "dropped, it takes the work back"]
pub struct RunCpu<T> {
    work: Arc<Work<T>>,
    ticket: Ticket,
    gone: Option<GoneSignal>,
}

impl<T> RunCpu<T> {
    /// Nobody waits for it any more. Whether it was still queued.
    fn take_back(&self) -> bool {
        let was_queued = self.work.take_back();
        if was_queued {
            self.ticket.withdraw();
        }
        was_queued
    }
}

impl<T> Future for RunCpu<T> {
    type Output = Result<T, CpuError>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        if let Poll::Ready(outcome) = me.work.poll_outcome(task) {
            return Poll::Ready(outcome);
        }
        while let Some(signal) = &mut me.gone {
            match Pin::new(signal).poll(task) {
                Poll::Pending => break,
                // The client may still read.
                Poll::Ready(gone) if !gone.is_final() => {}
                Poll::Ready(gone) => {
                    me.gone = None;
                    if me.take_back() {
                        return Poll::Ready(Err(CpuError::Gone(gone)));
                    }
                }
            }
        }
        Poll::Pending
    }
}

impl<T> Drop for RunCpu<T> {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<T> fmt::Debug for RunCpu<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCpu").finish_non_exhaustive()
    }
}
