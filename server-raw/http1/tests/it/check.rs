//! What a check says beside its verdict, which every test of this program compares with a connection's.

use bytes::BytesMut;
use http1::{
    Check, Connection, Event, Limits, Passed, PeerError, Persistence, RequestHead, Step, Verdict,
};

use crate::support::DATE;

/// A check that has passed so much of these bytes, in as many steps as it takes, and said this at last.
#[track_caller]
fn check(wire: &[u8], passed: usize, verdict: Verdict) -> Check {
    let mut check = Check::new(Limits::default());
    let mut done = 0;
    let last = loop {
        let Passed { bytes, verdict } = pass(&mut check, &wire[done..]);
        done += bytes;
        if bytes == 0 {
            break verdict;
        }
    };
    assert_eq!((done, last), (passed, verdict), "{}", wire.escape_ascii());
    check
}

fn pass(check: &mut Check, bytes: &[u8]) -> Passed {
    check.pass(bytes, &mut RequestHead::default())
}

#[test]
fn a_head_is_read_as_by_a_connection() {
    for (wire, persistence) in [
        (
            "GET /a HTTP/1.1\r\nHost: b\r\nX-Y: z\r\n\r\n",
            Persistence::KeepOpen,
        ),
        ("GET /a HTTP/1.0\r\n\r\n", Persistence::Close),
        (
            "PUT /a HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\nConnection: close\r\n\r\n",
            Persistence::Close,
        ),
    ] {
        let mut head = RequestHead::default();
        let passed = Check::new(Limits::default()).pass(wire.as_bytes(), &mut head);
        let expected = Passed {
            bytes: wire.len(),
            verdict: Verdict::Head(persistence),
        };
        assert_eq!(passed, expected, "{wire}");
        let mut read = RequestHead::default();
        let event = Connection::new(Limits::default()).next_event(&mut wire.into(), &mut read);
        assert_eq!(event, Ok(Step::Event(Event::Head)), "{wire}");
        assert_eq!(format!("{head:?}"), format!("{read:?}"));
    }
}

#[test]
fn what_may_be_a_tunnel_s_waits_for_the_answer() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let wire = [head, "\0"].concat();
        let mut check = check(wire.as_bytes(), head.len(), Verdict::Paused);
        assert_eq!(pass(&mut check, b"\0").verdict, Verdict::Paused);
        check.go_on();
        let refused = Verdict::HeadRefused(PeerError::ControlByte);
        assert_eq!(pass(&mut check, b"\0").verdict, refused);
    }
}

#[test]
fn nothing_follows_the_last_request() {
    let last = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    check(
        &[last, "\0"].concat().into_bytes(),
        last.len(),
        Verdict::Ended,
    );
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\r\n";
    let mut check = check(upgrade.as_bytes(), upgrade.len(), Verdict::Paused);
    check.go_on();
    assert_eq!(pass(&mut check, b"x").verdict, Verdict::Ended);
}

#[test]
fn heads_and_trailers_pass_when_they_are_complete_and_data_as_it_comes() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&head.as_bytes()[..head.len() - 1], 0, Verdict::Right);
    for (body, passed) in [
        ("5", 1),
        ("5\r\nhe", 5),
        ("0\r\n", 3),
        ("0\r\nx: y\r\n\r", 3),
        ("0\r\nx: y\r\n\r\n", 11),
        ("0\r\n\r\nGET", 5),
    ] {
        let wire = [head, body].concat();
        check(wire.as_bytes(), head.len() + passed, Verdict::Right);
    }
}

#[test]
fn the_answer_to_a_head_that_is_refused_is_a_connection_s() {
    for wire in ["GET / HTTP/1.1\r\n\r\n", "HEAD / HTTP/9.9\r\n\r\n", "\0"] {
        let mut check = Check::new(Limits::default());
        let Verdict::HeadRefused(refused) = pass(&mut check, wire.as_bytes()).verdict else {
            panic!("{wire} must be refused");
        };
        let mut answer = Vec::new();
        check.error_reply(DATE, &mut answer);

        let mut connection = Connection::new(Limits::default());
        let mut input = BytesMut::from(wire);
        let error = connection.next_event(&mut input, &mut RequestHead::default());
        assert_eq!(error, Err(refused));
        let mut expected = Vec::new();
        let replied = connection.error_reply(refused, DATE, &mut expected);
        assert_eq!((replied, answer), (Ok(()), expected), "{wire}");
    }
}

#[test]
fn nothing_is_answered_for_a_head_that_is_right() {
    let mut answer = Vec::new();
    check(b"GET", 0, Verdict::Right).error_reply(DATE, &mut answer);
    assert!(answer.is_empty());
}
