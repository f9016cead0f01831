//! RFC 9112 section 2: lines, and what may stand between messages.

use http1::{Limits, PeerError};

use crate::support::{Then, check, check_refused, check_with};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const SEEN: &str = "GET / HTTP/1.1 | host: a";

#[test]
fn a_request_is_read_and_the_next_waited_for() {
    check(GET, &[SEEN, "waits"]);
}

#[test]
fn requests_that_were_sent_ahead_come_one_after_the_other() {
    check(GET.repeat(3), &[SEEN, SEEN, SEEN, "waits"]);
}

#[test]
fn one_empty_line_may_stand_before_a_request() {
    check(format!("\r\n{GET}\r\n{GET}"), &[SEEN, SEEN, "waits"]);
    check_refused(format!("\r\n\r\n{GET}"), &[], PeerError::RequestLine);
    check_refused("\n", &[], PeerError::BareLineFeed);
    check_refused("\rG", &[], PeerError::BareCarriageReturn);
}

#[test]
fn lines_end_in_both_bytes_and_nothing_else_does() {
    for line in ["GET / HTTP/1.1", "GET / HTTP/1.1\r\nhost: a"] {
        check_refused(format!("{line}\n"), &[], PeerError::BareLineFeed);
        check_refused(format!("{line}\r\r\n"), &[], PeerError::BareCarriageReturn);
        check_refused(format!("{line}\rX"), &[], PeerError::BareCarriageReturn);
    }
    check_refused(
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        &[],
        PeerError::BareLineFeed,
    );
    check_refused(
        "GET / HTTP/1.1\r\nhost: a\r\n\rX",
        &[],
        PeerError::BareCarriageReturn,
    );
    check_refused("GET / HTTP/1.1\r\nhost\n", &[], PeerError::BareLineFeed);
    check_refused(
        "GET / HTTP/1.1\r\nhost\rX",
        &[],
        PeerError::BareCarriageReturn,
    );
}

#[test]
fn a_peer_may_leave_between_requests_and_not_within() {
    let check =
        |wire: &str, expected: &[&str]| check_with(Limits::default(), wire, Then::Leave, expected);
    check("", &["closed"]);
    check("\r\n", &["closed"]);
    check(GET, &[SEEN, "closed"]);
    check(&GET.repeat(2), &[SEEN, SEEN, "closed"]);
    check("\r", &["TruncatedHead"]);
    check("G", &["TruncatedHead"]);
    check(&GET[..GET.len() - 1], &["TruncatedHead"]);
    check(&format!("{GET}{}", &GET[..20]), &[SEEN, "TruncatedHead"]);
}

#[test]
fn what_is_not_http_is_refused_at_its_first_line() {
    check_refused(b"\x16\x03\x01\x02\x00", &[], PeerError::ControlByte);
    check_refused("SSH-2.0-OpenSSH_9.9\r\n", &[], PeerError::RequestLine);
    for greeting in [
        "INVALID CONNECTION PREFACE\r\n\r\n",
        "LOGIN user password\r\n",
    ] {
        check_refused(greeting, &[], PeerError::NotHttp);
    }
    // Whoever names a target or a version meant to speak HTTP.
    for wrong in [
        "GET / PREFACE",
        "GET a:80 PREFACE",
        "GET a RTSP/1.0",
        "GET a b c",
    ] {
        check_refused(format!("{wrong}\r\n\r\n"), &[], PeerError::RequestLine);
    }
    check_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[], PeerError::Version);
}
