//! How the application learns that its client is gone (SRV-1 to SRV-3, HTTP-9, HTTP-35).

use super::chapter;
use crate::server::{Server, Subject};

chapter! {
    a_half_close_is_told_to_who_is_not_reading: "SRV-3", "HTTP-9";
    a_reset_is_told_to_who_is_not_reading: "SRV-3", "SRV-2";
    a_reset_after_a_half_close_is_told_too: "SRV-3";
    a_reset_is_told_to_who_is_writing: "SRV-2", "HTTP-35";
    a_reset_is_told_to_who_is_stalled: "SRV-2", "HTTP-35";
    a_reset_is_told_to_who_is_flushing: "SRV-2", "HTTP-17";
    who_watches_an_exchange_is_told_of_its_end: "SRV-3", "SRV-9";
    who_receives_after_the_body_is_told_of_each_end: "HTTP-9", "SRV-3";
    a_leaving_client_cancels_nothing: "SRV-1";
    a_leaving_client_is_no_error_of_the_application: "APP-5", "SRV-2";
    clients_that_leave_half_way_harm_nobody: "SRV-2";
}

/// Waits until the application of this name waits, for what a case does next must find it waiting.
#[track_caller]
fn await_waiting(server: &Server, name: &str) {
    assert_eq!(
        server.ask(&format!("/conformance/report/{name}/1")),
        "waiting"
    );
}

fn a_half_close_is_told_to_who_is_not_reading(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/gone HTTP/1.1\r\nhost: a\r\n\r\n");
    await_waiting(&server, "gone");
    client.half_close();
    assert_eq!(
        server.ask("/conformance/report/gone/2"),
        "waiting\nHalfClosed"
    );
    assert_eq!(client.read_response().text(), "answered all the same");
    client.expect_end();
}

fn a_reset_is_told_to_who_is_not_reading(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/gone/final HTTP/1.1\r\nhost: a\r\n\r\n");
    await_waiting(&server, "gone");
    client.reset();
    assert_eq!(
        server.ask("/conformance/report/gone/2"),
        "waiting\nPeerReset"
    );
}

/// Whoever holds nothing but the signal learns the end too, with the connection or before the next request on it.
fn who_watches_an_exchange_is_told_of_its_end(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/watch HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_response().text(), "watched");
    client.send("GET /conformance/watch HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(client.read_response().text(), "watched");
    client.expect_end();
    assert_eq!(
        server.ask("/conformance/report/watch/2"),
        "Finished\nFinished"
    );
}

fn a_reset_after_a_half_close_is_told_too(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/gone/final HTTP/1.1\r\nhost: a\r\n\r\n");
    await_waiting(&server, "gone");
    client.half_close();
    assert_eq!(
        server.ask("/conformance/report/gone/2"),
        "waiting\nHalfClosed"
    );
    client.reset();
    assert_eq!(
        server.ask("/conformance/report/gone/3"),
        "waiting\nHalfClosed\nPeerReset"
    );
}

fn a_reset_is_told_to_who_is_writing(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_bytes(1_000_000);
    client.reset();
    assert_eq!(
        server.ask("/conformance/report/endless/2"),
        "started\nGone(PeerReset)"
    );
}

fn a_reset_is_told_to_who_is_stalled(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/ticks HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        server
            .ask("/conformance/report/ticks/1")
            .starts_with("stalled")
    );
    let mut other = server.connect();
    other.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = other.read_head();
    other.reset();
    assert_eq!(
        server.ask("/conformance/report/endless/2"),
        "started\nGone(PeerReset)"
    );
    client.reset();
}

fn a_reset_is_told_to_who_is_flushing(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // In a task of its own, which nothing but its waker has polled again.
    client.send("GET /conformance/flush HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/flush/1"), "stalled");
    client.reset();
    let told = server.ask("/conformance/report/flush/2");
    assert!(
        told.contains("PeerReset"),
        "the wait goes on, or ends without the reason: {told}"
    );
}

fn who_receives_after_the_body_is_told_of_each_end(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("POST /conformance/receive HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\ndata");
    assert_eq!(
        server.ask("/conformance/report/receive/1"),
        "the body ended"
    );
    client.half_close();
    let half = "the body ended\ndisconnect HalfClosed";
    assert_eq!(server.ask("/conformance/report/receive/2"), half);
    client.reset();
    let last = "disconnect PeerReset";
    assert_eq!(
        server.ask("/conformance/report/receive/4"),
        format!("{half}\n{last}\n{last}"),
        "the final reason comes each time it is asked"
    );
}

fn a_leaving_client_cancels_nothing(subject: &Subject) {
    let server = subject.start();
    for reset in [true, false] {
        let mut client = server.connect();
        client.send("GET /conformance/work HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.read_response().text(), "answered");
        if reset {
            client.reset();
        } else {
            drop(client);
        }
    }
    let mut client = server.connect();
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    await_waiting(&server, "slow");
    client.reset();
    for gate in ["work", "work", "slow"] {
        let _ = server.ask(&format!("/conformance/open/{gate}"));
    }
    assert_eq!(
        server
            .ask("/conformance/report/work/4")
            .matches("ended")
            .count(),
        2,
        "the calls ran to their end"
    );
    assert_eq!(
        server.ask("/conformance/report/slow/2"),
        "waiting\nwent on",
        "also the one that had not answered yet"
    );
}

fn a_leaving_client_is_no_error_of_the_application(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_bytes(100_000);
    client.reset();
    assert!(
        server
            .ask("/conformance/report/endless/2")
            .contains("PeerReset")
    );
    let mut client = server.connect();
    client.send("GET /conformance/fail/gone HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.try_read_response(crate::Method::Other);
    server.signal(crate::Signal::TERM);
    assert!(server.wait().success());
    let log = server.log().join("\n");
    assert!(!log.contains("ERROR"), "an error was logged");
}

fn clients_that_leave_half_way_harm_nobody(subject: &Subject) {
    let server = subject.start();
    let request = "POST /conformance/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\ndata";
    for cut in 0..request.len() {
        let mut client = server.connect();
        client.send(&request[..cut]);
        client.reset();
    }
    assert_eq!(server.connect().get("/conformance/hello").status, 200);
}
