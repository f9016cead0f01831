//! The bounds, each in force at its very byte however the bytes arrive, in one read too.

use http1::{Limits, PeerError};

use crate::support::{Then, check_with};

/// What is seen of `wire` with these limits.
#[track_caller]
fn check(limits: Limits, wire: impl AsRef<[u8]>, expected: &[&str]) {
    check_with(limits, wire, Then::Wait, expected);
}

#[test]
fn a_head_has_so_many_bytes() {
    let head = "GET / HTTP/1.1\r\nhost: a\r\nx: 0123456789\r\n\r\n";
    let limits = |bytes| Limits::default().with_head_bytes(bytes);
    let seen = "GET / HTTP/1.1 | host: a | x: 0123456789";
    check(limits(head.len()), head, &[seen, "waits"]);
    for bytes in 0..head.len() {
        check(limits(bytes), head, &["HeadTooLarge"]);
    }
    // The body does not count, nor does the next head.
    check(limits(head.len()), head.repeat(2), &[seen, seen, "waits"]);
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n";
    check(
        limits(post.len()),
        format!("{post}{}", "x".repeat(99)),
        &[
            "POST / HTTP/1.1 | host: a | content-length: 99 | Sized(99)",
            &format!("data {}", "x".repeat(99)),
            "end",
            "waits",
        ],
    );
}

#[test]
fn an_endless_head_is_refused_when_it_is_full() {
    let limits = Limits::default().with_head_bytes(300);
    for start in [
        "GET / HTTP/1.1\r\nhost: a\r\nx: ",
        "GET / HTTP/1.1\r\nhost: a\r\nx",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\nx",
    ] {
        check(
            limits,
            format!("{start}{}", "y".repeat(300)),
            &["HeadTooLarge"],
        );
    }
    check(
        limits,
        format!("GET / HTTP/1.1\r\nhost: a\r\n{}", "a: b\r\n".repeat(60)),
        &["HeadTooLarge"],
    );
}

#[test]
fn a_target_has_so_many_bytes() {
    let limits = Limits::default().with_target_bytes(10);
    let line = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    check(
        limits,
        line("/123456789"),
        &["GET /123456789 HTTP/1.1 | host: a", "waits"],
    );
    check(limits, line("/1234567890"), &["TargetTooLong"]);
    check(limits, line(&"/".repeat(100)), &["TargetTooLong"]);
    check(
        limits,
        format!("GET {}", "/".repeat(100)),
        &["TargetTooLong"],
    );
    check(
        Limits::default().with_head_bytes(1 << 20),
        line(&"/".repeat(70_000)),
        &["TargetTooLong"],
    );
}

#[test]
fn a_line_that_is_too_long_has_the_fault_of_its_first_word() {
    let limits = Limits::default().with_target_bytes(100);
    let long = "A".repeat(500);
    for (line, expected) in [
        // No end of a method is in sight.
        (long.clone(), "RequestLine"),
        (
            format!("{long} / HTTP/1.1\r\nhost: a\r\n\r\n"),
            "RequestLine",
        ),
        (format!("\r\n{long} / HTTP/1.1\r\n"), "RequestLine"),
        (format!("{} /{long}", &long[..32]), "TargetTooLong"),
        (format!("{} /{long}", &long[..33]), "MethodTooLong"),
        (
            format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", &long[..100]),
            "MethodTooLong",
        ),
        (format!(" {long}"), "RequestLine"),
    ] {
        check(limits, line, &[expected]);
    }
}

#[test]
fn a_target_longer_than_any_uri_is_too_long_whatever_the_limit() {
    let limits = Limits::default()
        .with_head_bytes(1 << 20)
        .with_target_bytes(1 << 20);
    check(
        limits,
        format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", "/".repeat(70_000)),
        &["TargetTooLong"],
    );
}

#[test]
fn a_name_is_shorter_than_64_kib_whatever_the_limits() {
    let limits = Limits::default()
        .with_head_bytes(1 << 20)
        .with_trailer_bytes(1 << 20);
    let field = |length: usize| format!("{}: y\r\n\r\n", "x".repeat(length));
    let head = "GET / HTTP/1.1\r\nhost: a\r\n";
    let seen = format!("GET / HTTP/1.1 | host: a | {}: y", "x".repeat(65_535));
    check(
        limits,
        format!("{head}{}", field(65_535)),
        &[&seen, "waits"],
    );
    check(
        limits,
        format!("{head}{}", field(65_536)),
        &["HeadTooLarge"],
    );
    check(
        limits,
        format!("{POST}0\r\n{}", field(65_536)),
        &[SEEN, "TrailersTooLarge"],
    );
}

#[test]
fn a_head_has_so_many_fields() {
    let limits = Limits::default().with_fields(3);
    let head = |fields: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: y\r\n".repeat(fields - 1)
        )
    };
    check(
        limits,
        head(3),
        &["GET / HTTP/1.1 | host: a | x: y | x: y", "waits"],
    );
    check(limits, head(4), &["TooManyFields"]);
    check(limits, head(40), &["TooManyFields"]);
    let common = "GET / HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\ny: z\r\nx: behind which is room\r\n\r\n";
    for fields in 0..4 {
        check(
            Limits::default().with_fields(fields),
            common,
            &["TooManyFields"],
        );
    }
    let hosts = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(2);
    check(Limits::default().with_fields(0), hosts, &["TooManyFields"]);
    check(
        limits,
        head(3).repeat(2),
        &[
            "GET / HTTP/1.1 | host: a | x: y | x: y",
            "GET / HTTP/1.1 | host: a | x: y | x: y",
            "waits",
        ],
    );
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const SEEN: &str = "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | Chunked";

#[test]
fn trailers_have_so_many_bytes_and_fields() {
    let trailers = |fields: usize| format!("{POST}0\r\n{}\r\n", "x: y\r\n".repeat(fields));
    let limits = Limits::default().with_trailer_bytes(14);
    check(
        limits,
        trailers(2),
        &[SEEN, "trailers | x: y | x: y", "end", "waits"],
    );
    check(limits, trailers(3), &[SEEN, "TrailersTooLarge"]);
    check(
        limits.with_trailer_bytes(13),
        trailers(2),
        &[SEEN, "TrailersTooLarge"],
    );
    check(
        limits,
        format!("{POST}0\r\n{}", "x".repeat(99)),
        &[SEEN, "TrailersTooLarge"],
    );
    let limits = Limits::default().with_trailer_fields(2);
    check(
        limits,
        trailers(2),
        &[SEEN, "trailers | x: y | x: y", "end", "waits"],
    );
    check(limits, trailers(3), &[SEEN, "TrailersTooLarge"]);
    check(
        Limits::default().with_trailer_fields(0),
        trailers(0),
        &[SEEN, "end", "waits"],
    );
}

#[test]
fn the_extensions_of_a_body_have_so_many_bytes_together() {
    let limits = Limits::default().with_chunk_extension_bytes(8);
    let body =
        |extension: &str| format!("{POST}1{extension}\r\nx\r\n1{extension}\r\ny\r\n0\r\n\r\n");
    check(limits, body(";abc"), &[SEEN, "data xy", "end", "waits"]);
    check(limits, body(" ;ab"), &[SEEN, "data xy", "end", "waits"]);
    check(
        limits,
        body(";abcd"),
        &[SEEN, "data x", "ChunkExtensionsTooLarge"],
    );
    check(
        limits,
        format!("{POST}1;{}", "a".repeat(99)),
        &[SEEN, "ChunkExtensionsTooLarge"],
    );
    check(
        limits,
        format!("{POST}1{}", " ".repeat(99)),
        &[SEEN, "ChunkExtensionsTooLarge"],
    );
}

#[test]
fn each_limit_has_its_status() {
    for (error, status) in [
        (PeerError::HeadTooLarge, 431),
        (PeerError::TooManyFields, 431),
        (PeerError::TrailersTooLarge, 431),
        (PeerError::TargetTooLong, 414),
        (PeerError::ChunkExtensionsTooLarge, 413),
        (PeerError::Expectation, 417),
        (PeerError::MethodTooLong, 501),
        (PeerError::UnknownCoding, 501),
        (PeerError::Version, 505),
        (PeerError::TwoLengths, 400),
    ] {
        assert_eq!(error.status(), status, "{error}");
    }
}

#[test]
fn a_chunk_that_goes_beyond_the_body_is_refused_where_its_size_stands() {
    let limits = Limits::default().with_chunked_body_bytes(10);
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let seen = "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | Chunked";
    let whole = format!("{head}5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n");
    check(limits, whole, &[seen, "data hellohello", "end", "waits"]);
    let beyond = format!("{head}5\r\nhello\r\n6\r\n");
    check(limits, beyond, &[seen, "data hello", "BodyTooLarge"]);
    for size in ["b", "ffffffffffffffff"] {
        let beyond = format!("{head}{size}\r\n");
        check(limits, beyond, &[seen, "BodyTooLarge"]);
    }
    let overflow = format!("{head}1\r\nx\r\nffffffffffffffff\r\n");
    check(limits, overflow, &[seen, "data x", "BodyTooLarge"]);
}
