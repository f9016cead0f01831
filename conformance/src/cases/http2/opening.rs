//! How a connection becomes one of HTTP/2, and how it does not.

use std::time::{Duration, Instant};

use super::{ask, frames, route};
use crate::cases::chapter;
use crate::client::{Client, End};
use crate::http2_client::{Frames, PREFACE, block, flag, frame, kind, request};
use crate::server::{Signal, Subject};

chapter! {
    a_preface_may_come_byte_by_byte: "SCOPE-14", "HTTP-1";
    a_broken_preface_is_closed_quietly: "HTTP-1";
    http_1_is_served_on_the_same_port: "SCOPE-14";
    the_settings_say_what_is_spoken: "SCOPE-13", "SRV-5";
    an_offer_of_h2c_is_an_ordinary_request: "HTTP-30";
    pings_are_answered: "HTTP-2";
    a_silent_peer_does_not_hold_a_shutdown: "SRV-16";
    frames_and_settings_that_are_not_known_are_passed_over: "HTTP-1";
}

fn a_preface_may_come_byte_by_byte(subject: &Subject) {
    let server = subject.start();
    let mut client = Frames::connect_silently(server.address());
    let path = route("/hello");
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(kind::SETTINGS, 0, 0, &[]));
    let flags = flag::END_HEADERS | flag::END_STREAM;
    bytes.extend(frame(
        kind::HEADERS,
        flags,
        1,
        &block(&request("GET", &path)),
    ));
    for byte in bytes {
        client.send_bytes(&[byte]);
    }
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"Hello, world!");
}

fn a_silent_peer_does_not_hold_a_shutdown(subject: &Subject) {
    for used in [true, false] {
        let mut server = subject.start();
        let mut client = frames(&server);
        if used {
            client.get(1, &route("/hello"));
            client.expect_status(1, 200);
            assert_eq!(client.read_body(1), b"Hello, world!");
        }
        // Over another connection, so that the server has accepted this one.
        let _ = ask(&server, "/hello");
        let start = Instant::now();
        server.signal(Signal::TERM);
        // Nobody answers the ping that a graceful end begins with.
        assert_eq!(server.wait().code(), Some(0));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(12), "it took {took:?}");
    }
}

fn a_broken_preface_is_closed_quietly(subject: &Subject) {
    let server = subject.start();
    for broken in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\nhost: a\r\n\r\n",
        "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
        "INVALID CONNECTION PREFACE\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(broken);
        let (said, end) = client.read_to_end();
        assert_eq!((&said[..], end), (&b""[..], End::Closed), "{broken:?}");
    }
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

fn http_1_is_served_on_the_same_port(subject: &Subject) {
    let server = subject.start();
    let mut client: Client = server.connect();
    assert_eq!(client.get(&route("/hello")).status, 200);
    // The method of the preface is a method like others.
    client.send("PRI / HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_response();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (said, _) = client.read_to_end();
    let refused =
        said.is_empty() || said.starts_with(b"HTTP/1.1 400") || said.starts_with(b"HTTP/1.1 505");
    assert!(refused, "it is too late to change: {}", said.escape_ascii());
}

fn the_settings_say_what_is_spoken(subject: &Subject) {
    const STREAMS: u16 = 3;
    const HEADER_LIST: u16 = 6;
    const CONNECT_PROTOCOL: u16 = 8;
    let server = subject.start();
    let mut client = Frames::connect_silently(server.address());
    client.send_bytes(PREFACE);
    client.send(kind::SETTINGS, 0, 0, &[]);
    let settings = client.expect(|frame| frame.kind == kind::SETTINGS && frame.flags == 0);
    let value = |id| {
        let parameters = settings.settings();
        parameters
            .iter()
            .find(|(of, _)| *of == id)
            .map(|(_, value)| *value)
    };
    assert_eq!(value(CONNECT_PROTOCOL), Some(1));
    assert!(value(STREAMS).is_some_and(|streams| (1..=1000).contains(&streams)));
    assert!(value(HEADER_LIST).is_some_and(|bytes| bytes <= 256 * 1024));
    client.expect(|frame| frame.kind == kind::SETTINGS && frame.flags == flag::ACK);
}

fn an_offer_of_h2c_is_an_ordinary_request(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let path = route("/hello");
    client.send(format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    ));
    assert_eq!(client.read_response().status, 200);
}

fn pings_are_answered(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.ping();
    // While a stream waits, too.
    client.get(1, &route("/slow"));
    assert_eq!(ask(&server, "/report/slow/1"), "waiting");
    client.ping();
    let _ = ask(&server, "/open/slow");
    client.expect_status(1, 200);
}

fn frames_and_settings_that_are_not_known_are_passed_over(subject: &Subject) {
    let server = subject.start();
    let mut client = Frames::connect_with(server.address(), &[(0xff, 1)]);
    client.send(0x16, 0xff, 0, b"unknown");
    client.send(kind::PING, 0x16, 0, b"flagged!");
    client.expect(|frame| frame.kind == kind::PING && frame.payload == b"flagged!");
    client.send(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 10]);
    client.get(1 << 31 | 1, &route("/hello"));
    client.expect_status(1, 200);
}
