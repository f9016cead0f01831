//! What a pool's lock protects: the queue, the seats of its threads, and whether it takes work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Job, Member, Place, Refusal};
use crate::pool::PoolSettings;

/// How long no other thread is tried after one that could not be started, while there are some: the reason, a bound on
/// processes or memory, is not gone by the next request, and each attempt costs a system call and a line in the log.
const NEXT_START: Duration = Duration::from_secs(1);

/// How many places of a full queue are looked at for one refusal: under the lock that every thread wants.
const LOOKED_AT: usize = 16;

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) leases: usize,
    pub(super) queue: VecDeque<Queued>,
    /// One for each thread that there may be; the index is in the thread's name.
    pub(super) seats: Box<[Seat]>,
    pub(super) threads: usize,
    pub(super) running: usize,
    pub(super) timekeeper: Timekeeper,
    /// When the next thread may be tried, after one that could not be started.
    pub(super) next_start: Option<Instant>,
    /// The place of the queue where the next search for unwanted jobs begins.
    searched: usize,
    /// How many wait for jobs or threads to end.
    pub(super) joining: usize,
    /// For how long every thread was busy so far, and since when it is so.
    saturated: Duration,
    saturated_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closed,
}

pub(super) struct Queued {
    pub(super) job: Arc<dyn Job>,
    pub(super) since: Instant,
    /// Whether it is behind others, and its time in the queue counts. Else a thread is on its way.
    pub(super) waits: bool,
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
    /// None is free, but one more may be started, in this seat. It takes the first in the queue, which may be another job.
    Start(usize, Place),
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
            next_start: None,
            searched: 0,
            joining: 0,
            saturated: Duration::ZERO,
            saturated_since: None,
        }
    }

    fn idle(&self) -> usize {
        self.threads - self.running
    }

    /// Whether one job more would pass the queue's bound. Jobs that an idle thread is about to take do not count.
    pub(super) fn is_full(&self, settings: &PoolSettings, now: Instant) -> bool {
        self.queue.len() >= self.places(settings) && self.startable(now).is_none()
    }

    /// How many jobs the queue may have.
    fn places(&self, settings: &PoolSettings) -> usize {
        self.idle().saturating_add(settings.queue)
    }

    /// The seat in which one more thread may be started now. Without a thread it is always tried: nothing else would
    /// ever come for a job.
    fn startable(&self, now: Instant) -> Option<usize> {
        if self.threads > 0 && self.next_start.is_some_and(|next| now < next) {
            return None;
        }
        let vacant = |seat: &Seat| matches!(seat, Seat::Vacant);
        self.seats.iter().position(vacant)
    }

    pub(super) fn submit(
        &mut self,
        job: &Arc<dyn Job>,
        settings: &PoolSettings,
        now: Instant,
    ) -> Submitted {
        if self.phase == Phase::Closed || job.member().is_some_and(|member| member.has_left()) {
            return Submitted::Refused(Refusal::Stopped);
        }
        if self.is_full(settings, now) {
            return Submitted::Refused(Refusal::Busy);
        }
        let mut queued = Queued {
            job: Arc::clone(job),
            since: now,
            waits: false,
        };
        if self.queue.len() < self.idle() {
            self.queue.push_back(queued);
            return Submitted::Wake;
        }
        if let Some(seat) = self.startable(now) {
            // Those before it, which no thread could be started for, have their time kept already.
            queued.waits = self.queue.len() > self.idle();
            let place = match queued.waits {
                true => Place::Queue,
                false => Place::Thread,
            };
            self.queue.push_back(queued);
            self.seats[seat] = Seat::Idle;
            self.threads += 1;
            return Submitted::Start(seat, place);
        }
        queued.waits = true;
        self.queue.push_back(queued);
        self.watch()
    }

    /// Something has to wait: its time is to be kept.
    fn watch(&mut self) -> Submitted {
        match std::mem::replace(&mut self.timekeeper, Timekeeper::Watching) {
            Timekeeper::Watching => Submitted::Wait,
            before => Submitted::WaitFirst(before),
        }
    }

    /// The thread of a seat could not be started: what is queued waits for the others, within the queue's bound. Gives what is
    /// to be done, and those that there is no place for; without any thread nobody would ever come for them.
    pub(super) fn not_started(
        &mut self,
        seat: usize,
        settings: &PoolSettings,
    ) -> (Submitted, VecDeque<Queued>) {
        self.vacate(seat);
        self.next_start = Instant::now().checked_add(NEXT_START);
        let places = match self.threads {
            0 => 0,
            _ => self.places(settings),
        };
        let refused = self.queue.split_off(places.min(self.queue.len()));
        let idle = self.idle();
        self.queue
            .iter_mut()
            .skip(idle)
            .for_each(|queued| queued.waits = true);
        match self.first_to_wait() {
            Some(_) => (self.watch(), refused),
            None => (Submitted::Wake, refused),
        }
    }

    /// There is no timekeeper: takes out what would wait for ever if no thread came free.
    pub(super) fn take_untimed(&mut self) -> VecDeque<Queued> {
        self.timekeeper = Timekeeper::NotStarted;
        let (untimed, others) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|queued| queued.waits);
        self.queue = others;
        untimed
    }

    /// The place of the job whose time in the queue is over first.
    pub(super) fn first_to_wait(&self) -> Option<usize> {
        self.queue.iter().position(|queued| queued.waits)
    }

    /// Asked only when the queue is full: clients that come and leave must not keep others out. One place is enough, and
    /// no more are looked at than a few, others the next time.
    pub(super) fn take_unwanted(&mut self) -> Option<Queued> {
        let len = self.queue.len();
        let start = self.searched;
        let places = (0..len.min(LOOKED_AT)).map(|step| (start + step) % len);
        self.searched = (start + len.min(LOOKED_AT)) % len.max(1);
        let unwanted = |&place: &usize| !self.queue[place].job.is_wanted();
        let place = { places }.find(unwanted)?;
        self.queue.remove(place)
    }

    /// A thread takes a job.
    pub(super) fn begin_job(&mut self) {
        self.running += 1;
        if self.running == self.seats.len() {
            self.saturated_since = Some(Instant::now());
        }
    }

    pub(super) fn end_job(&mut self) {
        self.running -= 1;
        let busy = self.saturated_since.take().map(|since| since.elapsed());
        self.saturated += busy.unwrap_or_default();
    }

    pub(super) fn saturated(&self) -> Duration {
        let busy = self.saturated_since.map(|since| since.elapsed());
        self.saturated + busy.unwrap_or_default()
    }

    /// Takes the jobs of a member out of the queue, and gives those that run.
    pub(super) fn take_jobs_of(
        &mut self,
        member: &Arc<Member>,
    ) -> (VecDeque<Queued>, Vec<Arc<dyn Job>>) {
        let (queued, others) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|queued| is_of(&*queued.job, member));
        self.queue = others;
        let mut running = self.running_jobs();
        running.retain(|job| is_of(&**job, member));
        (queued, running)
    }

    /// How many threads are still to be waited for: all, if the pool is closed, and else those that run a job of this member.
    pub(super) fn unfinished(&self, member: Option<&Arc<Member>>) -> usize {
        match (self.phase, member) {
            (Phase::Closed, _) => self.threads,
            (Phase::Open, None) => 0,
            (Phase::Open, Some(member)) => {
                let is_its_own = |seat: &&Seat| match seat {
                    Seat::Running(job) => is_of(&**job, member),
                    Seat::Idle | Seat::Vacant => false,
                };
                self.seats.iter().filter(is_its_own).count()
            }
        }
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

fn is_of(job: &dyn Job, member: &Arc<Member>) -> bool {
    job.member().is_some_and(|its| Arc::ptr_eq(its, member))
}
