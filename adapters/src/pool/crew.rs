//! The threads of a pool and the queue that they share, under one lock.
//!
//! No job's own code runs under that lock, but for the question whether it is still wanted.

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use super::{PoolSettings, PoolStats};

/// Something to run on a thread that may block. Exactly one of `run` and `refuse` is called.
pub(crate) trait Job: Send + Sync {
    /// Whether somebody still waits for it. Called under the queue's lock: it must not call back.
    fn is_wanted(&self) -> bool;

    /// Runs it and keeps what came of it; a panic of the application's code does not leave it.
    fn run(&self);

    /// Shows what came of it, if it ran, and gives the one who is to be woken.
    fn publish(&self) -> Option<Waker>;

    /// Gives it back unrun.
    fn refuse(&self);

    /// While it runs: whatever it waits for fails from now on.
    fn release(&self);
}

pub(super) struct Crew {
    pub(super) name: String,
    pub(super) settings: PoolSettings,
    state: Mutex<State>,
    /// A job was queued, or the pool stops.
    work: Condvar,
    /// A job has to wait, or the pool stops: for the timekeeper.
    backlog: Condvar,
    /// A thread ended.
    ended: Condvar,
    counters: Counters,
}

struct State {
    phase: Phase,
    leases: usize,
    queue: VecDeque<Queued>,
    /// One for each thread that there may be; the index is in the thread's name.
    seats: Box<[Seat]>,
    threads: usize,
    running: usize,
    timekeeper: Timekeeper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closed,
}

struct Queued {
    job: Arc<dyn Job>,
    since: Instant,
}

enum Seat {
    Vacant,
    Idle,
    Running(Arc<dyn Job>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Timekeeper {
    NotStarted,
    /// It waits for a backlog.
    Idle,
    /// It waits for the time of the first in the queue.
    Watching,
}

#[derive(Default)]
struct Counters {
    completed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    waited: AtomicU64,
    wait_nanos: AtomicU64,
    wait_max_nanos: AtomicU64,
}

/// What has to be done for a new job.
enum Submitted {
    Refused,
    /// A thread is free.
    Wake,
    /// None is free, but one more may be started, in this seat.
    Start(usize),
    /// It has to wait, and the timekeeper knows.
    Wait,
    /// It has to wait; the timekeeper is to be told, or started.
    WaitFirst(Timekeeper),
}

impl Crew {
    pub(super) fn new(name: String, settings: PoolSettings) -> Self {
        let seats = (0..settings.threads.get()).map(|_| Seat::Vacant);
        Self {
            name,
            settings,
            state: Mutex::new(State {
                phase: Phase::Open,
                leases: 0,
                queue: VecDeque::new(),
                seats: seats.collect(),
                threads: 0,
                running: 0,
                timekeeper: Timekeeper::NotStarted,
            }),
            work: Condvar::new(),
            backlog: Condvar::new(),
            ended: Condvar::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn submit(self: &Arc<Self>, job: Arc<dyn Job>) {
        let mut state = self.lock();
        let unwanted = if state.is_full(&self.settings) {
            state.take_unwanted()
        } else {
            Vec::new()
        };
        let submitted = state.submit(&job, &self.settings);
        drop(state);
        unwanted
            .iter()
            .for_each(|queued| self.drop_unwanted(&*queued.job));
        match submitted {
            Submitted::Refused => self.refuse(&*job),
            Submitted::Wake => self.work.notify_one(),
            Submitted::Start(seat) => self.start(seat),
            Submitted::Wait => add(&self.counters.waited, 1),
            Submitted::WaitFirst(timekeeper) => {
                add(&self.counters.waited, 1);
                match timekeeper {
                    Timekeeper::NotStarted => self.start_timekeeper(),
                    Timekeeper::Idle | Timekeeper::Watching => self.backlog.notify_one(),
                }
            }
        }
    }

    pub(super) fn open(&self) {
        let mut state = self.lock();
        state.leases += 1;
        state.phase = Phase::Open;
    }

    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.leases -= 1;
        if state.leases == 0 {
            self.close_locked(state);
        }
    }

    /// Refuses what is queued, releases what runs, and has the threads end.
    pub(super) fn close(&self) {
        self.close_locked(self.lock());
    }

    fn close_locked(&self, mut state: MutexGuard<'_, State>) {
        state.phase = Phase::Closed;
        let queue = std::mem::take(&mut state.queue);
        let running = state.running_jobs();
        drop(state);
        self.work.notify_all();
        self.backlog.notify_all();
        queue.iter().for_each(|queued| self.refuse(&*queued.job));
        running.iter().for_each(|job| job.release());
    }

    /// Waits for the threads to end if the pool is closed, and gives the number of those that have not.
    pub(super) fn join(&self, patience: Duration) -> usize {
        let unfinished = |state: &mut State| state.phase == Phase::Closed && state.threads > 0;
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), patience, unfinished);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.phase {
            Phase::Closed => state.threads,
            Phase::Open => 0,
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let (threads, running, queued) = {
            let state = self.lock();
            (state.threads, state.running, state.queue.len())
        };
        let counters = &self.counters;
        PoolStats {
            threads,
            running,
            queued,
            completed: counters.completed.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            waited: counters.waited.load(Relaxed),
            queue_wait: Duration::from_nanos(counters.wait_nanos.load(Relaxed)),
            queue_wait_max: Duration::from_nanos(counters.wait_max_nanos.load(Relaxed)),
        }
    }

    fn start(self: &Arc<Self>, seat: usize) {
        let crew = Arc::clone(self);
        let Err(error) = self.spawn(&seat.to_string(), move || crew.work(seat)) else {
            return;
        };
        tracing::warn!(pool = %self.name, %error, "could not start a thread");
        let mut state = self.lock();
        state.vacate(seat);
        // With others at work the job stays queued; with none, nobody would ever come for it.
        let stranded = match state.threads {
            0 => std::mem::take(&mut state.queue),
            _ => VecDeque::new(),
        };
        drop(state);
        stranded.iter().for_each(|queued| self.refuse(&*queued.job));
    }

    /// The life of a thread.
    fn work(&self, seat: usize) {
        while let Some(Queued { job, since }) = self.next(seat) {
            // Only a destructor could still panic here, and it must not cost the pool a thread.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.handle(&*job, since)));
            drop(self.sit_idle(seat));
            // Whoever sees the end finds this thread free, and whoever is woken by it nothing held here.
            let waker = job.publish();
            drop(job);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn handle(&self, job: &dyn Job, since: Instant) {
        let waited = since.elapsed();
        if !job.is_wanted() {
            self.drop_unwanted(job);
        } else if waited > self.settings.queue_deadline {
            self.refuse(job);
        } else {
            self.counters.count_wait(waited);
            job.run();
            add(&self.counters.completed, 1);
        }
    }

    /// Ends the job of a seat, and gives it to be dropped outside the lock.
    fn sit_idle(&self, seat: usize) -> Seat {
        let mut state = self.lock();
        state.running -= 1;
        std::mem::replace(&mut state.seats[seat], Seat::Idle)
    }

    /// The next job, in whose name the seat then is; `None` when the pool stops, and the seat is vacant.
    fn next(&self, seat: usize) -> Option<Queued> {
        let mut state = self.lock();
        while state.phase == Phase::Open {
            if let Some(queued) = state.queue.pop_front() {
                state.running += 1;
                state.seats[seat] = Seat::Running(Arc::clone(&queued.job));
                return Some(queued);
            }
            state = wait(&self.work, state);
        }
        state.vacate(seat);
        drop(state);
        self.ended.notify_all();
        None
    }

    fn start_timekeeper(self: &Arc<Self>) {
        let crew = Arc::clone(self);
        if let Err(error) = self.spawn("timekeeper", move || crew.keep_time()) {
            // What waits is then refused late, when a thread comes for it.
            tracing::warn!(pool = %self.name, %error, "could not start the queue's timekeeper");
            self.lock().timekeeper = Timekeeper::NotStarted;
        }
    }

    /// Refuses jobs whose time in the queue is over while every thread is busy.
    fn keep_time(&self) {
        let mut state = self.lock();
        while state.phase == Phase::Open {
            let Some(first) = state.queue.front() else {
                state.timekeeper = Timekeeper::Idle;
                state = wait(&self.backlog, state);
                continue;
            };
            let left = self
                .settings
                .queue_deadline
                .saturating_sub(first.since.elapsed());
            if !left.is_zero() {
                let waited = self.backlog.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let late = state.queue.pop_front();
            drop(state);
            late.iter().for_each(|queued| self.refuse(&*queued.job));
            state = self.lock();
        }
        state.timekeeper = Timekeeper::NotStarted;
    }

    fn spawn(&self, role: &str, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let named = thread::Builder::new().name(format!("{}-{role}", self.name));
        named.spawn(life).map(drop)
    }

    fn refuse(&self, job: &dyn Job) {
        add(&self.counters.refused, 1);
        job.refuse();
    }

    fn drop_unwanted(&self, job: &dyn Job) {
        add(&self.counters.dropped, 1);
        job.refuse();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What runs under this lock leaves the state whole at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn idle(&self) -> usize {
        self.threads - self.running
    }

    /// Whether one job more would pass the queue's bound. Jobs that an idle thread is about to take do not count.
    fn is_full(&self, settings: &PoolSettings) -> bool {
        self.threads == self.seats.len() && self.queue.len() >= self.idle() + settings.queue
    }

    fn submit(&mut self, job: &Arc<dyn Job>, settings: &PoolSettings) -> Submitted {
        if self.phase == Phase::Closed || self.is_full(settings) {
            return Submitted::Refused;
        }
        self.queue.push_back(Queued {
            job: Arc::clone(job),
            since: Instant::now(),
        });
        if self.queue.len() <= self.idle() {
            return Submitted::Wake;
        }
        let vacant = |seat: &Seat| matches!(seat, Seat::Vacant);
        if let Some(seat) = self.seats.iter().position(vacant) {
            self.seats[seat] = Seat::Idle;
            self.threads += 1;
            return Submitted::Start(seat);
        }
        match std::mem::replace(&mut self.timekeeper, Timekeeper::Watching) {
            Timekeeper::Watching => Submitted::Wait,
            before => Submitted::WaitFirst(before),
        }
    }

    /// Asked only when the queue is full: clients that come and leave must not keep others out.
    fn take_unwanted(&mut self) -> Vec<Queued> {
        let (wanted, unwanted) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition::<VecDeque<_>, _>(|queued| queued.job.is_wanted());
        self.queue = wanted;
        unwanted.into()
    }

    fn running_jobs(&self) -> Vec<Arc<dyn Job>> {
        let job = |seat: &Seat| match seat {
            Seat::Running(job) => Some(Arc::clone(job)),
            Seat::Idle | Seat::Vacant => None,
        };
        self.seats.iter().filter_map(job).collect()
    }

    /// The thread of a seat is no more.
    fn vacate(&mut self, seat: usize) {
        self.seats[seat] = Seat::Vacant;
        self.threads -= 1;
    }
}

impl Counters {
    fn count_wait(&self, waited: Duration) {
        let nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        add(&self.wait_nanos, nanos);
        self.wait_max_nanos.fetch_max(nanos, Relaxed);
    }
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
