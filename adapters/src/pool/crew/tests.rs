//! What is about time in the queue; the rest is tested through the adapter.

use std::num::NonZeroUsize;
use std::sync::mpsc;

use super::*;

/// Says what became of it.
struct Reporting {
    fate: mpsc::Sender<Fate>,
    is_wanted: bool,
}

#[derive(Debug, PartialEq)]
enum Fate {
    Run,
    Refused(Refusal),
}

impl Job for Reporting {
    fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    fn run(&self) {
        self.fate.send(Fate::Run).unwrap();
    }

    fn publish(&self) -> Option<Waker> {
        None
    }

    fn refuse(&self, why: Refusal) {
        // Not every test listens.
        let _ = self.fate.send(Fate::Refused(why));
    }

    fn release(&self) {}
}

fn reporting() -> (Arc<Reporting>, mpsc::Receiver<Fate>) {
    job(true)
}

fn job(is_wanted: bool) -> (Arc<Reporting>, mpsc::Receiver<Fate>) {
    let (fate, fates) = mpsc::channel();
    (Arc::new(Reporting { fate, is_wanted }), fates)
}

fn crew_of_one(queue_deadline: Duration) -> Arc<Crew> {
    let settings = PoolSettings::default()
        .with_threads(NonZeroUsize::MIN)
        .with_queue_deadline(queue_deadline);
    crew(settings)
}

fn crew(settings: PoolSettings) -> Arc<Crew> {
    Arc::new(Crew::new("test".to_owned(), settings))
}

/// A crew of four that gets threads of these roles alone, the first of which has a job for ever.
fn crew_with_one_of_four(queue: usize, queue_deadline: Duration, spawn: Spawn) -> Arc<Crew> {
    let settings = PoolSettings::default()
        .with_threads(NonZeroUsize::new(4).unwrap())
        .with_queue(queue)
        .with_queue_deadline(queue_deadline);
    let mut crew = Crew::new("test".to_owned(), settings);
    crew.spawn = spawn;
    occupy_first(&crew);
    Arc::new(crew)
}

/// As if the first thread had a job.
fn occupy_first(crew: &Crew) {
    let mut state = crew.lock();
    (state.threads, state.running) = (1, 1);
    state.seats[0] = Seat::Running(reporting().0);
}

fn only_timekeepers(name: String, life: Life) -> io::Result<()> {
    match name.ends_with("timekeeper") {
        true => spawn(name, life),
        false => no_threads(name, life),
    }
}

fn no_threads(_: String, _: Life) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// How long tests wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Submits a job, and gives its fates.
fn submit(crew: &Arc<Crew>) -> (Place, mpsc::Receiver<Fate>) {
    let (job, fates) = reporting();
    (crew.submit(&(job as Arc<dyn Job>)), fates)
}

#[test]
fn the_timekeeper_refuses_what_is_late_while_every_thread_is_busy() {
    let crew = crew_of_one(Duration::ZERO);
    occupy_first(&crew);
    // Many times, so that it is found starting, watching and idle.
    for refused in 1..=100 {
        let (job, fates) = reporting();
        crew.submit(&(job as Arc<dyn Job>));
        assert_eq!(fates.recv(), Ok(Fate::Refused(Refusal::Busy)));
        assert_eq!(crew.stats().refused, refused);
    }
    assert_eq!(crew.stats().waited, 100);
    // Nobody was refused by it who does not wait any more.
    let (job, fates) = job(false);
    crew.submit(&(job as Arc<dyn Job>));
    assert_eq!(fates.recv(), Ok(Fate::Refused(Refusal::Unwanted)));
    assert_eq!((crew.stats().refused, crew.stats().dropped), (100, 1));
    crew.close();
    let (job, fates) = reporting();
    crew.submit(&(job as Arc<dyn Job>));
    assert_eq!(fates.recv(), Ok(Fate::Refused(Refusal::Stopped)));
}

#[test]
fn a_thread_that_comes_free_refuses_what_is_late_and_runs_what_is_not() {
    const DEADLINE: Duration = Duration::from_secs(10);
    let crew = crew_of_one(DEADLINE);
    let (job, late) = reporting();
    let since = Instant::now().checked_sub(DEADLINE);
    let since = since.expect("the machine is up for longer");
    let waits = true;
    crew.lock().queue.push_back(Queued { job, since, waits });
    let (job, in_time) = reporting();
    crew.submit(&(job as Arc<dyn Job>));
    assert_eq!(late.recv(), Ok(Fate::Refused(Refusal::Busy)));
    assert_eq!(in_time.recv(), Ok(Fate::Run));
    crew.close();
}

#[test]
fn without_more_threads_the_queue_keeps_its_bound() {
    let crew = crew_with_one_of_four(2, Duration::from_secs(3600), only_timekeepers);
    let queued = [submit(&crew), submit(&crew)];
    for (place, fates) in &queued {
        assert_eq!(*place, Place::Queue);
        assert_eq!(fates.try_recv(), Err(mpsc::TryRecvError::Empty));
    }
    let (_, fates) = submit(&crew);
    assert_eq!(fates.try_recv(), Ok(Fate::Refused(Refusal::Busy)));
    assert_eq!((crew.stats().queued, crew.stats().threads), (2, 1));
    crew.close();
}

#[test]
fn without_more_threads_nothing_is_queued_where_nothing_may_be() {
    let crew = crew_with_one_of_four(0, Duration::from_secs(3600), only_timekeepers);
    for _ in 0..2 {
        let (_, fates) = submit(&crew);
        assert_eq!(fates.try_recv(), Ok(Fate::Refused(Refusal::Busy)));
    }
    crew.close();
}

#[test]
fn without_more_threads_time_in_the_queue_is_bounded() {
    let crew = crew_with_one_of_four(2, Duration::ZERO, only_timekeepers);
    let (place, fates) = submit(&crew);
    assert_eq!(place, Place::Queue);
    let fate = fates.recv_timeout(PATIENCE);
    assert_eq!(fate, Ok(Fate::Refused(Refusal::Busy)));
    crew.close();
}

#[test]
fn what_nobody_keeps_the_time_of_is_refused() {
    let crew = crew_with_one_of_four(2, Duration::from_secs(3600), no_threads);
    let (_, fates) = submit(&crew);
    assert_eq!(fates.try_recv(), Ok(Fate::Refused(Refusal::Busy)));
    assert_eq!(crew.stats().queued, 0);
}

#[test]
fn after_a_thread_that_could_not_be_started_no_other_is_tried_at_once() {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    let count: Spawn = |name, life| {
        if !name.ends_with("timekeeper") {
            TRIED.fetch_add(1, Relaxed);
        }
        only_timekeepers(name, life)
    };
    let crew = crew_with_one_of_four(100, Duration::from_secs(3600), count);
    let before = Instant::now();
    let _queued: Vec<_> = (0..50).map(|_| submit(&crew)).collect();
    let seconds = before.elapsed().as_secs() as usize;
    assert!(TRIED.load(Relaxed) <= 1 + seconds);
    // And then it is.
    crew.lock().next_start = Some(before);
    let tried = TRIED.load(Relaxed);
    let _queued = submit(&crew);
    assert_eq!(TRIED.load(Relaxed), tried + 1);
    crew.close();
}

#[test]
fn a_thread_that_is_to_be_had_again_takes_those_first_who_wait() {
    static MORE: AtomicBool = AtomicBool::new(false);
    let later: Spawn = |name, life| match MORE.load(Relaxed) {
        true => spawn(name, life),
        false => only_timekeepers(name, life),
    };
    let crew = crew_with_one_of_four(10, Duration::from_secs(3600), later);
    let (place, first) = submit(&crew);
    assert_eq!(place, Place::Queue);
    MORE.store(true, Relaxed);
    crew.lock().next_start = None;
    let (place, second) = submit(&crew);
    assert_eq!(place, Place::Queue, "its client may leave meanwhile");
    assert_eq!(first.recv_timeout(PATIENCE), Ok(Fate::Run));
    assert_eq!(second.recv_timeout(PATIENCE), Ok(Fate::Run));
    crew.close();
}

#[test]
fn a_queue_without_bounds_takes_everything() {
    let settings = PoolSettings::default()
        .with_threads(NonZeroUsize::MIN)
        .with_queue(usize::MAX);
    let crew = crew(settings);
    for _ in 0..10 {
        let (_, fates) = submit(&crew);
        assert_eq!(fates.recv_timeout(PATIENCE), Ok(Fate::Run));
    }
    crew.close();
}

#[test]
fn a_deadline_of_nothing_is_for_those_that_wait() {
    let crew = crew_of_one(Duration::ZERO);
    // Its thread is started for it, which takes longer than no time.
    let (_, fates) = submit(&crew);
    assert_eq!(fates.recv_timeout(PATIENCE), Ok(Fate::Run));
    crew.close();
}

#[test]
fn a_full_queue_is_searched_a_part_at_a_time() {
    let settings = PoolSettings::default()
        .with_threads(NonZeroUsize::MIN)
        .with_queue(100);
    let crew = crew(settings);
    occupy_first(&crew);
    let jobs: Vec<_> = (0..100).map(|place| job(place != 70)).collect();
    for (job, _) in &jobs {
        crew.submit(&(Arc::clone(job) as Arc<dyn Job>));
    }
    // However far behind it is, it is found, and gives its place away.
    let refused = (0..100).position(|_| submit(&crew).1.try_recv().is_err());
    assert_eq!(refused, Some(4), "one search for each refusal");
    assert_eq!(jobs[70].1.try_recv(), Ok(Fate::Refused(Refusal::Unwanted)));
    crew.close();
}

#[test]
fn time_in_which_every_thread_is_busy_is_counted_and_waits_are_by_length() {
    let crew = crew_of_one(Duration::from_secs(3600));
    assert_eq!(crew.stats().saturated, Duration::ZERO);
    let (gate, opens) = mpsc::channel::<()>();
    let (running, runs) = mpsc::channel();
    crew.submit(&(Arc::new(Gated(running, Mutex::new(opens))) as Arc<dyn Job>));
    runs.recv_timeout(PATIENCE).unwrap();
    let before = crew.stats().saturated;
    let (_, fates) = submit(&crew);
    thread::sleep(Duration::from_millis(2));
    assert!(crew.stats().saturated >= before + Duration::from_millis(2));
    drop(gate);
    assert_eq!(fates.recv_timeout(PATIENCE), Ok(Fate::Run));
    let counts = crew.stats().wait_counts;
    assert_eq!(counts.iter().sum::<u64>(), 2);
    assert!(counts[1..].iter().sum::<u64>() >= 1, "one waited for 2 ms");
    crew.close();
    assert_eq!(crew.join(PATIENCE, None), 0);
    let stats = crew.stats();
    assert_eq!(crew.stats().saturated, stats.saturated, "nobody is busy");
}

/// Runs until its gate is dropped.
struct Gated(mpsc::Sender<()>, Mutex<mpsc::Receiver<()>>);

impl Job for Gated {
    fn is_wanted(&self) -> bool {
        true
    }

    fn run(&self) {
        self.0.send(()).unwrap();
        let _ = self.1.lock().unwrap().recv();
    }

    fn publish(&self) -> Option<Waker> {
        None
    }

    fn refuse(&self, _: Refusal) {}

    fn release(&self) {}
}

#[test]
fn a_time_counts_where_it_is_first_within_a_bound() {
    let counters = Counters::default();
    for millis in [0, 1, 2, 5, 10_000, 10_001] {
        counters.count_wait(Duration::from_millis(millis));
    }
    let now = Now {
        threads: 0,
        running: 0,
        queued: 0,
        saturated: Duration::ZERO,
    };
    assert_eq!(counters.stats(now).wait_counts, [2, 2, 0, 0, 0, 0, 0, 1, 1]);
}
