//! The threads of a pool and the queue that they share, under one lock.
//!
//! No job's own code runs under that lock, but for the question whether it is still wanted.

mod counters;
mod state;

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use hosting::drop_confined;

use self::counters::Counters;
use self::state::{Phase, Queued, Seat, State, Submitted, Timekeeper};
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
    fn refuse(&self, why: Refusal);

    /// While it runs: whatever it waits for fails from now on.
    fn release(&self);
}

/// Why a job is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue was full, its time in the queue was over, or no thread could be started.
    Busy,
    /// The pool has stopped.
    Stopped,
    /// Nobody waits for it.
    Unwanted,
}

/// Where a job went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To a thread that has nothing else to do; or it was refused.
    Thread,
    /// Behind others.
    Queue,
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

impl Crew {
    pub(super) fn new(name: String, settings: PoolSettings) -> Self {
        let state = State::new(settings.threads.get());
        Self {
            name,
            settings,
            state: Mutex::new(state),
            work: Condvar::new(),
            backlog: Condvar::new(),
            ended: Condvar::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn submit(self: &Arc<Self>, job: &Arc<dyn Job>) -> Place {
        let mut state = self.lock();
        let unwanted = if state.is_full(&self.settings) {
            state.take_unwanted()
        } else {
            Vec::new()
        };
        let submitted = state.submit(job, &self.settings);
        drop(state);
        unwanted
            .iter()
            .for_each(|queued| self.refuse(&*queued.job, Refusal::Unwanted));
        match submitted {
            Submitted::Refused(why) => self.refuse(&**job, why),
            Submitted::Wake => self.work.notify_one(),
            Submitted::Start(seat) => self.start(seat),
            Submitted::Wait => return self.waits(),
            Submitted::WaitFirst(timekeeper) => {
                match timekeeper {
                    Timekeeper::NotStarted => self.start_timekeeper(),
                    Timekeeper::Idle | Timekeeper::Watching => self.backlog.notify_one(),
                }
                return self.waits();
            }
        }
        Place::Thread
    }

    fn waits(&self) -> Place {
        self.counters.count_waiting();
        Place::Queue
    }

    /// Takes a job out of the queue that nobody waits for, if it is still there.
    pub(super) fn withdraw(&self, job: &Arc<dyn Job>) {
        let withdrawn = self.lock().withdraw(job);
        if withdrawn.is_some() {
            self.counters.count_refused(Refusal::Unwanted);
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
        queue
            .iter()
            .for_each(|queued| self.refuse(&*queued.job, Refusal::Stopped));
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
        self.counters.stats(threads, running, queued)
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
        stranded
            .iter()
            .for_each(|queued| self.refuse(&*queued.job, Refusal::Busy));
    }

    /// The life of a thread.
    fn work(&self, seat: usize) {
        while let Some(Queued { job, since }) = self.next(seat) {
            // Only a destructor could still panic here, and it must not cost the pool a thread.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.handle(&*job, since)));
            drop(self.sit_idle(seat));
            // Whoever sees the end finds this thread free, and whoever is woken by it nothing held here.
            let waker = job.publish();
            drop_confined(|| drop(job));
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn handle(&self, job: &dyn Job, since: Instant) {
        let waited = since.elapsed();
        if waited > self.settings.queue_deadline || !job.is_wanted() {
            self.refuse_late(job);
        } else {
            self.counters.count_wait(waited);
            job.run();
            self.counters.count_completed();
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
            late.iter()
                .for_each(|queued| self.refuse_late(&*queued.job));
            state = self.lock();
        }
        state.timekeeper = Timekeeper::NotStarted;
    }

    fn spawn(&self, role: &str, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let named = thread::Builder::new().name(format!("{}-{role}", self.name));
        named.spawn(life).map(drop)
    }

    /// Its time is over, or nobody waits for it.
    fn refuse_late(&self, job: &dyn Job) {
        let why = if job.is_wanted() {
            Refusal::Busy
        } else {
            Refusal::Unwanted
        };
        self.refuse(job, why);
    }

    fn refuse(&self, job: &dyn Job, why: Refusal) {
        self.counters.count_refused(why);
        job.refuse(why);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What runs under this lock leaves the state whole at every point where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
