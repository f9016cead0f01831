//! What other servers were caught by: framing that two parties read differently, and parsers that give way.
//!
//! Each row names its source. What a row says of the status is what the peer sees; none of them is a request.

use http1::Limits;

use crate::support::{Then, check_with, seen};

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Each of these heads is refused with 400, and nothing behind it is read.
#[test]
fn heads_that_were_read_in_two_ways_are_refused() {
    for (source, fields) in [
        ("CVE-2026-39805", "Content-Length: 0\r\nContent-Length: 43"),
        ("CVE-2019-16792", "Content-Length: 5\r\nContent-Length: 5"),
        ("CVE-2019-16792, a list", "Content-Length: 5, 5"),
        (
            "CVE-2019-16786",
            "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5",
        ),
        ("CVE-2019-16789, VT", "Transfer-Encoding:\x0bchunked"),
        ("CVE-2019-16789, FF", "Transfer-Encoding: \x0cchunked"),
        ("CVE-2020-5236", "Bad-header: xxxxxxxxxxxxxxx\x10"),
        (
            "CVE-2021-21299",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        ),
        ("CVE-2021-32715", "Content-Length: +5"),
        (
            "hyper#4123",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
        ),
        (
            "hyper#4123, turned",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
        ),
        ("RUSTSEC-2021-0081", "Content-Length: +3"),
        ("CVE-2020-35884", "Transfer-Encoding: xchunked"),
        ("CVE-2020-35884, space", "Transfer-Encoding : chunked"),
        ("CVE-2022-24790, coding", "Transfer-Encoding: chunked, gzip"),
        ("CVE-2022-24790, hexadecimal", "Content-Length: 0x10"),
        ("CVE-2022-24790, letters", "Content-Length: 5a"),
        ("CVE-2023-40175", "Content-Length: "),
        ("CVE-2020-11076", "Transfer-Encoding: \u{a0}chunked"),
        ("CVE-2022-24801", "Content-Length: -5"),
        (
            "CVE-2023-47641",
            "Transfer-Encoding: chunked123\r\nContent-Length: 5",
        ),
        ("CVE-2023-47627, name", "Content\u{a0}Length: 5"),
        ("CVE-2023-47627, number", "Content-Length: 1_0"),
        (
            "CVE-2024-1135",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ),
        (
            "CVE-2024-6827",
            "Transfer-Encoding: chunked,gzip\r\nContent-Length: 5",
        ),
        ("CVE-2022-32213", "Transfer-Encoding: chunkedchunked"),
        (
            "CVE-2022-32213, list",
            "Transfer-Encoding: chunked, chunked-false",
        ),
        (
            "CVE-2022-32215",
            "Transfer-Encoding: chunked\r\n , identity",
        ),
        ("CVE-2022-35256", "X: y\rZ: w"),
        ("CVE-2023-30589", "X:\rTransfer-Encoding: chunked"),
        ("CVE-2021-22959", "Content-Length : 5"),
        ("CVE-2025-23167", "X: y\r\n\rX"),
        ("CVE-2020-25613", "X: y\nTransfer-Encoding: chunked"),
        ("bandit#620", "X: y\0"),
        ("two hosts", "Host: b"),
    ] {
        check_is_400(source, &format!("{HEAD}{fields}\r\n\r\n"));
    }
    for (source, head) in [
        (
            "CVE-2019-16785",
            "GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n",
        ),
        ("CVE-2025-6442", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        (
            "CVE-2024-27982",
            "GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\n",
        ),
        (
            "pingora CVE-2026-2835",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("CVE-2024-23829", "GET / HTTP/1.\u{b9}\r\nHost: a\r\n\r\n"),
        (
            "gunicorn 26.0, URI",
            "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "gunicorn 26.0, authority",
            "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "gunicorn 26.0, asterisk",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "CVE-2026-47737",
            "PROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\nHost: a\r\n\r\n",
        ),
    ] {
        check_is_400(source, head);
    }
}

/// Each of these bodies is refused with 400 after its head, and nothing behind it is read.
#[test]
fn chunks_that_were_read_in_two_ways_are_refused() {
    for (source, body) in [
        ("CVE-2021-32714", "f0000000000000003\r\nabc\r\n"),
        ("CVE-2022-24790", "5\r\nhelloXX"),
        ("CVE-2022-24761, prefix", "0x01\r\nx\r\n"),
        ("CVE-2022-24761, sign", "+10\r\nx"),
        ("CVE-2022-24761, extension", "5;\n\r\nhello\r\n"),
        ("CVE-2022-24801", "5;a\nb\r\nhello\r\n"),
        ("CVE-2025-43859", "5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n"),
        ("bandit#631, minus", "-0\r\n\r\n"),
        ("bandit#631, letter", "5g\r\nhello\r\n"),
        ("bandit#631, empty", "\r\nhello"),
        ("gunicorn 26.0, trailer", "0\r\nContent-Length: 5\r\n\r\n"),
        ("CVE-2013-2028, sign bit and more", "ffffffffffffffed0\r\n"),
    ] {
        let wire = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}");
        let lines = seen([wire.as_bytes()], Limits::default(), Then::Leave);
        assert!(
            lines.iter().all(|line| !line.contains("/smuggled")),
            "{source}: {lines:?}"
        );
        assert!(lines.len() >= 2, "{source}: {lines:?}");
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        check_with(Limits::default(), wire, Then::Leave, &lines);
        let refusal = lines[lines.len() - 1];
        assert!(
            refusal.chars().all(char::is_alphanumeric) && refusal != "closed",
            "{source}: {lines:?}"
        );
    }
}

#[track_caller]
fn check_is_400(source: &str, head: &str) {
    let wire = format!("{head}{SMUGGLED}");
    let mut server = crate::support::Server::new(Limits::default());
    server.input.extend_from_slice(wire.as_bytes());
    match server.next() {
        Err(error) => assert_eq!(error.status(), 400, "{source}: {error}"),
        Ok(step) => panic!("{source}: {step:?}"),
    }
    let lines = seen([wire.as_bytes()], Limits::default(), Then::Leave);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(lines.len(), 1, "{source}: {lines:?}");
    check_with(Limits::default(), &wire, Then::Leave, &lines);
}

/// RFC 9112 section 6.1 asks for 501 where the body could be cut from the next request, and only its coding is not known.
#[test]
fn a_coding_that_is_not_known_is_not_implemented() {
    let mut server = crate::support::Server::new(Limits::default());
    server
        .input
        .extend_from_slice(format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n").as_bytes());
    assert_eq!(
        server.next().map_err(|error| error.status().as_u16()),
        Err(501)
    );
}

/// Bodies that a server leaves unread, or answers early, are no requests (CVE-2025-4366, CVE-2020-26281).
#[test]
fn the_body_of_a_request_is_never_a_request() {
    let length = SMUGGLED.len();
    let lines = seen(
        [format!(
            "{HEAD}Content-Length: {length}\r\n\r\n{SMUGGLED}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        .as_bytes()],
        Limits::default(),
        Then::Leave,
    );
    assert_eq!(
        lines[2..],
        ["end", "GET /next HTTP/1.1 | Host: a", "closed"]
    );
}

/// A trailer section ends, and is not the next request (CVE-2026-39804, CVE-2025-58068).
#[test]
fn trailers_are_no_request() {
    check_with(
        Limits::default(),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n{SMUGGLED}"),
        Then::Leave,
        &[
            "POST / HTTP/1.1 | Host: a | Transfer-Encoding: chunked | Chunked",
            "trailers | x: y",
            "end",
            "GET /smuggled HTTP/1.1 | Host: a",
            "closed",
        ],
    );
}

/// Heads that come a byte at a time are not looked at again from their beginning (CVE-2023-43669).
///
/// If they were, a head of half a MiB would be 128 GiB of work.
#[test]
fn a_head_that_drips_costs_no_more_than_its_bytes() {
    let limits = Limits::default().with_head_bytes(1 << 20);
    for start in [
        "GET / HTTP/1.1\r\nHost: a\r\nx: ",
        "GET / HTTP/1.1\r\nHost: a\r\n",
    ] {
        let mut server = crate::support::Server::new(limits);
        server.input.extend_from_slice(start.as_bytes());
        for _ in 0..1 << 19 {
            server.input.extend_from_slice(b"y");
            assert_eq!(server.next(), Ok(http1::Step::NeedBytes));
        }
    }
}
