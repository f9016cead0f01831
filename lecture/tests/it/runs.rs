//! Runs, by the times that their servers told.

use std::ops::ControlFlow;
use std::path::Path;

use lecture::{End, Failed, Moment, Row, Run, Seen, Server, Timeline, Work, perform};

/// The program with the server under experiment.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_lecture");

const SERVERS: [Server; 2] = [Server::Raw, Server::Hyper];

fn run(work: Work, requests: u32, milliseconds: u32, workers: u32, server: Server) -> Timeline {
    let run = Run::new(work, requests, milliseconds, workers, server).unwrap();
    perform(Path::new(PROGRAM), run, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The requests without the bystander's.
fn requests(timeline: &Timeline) -> &[Row] {
    timeline.rows().split_last().unwrap().1
}

fn bystander(timeline: &Timeline) -> &Row {
    timeline.rows().last().unwrap()
}

/// The longest time that a row had a thread, and whose.
fn ran(row: &Row) -> (Moment, Moment, &str) {
    let longest = |&(from, to, _): &(Moment, Moment, &str)| to.since(from);
    row.running().max_by_key(longest).unwrap()
}

/// From the first moment without a thread to the last; now and then its worker may have looked at it.
fn waited(row: &Row) -> (Moment, Moment) {
    let first = row.waiting().next().unwrap().0;
    (first, row.waiting().last().unwrap().1)
}

fn overlap(one: (Moment, Moment), other: (Moment, Moment)) -> bool {
    one.0 < other.1 && other.0 < one.1
}

fn some_overlap(rows: &[Row]) -> bool {
    pairs(rows).any(|(one, other)| {
        let ((from, to, _), (begun, ended, _)) = (ran(one), ran(other));
        overlap((from, to), (begun, ended))
    })
}

fn assert_one_at_a_time_on_each_thread(timeline: &Timeline) {
    for (one, other) in pairs(requests(timeline)) {
        let ((from, to, thread), (begun, ended, another)) = (ran(one), ran(other));
        let shared = thread == another && overlap((from, to), (begun, ended));
        assert!(!shared, "{timeline:#?}");
    }
}

fn pairs(rows: &[Row]) -> impl Iterator<Item = (&Row, &Row)> {
    let numbered = rows.iter().enumerate();
    numbered.flat_map(|(number, row)| rows[number + 1..].iter().map(move |other| (row, other)))
}

/// The lecture's own case: two requests of two seconds each, one worker.
#[test]
fn two_that_block_are_served_one_after_the_other() {
    for server in SERVERS {
        let timeline = run(Work::Blocking, 2, 2000, 1, server);
        let [one, other] = requests(&timeline) else {
            panic!("two requests")
        };
        let (one, other) = (ran(one), ran(other));
        assert!(
            !overlap((one.0, one.1), (other.0, other.1)),
            "{timeline:#?}"
        );
        assert_eq!((one.2, other.2), ("worker-0", "worker-0"));
        // Both of them slept, and not at the same time.
        let both = one.1.since(one.0) + other.1.since(other.0);
        assert!(both.as_millis() >= 4000, "{timeline:#?}");
        assert!(timeline.summary().took >= both);
        let begun = timeline.began().unwrap();
        let came = bystander(&timeline).spans()[0].from.since(begun);
        assert!(came.as_millis() >= 500, "in the middle: {came:?}");
        // Who came while the first one slept was looked at when it had slept.
        assert!(
            bystander(&timeline).spans()[0].from < one.1,
            "{timeline:#?}"
        );
        assert!(ran(bystander(&timeline)).0 >= one.1, "{timeline:#?}");
    }
}

#[test]
fn two_that_await_wait_at_the_same_time() {
    for server in SERVERS {
        let timeline = run(Work::Awaiting, 2, 2000, 1, server);
        let [one, other] = requests(&timeline) else {
            panic!("two requests")
        };
        assert!(overlap(waited(one), waited(other)), "{timeline:#?}");
        for row in [one, other] {
            assert!(row.running().all(|(_, _, thread)| thread == "worker-0"));
        }
        // The second was begun with before the first was done, on the one thread that there is.
        let begun = |row: &Row| row.running().next().unwrap().0;
        let ended = |row: &Row| row.spans().last().unwrap().to.unwrap();
        assert!(begun(other) < ended(one) && begun(one) < ended(other));
        for row in [one, other] {
            assert!(
                ended(row).since(begun(row)).as_millis() >= 2000,
                "{timeline:#?}"
            );
        }
        assert!(begun(bystander(&timeline)) < ended(one), "{timeline:#?}");
    }
}

#[test]
fn requests_that_block_overlap_on_workers_of_their_own() {
    for server in SERVERS {
        let timeline = run(Work::Blocking, 4, 1000, 2, server);
        let mut shares = [0, 0];
        for row in requests(&timeline) {
            let worker: usize = ran(row).2.strip_prefix("worker-").unwrap().parse().unwrap();
            shares[worker] += 1;
        }
        assert_eq!(shares, [2, 2], "known workers, and equal shares");
        assert_one_at_a_time_on_each_thread(&timeline);
        assert!(some_overlap(requests(&timeline)), "{timeline:#?}");
    }
}

#[test]
fn plain_functions_overlap_on_the_threads_of_the_pool_and_no_further() {
    for server in SERVERS {
        let timeline = run(Work::Pooled, 6, 1000, 1, server);
        let mut threads: Vec<&str> = requests(&timeline).iter().map(|row| ran(row).2).collect();
        assert!(threads.iter().all(|thread| thread.starts_with("pool-")));
        threads.sort_unstable();
        threads.dedup();
        assert_eq!(threads.len(), 4, "{threads:?}");
        assert!(some_overlap(requests(&timeline)), "{timeline:#?}");
        assert_one_at_a_time_on_each_thread(&timeline);
    }
}

#[test]
fn computations_hold_their_worker_unless_they_are_beside_it() {
    for server in SERVERS {
        let on = run(Work::Computing, 2, 300, 1, server);
        assert_one_at_a_time_on_each_thread(&on);
        let beside = run(Work::ComputingBeside, 2, 1000, 1, server);
        for row in requests(&beside) {
            let (from, to, thread) = ran(row);
            assert!(thread.starts_with("cpu-"), "{beside:#?}");
            assert!(to.since(from).as_millis() >= 1000, "as much work as ever");
        }
        let first = requests(&beside).iter().map(|row| ran(row).1).min();
        assert!(ran(bystander(&beside)).0 < first.unwrap(), "{beside:#?}");
    }
}

#[test]
fn the_stall_detector_names_the_route() {
    for server in SERVERS {
        let timeline = run(Work::Blocking, 1, 1500, 1, server);
        let named = timeline.stalls().iter().find(|stall| {
            stall.route == "/blocking/{milliseconds}" && stall.worker == 0 && stall.end == End::Told
        });
        assert!(named.is_some(), "{timeline:#?}");
    }
}

#[test]
fn what_is_seen_grows_up_to_the_end() {
    let run = Run::new(Work::Awaiting, 2, 200, 1, Server::Raw).unwrap();
    let (mut description, mut changes) = (String::new(), 0);
    let mut look = |seen: Seen<'_>| {
        match seen {
            Seen::Serving(text) => description = text.to_owned(),
            Seen::Changed(timeline, _) => {
                let spans = timeline.rows().iter().map(|row| row.spans().len());
                assert!(spans.sum::<usize>() > 0);
                changes += 1;
            }
            _ => (),
        }
        ControlFlow::Continue(())
    };
    perform(Path::new(PROGRAM), run, &mut look).unwrap();
    assert_eq!(description, "server-raw, 1 worker");
    // Sent, begun, paused, begun, ended; the bystander never pauses.
    assert!(changes >= 2 * 5 + 3, "{changes}");
}

#[test]
fn a_program_that_is_none_is_said_to_be() {
    let run = Run::new(Work::Awaiting, 1, 1, 1, Server::Raw).unwrap();
    for (program, why) in [
        (
            "/nowhere/lecture",
            "the server could not be started: No such file",
        ),
        (
            "/bin/true",
            "the server could not be started: what it said of it",
        ),
    ] {
        let failed: Failed =
            perform(Path::new(program), run, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(failed.to_string().starts_with(why), "{failed}");
    }
}
