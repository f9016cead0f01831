//! What happens after the answer, or instead of one: work in the background, and the ends of dependencies.

use conformance::{Signal, Subject};

use crate::{asked, chapter, noted, open};

chapter! {
    work_after_the_answer_does_not_hold_the_connection,
    work_after_the_answer_is_waited_for_when_the_server_stops,
    both_scopes_end_after_an_answer,
    both_scopes_end_when_a_client_leaves_within_its_body,
    both_scopes_end_when_a_client_leaves_within_a_stream,
}

fn work_after_the_answer_does_not_hold_the_connection(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(asked(&mut client, "POST", "/background", "").status, 202);
    assert_eq!(noted(&server, 1), "begun after the answer");
    for _ in 0..2 {
        assert_eq!(client.get("/hello").text(), "hello");
    }
    open(&server, "background");
    let expected = "begun after the answer\ndone after the answer";
    assert_eq!(noted(&server, 2), expected);
}

fn work_after_the_answer_is_waited_for_when_the_server_stops(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    assert_eq!(asked(&mut client, "POST", "/at-the-end", "").status, 202);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let done = "the work after the answer is done";
    assert!(server.log().iter().any(|line| line == done));
}

fn both_scopes_end_after_an_answer(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.post("/order", "12345");
    assert_eq!((response.status, response.text()), (200, "5 bytes"));
    assert_eq!(
        noted(&server, 3),
        "begun\nhandler returned\nresponse returned"
    );
}

fn both_scopes_end_when_a_client_leaves_within_its_body(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(crate::posting("/order", "text/plain", 10));
    client.send("12345");
    assert_eq!(noted(&server, 1), "begun");
    client.reset();
    assert_eq!(noted(&server, 3), "begun\nhandler failed\nresponse failed");
    assert_eq!(server.ask("/hello"), "hello");
}

fn both_scopes_end_when_a_client_leaves_within_a_stream(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /report HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    assert!(client.read_chunk().starts_with(b"a line of the report"));
    assert_eq!(noted(&server, 2), "begun\nhandler returned");
    client.reset();
    assert_eq!(
        noted(&server, 3),
        "begun\nhandler returned\nresponse failed"
    );
}
