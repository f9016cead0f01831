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
        self.fate.send(Fate::Refused(why)).unwrap();
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
    Arc::new(Crew::new("test".to_owned(), settings))
}

#[test]
fn the_timekeeper_refuses_what_is_late_while_every_thread_is_busy() {
    let crew = crew_of_one(Duration::ZERO);
    {
        let mut state = crew.lock();
        (state.threads, state.running) = (1, 1);
        state.seats[0] = Seat::Running(reporting().0);
    }
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
    crew.lock().queue.push_back(Queued { job, since });
    let (job, in_time) = reporting();
    crew.submit(&(job as Arc<dyn Job>));
    assert_eq!(late.recv(), Ok(Fate::Refused(Refusal::Busy)));
    assert_eq!(in_time.recv(), Ok(Fate::Run));
    crew.close();
}
