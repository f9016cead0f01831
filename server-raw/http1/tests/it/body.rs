//! RFC 9112 sections 6 and 7: the length of a body, and the chunked coding.

use http1::{Limits, PeerError};

use crate::support::{Then, check, check_refused, check_with};

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

const CHUNKED: &str = "POST / HTTP/1.1 | host: a | Transfer-Encoding: chunked | Chunked";

#[test]
fn a_request_without_framing_fields_has_no_body() {
    check(
        "POST / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n",
        &[
            "POST / HTTP/1.1 | host: a",
            "GET / HTTP/1.1 | host: b",
            "waits",
        ],
    );
}

#[test]
fn a_content_length_counts_bytes() {
    check(
        post(
            "Content-Length: 5",
            "helloGET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        &[
            "POST / HTTP/1.1 | host: a | Content-Length: 5 | Sized(5)",
            "data hello",
            "end",
            "GET / HTTP/1.1 | host: b",
            "waits",
        ],
    );
    check(
        post("Content-Length: 0", ""),
        &["POST / HTTP/1.1 | host: a | Content-Length: 0", "waits"],
    );
    check(
        post("content-length: 007", "hell"),
        &[
            "POST / HTTP/1.1 | host: a | content-length: 007 | Sized(7)",
            "data hell",
            "waits",
        ],
    );
    check(
        post("content-length: 18446744073709551615", ""),
        &[
            "POST / HTTP/1.1 | host: a | content-length: 18446744073709551615 | Sized(18446744073709551615)",
            "waits",
        ],
    );
    check(
        "POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi",
        &[
            "POST / HTTP/1.0 | content-length: 2 | Sized(2)",
            "data hi",
            "end",
            "closed",
        ],
    );
}

#[test]
fn a_content_length_is_digits() {
    for length in [
        "",
        "+5",
        "-5",
        "5a",
        "0x10",
        "1_0",
        "5 5",
        "5, 5",
        "5,",
        "1e1",
        "5.0",
        "18446744073709551616",
        "\u{664}",
    ] {
        check_refused(
            post(&format!("Content-Length: {length}"), ""),
            &[],
            PeerError::ContentLength,
        );
    }
    for (one, other) in [("5", "5"), ("0", "43"), ("x", "5"), ("5", "x")] {
        let fields = format!("Content-Length: {one}\r\nContent-Length: {other}");
        check_refused(post(&fields, ""), &[], PeerError::RepeatedContentLength);
    }
}

#[test]
fn the_only_coding_is_chunked_once_and_alone() {
    check(chunked("0\r\n\r\n"), &[CHUNKED, "end", "waits"]);
    check(
        post("transfer-encoding:\t CHUNKED ", "0\r\n\r\n"),
        &[
            "POST / HTTP/1.1 | host: a | transfer-encoding: CHUNKED | Chunked",
            "end",
            "waits",
        ],
    );
    for coding in [
        "",
        "xchunked",
        "chunked123",
        "chunkedchunked",
        "chunked, chunked",
        "chunked, identity",
        "chunked,gzip",
        "gzip",
        "identity",
        ", chunked",
        "chunked,",
        "\"chunked\"",
        "chunked;q=1",
        "chunked chunked",
    ] {
        check_refused(
            post(&format!("transfer-encoding: {coding}"), ""),
            &[],
            PeerError::TransferEncoding,
        );
    }
    for (one, other) in [
        ("chunked", "chunked"),
        ("chunked", "gzip"),
        ("gzip", "chunked"),
        ("chunked", "identity"),
        ("", "chunked"),
    ] {
        let fields = format!("transfer-encoding: {one}\r\ntransfer-encoding: {other}");
        check_refused(post(&fields, ""), &[], PeerError::TransferEncoding);
    }
    for coding in ["gzip, chunked", "gzip,\tdeflate , Chunked"] {
        check_refused(
            post(&format!("transfer-encoding: {coding}"), ""),
            &[],
            PeerError::UnknownCoding,
        );
    }
}

#[test]
fn a_length_and_a_coding_together_are_refused() {
    for coding in ["chunked", "gzip, chunked", "identity", "x"] {
        for length in ["5", "0", "x"] {
            let (coding, length) = (
                format!("transfer-encoding: {coding}"),
                format!("content-length: {length}"),
            );
            check_refused(
                post(&format!("{coding}\r\n{length}"), ""),
                &[],
                PeerError::TwoLengths,
            );
            check_refused(
                post(&format!("{length}\r\n{coding}"), ""),
                &[],
                PeerError::TwoLengths,
            );
        }
    }
}

#[test]
fn http_1_0_knows_no_coding() {
    check_refused(
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[],
        PeerError::CodingInHttp10,
    );
    check_refused(
        "POST / HTTP/1.0\r\ntransfer-encoding: gzip\r\n\r\n",
        &[],
        PeerError::CodingInHttp10,
    );
}

#[test]
fn chunks_make_a_body() {
    check(
        chunked(
            "5\r\nhello\r\n00a\r\n, world!\r\n\r\n000\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n",
        ),
        &[
            CHUNKED,
            "data hello, world!\\r\\n",
            "end",
            "GET / HTTP/1.1 | host: b",
            "waits",
        ],
    );
    check(chunked("aBcDeF\r\nx"), &[CHUNKED, "data x", "waits"]);
    check(
        chunked("ffffffffffffffff\r\nx"),
        &[CHUNKED, "data x", "waits"],
    );
}

#[test]
fn a_chunk_size_is_one_to_sixteen_digits() {
    for size in [
        "\r\n",
        ";a\r\n",
        "+1",
        "-1",
        "0x1",
        "g",
        "5g",
        "_",
        " 5",
        "\t5",
        "\n",
        "00000000000000000",
        "f0000000000000003",
        "5 \r\n",
        "5\t\r\n",
        "5 5",
        "5:\r",
        "5\n",
        "\u{665}",
    ] {
        check_refused(chunked(size), &[CHUNKED], PeerError::ChunkSize);
    }
    for end in ["5\rx", "5;a\rx", "0\r\r"] {
        check_refused(chunked(end), &[CHUNKED], PeerError::BareCarriageReturn);
    }
}

#[test]
fn a_chunk_ends_in_a_line_end() {
    for end in ["XX", "\n", "\rX", "\r\r", "5", "\0"] {
        check_refused(
            chunked(&format!("5\r\nAAAAA{end}")),
            &[CHUNKED, "data AAAAA"],
            PeerError::ChunkEnd,
        );
    }
}

#[test]
fn extensions_are_skipped() {
    for extension in [
        ";a",
        ";a=b",
        ";a=\"b c\"",
        ";a=\"\"",
        ";a=\"q\\\"x;y\"",
        ";a=\"\\\\\";b",
        ";a=\"\t\u{e9}\\\u{e9}\"",
        ";!#$%&'*+-.^_`|~09=!#$%&'*+-.^_`|~09",
        " ;a",
        "\t ;\ta = b",
        ";a = \"b\" \t; c",
        ";a;b;c",
        ";a=b;c;d=\"e\"",
    ] {
        check(
            chunked(&format!("1{extension}\r\nx\r\n0{extension}\r\n\r\n")),
            &[CHUNKED, "data x", "end", "waits"],
        );
    }
}

#[test]
fn an_extension_has_a_name_and_perhaps_a_value() {
    for extension in [
        &b";"[..],
        b";\t",
        b";;",
        b";;a",
        b";a;",
        b";a;;b",
        b";a=",
        b";a= ",
        b";a=;b",
        b";a==b",
        b";=",
        b";=b",
        b";a b",
        b";a=b c",
        b";a=b=c",
        b";a=b;",
        b";a[",
        b";a=b[",
        b";\xff",
        b";a\xff",
        b";a=\xff",
        b";\"a\"",
        b";a\"b\"",
        b";a=b\"c\"",
        b";a=\"b",
        b";a=\"b\\",
        b";a=\"b\\\"",
        b";a=\"b\"c",
        b";a=\"b\"\"c\"",
        b";a=\"b\" c",
        b";a=\"b\"=c",
        // White space stands before a semicolon or an equals sign, and around them, but ends no line.
        b";a ",
        b";a=b\t",
        b";a=\"b\" ",
        b";a\nb",
        b";\n",
        b";\0",
        b";\x7f",
        b";a\0",
        b";a=\"\x01\"",
        b";a=\"\\\x01\"",
        b";a=\"\x7f\"",
        b";a=\"\n\"",
    ] {
        for (before, seen) in [("1", &[CHUNKED][..]), ("1\r\nx\r\n0", &[CHUNKED, "data x"])] {
            let wire = [chunked(before).as_bytes(), extension, b"\r\nx\r\n"].concat();
            check_refused(wire, seen, PeerError::ChunkExtension);
        }
    }
}

#[test]
fn trailers_come_behind_the_last_chunk() {
    check(
        chunked("1\r\nx\r\n0\r\nX-Sum: 1\r\nx-sum:  2 \r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n"),
        &[
            CHUNKED,
            "data x",
            "trailers | x-sum: 1 | x-sum: 2",
            "end",
            "GET / HTTP/1.1 | host: b",
            "waits",
        ],
    );
    for (trailers, error) in [
        ("x", None),
        ("x\r\n", Some(PeerError::FieldName)),
        (" x: y\r\n", Some(PeerError::FoldedLine)),
        ("x: y\r\n z\r\n", Some(PeerError::FoldedLine)),
        ("x : y\r\n", Some(PeerError::SpaceBeforeColon)),
        ("x: y\n", Some(PeerError::BareLineFeed)),
        ("\n", Some(PeerError::BareLineFeed)),
        ("x: y\rz", Some(PeerError::BareCarriageReturn)),
        ("x: \0", Some(PeerError::ControlByte)),
        ("Content-Length: 5\r\n", Some(PeerError::ForbiddenTrailer)),
        (
            "transfer-encoding: chunked\r\n",
            Some(PeerError::ForbiddenTrailer),
        ),
        ("HOST: b\r\n", Some(PeerError::ForbiddenTrailer)),
        ("authorization: x\r\n", Some(PeerError::ForbiddenTrailer)),
        ("x: y\r\nCookie: z\r\n", Some(PeerError::ForbiddenTrailer)),
    ] {
        let wire = chunked(&format!("0\r\n{trailers}"));
        match error {
            None => check(wire, &[CHUNKED, "waits"]),
            Some(error) => check_refused(wire, &[CHUNKED], error),
        }
    }
}

#[test]
fn a_body_that_is_cut_off_is_not_complete() {
    let check = |wire: String, expected: &[&str]| {
        check_with(Limits::default(), wire, Then::Leave, expected)
    };
    for body in [
        "",
        "5",
        "5\r",
        "5\r\n",
        "0\r\n",
        "0\r\n\r",
        "0\r\nx: y\r\n",
        "0;a",
    ] {
        check(chunked(body), &[CHUNKED, "TruncatedBody"]);
    }
    check(
        chunked("5\r\nhello"),
        &[CHUNKED, "data hello", "TruncatedBody"],
    );
    check(
        chunked("5\r\nhello\r\n"),
        &[CHUNKED, "data hello", "TruncatedBody"],
    );
    check(
        post("content-length: 5", "hell"),
        &[
            "POST / HTTP/1.1 | host: a | content-length: 5 | Sized(5)",
            "data hell",
            "TruncatedBody",
        ],
    );
    check(
        post("content-length: 5", "hello"),
        &[
            "POST / HTTP/1.1 | host: a | content-length: 5 | Sized(5)",
            "data hello",
            "end",
            "closed",
        ],
    );
}
