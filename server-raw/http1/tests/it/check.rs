//! What a check says beside its verdict, which every test of this program compares with a connection's.

use bytes::BytesMut;
use http1::{Check, Connection, Limits, Passed, PeerError, RequestHead, Verdict};

use crate::support::DATE;

#[track_caller]
fn check(wire: &[u8], passed: usize, verdict: Verdict) -> Check {
    let mut check = Check::new(Limits::default());
    let expected = Passed {
        bytes: passed,
        verdict,
    };
    assert_eq!(check.pass(wire), expected, "{}", wire.escape_ascii());
    check
}

#[test]
fn what_may_be_a_tunnel_s_waits_for_the_answer() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let wire = [head, "\0"].concat();
        let mut check = check(wire.as_bytes(), head.len(), Verdict::Paused);
        assert_eq!(check.pass(b"\0").verdict, Verdict::Paused);
        check.go_on();
        let refused = Verdict::HeadRefused(PeerError::ControlByte);
        assert_eq!(check.pass(b"\0").verdict, refused);
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
    assert_eq!(check.pass(b"x").verdict, Verdict::Ended);
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
        let Verdict::HeadRefused(refused) = check.pass(wire.as_bytes()).verdict else {
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
