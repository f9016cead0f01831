//! Named, bounded threads for code that blocks: the settings, the handle, the numbers.
//!
//! The queue and the threads themselves are in [`crew`]. Nothing here knows what a job is.

mod crew;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gateway_spec::Unavailable;

use crew::Crew;
use crew::Place;
pub(crate) use crew::{Job, Member, Refusal};

/// Bounds of a [`Pool`].
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
/// use adapters::PoolSettings;
///
/// let settings = PoolSettings::default()
///     .with_threads(NonZeroUsize::new(32).unwrap())
///     .with_queue(256)
///     .with_queue_deadline(Duration::from_secs(2));
/// assert_eq!(settings.queue, 256);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Threads at most, and so calls at once. Four a core and at least four: threads that block wait most of their
    /// time, and a few slow calls must not stop a small machine. More for calls that wait longer, as many as the
    /// database takes connections.
    pub threads: NonZeroUsize,
    /// Requests that may wait while every thread is busy; more are answered 503. Sixteen a thread: at 100 ms a call
    /// the last one waits for 1.6 s. None may wait if it is 0.
    pub queue: usize,
    /// How long a request may wait in the queue behind others; then it is answered 503. None waits if it is zero, as if there were
    /// no queue. 10 s: longer than a burst, shorter than the
    /// 30 to 60 s after which proxies give up and ask again. It is also what `Retry-After` says, in whole seconds.
    pub queue_deadline: Duration,
    /// How long the shutdown waits at most for threads that are in the application's own code. 5 s: half of the 10 s
    /// after which container runtimes kill. It never waits for more than half of what the server leaves.
    pub join_grace: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = NonZeroUsize::new((4 * cores).max(4)).expect("four at least");
        Self {
            threads,
            queue: 16 * threads.get(),
            queue_deadline: Duration::from_secs(10),
            join_grace: Duration::from_secs(5),
        }
    }
}

impl PoolSettings {
    /// Bounds for [computations](crate::cpu): a thread for each core that the process may use, for more of them only take turns, and
    /// sixteen places a thread in the queue; at 10 ms each the last one waits for 160 ms. The rest as by default.
    #[must_use]
    pub fn for_cores() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            threads,
            queue: 16 * threads.get(),
            ..Self::default()
        }
    }

    /// When those that found no place may ask again: by then everything that is queued now was served or refused.
    pub(crate) const fn retry_after(&self) -> Unavailable {
        Unavailable::for_about(self.queue_deadline)
    }

    /// Sets [`threads`](Self::threads).
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets [`queue`](Self::queue).
    #[must_use]
    pub const fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Sets [`queue_deadline`](Self::queue_deadline).
    #[must_use]
    pub const fn with_queue_deadline(mut self, queue_deadline: Duration) -> Self {
        self.queue_deadline = queue_deadline;
        self
    }

    /// Sets [`join_grace`](Self::join_grace).
    #[must_use]
    pub const fn with_join_grace(mut self, join_grace: Duration) -> Self {
        self.join_grace = join_grace;
        self
    }
}

/// Threads for code that blocks, and the queue before them.
///
/// Clones are the same pool, so several adapters may share one. Threads are called `name-0`, `name-1` … and started
/// when there is work and no other is free; they stay until the pool stops. It stops when the lifespan of the last
/// adapter that uses it ends, or when the last handle is dropped. An adapter whose lifespan ends before that of another
/// takes its own jobs out of it. If the system gives no more threads, the queue waits for those that there are, within its
/// bounds.
///
/// # Examples
///
/// ```
/// use adapters::{Pool, PoolSettings};
///
/// let reports = Pool::new("reports", PoolSettings::default().with_queue(8));
/// assert_eq!(reports.stats().threads, 0);
/// ```
#[derive(Clone)]
pub struct Pool {
    handle: Arc<Handle>,
}

/// What the clones of a [`Pool`] share, and its threads do not: so the last clone is noticed.
struct Handle {
    crew: Arc<Crew>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.crew.close();
    }
}

impl Pool {
    /// A pool without threads yet. The name is that of its threads, in logs and debuggers.
    ///
    /// # Panics
    ///
    /// If the name has a zero byte.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: PoolSettings) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "a thread's name has no zero byte");
        Self {
            handle: Arc::new(Handle {
                crew: Arc::new(Crew::new(name, settings)),
            }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.crew.name
    }

    /// The bounds.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        &self.handle.crew.settings
    }

    /// What the pool does now and has done so far.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.handle.crew.stats()
    }

    /// Has the job run on a thread, or refused.
    pub(crate) fn submit(&self, job: Arc<dyn Job>) -> Ticket {
        let crew = Arc::clone(&self.handle.crew);
        let place = crew.submit(&job);
        Ticket { crew, job, place }
    }

    /// Refuses what is queued and what comes, releases what runs, and has the threads end.
    pub(crate) fn close(&self) {
        self.handle.crew.close();
    }

    /// Waits for the threads of a pool that was closed: at most for [`join_grace`](PoolSettings::join_grace) and until the deadline.
    /// Gives the number that did not come back, and says so.
    /// Of a pool that is still open, it waits for those that run a job of this member.
    pub(crate) fn join_until(&self, deadline: Instant, member: Option<&Arc<Member>>) -> usize {
        let crew = &self.handle.crew;
        let left = deadline.saturating_duration_since(Instant::now());
        let threads = crew.join(crew.settings.join_grace.min(left), member);
        if threads > 0 {
            tracing::warn!(pool = %self.name(), threads, "threads did not come back from the application's code");
        }
        threads
    }

    /// Keeps the pool open for a member until the lease ends.
    pub(crate) fn lease(&self, member: &Arc<Member>) -> Lease {
        self.handle.crew.open(member);
        Lease {
            pool: self.clone(),
            member: Arc::clone(member),
        }
    }
}

impl Default for Pool {
    /// A pool called `sync` with the default bounds.
    fn default() -> Self {
        Self::new("sync", PoolSettings::default())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("settings", self.settings())
            .field("stats", &self.stats())
            .finish()
    }
}

/// A job's place in a pool, without holding the pool open.
pub(crate) struct Ticket {
    crew: Arc<Crew>,
    job: Arc<dyn Job>,
    place: Place,
}

impl Ticket {
    /// Whether it had to wait behind others.
    pub(crate) fn has_to_wait(&self) -> bool {
        self.place == Place::Queue
    }

    /// Gives up the job's place in the queue. The job itself is the caller's to take back before.
    pub(crate) fn withdraw(&self) {
        self.crew.withdraw(&self.job);
    }
}

/// One use of a pool by a member. The last of a member to end ends its jobs, and the last of all stops the pool; after that a new
/// one opens it again.
pub(crate) struct Lease {
    pool: Pool,
    member: Arc<Member>,
}

impl Lease {
    /// Ends the lease. If it was the last, waits for the threads to come back, or from the member's jobs: at most for
    /// [`join_grace`](PoolSettings::join_grace) and half the time to `deadline`. Gives the number that did not.
    pub(crate) fn end(self, deadline: Instant) -> usize {
        let (pool, member) = (self.pool.clone(), Arc::clone(&self.member));
        drop(self);
        // The other half is the application's, to shut down.
        let now = Instant::now();
        let deadline = now + deadline.saturating_duration_since(now) / 2;
        let is_over = member.has_left();
        pool.join_until(deadline, is_over.then_some(&member))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.handle.crew.leave(&self.member);
    }
}

/// What a [`Pool`] does now (`threads`, `running`, `queued`) and has done since it was made (the others).
///
/// It is saturated while `running` is [`threads`](PoolSettings::threads). How much of the time that is so is how `saturated` grows
/// between two looks, by the time between them; how much it costs its clients, how `queue_wait` does by `completed`, and how `wait_counts`
/// do. Whoever looks rarely misses nothing, and several may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Threads that were started and have not ended.
    pub threads: usize,
    /// Threads that run a job.
    pub running: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Jobs that were run to their end, well or badly.
    pub completed: u64,
    /// Jobs that were answered 503: the queue was full, their time in it was over, or the pool had stopped.
    pub refused: u64,
    /// Jobs that were dropped from the queue because their client had left.
    pub dropped: u64,
    /// Jobs that found every thread busy, and the queue with a place.
    pub waited: u64,
    /// Time from the queue to a thread, of all jobs that were run together.
    pub queue_wait: Duration,
    /// The longest of these times, since the pool was made.
    pub queue_wait_max: Duration,
    /// How many jobs had to wait for so long: each counts where its time is first within one of [`WAIT_BOUNDS`](Self::WAIT_BOUNDS), and in
    /// the last place if it was longer than all.
    pub wait_counts: [u64; Self::WAIT_BOUNDS.len() + 1],
    /// For how long every thread was busy, in all.
    pub saturated: Duration,
}

impl PoolStats {
    /// The bounds of [`wait_counts`](Self::wait_counts), which they include: from what nobody notices to the longest that
    /// is waited by default.
    ///
    /// # Examples
    ///
    /// As a histogram has it, where each bucket has all that are shorter:
    ///
    /// ```
    /// use adapters::{Pool, PoolStats};
    ///
    /// let stats = Pool::default().stats();
    /// let mut shorter = 0;
    /// for (bound, count) in PoolStats::WAIT_BOUNDS.iter().zip(stats.wait_counts) {
    ///     shorter += count;
    ///     println!("pool_wait_seconds_bucket{{le=\"{}\"}} {shorter}", bound.as_secs_f64());
    /// }
    /// ```
    pub const WAIT_BOUNDS: [Duration; 8] = [
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(25),
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];
}
