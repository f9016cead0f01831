//! How a process ends that is asked to, and whose application does not: nothing is waited for without a bound.

use std::time::Instant;

use conformance::{Client, LIFESPAN, Options, PATIENCE, Server, Signal, Subject};

use super::chapter;

chapter! {
    an_application_that_does_not_stop_is_not_waited_for,
    a_second_signal_cuts_an_exchange_short,
    a_second_signal_cuts_the_application_short,
}

/// A server whose application never stops, and that waits for it as long as this.
fn without_an_end(subject: &Subject, grace: &str) -> Server {
    let options = Options::new().environment(LIFESPAN, "hang-stop");
    subject.start_with(options.arguments(&["--grace", grace]))
}

fn an_application_that_does_not_stop_is_not_waited_for(subject: &Subject) {
    let mut server = without_an_end(subject, "1s");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(begun.elapsed() < PATIENCE);
    let log = server.log();
    let position = |text| log.iter().position(|line| line.contains(text));
    let asked = position("peer: asked to stop").expect("it was asked");
    assert!(position("did not stop within the grace period") > Some(asked));
}

fn a_second_signal_cuts_an_exchange_short(subject: &Subject) {
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)] {
        let mut server = subject.start_with(Options::new().arguments(&["--grace", "1h"]));
        let mut slow = server.connect();
        slow.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
        let report = Client::connect(server.address()).get("/conformance/report/slow/1");
        assert_eq!(report.text(), "waiting");
        server.signal(first);
        let _ = server.wait_for_log("shutting down");
        server.signal(second);
        assert_eq!(server.wait().code(), Some(130), "{first:?} and {second:?}");
    }
}

fn a_second_signal_cuts_the_application_short(subject: &Subject) {
    let mut server = without_an_end(subject, "1h");
    server.signal(Signal::INT);
    let _ = server.wait_for_log("peer: asked to stop");
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(130));
    let said = server.wait_for_log("error: ");
    assert!(said.contains("second signal"), "{said}");
}
