//! The application's own life (LIFE).

use super::chapter;
use crate::peer::LIFESPAN;
use crate::server::{Options, Signal, Subject};

chapter! {
    the_application_starts_before_anybody_is_served: "LIFE-1";
    a_failed_startup_ends_the_server: "LIFE-3";
    an_application_without_a_lifespan_is_served: "LIFE-2";
    the_application_stops_after_the_last_exchange: "LIFE-6", "LIFE-7", "SRV-4";
    a_lifespan_that_ends_early_ends_the_server: "LIFE-4";
    a_failed_shutdown_is_told: "LIFE-7";
    a_startup_that_takes_too_long_has_failed: "LIFE-8", "LIFE-3", "LIFE-1";
    a_dropped_lifespan_is_told: "LIFE-9", "LIFE-3";
    a_dropped_life_is_told: "LIFE-9", "LIFE-4";
    a_mount_runs_lives_of_its_own: "LIFE-10", "SYNC-9", "LIFE-5";
    a_signal_while_starting_ends_the_server: "LIFE-3";
}

fn plan(how: &str) -> Options {
    Options::new().environment(LIFESPAN, how)
}

fn position(log: &[String], text: &str) -> usize {
    let found = log.iter().position(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no line of the log has {text:?} in it"))
}

fn the_application_starts_before_anybody_is_served(subject: &Subject) {
    let server = subject.start();
    // It listens, so by now the application must have said that it started.
    assert!(!server.wait_for_log("peer: started").is_empty());
    assert_eq!(server.ask("/conformance/state"), "made at startup");
}

fn a_failed_startup_ends_the_server(subject: &Subject) {
    for (how, why) in [
        ("fail", "the peer's startup fails on purpose"),
        ("panic", "panics on purpose"),
    ] {
        let mut server = subject.launch(plan(how));
        let status = server.wait();
        assert_eq!(status.code(), Some(1), "the exit code of {how}");
        let log = server.log().join("\n");
        assert!(log.contains(why), "the log of {how} does not say why");
        assert_eq!(
            server.output(),
            Vec::<String>::new(),
            "nobody is told to connect"
        );
    }
}

fn an_application_without_a_lifespan_is_served(subject: &Subject) {
    let mut server = subject.start_with(plan("refuse"));
    assert_eq!(server.ask("/conformance/state"), "no state");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log().join("\n");
    assert!(
        !log.contains("WARN") && !log.contains("ERROR"),
        "refusing is quiet"
    );
}

fn the_application_stops_after_the_last_exchange(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/drain HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    let order = [
        "peer: started",
        "peer: draining",
        "peer: drained",
        "peer: asked to stop",
        "peer: stopped",
    ];
    let positions = order.map(|text| position(&log, text));
    assert!(positions.is_sorted(), "{order:?} stand at {positions:?}");
    let told = position(&log, "peer: the lifespan is told of the drain");
    assert!(
        told < position(&log, "peer: drained"),
        "the drain is visible to the lifespan too before it is over"
    );
}

fn a_lifespan_that_ends_early_ends_the_server(subject: &Subject) {
    for how in ["fail-late", "return"] {
        let mut server = subject.launch(plan(how));
        assert_eq!(server.wait().code(), Some(1), "the exit code of {how}");
    }
}

fn a_failed_shutdown_is_told(subject: &Subject) {
    let mut server = subject.start_with(plan("fail-stop"));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(
        server
            .log()
            .join("\n")
            .contains("the peer's shutdown fails on purpose")
    );
}

fn a_signal_while_starting_ends_the_server(subject: &Subject) {
    let mut server = subject.launch(plan("hang"));
    // The signals are caught before the application is called, so its line shows that one can be sent.
    assert!(!server.wait_for_log("peer: starting").is_empty());
    server.signal(Signal::TERM);
    let _ = server.wait();
}

fn a_startup_that_takes_too_long_has_failed(subject: &Subject) {
    let options = plan("hang").environment(crate::TIMEOUTS, "startup=300");
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log().join("\n");
    assert!(log.contains("LIFE-8"), "the log does not say why: {log}");
    assert_eq!(server.output(), Vec::<String>::new(), "nobody is accepted");
}

fn a_dropped_lifespan_is_told(subject: &Subject) {
    let mut server = subject.launch(plan("drop"));
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    let _ = position(&log, "peer: the lifespan was aborted");
    let _ = position(&log, "the peer has dropped its lifespan");
}

fn a_dropped_life_is_told(subject: &Subject) {
    let mut server = subject.launch(plan("drop-late"));
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    let started = position(&log, "peer: started");
    assert!(started < position(&log, "peer: the lifespan was aborted"));
}

fn a_mount_runs_lives_of_its_own(subject: &Subject) {
    let mut server = subject.start_with(Options::new());
    let child = server.ask("/conformance/sync/state");
    assert_eq!(child, "made by the child, the parent's false");
    assert_eq!(server.ask("/conformance/state"), "made at startup");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    let startup = position(&log, "peer: synchronous startup, on a worker: false");
    let shutdown = position(&log, "peer: synchronous shutdown, on a worker: false");
    assert!(startup < position(&log, "peer: started"));
    assert!(position(&log, "peer: asked to stop") < shutdown);
    let times = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (times("synchronous startup"), times("synchronous shutdown")),
        (1, 1)
    );
}
