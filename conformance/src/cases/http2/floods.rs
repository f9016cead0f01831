//! Peers that mean no good: what they make a server do is bounded.

use super::{QUIET, ask, frames, route};
use crate::cases::chapter;
use crate::http2_client::{Frames, block, code, flag, frame, kind, request, string};
use crate::server::Subject;

chapter! {
    streams_that_are_cancelled_in_one_breath: "SRV-5";
    streams_that_are_cancelled_after_their_call: "SRV-5", "SRV-1";
    streams_that_the_server_is_made_to_reset: "SRV-5";
    a_head_without_an_end: "HTTP-1", "SRV-5";
    a_head_of_empty_continuations: "HTTP-1", "SRV-5";
    a_body_of_empty_frames_that_nobody_reads: "SRV-5", "HTTP-11";
    pings_whose_answers_are_not_read: "SRV-5", "SRV-14";
    settings_whose_answers_are_not_read: "SRV-5", "SRV-14";
    a_small_head_that_grows: "HTTP-1", "SRV-5";
    names_of_no_length: "HTTP-1";
    answers_that_are_not_read: "SRV-5", "SRV-14";
    priorities_without_end: "SRV-5";
}

/// Far more than a server may take of what is to be refused.
const MUCH: usize = 32 * 1024 * 1024;

/// CVE-2023-44487: requests and their resets without a pause.
fn streams_that_are_cancelled_in_one_breath(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let head = block(&request("GET", &route("/gone/final")));
    let mut bytes = Vec::new();
    for stream in (1..2 * 5000).step_by(2) {
        bytes.extend(frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            stream,
            &head,
        ));
        bytes.extend(frame(
            kind::RST_STREAM,
            0,
            stream,
            &code::CANCEL.to_be_bytes(),
        ));
    }
    let _ = client.try_send_bytes(&bytes);
    client.expect_end();
    let calls = ask(&server, "/report/gone/0").matches("waiting").count();
    assert!(calls < 1000, "{calls} calls");
}

/// The same, but each call has begun before it is cancelled; it goes on to its own end.
fn streams_that_are_cancelled_after_their_call(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let head = block(&request("GET", &route("/slow")));
    let streams: Vec<u32> = (1..2 * 5000).step_by(2).collect();
    // By fifties, not one by one: how many may be cancelled is a matter of time, and a busy machine makes each turn long.
    for some in streams.chunks(50) {
        let mut bytes = Vec::new();
        for &stream in some {
            bytes.extend(frame(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                stream,
                &head,
            ));
        }
        bytes.extend(frame(kind::PING, 0, 0, b"are they"));
        if client.try_send_bytes(&bytes).is_err() {
            break;
        }
        let mut alive = false;
        while let Some(frame) = client.next() {
            if frame.kind == kind::PING {
                alive = true;
                break;
            }
        }
        let cancels: Vec<u8> = some
            .iter()
            .flat_map(|&stream| frame(kind::RST_STREAM, 0, stream, &code::CANCEL.to_be_bytes()))
            .collect();
        if !alive || client.try_send_bytes(&cancels).is_err() {
            break;
        }
    }
    client.expect_end();
    let calls = ask(&server, "/report/slow/0").lines().count();
    assert!(calls < 1000, "{calls} calls go on");
}

/// CVE-2025-8671, "MadeYouReset": the client does not reset, but has the server do it.
fn streams_that_the_server_is_made_to_reset(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let head = block(&request("GET", &route("/slow")));
    let mut bytes = Vec::new();
    for stream in (1..2 * 5000).step_by(2) {
        bytes.extend(frame(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            stream,
            &head,
        ));
        bytes.extend(frame(kind::WINDOW_UPDATE, 0, stream, &[0; 4]));
    }
    let _ = client.try_send_bytes(&bytes);
    client.expect_end();
    let calls = ask(&server, "/report/slow/0").lines().count();
    assert!(calls < 1500, "{calls} calls");
}

#[track_caller]
fn a_head_of(subject: &Subject, part: &[u8]) {
    let server = subject.start();
    let mut client = frames(&server);
    client.send(
        kind::HEADERS,
        0,
        1,
        &block(&request("GET", &route("/hello"))),
    );
    let sent = client.send_until_refused(&frame(kind::CONTINUATION, 0, 1, part), MUCH, QUIET);
    assert!(sent < MUCH, "{sent} bytes were taken");
    client.expect_end();
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

/// RUSTSEC-2024-0332.
fn a_head_without_an_end(subject: &Subject) {
    let value = [b'x'; 1000];
    let fields: Vec<(&str, &[u8])> = vec![("x-more", &value); 15];
    a_head_of(subject, &block(&fields));
}

fn a_head_of_empty_continuations(subject: &Subject) {
    a_head_of(subject, &[]);
}

/// RUSTSEC-2026-0258.
fn a_body_of_empty_frames_that_nobody_reads(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/read-late"));
    assert_eq!(ask(&server, "/report/read-late/1"), "waiting");
    let empty = frame(kind::DATA, 0, 1, &[]).repeat(1000);
    let sent = client.send_until_refused(&empty, MUCH, QUIET);
    assert!(sent < MUCH, "{sent} bytes were taken");
    client.expect_end();
}

#[track_caller]
fn a_flood_of(subject: &Subject, one: &[u8]) {
    let server = subject.start();
    let mut client = frames(&server);
    // The kernel takes some too, of the answers that nobody reads.
    let sent = client.send_until_refused(&one.repeat(1000), 8 * MUCH, QUIET);
    assert!(sent < 8 * MUCH, "{sent} bytes were taken");
    assert_eq!(ask(&server, "/hello"), "Hello, world!");
}

/// CVE-2019-9512.
fn pings_whose_answers_are_not_read(subject: &Subject) {
    a_flood_of(subject, &frame(kind::PING, 0, 0, b"a ping.."));
}

/// CVE-2019-9515.
fn settings_whose_answers_are_not_read(subject: &Subject) {
    a_flood_of(subject, &frame(kind::SETTINGS, 0, 0, &[]));
}

/// CVE-2016-6581: a field as large as the table, and then references to it, of one byte each.
fn a_small_head_that_grows(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/hello");
    let mut head = block(&request("GET", &path));
    head.push(0x40);
    string(&mut head, b"x");
    string(&mut head, &[b'y'; 4000]);
    head.extend([0xbe; 10_000]);
    client.send(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        &head,
    );
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    assert_ne!(answer.status(), Some(200), "{answer:?}");
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

/// CVE-2019-9516.
fn names_of_no_length(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/hello");
    let mut fields = request("GET", &path);
    fields.extend(vec![("", &b""[..]); 4000]);
    client.send_head(1, flag::END_STREAM, &fields);
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    assert_ne!(answer.status(), Some(200), "{answer:?}");
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

/// CVE-2019-9517: windows are open, but nobody reads the socket.
fn answers_that_are_not_read(subject: &Subject) {
    let server = super::impatient(subject);
    let mut client = Frames::connect_with(server.address(), &[(4, 0x7fff_ffff)]);
    client.window_update(0, 0x7000_0000);
    for stream in (1..20).step_by(2) {
        client.get(stream, &route("/endless"));
    }
    let told = ask(&server, "/report/endless/20");
    let given_up = told.matches("WriteTimeout").count() + told.matches("PeerReset").count();
    assert_eq!(given_up, 10, "{told}");
}

fn priorities_without_end(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    for stream in (1..20_001).step_by(2) {
        client.send(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 10]);
    }
    client.get(20_001, &route("/hello"));
    client.expect_status(20_001, 200);
}
