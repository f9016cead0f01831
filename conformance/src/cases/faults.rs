//! Applications that fail, panic, forget, lie or give up (APP-6, SRV-7, SRV-12, HTTP-29).

use super::chapter;
use crate::response::Method;
use crate::server::Subject;

chapter! {
    a_failure_before_the_start_is_answered: "APP-6", "SRV-7", "SRV-12";
    what_is_unavailable_says_when_to_ask_again: "APP-6";
    a_failure_after_the_start_is_visible: "APP-6", "SRV-7", "SRV-12", "HTTP-29";
    what_was_accepted_before_a_failure_is_sent: "SRV-7";
    a_forgotten_answer_is_answered_while_the_call_goes_on: "SRV-12";
    giving_up_before_the_start_is_no_answer: "HTTP-29";
    a_failure_is_logged_once: "APP-6";
    a_panic_harms_no_other_exchange: "SRV-7";
}

fn a_failure_before_the_start_is_answered(subject: &Subject) {
    let server = subject.start();
    for (how, status) in [
        ("panic", 500),
        ("error", 500),
        ("status/503", 503),
        ("lie", 500),
    ] {
        let response = server.connect().get(&format!("/conformance/fail/{how}"));
        assert_eq!(response.status, status, "{how}");
        assert!(
            !response.text().contains("on purpose"),
            "the answer to {how} has details of the failure"
        );
    }
}

fn what_is_unavailable_says_when_to_ask_again(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/fail/unavailable");
    assert_eq!(response.status, 503);
    assert_eq!(response.field("retry-after"), Some("7"));
    let response = client.get("/conformance/fail/status/503");
    assert_eq!(
        (response.status, response.field("retry-after")),
        (503, None)
    );
}

fn a_failure_after_the_start_is_visible(subject: &Subject) {
    let server = subject.start();
    for how in ["panic", "error", "abort", "forgotten", "lie"] {
        let mut client = server.connect();
        client.send(format!("GET /conformance/fail/started/{how} HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n"));
        let cut = client
            .try_read_response(Method::Other)
            .expect_err("it cannot be whole");
        // Giving up on purpose may take back what was not sent yet.
        let begun = cut.response.is_some_and(|response| response.status == 200);
        assert!(begun || how == "abort", "{how}: {}", cut.why);
    }
}

fn what_was_accepted_before_a_failure_is_sent(subject: &Subject) {
    let server = subject.start();
    for how in ["panic", "error", "forgotten"] {
        let mut client = server.connect();
        client.send(format!(
            "GET /conformance/fail/started/{how} HTTP/1.1\r\nhost: a\r\n\r\n"
        ));
        let cut = client
            .try_read_response(Method::Other)
            .expect_err("it cannot be whole");
        let response = cut.response.expect("the head was sent");
        assert_eq!(
            (response.status, response.text()),
            (200, "partial"),
            "{how}"
        );
    }
}

fn a_forgotten_answer_is_answered_while_the_call_goes_on(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/fail/forgotten").status, 500);
    let _ = server.ask("/conformance/open/forgotten");
    assert_eq!(
        server.ask("/conformance/report/forgotten/1"),
        "the call went on"
    );
}

fn giving_up_before_the_start_is_no_answer(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/fail/abort HTTP/1.1\r\nhost: a\r\n\r\n");
    client.expect_gone();
    assert_eq!(
        server.ask("/conformance/report/calls/1"),
        "GET /conformance/fail/abort"
    );
}

fn a_failure_is_logged_once(subject: &Subject) {
    let mut server = subject.start();
    assert_eq!(server.connect().get("/conformance/fail/error").status, 500);
    assert_eq!(server.connect().get("/conformance/fail/panic").status, 500);
    server.signal(crate::Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    let lines: Vec<_> = log
        .iter()
        .filter(|line| line.contains("the peer fails on purpose"))
        .collect();
    assert_eq!(lines.len(), 1, "the error, once: {log:#?}");
    assert!(
        lines[0].contains("in two lines"),
        "it is one line: {log:#?}"
    );
    assert!(lines[0].contains("the-failing"), "its label: {log:#?}");
    let log = log.join("\n");
    // By the hook of panics, by the server, or by both.
    assert!(log.contains("the peer panics on purpose"), "the panic");
}

fn a_panic_harms_no_other_exchange(subject: &Subject) {
    let server = subject.start_with(crate::Options::new().arguments(&["--workers", "1"]));
    let mut slow = server.connect();
    slow.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    for _ in 0..10 {
        assert_eq!(server.connect().get("/conformance/fail/panic").status, 500);
        let mut client = server.connect();
        client.send("GET /conformance/fail/started/panic HTTP/1.1\r\nhost: a\r\n\r\n");
        let _ = client.read_to_end();
    }
    let _ = server.ask("/conformance/open/slow");
    assert_eq!(slow.read_response().text(), "slow");
}
