//! What a pool's lock protects: the queue, the seats of its threads, and whether it takes work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{Job, Refusal};
use crate::pool::PoolSettings;

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) leases: usize,
    pub(super) queue: VecDeque<Queued>,
    /// One for each thread that there may be; the index is in the thread's name.
    pub(super) seats: Box<[Seat]>,
    pub(super) threads: usize,
    pub(super) running: usize,
    pub(super) timekeeper: Timekeeper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closed,
}

pub(super) struct Queued {
    pub(super) job: Arc<dyn Job>,
    pub(super) since: Instant,
}

pub(super) enum Seat {
    Vacant,
    Idle,
    Running(Arc<dyn Job>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Timekeeper {
    NotStarted,
    /// It waits for a backlog.
    Idle,
    /// It waits for the time of the first in the queue.
    Watching,
}

/// What has to be done for a new job.
pub(super) enum Submitted {
    Refused(Refusal),
    /// A thread is free.
    Wake,
    /// None is free, but one more may be started, in this seat.
    Start(usize),
    /// It has to wait, and the timekeeper knows.
    Wait,
    /// It has to wait; the timekeeper is to be told, or started.
    WaitFirst(Timekeeper),
}

impl State {
    /// Without threads yet, of which there may be so many.
    pub(super) fn new(threads: usize) -> Self {
        let seats = (0..threads).map(|_| Seat::Vacant);
        Self {
            phase: Phase::Open,
            leases: 0,
            queue: VecDeque::new(),
            seats: seats.collect(),
            threads: 0,
            running: 0,
            timekeeper: Timekeeper::NotStarted,
        }
    }

    fn idle(&self) -> usize {
        self.threads - self.running
    }

    /// Whether one job more would pass the queue's bound. Jobs that an idle thread is about to take do not count.
    pub(super) fn is_full(&self, settings: &PoolSettings) -> bool {
        self.threads == self.seats.len() && self.queue.len() >= self.idle() + settings.queue
    }

    pub(super) fn submit(&mut self, job: &Arc<dyn Job>, settings: &PoolSettings) -> Submitted {
        if self.phase == Phase::Closed {
            return Submitted::Refused(Refusal::Stopped);
        }
        if self.is_full(settings) {
            return Submitted::Refused(Refusal::Busy);
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
    pub(super) fn take_unwanted(&mut self) -> Vec<Queued> {
        let (wanted, unwanted) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition::<VecDeque<_>, _>(|queued| queued.job.is_wanted());
        self.queue = wanted;
        unwanted.into()
    }

    pub(super) fn withdraw(&mut self, job: &Arc<dyn Job>) -> Option<Queued> {
        let is_it = |queued: &Queued| Arc::ptr_eq(&queued.job, job);
        let place = self.queue.iter().position(is_it)?;
        self.queue.remove(place)
    }

    pub(super) fn running_jobs(&self) -> Vec<Arc<dyn Job>> {
        let job = |seat: &Seat| match seat {
            Seat::Running(job) => Some(Arc::clone(job)),
            Seat::Idle | Seat::Vacant => None,
        };
        self.seats.iter().filter_map(job).collect()
    }

    /// The thread of a seat is no more.
    pub(super) fn vacate(&mut self, seat: usize) {
        self.seats[seat] = Seat::Vacant;
        self.threads -= 1;
    }
}
