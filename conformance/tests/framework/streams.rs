//! Bodies that come and go piece by piece: uploads, events, lines.

use std::time::Instant;

use conformance::{Client, PATIENCE, Subject};

use crate::{chapter, noted, open};

chapter! {
    a_form_is_read_part_by_part,
    events_come_as_they_happen,
    a_stream_is_open_before_its_first_event,
    a_client_that_comes_back_gets_the_events_after_its_last,
    lines_come_one_by_one,
    a_stream_ends_when_the_server_stops,
}

const FORM: &str = "multipart/form-data; boundary=x";

fn a_form_is_read_part_by_part(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let part = |name: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n")
    };
    let (first, second) = (
        part("first") + "12345",
        format!("\r\n{}67\r\n--x--\r\n", part("second")),
    );
    client.send(crate::posting("/upload", FORM, first.len() + second.len()));
    client.send(&first);
    // The rest is not sent before this is there.
    assert_eq!(noted(&server, 1), "begun: first");
    client.send(&second);
    let response = client.read_response();
    assert_eq!(
        (response.status, response.text()),
        (200, "first 5, second 2")
    );
    assert_eq!(noted(&server, 2), "begun: first\nbegun: second");
}

/// Reads chunks until the text of all of them has this in it, and its line's end.
#[track_caller]
fn read_until(client: &mut Client, what: &str) -> String {
    let until = Instant::now() + PATIENCE;
    let mut text = String::new();
    while !(text.contains(what) && text.ends_with('\n')) {
        // Comments that keep the connection alive come for ever.
        assert!(Instant::now() < until, "there is only {text:?}");
        let chunk = client.read_chunk();
        assert!(!chunk.is_empty(), "the stream ended after {text:?}");
        text.push_str(str::from_utf8(&chunk).expect("it is text"));
    }
    text
}

fn events_come_as_they_happen(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    let first = read_until(&mut client, "data: event 2\n");
    assert_eq!(first.matches("data: ").count(), 2, "{first}");
    open(&server, "event-3");
    let next = read_until(&mut client, "data: event 3\n");
    assert!(next.contains("id: 3\n"), "{next}");
}

fn a_stream_is_open_before_its_first_event(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /quiet HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    open(&server, "quiet");
    read_until(&mut client, "data: a word\n");
}

fn a_client_that_comes_back_gets_the_events_after_its_last(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\nlast-event-id: 41\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    let text = read_until(&mut client, "data: event 43\n");
    assert!(text.contains("data: event 42\n"), "{text}");
    assert!(!text.contains("data: event 41\n"), "{text}");
}

fn lines_come_one_by_one(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /lines HTTP/1.1\r\nhost: test\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.field("content-type"), Some("application/jsonl"));
    assert_eq!(
        read_until(&mut client, "\n"),
        "{\"name\":\"tea\",\"price\":1}\n"
    );
    open(&server, "lines");
    assert_eq!(
        read_until(&mut client, "\n"),
        "{\"name\":\"tea\",\"price\":2}\n"
    );
    assert_eq!(client.read_chunk(), b"");
}

fn a_stream_ends_when_the_server_stops(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    read_until(&mut client, "data: event 2\n");
    server.signal(conformance::Signal::TERM);
    // A whole end, and not one that was cut off.
    while !client.read_chunk().is_empty() {}
    assert!(server.wait().success());
}
