//! Coded bodies, as clients see them.

use std::io::{Read, Write};

use conformance::{Framing, Subject};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::Test;
use crate::tree::{Served, get, head, text};

pub(crate) const TESTS: &[Test] = &[
    ("a_whole_answer_is_coded", whole),
    ("events_arrive_one_by_one_though_they_are_coded", events),
    ("files_are_coded_as_they_are_read", files),
    ("a_variant_is_not_coded_again", variants),
    ("head_says_what_get_would", heads),
    ("a_coded_upload_is_decoded", uploads),
    ("a_bomb_is_too_large", bombs),
];

const GZIP: &str = "accept-encoding: gzip\r\n";

fn plain(coded: &[u8]) -> String {
    let mut plain = String::new();
    let read = GzDecoder::new(coded).read_to_string(&mut plain);
    read.expect("it is gzip");
    plain
}

fn coded(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn whole(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for _ in 0..2 {
        let response = get(&mut client, "/coded/text", GZIP);
        assert_eq!(response.field("content-encoding"), Some("gzip"));
        assert_eq!(response.field("vary"), Some("accept-encoding"));
        assert!(plain(&response.body) == text(200_000));
        let bare = get(&mut client, "/coded/text", "");
        assert_eq!(bare.framing, Framing::Length(200_000));
        assert_eq!(bare.field("vary"), Some("accept-encoding"));
    }
}

fn events(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    let mut other = served.server.connect();
    client.send(format!(
        "GET /coded/events HTTP/1.1\r\nhost: a\r\n{GZIP}\r\n"
    ));
    let head = client.read_head();
    assert_eq!(head.field("content-encoding"), Some("gzip"));
    let mut stream = Vec::new();
    for n in 0..3 {
        let expected: String = (0..=n).map(|n| format!("data: {n}\n\n")).collect();
        // The next one is not made before this one is here.
        while seen(&stream) != expected {
            stream.extend_from_slice(&client.read_chunk());
        }
        assert_eq!(get(&mut other, "/go-on", "").text(), "it goes on");
    }
}

/// What a client can decode so far.
fn seen(coded: &[u8]) -> String {
    let (mut decoder, mut plain, mut byte) = (GzDecoder::new(coded), String::new(), [0]);
    while let Ok(1) = decoder.read(&mut byte) {
        plain.push(byte[0].into());
    }
    plain
}

fn files(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    let response = get(&mut client, "/coded-files/text.txt", GZIP);
    assert_eq!(response.field("content-encoding"), Some("gzip"));
    assert_eq!(response.field("accept-ranges"), None);
    assert!(
        response
            .field("etag")
            .is_some_and(|tag| tag.starts_with("W/"))
    );
    assert!(plain(&response.body) == text(300_000));
    let part = get(
        &mut client,
        "/coded-files/text.txt",
        &format!("{GZIP}range: bytes=0-99\r\n"),
    );
    assert_eq!((part.status, part.field("content-encoding")), (206, None));
    assert_eq!(part.text(), &text(300_000)[..100]);
    let etag = response.field("etag").expect("it has a tag");
    let again = get(
        &mut client,
        "/coded-files/text.txt",
        &format!("{GZIP}if-none-match: {etag}\r\n"),
    );
    assert_eq!((again.status, again.field("etag")), (304, Some(etag)));
}

fn variants(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for path in ["/files/styled.css", "/coded-files/styled.css"] {
        let response = get(&mut client, path, "accept-encoding: gzip, br\r\n");
        assert_eq!(response.field("content-encoding"), Some("br"));
        assert_eq!(response.text(), "not really brotli");
        assert_eq!(response.field("vary"), Some("accept-encoding"));
    }
}

fn heads(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for (path, fields) in [
        ("/coded/text", GZIP),
        ("/coded-files/text.txt", GZIP),
        ("/coded-files/text.txt", ""),
        ("/coded/text", ""),
    ] {
        let whole = get(&mut client, path, fields);
        let head = head(&mut client, path, fields);
        for name in ["content-encoding", "vary", "etag", "accept-ranges"] {
            assert_eq!(head.field(name), whole.field(name), "{name} of {path}");
        }
    }
}

fn uploads(subject: &Subject) {
    let served = Served::start(subject);
    let mut client = served.server.connect();
    for length in [0, 10, 500_000] {
        let body = coded(text(length).as_bytes());
        client.send(format!(
            "POST /coded/echo HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        let expected = if length == 0 {
            String::new()
        } else {
            text(length)
        };
        assert!(client.read_response().text() == expected);
    }
    client.send(
        "POST /coded/echo HTTP/1.1\r\nhost: a\r\ncontent-encoding: deflate\r\ncontent-length: 1\r\n\r\nx",
    );
    let response = client.read_response();
    assert_eq!(
        (response.status, response.field("accept-encoding")),
        (415, Some("br, zstd, gzip"))
    );
}

fn bombs(subject: &Subject) {
    let served = Served::start(subject);
    let before = served.server.resident_kib();
    let body = coded(&vec![0; 11_000_000]);
    let mut client = served.server.connect();
    client.send(format!(
        "POST /coded/echo HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(client.read_response().status, 413);
    let grown = served.server.resident_kib().saturating_sub(before);
    assert!(grown < 60 * 1024, "{grown} KiB");
}
