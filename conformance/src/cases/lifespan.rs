//! The application's own life (LIFE).

use super::chapter;
use crate::peer::LIFESPAN;
use crate::server::{Options, Signal, Subject};

chapter! {
    the_application_starts_before_anybody_is_served: "LIFE-1";
    a_failed_startup_ends_the_server: "LIFE-3";
    an_application_without_a_lifespan_is_served: "LIFE-2";
    the_application_stops_after_the_last_exchange: "LIFE-6", "LIFE-7";
    a_lifespan_that_ends_early_ends_the_server: "LIFE-4";
    a_failed_shutdown_is_told: "LIFE-7";
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
    let order = ["peer: started", "peer: draining", "peer: asked to stop"];
    let positions = order.map(|text| position(&log, text));
    assert!(positions.is_sorted(), "{order:?} stand at {positions:?}");
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
