//! RFC 9112 section 5, RFC 9110 section 5: field lines.

use http1::PeerError;

use crate::support::{check, check_refused};

fn with(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n")
}

#[test]
fn order_case_duplicates_and_bytes_are_kept() {
    check(
        b"GET / HTTP/1.1\r\nB: 1\r\nHost: a\r\na: 2\r\nb: 3\r\nX-Caf: caf\xe9\r\n!#$%&'*+-.^_`|~9: ok\r\n\r\n",
        &[
            r"GET / HTTP/1.1 | B: 1 | Host: a | a: 2 | b: 3 | X-Caf: caf\xe9 | !#$%&'*+-.^_`|~9: ok",
            "waits",
        ],
    );
}

#[test]
fn white_space_around_a_value_is_not_part_of_it() {
    for (field, value) in [
        ("x:", ""),
        ("x: ", ""),
        ("x: \t ", ""),
        ("x:y", "y"),
        ("x:  y", "y"),
        ("x:\ty\t", "y"),
        ("x: y \t", "y"),
        ("x: y z", "y z"),
        ("x: y\tz", "y\\tz"),
        ("x:\"", "\\\""),
        ("x: :", ":"),
    ] {
        let seen = format!("GET / HTTP/1.1 | host: a | x: {value}");
        check(with(field), &[&seen, "waits"]);
    }
}

#[test]
fn a_name_is_a_token_right_before_its_colon() {
    for wrong in [
        ": y",
        "x",
        "x y: z",
        "(x): y",
        "x\u{e9}: y",
        "x@: y",
        "x/y: z",
        "{x}: y",
        "\"x\": y",
        "",
        "=",
        "x;: y",
        "x\\: y",
    ] {
        let wrong = format!("GET / HTTP/1.1\r\nhost: a\r\n{wrong}\r\nz: z\r\n\r\n");
        let error = match &wrong[25..] {
            rest if rest.starts_with("x y:") => PeerError::SpaceBeforeColon,
            rest if rest.starts_with("\r\n") => continue,
            _ => PeerError::FieldName,
        };
        check_refused(wrong, &[], error);
    }
    for wrong in ["x : y", "x\t: y", "x  :"] {
        check_refused(with(wrong), &[], PeerError::SpaceBeforeColon);
    }
}

#[test]
fn a_line_is_not_continued_on_the_next() {
    for wrong in [
        "x: y\r\n z",
        "x: y\r\n\tz",
        "x: y\r\n : z",
        " x: y",
        "\tx: y",
        " ",
    ] {
        check_refused(with(wrong), &[], PeerError::FoldedLine);
    }
    check_refused(
        "GET / HTTP/1.1\r\n host: a\r\n\r\n",
        &[],
        PeerError::FoldedLine,
    );
}

#[test]
fn no_control_byte_but_the_tab_is_in_a_value() {
    for byte in (0..=u8::MAX).filter(|byte| byte.is_ascii_control()) {
        let mut wire = b"GET / HTTP/1.1\r\nhost: a\r\nx: a-value-of-some-length".to_vec();
        wire.push(byte);
        wire.extend_from_slice(b"z\r\n\r\n");
        match byte {
            b'\t' => check(
                &wire,
                &[
                    "GET / HTTP/1.1 | host: a | x: a-value-of-some-length\\tz",
                    "waits",
                ],
            ),
            b'\r' => check_refused(&wire, &[], PeerError::BareCarriageReturn),
            b'\n' => check_refused(&wire, &[], PeerError::BareLineFeed),
            _ => check_refused(&wire, &[], PeerError::ControlByte),
        }
    }
}

#[test]
fn no_control_byte_is_in_a_name() {
    for byte in (0..=u8::MAX).filter(|byte| byte.is_ascii_control()) {
        let mut wire = b"GET / HTTP/1.1\r\nhost: a\r\nna".to_vec();
        wire.push(byte);
        wire.extend_from_slice(b"me: x\r\n\r\n");
        let error = match byte {
            b'\t' => PeerError::SpaceBeforeColon,
            b'\r' => PeerError::BareCarriageReturn,
            b'\n' => PeerError::BareLineFeed,
            _ => PeerError::ControlByte,
        };
        check_refused(&wire, &[], error);
    }
}

#[test]
fn what_the_server_itself_reads_is_told_with_the_head() {
    let check_field = |field: &str, implied: &str| {
        let wire = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n{field}\r\n\r\n");
        let shown = field.replace("\r\n", " | ");
        check(
            wire,
            &[
                &format!(
                    "POST / HTTP/1.1 | host: a | content-length: 1 | {shown} | Sized(1){implied}"
                ),
                "waits",
            ],
        );
    };
    check_field("Expect: 100-Continue", " | expects Continue");
    check_field("TE: trailers", " | trailers Wanted");
    check_field("te: deflate;q=0.5, Trailers", " | trailers Wanted");
    check_field("te: deflate", "");
    check_field("te: trailersx", "");
    check_field("upgrade: x", " | upgrade Unlisted");
    check_field("connection: upgrade", "");
    check_field(
        "Connection: keep-alive , UPGRADE\r\nUpgrade: x",
        " | upgrade Offered",
    );
    check_field(
        "Upgrade: x\r\nConnection: te\r\nconnection: upgrade",
        " | upgrade Offered",
    );
}

#[test]
fn an_expectation_other_than_continue_fails() {
    for expectation in [
        "",
        "200-ok",
        "100-continue, x",
        "100-continu",
        "\"100-continue\"",
    ] {
        check_refused(
            with(&format!("expect: {expectation}")),
            &[],
            PeerError::Expectation,
        );
    }
    check_refused(
        with("expect: 100-continue\r\nexpect: x"),
        &[],
        PeerError::Expectation,
    );
    check_refused(
        with("expect: x\r\nexpect: 100-continue"),
        &[],
        PeerError::Expectation,
    );
    check(
        with("expect: 100-continue"),
        &["GET / HTTP/1.1 | host: a | expect: 100-continue", "waits"],
    );
}

#[test]
fn http_1_0_knows_no_upgrade_no_expectation_and_no_trailers() {
    check(
        "GET / HTTP/1.0\r\nexpect: x\r\nte: trailers\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        &[
            "GET / HTTP/1.0 | expect: x | te: trailers | connection: upgrade | upgrade: x",
            "closed",
        ],
    );
}
