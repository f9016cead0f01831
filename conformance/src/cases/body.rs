//! The request's body (HTTP-4 to HTTP-15, SRV-6).

use std::time::Duration;

use super::chapter;
use crate::client::Client;
use crate::server::{Server, Subject};

chapter! {
    a_body_is_what_was_sent: "HTTP-4";
    chunks_are_not_seen_by_the_application: "HTTP-4";
    a_body_streams_both_ways: "HTTP-5", "HTTP-17";
    a_body_of_one_byte_chunks: "HTTP-4";
    trailers_come_after_the_body: "HTTP-6";
    trailers_that_frame_or_route_are_refused: "HTTP-6";
    trailers_over_the_limit_are_refused: "HTTP-6", "SRV-14";
    chunk_extensions_over_the_limit_are_refused: "HTTP-7";
    a_body_that_was_cut_short_is_no_body: "HTTP-8";
    a_body_over_the_limit_is_413: "HTTP-7";
    an_unread_body_leaves_the_connection_usable: "SRV-6", "HTTP-14";
    a_body_read_in_part_leaves_the_connection_usable: "SRV-6", "HTTP-14";
    an_uploader_reads_an_early_answer: "SRV-6";
    an_upload_without_an_end_is_not_read_for_ever: "SRV-6";
    what_nobody_wants_is_not_read_for_ever_before_the_answer: "HTTP-14", "SRV-6";
    an_application_that_reads_late_gets_everything: "HTTP-11", "HTTP-4";
}

fn chunked(parts: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("{:x}\r\n", part.len()).bytes());
        body.extend_from_slice(part);
        body.extend(b"\r\n");
    }
    body
}

fn post_chunked(server: &Server, path: &str, body: &[u8]) -> Client {
    let mut client = server.connect();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    ));
    client.send(body);
    client
}

fn a_body_is_what_was_sent(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let body: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    for length in [1, 2, 1000, 65_535, 65_536, 65_537, 1_000_000, body.len()] {
        let response = client.post("/conformance/read-all", &body[..length]);
        assert_eq!(response.status, 200);
        assert!(
            response.body == body[..length],
            "{length} bytes came back as {} others",
            response.body.len()
        );
    }
    // Each with its head in one piece, and the next one behind it.
    let post = |body: &str| {
        let length = body.len();
        format!(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    client.send(post("one") + &post("") + &post("three"));
    for expected in ["one", "", "three"] {
        assert_eq!(client.read_response().text(), expected);
    }
}

fn chunks_are_not_seen_by_the_application(subject: &Subject) {
    let server = subject.start();
    let body = [
        chunked(&[b"one", b"\r\n", b"0\r\n\r\n", &[b'x'; 70_000]]),
        b"0\r\n\r\n".to_vec(),
    ]
    .concat();
    let expected = [b"one\r\n0\r\n\r\n".as_slice(), &[b'x'; 70_000]].concat();
    assert!(
        post_chunked(&server, "/conformance/read-all", &body)
            .read_response()
            .body
            == expected
    );

    let small = [chunked(&[b"one", b"\r\n", b"two"]), b"0\r\n\r\n".to_vec()].concat();
    let mut client = server.connect();
    client.send(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    client.send_each_byte(&small);
    assert_eq!(client.read_response().text(), "one\r\ntwo");
    for cut in 1..small.len() {
        client.send(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        client.send_cut(&small, &[cut]);
        assert_eq!(client.read_response().text(), "one\r\ntwo", "cut at {cut}");
    }
}

fn a_body_streams_both_ways(subject: &Subject) {
    let server = subject.start();
    let mut client = post_chunked(&server, "/conformance/echo", &chunked(&[b"first"]));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk(), b"first");
    for part in [b"second".as_slice(), b"third"] {
        client.send(chunked(&[part]));
        assert_eq!(client.read_chunk(), part);
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.read_chunk(), b"");
}

fn a_body_of_one_byte_chunks(subject: &Subject) {
    let server = subject.start();
    let body = [b"1\r\nx\r\n".repeat(50_000), b"0\r\n\r\n".to_vec()].concat();
    let response = post_chunked(&server, "/conformance/read-all", &body).read_response();
    assert!(
        response.body == [b'x'; 50_000],
        "{} bytes came back",
        response.body.len()
    );
}

fn trailers_come_after_the_body(subject: &Subject) {
    let server = subject.start();
    let body = [
        chunked(&[b"data"]),
        b"0\r\nX-Sum: 7\r\nx-more: a\r\n\r\n".to_vec(),
    ]
    .concat();
    let mut client = post_chunked(&server, "/conformance/trailers/in", &body);
    let response = client.read_response();
    let mut trailers: Vec<_> = response.text().lines().collect();
    trailers.sort_unstable();
    assert_eq!(trailers, ["x-more=a", "x-sum=7"]);
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn trailers_that_frame_or_route_are_refused(subject: &Subject) {
    let server = subject.start();
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Trailer",
        "Content-Type",
    ] {
        let body = [
            chunked(&[b"data"]),
            format!("0\r\n{name}: 7\r\nx-sum: 7\r\n\r\n").into_bytes(),
        ]
        .concat();
        let mut client = post_chunked(&server, "/conformance/trailers/in", &body);
        assert_eq!(client.read_response().status, 400, "with {name}");
        client.expect_end();
    }
}

fn trailers_over_the_limit_are_refused(subject: &Subject) {
    let server = subject.start();
    for trailers in [
        format!("x-large: {}\r\n", "a".repeat(100 * 1024)),
        "a: b\r\n".repeat(1000),
    ] {
        let mut client = server.connect();
        client.send("POST /conformance/trailers/in HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        let _ = client.try_send(format!("1\r\nx\r\n0\r\n{trailers}\r\n"));
        let status = client.read_response().status;
        assert!(
            [400, 431].contains(&status),
            "{} bytes of trailers give {status}",
            trailers.len()
        );
        client.expect_gone();
    }
}

fn chunk_extensions_over_the_limit_are_refused(subject: &Subject) {
    let server = subject.start();
    // CVE-2024-21647, CVE-2024-22019: without a limit, megabytes of extensions carry nothing and cost much.
    let endless = format!("1;{}", "a".repeat(1024 * 1024)).into_bytes();
    let many = format!("1;{}\r\nx\r\n", "a".repeat(15 * 1024))
        .into_bytes()
        .repeat(64);
    for (how, body) in [
        ("one without an end", endless),
        ("one with each chunk", many),
    ] {
        let mut client = server.connect();
        client.send(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        let _ = client.try_send(&body);
        let status = client.read_response().status;
        assert!([400, 413].contains(&status), "{how} gives {status}");
        client.expect_gone();
    }
}

fn a_body_that_was_cut_short_is_no_body(subject: &Subject) {
    let server = subject.start();
    for sent in ["", "hell"] {
        let mut client = server.connect();
        client.send(format!(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n{sent}"
        ));
        client.half_close();
        // The client may still read: malformed is what it is told, and it is told so.
        assert_eq!(client.read_response().status, 400);
        client.expect_end();
    }
}

fn a_body_over_the_limit_is_413(subject: &Subject) {
    let server = subject.start();
    // The application's limit, and the server's.
    for path in ["/conformance/read-all", "/conformance/read-some/1"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999\r\n\r\n"
        ));
        assert_eq!(client.read_response().status, 413, "{path}");
        client.expect_end();
    }
}

fn an_unread_body_leaves_the_connection_usable(subject: &Subject) {
    let server = subject.start();
    for body in [
        // One that is here with its head.
        "content-length: 4\r\n\r\nbody".to_owned(),
        "content-length: 10000\r\n\r\n".to_owned() + &"x".repeat(10_000),
        "transfer-encoding: chunked\r\n\r\n2710\r\n".to_owned()
            + &"x".repeat(10_000)
            + "\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST /conformance/early HTTP/1.1\r\nhost: a\r\n{body}GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n"
        ));
        assert_eq!(client.read_response().text(), "early");
        assert_eq!(client.read_response().text(), "Hello, world!");
    }
}

fn a_body_read_in_part_leaves_the_connection_usable(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/read-some/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 10000\r\n\r\n{}GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n",
        "x".repeat(10_000)
    ));
    let read = server.ask("/conformance/report/read-some/1");
    let _ = server.ask("/conformance/open/read-some");
    assert_eq!(client.read_response().text(), read);
    assert_eq!(client.read_response().text(), "Hello, world!");
}

fn an_uploader_reads_an_early_answer(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("POST /conformance/early HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n");
    // More than the server drains: it answers, closes, and reads on for a while, since a reset would take the answer away
    // from a client that is still sending (RFC 9112 section 9.6).
    let _ = client.try_send(vec![b'x'; 4_000_000]);
    let answer = client.read_response();
    assert_eq!(answer.text(), "early");
    assert!(answer.closes(), "the connection cannot be used again");
    client.half_close();
    // Closed with bytes unread, it would be a reset.
    client.expect_end();
}

fn an_upload_without_an_end_is_not_read_for_ever(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client
        .send("POST /conformance/early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(client.read_response().text(), "early");
    // Chunks do not say how many are to come: the limit is found while they are let fall, and what a connection lingers for has one
    // too.
    let chunk = ["10000\r\n", &"x".repeat(0x1_0000), "\r\n"].concat();
    let closed = (0..1024).any(|_| client.try_send(&chunk).is_err());
    assert!(closed, "64 MiB that nobody wanted were read");
}

fn what_nobody_wants_is_not_read_for_ever_before_the_answer(subject: &Subject) {
    const MOST: usize = 64 << 20;
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "POST /conformance/unwanted HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    assert_eq!(server.ask("/conformance/report/unwanted/1"), "waiting");
    // The application is at work still, so there is an answer to come; but what it does not want is not worth a network's load.
    let chunk = ["10000\r\n", &"x".repeat(0x1_0000), "\r\n"].concat();
    let taken = client.send_until_stuck(chunk.as_bytes(), MOST, Duration::from_secs(2));
    assert!(taken < MOST, "64 MiB that nobody wanted were read");
    let _ = server.ask("/conformance/open/unwanted");
    assert_eq!(client.read_response().text(), "nobody wanted it");
}

fn an_application_that_reads_late_gets_everything(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // More than the server keeps: it must go on reading when there is room again.
    let body = vec![b'x'; 300_000];
    client.send(format!(
        "POST /conformance/read-late HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(server.ask("/conformance/report/read-late/1"), "waiting");
    let _ = server.ask("/conformance/open/read-late");
    let response = client.read_response();
    assert_eq!(response.body.len(), body.len());
}
