//! The threads of a pool and the queue that they share, under one lock.
//!
//! No job's own code runs under that lock, but for the question whether it is still wanted.

mod counters;
mod state;

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use hosting::drop_confined;

use self::counters::{Counters, Now};
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

    /// Whose it is, if the pool may have several users.
    fn member(&self) -> Option<&Arc<Member>> {
        None
    }
}

/// One user of a pool. Its jobs end with its last lease, also while others still use the pool. Changed under the pool's lock.
#[derive(Default)]
pub(crate) struct Member {
    leases: AtomicUsize,
    has_left: AtomicBool,
}

impl Member {
    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Relaxed)
    }

    fn enter(&self) {
        self.leases.fetch_add(1, Relaxed);
        self.has_left.store(false, Relaxed);
    }

    /// Whether this was its last lease.
    fn leave(&self) -> bool {
        let is_last = self.leases.fetch_sub(1, Relaxed) == 1;
        self.has_left.store(is_last, Relaxed);
        is_last
    }
}

/// Why a job is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue was full, its time in the queue was over, or no thread could be started.
    Busy,
    /// The pool has stopped, or its member has left.
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

/// The life of a thread, and what starts one under a name.
type Life = Box<dyn FnOnce() + Send>;
type Spawn = fn(String, Life) -> io::Result<()>;

fn spawn(name: String, life: Life) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(life).map(drop)
}

pub(super) struct Crew {
    pub(super) name: String,
    pub(super) settings: PoolSettings,
    spawn: Spawn,
    state: Mutex<State>,
    /// A job was queued, or the pool stops.
    work: Condvar,
    /// A job has to wait, or the pool stops: for the timekeeper.
    backlog: Condvar,
    /// A thread ended; or a job did, and somebody waits for jobs.
    ended: Condvar,
    counters: Counters,
}

impl Crew {
    pub(super) fn new(name: String, settings: PoolSettings) -> Self {
        let state = State::new(settings.threads.get());
        Self {
            name,
            settings,
            spawn,
            state: Mutex::new(state),
            work: Condvar::new(),
            backlog: Condvar::new(),
            ended: Condvar::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn submit(self: &Arc<Self>, job: &Arc<dyn Job>) -> Place {
        let now = Instant::now();
        let mut state = self.lock();
        let unwanted = match state.is_full(&self.settings, now) {
            true => state.take_unwanted(),
            false => None,
        };
        let mut submitted = state.submit(job, &self.settings, now);
        drop(state);
        self.refuse_all(unwanted, Refusal::Unwanted);
        if let Submitted::Start(seat, place) = submitted {
            submitted = self.start(seat, place);
        }
        match submitted {
            Submitted::Refused(why) => self.refuse(&**job, why),
            Submitted::Wake => self.work.notify_one(),
            Submitted::Start(_, Place::Thread) => {}
            Submitted::Wait | Submitted::Start(_, Place::Queue) => return self.waits(),
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

    pub(super) fn open(&self, member: &Member) {
        let mut state = self.lock();
        member.enter();
        state.leases += 1;
        state.phase = Phase::Open;
    }

    pub(super) fn leave(&self, member: &Arc<Member>) {
        let mut state = self.lock();
        let is_last = member.leave();
        state.leases -= 1;
        if state.leases == 0 {
            self.close_locked(state);
        } else if is_last {
            let (queued, running) = state.take_jobs_of(member);
            drop(state);
            self.end_jobs(queued, &running);
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
        self.end_jobs(queue, &running);
    }

    fn end_jobs(&self, queued: VecDeque<Queued>, running: &[Arc<dyn Job>]) {
        self.refuse_all(queued, Refusal::Stopped);
        running.iter().for_each(|job| job.release());
    }

    /// Waits for the threads to end if the pool is closed, and else for those that run a job of this member. Gives the number of
    /// those that have not.
    pub(super) fn join(&self, patience: Duration, member: Option<&Arc<Member>>) -> usize {
        let mut state = self.lock();
        state.joining += 1;
        let waited = self
            .ended
            .wait_timeout_while(state, patience, |state| state.unfinished(member) > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.joining -= 1;
        state.unfinished(member)
    }

    pub(super) fn stats(&self) -> PoolStats {
        let now = {
            let state = self.lock();
            Now {
                threads: state.threads,
                running: state.running,
                queued: state.queue.len(),
                saturated: state.saturated(),
            }
        };
        self.counters.stats(now)
    }

    /// Starts the thread of a seat; if there is none to be had, says what is to be done instead.
    fn start(self: &Arc<Self>, seat: usize, place: Place) -> Submitted {
        let crew = Arc::clone(self);
        let Err(error) = self.spawn(&seat.to_string(), move || crew.work(seat)) else {
            return Submitted::Start(seat, place);
        };
        tracing::warn!(pool = %self.name, %error, "could not start a thread");
        let (submitted, refused) = self.lock().not_started(seat, &self.settings);
        self.refuse_all(refused, Refusal::Busy);
        submitted
    }

    /// The life of a thread.
    fn work(&self, seat: usize) {
        while let Some(queued) = self.next(seat) {
            // Only a destructor could still panic here, and it must not cost the pool a thread.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.handle(&queued)));
            let job = queued.job;
            drop(self.sit_idle(seat));
            // Whoever sees the end finds this thread free, and whoever is woken by it nothing held here.
            let waker = job.publish();
            drop_confined(|| drop(job));
            waker.into_iter().for_each(Waker::wake);
        }
    }

    fn handle(&self, queued: &Queued) {
        let job = &*queued.job;
        let waited = queued.since.elapsed();
        let is_late = queued.waits && waited > self.settings.queue_deadline;
        if is_late || !job.is_wanted() {
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
        state.end_job();
        let seat = std::mem::replace(&mut state.seats[seat], Seat::Idle);
        let is_awaited = state.joining > 0;
        drop(state);
        if is_awaited {
            self.ended.notify_all();
        }
        seat
    }

    /// The next job, in whose name the seat then is; `None` when the pool stops, and the seat is vacant.
    fn next(&self, seat: usize) -> Option<Queued> {
        let mut state = self.lock();
        while state.phase == Phase::Open {
            if let Some(queued) = state.queue.pop_front() {
                state.begin_job();
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
            tracing::warn!(pool = %self.name, %error, "could not start the queue's timekeeper");
            let untimed = self.lock().take_untimed();
            self.refuse_all(untimed, Refusal::Busy);
        }
    }

    /// Refuses jobs whose time in the queue is over while every thread is busy.
    fn keep_time(&self) {
        let mut state = self.lock();
        while state.phase == Phase::Open {
            let Some(first) = state.first_to_wait() else {
                state.timekeeper = Timekeeper::Idle;
                state = wait(&self.backlog, state);
                continue;
            };
            let left = self
                .settings
                .queue_deadline
                .saturating_sub(state.queue[first].since.elapsed());
            if !left.is_zero() {
                let waited = self.backlog.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let late = state.queue.remove(first);
            drop(state);
            late.iter()
                .for_each(|queued| self.refuse_late(&*queued.job));
            state = self.lock();
        }
        state.timekeeper = Timekeeper::NotStarted;
    }

    fn spawn(&self, role: &str, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        (self.spawn)(format!("{}-{role}", self.name), Box::new(life))
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

    fn refuse_all(&self, jobs: impl IntoIterator<Item = Queued>, why: Refusal) {
        jobs.into_iter()
            .for_each(|queued| self.refuse(&*queued.job, why));
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
