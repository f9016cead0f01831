//! The response (HTTP-16 to HTTP-34, SRV-6).

use std::fs;

use super::chapter;
use crate::response::{Framing, Method};
use crate::server::Subject;

chapter! {
    a_whole_answer_has_its_length: "HTTP-26";
    a_stream_has_chunks: "HTTP-26", "HTTP-5";
    each_part_is_sent_without_waiting_for_the_next: "HTTP-17";
    a_declared_length_frames_a_stream: "HTTP-26";
    head_has_no_body_and_keeps_its_length: "SRV-6";
    statuses_without_a_body_have_none: "SRV-6";
    more_than_the_declared_length_is_refused_whole: "HTTP-24";
    less_than_the_declared_length_cuts_the_response_off: "HTTP-24";
    a_head_that_cannot_be_sent_is_500: "HTTP-22";
    fields_that_are_the_server_s_are_dropped: "HTTP-23";
    a_date_is_added_unless_there_is_one: "HTTP-23";
    fields_keep_their_order_and_their_duplicates: "HTTP-34", "SCOPE-8";
    line_ends_in_values_are_impossible: "HTTP-34";
    announced_trailers_reach_who_can_take_them: "HTTP-27", "HTTP-28";
    trailers_that_nobody_takes_are_dropped: "HTTP-28";
    a_trailer_that_was_not_announced_is_refused: "HTTP-27";
    informational_responses_come_first: "HTTP-19";
    a_file_is_a_part_of_the_body: "HTTP-25";
}

fn a_whole_answer_has_its_length(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/hello");
    assert_eq!(response.framing, Framing::Length(13));
    assert_eq!(
        response.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(response.version, "HTTP/1.1");
}

fn a_stream_has_chunks(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // The answer begins before the server can know how long it will be.
    client.send("POST /conformance/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nstre");
    let head = client.read_head();
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(head.field("content-length"), None);
    assert_eq!(client.read_chunk(), b"stre");
    client.send("amed");
    assert_eq!(client.read_chunk(), b"amed");
    assert_eq!(client.read_chunk(), b"");
}

fn each_part_is_sent_without_waiting_for_the_next(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/chunks/3 HTTP/1.1\r\nhost: a\r\n\r\n");
    // The head comes before there is a body (HTTP-21 lets it wait, but not for ever).
    assert_eq!(client.read_head().status, 200);
    for n in 0..3 {
        let _ = server.ask("/conformance/open/chunk");
        assert_eq!(client.read_chunk(), format!("chunk {n}\n").into_bytes());
    }
    let _ = server.ask("/conformance/open/chunk");
    assert_eq!(client.read_chunk(), b"");
}

fn a_declared_length_frames_a_stream(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/length/right");
    assert_eq!(
        (response.framing, response.text()),
        (Framing::Length(6), "abcdef")
    );
}

fn head_has_no_body_and_keeps_its_length(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for (path, length) in [
        ("/conformance/hello", Some("13")),
        ("/conformance/length/right", Some("6")),
        ("/conformance/chunks/0", None),
        ("/conformance/hello", Some("13")),
    ] {
        if path == "/conformance/chunks/0" {
            let _ = server.ask("/conformance/open/chunk");
        }
        client.send(format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let response = client.read_response_to(Method::Head);
        assert_eq!(
            (response.status, response.field("content-length")),
            (200, length),
            "{path}"
        );
    }
    assert_eq!(
        client.get("/conformance/hello").text(),
        "Hello, world!",
        "nothing of the bodies was sent"
    );
}

fn statuses_without_a_body_have_none(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for status in [204, 304] {
        for path in ["status", "stream-status"] {
            let response = client.get(&format!("/conformance/{path}/{status}"));
            assert_eq!(
                (response.status, response.framing),
                (status, Framing::NoBody),
                "{path}"
            );
            assert_eq!(
                client.get("/conformance/hello").text(),
                "Hello, world!",
                "after {path} of {status}"
            );
        }
    }
    // It has none either, but framing of its own (RFC 9110 section 15.3.6).
    for path in ["status", "stream-status"] {
        let response = client.get(&format!("/conformance/{path}/205"));
        assert_eq!((response.status, response.text()), (205, ""), "{path}");
        assert_eq!(
            client.get("/conformance/hello").text(),
            "Hello, world!",
            "after {path} of 205"
        );
    }
}

fn more_than_the_declared_length_is_refused_whole(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/length/over");
    assert_eq!(
        (response.framing, response.text()),
        (Framing::Length(3), "abc")
    );
    assert!(
        server
            .ask("/conformance/report/length/1")
            .contains("TooMuch { declared: 3 }")
    );
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn less_than_the_declared_length_cuts_the_response_off(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET /conformance/length/under HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    let cut = client
        .try_read_response(Method::Other)
        .expect_err("it cannot be whole");
    let response = cut.response.expect("the head was sent");
    assert_eq!(
        (response.framing, response.text()),
        (Framing::Length(6), "abc")
    );
    assert!(
        server
            .ask("/conformance/report/length/1")
            .contains("3 bytes before")
    );
}

fn a_head_that_cannot_be_sent_is_500(subject: &Subject) {
    let server = subject.start();
    for (n, how) in ["twice", "no-number", "informational"]
        .into_iter()
        .enumerate()
    {
        let response = server.connect().get(&format!("/conformance/length/{how}"));
        assert_eq!(response.status, 500, "{how}");
        let reported = server.ask(&format!("/conformance/report/length/{}", n + 1));
        assert_eq!(reported.lines().last(), Some("BadHead"), "{how}");
    }
}

fn fields_that_are_the_server_s_are_dropped(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/fields/own");
    assert_eq!(
        (response.framing, response.text()),
        (Framing::Length(6), "fields")
    );
    assert_eq!(response.field("x-kept"), Some("kept"));
    for name in ["transfer-encoding", "keep-alive", "upgrade", "connection"] {
        assert_eq!(response.field(name), None, "{name}");
    }
}

fn a_date_is_added_unless_there_is_one(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/hello");
    let date = response
        .field("date")
        .expect("an origin server with a clock sends a date");
    assert!(
        date.len() == 29 && date.ends_with(" GMT"),
        "{date:?} (RFC 9110 section 5.6.7)"
    );
    let own = client.get("/conformance/fields/date");
    assert_eq!(own.field("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
}

fn fields_keep_their_order_and_their_duplicates(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/fields/repeated");
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2", "c=3"]);
    assert_eq!(response.field("x-between"), Some("between"));
}

fn line_ends_in_values_are_impossible(subject: &Subject) {
    let server = subject.start();
    // CVE-2017-18587, CVE-2020-5247, CVE-2020-7695: the type of a value refuses them, so nothing is left to a server.
    let response = server.connect().get("/conformance/fields/injected");
    assert_eq!(response.text(), "4 of 4 refused");
    assert_eq!(response.field("set-cookie"), None);
}

fn announced_trailers_reach_who_can_take_them(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET /conformance/trailers/announced HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(
        (response.framing, response.text()),
        (Framing::Chunked, "data")
    );
    assert_eq!(response.field("trailer"), Some("x-sum"));
    assert_eq!(response.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn trailers_that_nobody_takes_are_dropped(subject: &Subject) {
    let server = subject.start();
    for (path, version, fields) in [
        ("announced", "1.1", ""),
        ("maybe", "1.1", "te: trailers\r\nconnection: te\r\n"),
        ("maybe", "1.1", ""),
        ("announced", "1.0", "te: trailers\r\n"),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "GET /conformance/trailers/{path} HTTP/{version}\r\nhost: a\r\n{fields}\r\n"
        ));
        let response = client.read_response();
        assert_eq!(
            response.text(),
            "data",
            "{path} in {version} with {fields:?}"
        );
        assert_eq!(response.trailers, [], "{path} in {version} with {fields:?}");
    }
}

fn a_trailer_that_was_not_announced_is_refused(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client
        .send("GET /conformance/trailers/other HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n");
    let whole = client.try_read_response(Method::Other);
    assert!(
        whole.is_err(),
        "the response must be cut off, not {whole:?}"
    );
    assert!(
        server
            .ask("/conformance/report/trailers/1")
            .contains("not announced")
    );
}

fn informational_responses_come_first(subject: &Subject) {
    let server = subject.start();
    let can = server
        .ask("/conformance/scope")
        .contains("informational true");
    let mut client = server.connect();
    let mut response = client.get("/conformance/inform");
    if can {
        assert_eq!(response.status, 103);
        assert_eq!(response.field("link"), Some("</style.css>; rel=preload"));
        response = client.read_response();
    }
    assert_eq!((response.status, response.text()), (200, "informed"));
    // An HTTP/1.0 client knows none (RFC 9110 section 15.2).
    let mut client = server.connect();
    client.send("GET /conformance/inform HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
}

fn a_file_is_a_part_of_the_body(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/file");
    let program = fs::read(subject.program()).expect("the server's program is a file");
    assert!(
        response.body == program[100..100_100],
        "{} bytes came, not those of the file",
        response.body.len()
    );
}
