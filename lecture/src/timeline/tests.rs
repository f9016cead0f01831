//! Records to rows, and rows to a summary.

use super::*;
use crate::{Server, Work};

/// A timeline of two requests and the bystander, and what happens to it at so many milliseconds.
struct Drawing {
    timeline: Timeline,
    start: Moment,
}

impl Drawing {
    fn new() -> Self {
        let run = Run::new(Work::Blocking, 2, 2000, 1, Server::Raw).unwrap();
        Self {
            timeline: Timeline::new(run),
            start: Moment::now(),
        }
    }

    fn at(&mut self, milliseconds: u64, what: What) -> Option<Change> {
        let at = self.start.after(Duration::from_millis(milliseconds));
        self.timeline.draw(Record { at, what })
    }

    fn sent(&mut self, milliseconds: u64, row: usize) {
        self.at(milliseconds, What::Sent { row });
    }

    fn begins(&mut self, milliseconds: u64, row: usize, thread: &str) -> Option<Change> {
        let thread = thread.to_owned();
        self.at(milliseconds, What::Begins { row, thread })
    }

    fn pauses(&mut self, milliseconds: u64, row: usize, thread: &str) -> Option<Change> {
        let thread = thread.to_owned();
        self.at(milliseconds, What::Pauses { row, thread })
    }

    fn ends(&mut self, milliseconds: u64, row: usize) -> Option<Change> {
        self.at(milliseconds, What::Ends { row })
    }

    /// The states of a row with the milliseconds at which they begin.
    fn row(&self, row: usize) -> Vec<(u128, &'static str)> {
        let spans = self.timeline.rows()[row].spans().iter();
        let named = spans.map(|span| {
            let name = match span.state {
                State::Queued => "queued",
                State::Running { .. } => "running",
                State::Waiting => "waiting",
            };
            (span.from.since(self.start).as_millis(), name)
        });
        named.collect()
    }
}

#[test]
fn blocking_is_one_after_the_other() {
    let mut drawing = Drawing::new();
    drawing.sent(0, 0);
    drawing.sent(1, 1);
    drawing.begins(10, 0, "worker-0");
    drawing.sent(500, 2);
    drawing.ends(2010, 0);
    drawing.begins(2010, 1, "worker-0");
    drawing.ends(4010, 1);
    drawing.begins(4010, 2, "worker-0");
    drawing.ends(4011, 2);

    assert_eq!(drawing.row(1), [(1, "queued"), (2010, "running")]);
    let summary = drawing.timeline.summary();
    assert_eq!(summary.took.as_millis(), 4010);
    assert_eq!((summary.ran_at_once, summary.waited_at_once), (1, 0));
    assert_eq!(
        summary.to_string(),
        "Together 4.01 s. One at a time held a thread, none waited without one. The bystander was served after 3.51 s."
    );
}

#[test]
fn awaiting_overlaps() {
    let mut drawing = Drawing::new();
    for row in [0, 1] {
        drawing.sent(0, row);
        drawing.begins(1, row, "worker-0");
        drawing.pauses(2, row, "worker-0");
    }
    for row in [0, 1] {
        drawing.begins(2002, row, "worker-0");
        drawing.ends(2003, row);
    }
    let states = [
        (0, "queued"),
        (1, "running"),
        (2, "waiting"),
        (2002, "running"),
    ];
    assert_eq!(drawing.row(0), states);
    let summary = drawing.timeline.summary();
    assert_eq!((summary.ran_at_once, summary.waited_at_once), (0, 2));
    assert_eq!(summary.took.as_millis(), 2003);
}

#[test]
fn of_several_threads_the_first_is_drawn() {
    let mut drawing = Drawing::new();
    drawing.sent(0, 0);
    drawing.begins(1, 0, "worker-0");
    // A thread of a pool may begin before the worker has left.
    assert_eq!(drawing.begins(2, 0, "pool-0"), None, "nothing to be seen");
    drawing.pauses(3, 0, "worker-0");
    // A worker may look in meanwhile.
    assert_eq!(drawing.begins(500, 0, "worker-0"), None);
    assert_eq!(drawing.pauses(501, 0, "worker-0"), None);
    drawing.pauses(1000, 0, "pool-0");
    drawing.begins(1001, 0, "worker-0");
    drawing.ends(1002, 0);
    let row = &drawing.timeline.rows()[0];
    let running = row.running().map(|(from, to, thread)| {
        let at = |moment: Moment| moment.since(drawing.start).as_millis();
        (at(from), at(to), thread)
    });
    let expected = [
        (1, 3, "worker-0"),
        (3, 1000, "pool-0"),
        (1001, 1002, "worker-0"),
    ];
    assert!(running.eq(expected), "{row:#?}");
}

#[test]
fn what_is_no_row_changes_nothing() {
    let mut drawing = Drawing::new();
    assert_eq!(drawing.ends(1, 0), None, "nothing was sent");
    drawing.sent(1, 0);
    assert_eq!(drawing.begins(2, 7, "worker-0"), None);
}

#[test]
fn it_is_over_when_all_is_answered_and_said() {
    // Whichever of the three is missed, and of whichever row.
    for left in 0..9 {
        let mut drawing = Drawing::new();
        for row in 0..3 {
            drawing.sent(0, row);
            drawing.begins(1, row, "worker-0");
        }
        let all = (0..3).flat_map(|row| [What::Ends { row }, What::Answered { row }, What::Fence]);
        let (last, others): (Vec<_>, Vec<_>) = all.enumerate().partition(|(at, _)| *at == left);
        for (_, what) in others {
            drawing.at(2, what);
        }
        assert!(!drawing.timeline.is_over(), "{last:?} is missed");
        for (_, what) in last {
            drawing.at(3, what);
        }
        assert!(drawing.timeline.is_over());
    }
}

#[test]
fn a_hold_is_told_as_well_as_it_is_known() {
    let mut drawing = Drawing::new();
    let mut told = |worker, milliseconds, is_over| {
        let route = String::from("/blocking");
        drawing.at(
            milliseconds,
            What::Stall {
                worker,
                route,
                milliseconds,
                is_over,
            },
        );
    };
    told(0, 1000, false);
    told(1, 1001, false);
    told(0, 1990, true);
    told(0, 1002, false);
    let words = |timeline: &Timeline| -> Vec<String> {
        let stalls = timeline.stalls().iter();
        stalls.map(Stall::to_string).collect()
    };
    let is_held = "is held by /blocking for";
    let was_held = "was held by /blocking for";
    assert_eq!(
        words(&drawing.timeline),
        [
            format!("worker 1 {is_held} 1001 ms so far"),
            format!("worker 0 {was_held} 1990 ms"),
            format!("worker 0 {is_held} 1002 ms so far"),
        ]
    );
    // Nobody is held when all is over, whatever was not told any more.
    assert_eq!(drawing.timeline.settle().len(), 2);
    assert_eq!(
        words(&drawing.timeline),
        [
            format!("worker 1 {was_held} 1001 ms at least"),
            format!("worker 0 {was_held} 1990 ms"),
            format!("worker 0 {was_held} 1002 ms at least"),
        ]
    );
    assert!(drawing.timeline.settle().is_empty());
}

#[test]
fn a_bystander_is_served_at_once_or_after_a_while() {
    let words = |milliseconds| {
        let summary = Summary {
            took: Duration::from_secs(2),
            ran_at_once: 0,
            waited_at_once: 1,
            bystander_queued: Duration::from_millis(milliseconds),
        };
        summary.to_string()
    };
    let rest = "Together 2.00 s. None held a thread for more than a moment, one at a time waited without one.";
    let at_once = format!("{rest} The bystander was served at once.");
    assert_eq!(words(19), at_once);
    assert_eq!(
        words(20),
        format!("{rest} The bystander was served after 0.02 s.")
    );
}
