use std::time::Duration;

use super::*;

const THRESHOLD: Duration = Duration::from_millis(100);

/// A worker, and a watchdog whose time is an argument.
struct Scene {
    turns: Arc<Turns>,
    stalls: Arc<Stalls>,
    watchdog: Watchdog,
    start: Instant,
}

impl Scene {
    fn new() -> Self {
        let (turns, stalls) = (Arc::new(Turns::default()), Arc::new(Stalls::default()));
        let watchdog = Watchdog::new(THRESHOLD, Arc::clone(&stalls), [Arc::clone(&turns)]);
        Self {
            turns,
            stalls,
            watchdog,
            start: Instant::now(),
        }
    }

    /// The watchdog looks, so many milliseconds after the start.
    fn look(&mut self, milliseconds: u64) {
        let now = self.start + Duration::from_millis(milliseconds);
        self.watchdog.look(now, |_| true);
    }

    /// The watchdog looks each 25 milliseconds until then.
    fn look_until(&mut self, milliseconds: u64) {
        for at in (0..=milliseconds).step_by(25) {
            self.look(at);
        }
    }

    /// How often it was held by this route.
    fn count(&self, route: &str) -> u64 {
        self.stalls
            .routes()
            .get(route)
            .map_or(0, |stall| stall.count)
    }
}

#[test]
fn a_poll_that_lasts_is_reported_once_and_by_its_label() {
    let mut scene = Scene::new();
    let mut mark = scene.turns.mark();
    mark.begin();
    mark.label().set("/slow");
    for milliseconds in [0, 25, 50, 75] {
        scene.look(milliseconds);
        assert_eq!(scene.stalls.held(), 0, "{milliseconds}");
    }
    scene.look(100);
    assert_eq!(scene.stalls.held(), 1);
    assert_eq!(scene.turns.label(mark.mark).as_deref(), Some("/slow"));
    let since = mark.end().expect("it was reported");
    assert_eq!(since, scene.start);
    let holder = Holder::Call {
        label: Some("/slow"),
    };
    scene.stalls.ended(0, holder, Duration::from_millis(100));
    scene.look(125);
    assert_eq!((scene.stalls.held(), scene.count("/slow")), (0, 1));
    assert_eq!(mark.end(), None, "it is told once");
}

#[test]
fn many_short_polls_are_none() {
    let mut scene = Scene::new();
    let mut mark = scene.turns.mark();
    for n in 0..100 {
        mark.begin();
        scene.look(n * 25);
        assert_eq!(mark.end(), None);
    }
    assert_eq!(scene.stalls.held(), 0);
}

#[test]
fn a_poll_that_ends_as_it_is_reported_is_told_by_the_watchdog() {
    let mut scene = Scene::new();
    let mut mark = scene.turns.mark();
    mark.begin();
    scene.look_until(125);
    // The worker has looked for a report before there was one.
    scene.turns.now.store(mark.mark, Ordering::Relaxed);
    scene.look(150);
    assert_eq!((scene.stalls.held(), scene.count("(no label)")), (0, 1));
    assert_eq!(mark.end(), None);
}

#[test]
fn a_worker_that_does_not_answer_is_held_by_a_task() {
    let mut scene = Scene::new();
    let route = "(a task beside the exchanges)";
    scene.look_until(175);
    assert_eq!(scene.stalls.held(), 0);
    scene.look_until(375);
    assert_eq!(scene.stalls.held(), 1);
    let asked = scene.turns.asked.load(Ordering::Relaxed);
    scene.turns.answered.store(asked, Ordering::Relaxed);
    scene.look(400);
    assert_eq!((scene.stalls.held(), scene.count(route)), (0, 1));
    assert_eq!(
        scene.stalls.routes()[route].total,
        Duration::from_millis(300)
    );
}

#[test]
fn a_call_that_follows_ends_the_silence() {
    let mut scene = Scene::new();
    scene.look_until(200);
    assert_eq!(scene.stalls.held(), 1);
    let mut mark = scene.turns.mark();
    mark.begin();
    scene.look(225);
    assert_eq!(scene.stalls.held(), 0);
}

#[test]
fn places_are_forgotten() {
    let turns = Arc::new(Turns::default());
    let (first, second) = (turns.mark(), turns.mark());
    drop(first);
    assert_eq!(turns.places().places.len(), 1);
    drop(second);
    assert_eq!(turns.places().places.len(), 0);
}

#[test]
fn a_machine_that_stands_still_is_not_blamed_on_the_application() {
    let mut scene = Scene::new();
    let mut mark = scene.turns.mark();
    mark.begin();
    for milliseconds in [0, 25, 500] {
        scene.look(milliseconds);
    }
    assert_eq!(scene.stalls.held(), 0);
    for milliseconds in [1_000, 1_500] {
        scene.look(milliseconds);
    }
    assert_eq!(scene.stalls.held(), 1, "it lasts all the same");
}

#[test]
fn a_long_call_keeps_a_place_for_a_label_only_where_one_can_be_set() {
    let mut scene = Scene::new();
    let (mut unlabelled, mut labelled) = (scene.turns.mark(), scene.turns.mark());
    let label = labelled.label();
    drop(unlabelled.label());
    unlabelled.settle();
    labelled.settle();
    assert_eq!(scene.turns.places().places.len(), 1);
    assert_eq!(unlabelled.shown(), None);
    label.set("/late");
    labelled.begin();
    scene.look_until(100);
    assert!(labelled.end().is_some(), "it was held");
    assert_eq!(labelled.shown().as_deref(), Some("/late"));
    labelled.settle();
    assert_eq!(labelled.shown().as_deref(), Some("/late"), "it is set");
    drop((unlabelled, labelled));
    assert_eq!(scene.turns.places().places.len(), 0);
}
