//! RFC 9112 sections 4, 6 and 7 from the other side: replies.

use gateway_spec::Headers;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http1::{Payload, ReplyBody, UsageError};

use crate::support::{DATE, Server};

type Fields<'a> = &'a [(&'a str, &'a str)];

fn headers(fields: Fields<'_>) -> Headers {
    fields
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

/// A server that owes a reply to this method in this version.
fn asked(method: &str, version: &str) -> Server {
    let target = if method == "CONNECT" { "a:1" } else { "/" };
    Server::asked(format!(
        "{method} {target} HTTP/{version}\r\nhost: a\r\nconnection: keep-alive\r\n\r\n"
    ))
}

/// Sends a reply with this body in parts and compares every byte, but for the Date.
#[track_caller]
fn check(
    request: (&str, &str),
    status: u16,
    fields: Fields<'_>,
    body: ReplyBody,
    parts: &[&str],
    expected: &str,
) {
    let mut server = asked(request.0, request.1);
    let status = StatusCode::from_u16(status).expect("a status");
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_head(status, &headers(fields), body, DATE, out)
        .expect("the head is right");
    for part in parts {
        connection
            .send_data(part.as_bytes(), out)
            .expect("the data is right");
    }
    connection.send_end(None, out).expect("the end is right");
    let written = server.written();
    assert_eq!(
        written.replace("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", ""),
        expected
    );
    assert!(
        written.contains("\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        "{written}"
    );
}

#[track_caller]
fn check_refused(
    request: (&str, &str),
    status: u16,
    fields: Fields<'_>,
    body: ReplyBody,
    error: UsageError,
) {
    let mut server = asked(request.0, request.1);
    let status = StatusCode::from_u16(status).expect("a status");
    server.out.extend_from_slice(b"before");
    let sent = server
        .connection
        .send_head(status, &headers(fields), body, DATE, &mut server.out);
    assert_eq!(sent, Err(error));
    assert_eq!(server.written(), "before", "nothing is written");
    let again = server.connection.send_whole(
        StatusCode::BAD_GATEWAY,
        &Headers::new(),
        b"",
        DATE,
        &mut server.out,
    );
    assert_eq!(again, Ok(()), "another reply can be sent");
}

const GET: (&str, &str) = ("GET", "1.1");
const HEAD: (&str, &str) = ("HEAD", "1.1");
const GET_1_0: (&str, &str) = ("GET", "1.0");

#[test]
fn a_whole_body_has_a_length() {
    let whole = ReplyBody::Whole;
    check(
        GET,
        200,
        &[("content-type", "text/plain")],
        whole(13),
        &["Hello, world!"],
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, world!",
    );
    check(
        GET,
        404,
        &[],
        whole(0),
        &[""],
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    );
    check(
        GET,
        299,
        &[],
        whole(2),
        &["a", "", "b"],
        "HTTP/1.1 299 \r\ncontent-length: 2\r\n\r\nab",
    );
    check(
        GET,
        200,
        &[("content-length", "2")],
        whole(2),
        &["ab"],
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
    );
    check(
        GET_1_0,
        200,
        &[],
        whole(1),
        &["a"],
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\na",
    );
}

#[test]
fn a_stream_is_chunked_or_ends_with_the_connection() {
    check(
        GET,
        200,
        &[],
        ReplyBody::Stream,
        &["hello", "", "0123456789abcdef0"],
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n11\r\n0123456789abcdef0\r\n0\r\n\r\n",
    );
    check(
        GET_1_0,
        200,
        &[],
        ReplyBody::Stream,
        &["a", "b"],
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab",
    );
    check(
        GET,
        200,
        &[("Content-Length", "2")],
        ReplyBody::Stream,
        &["a", "b"],
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
    );
}

#[test]
fn replies_to_head_and_204_and_205_and_304_have_no_body() {
    let (whole, stream) = (ReplyBody::Whole(5), ReplyBody::Stream);
    let length = [("content-length", "9")];
    for (request, status, fields, body, expected) in [
        (
            HEAD,
            200,
            &[][..],
            whole,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            HEAD,
            200,
            &[],
            ReplyBody::Whole(0),
            "HTTP/1.1 200 OK\r\n\r\n",
        ),
        (HEAD, 200, &[], stream, "HTTP/1.1 200 OK\r\n\r\n"),
        (
            HEAD,
            200,
            &length,
            whole,
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
        ),
        (HEAD, 204, &length, whole, "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, 204, &length, whole, "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, 204, &[], stream, "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            GET,
            205,
            &[],
            whole,
            "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            GET,
            205,
            &length,
            stream,
            "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
        ),
        (GET, 304, &[], whole, "HTTP/1.1 304 Not Modified\r\n\r\n"),
        (
            GET,
            304,
            &length,
            stream,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
        ),
        (
            GET_1_0,
            304,
            &[],
            stream,
            "HTTP/1.1 304 Not Modified\r\nconnection: keep-alive\r\n\r\n",
        ),
    ] {
        check(
            request,
            status,
            fields,
            body,
            &["hello", "and more than was said"],
            expected,
        );
    }
}

#[test]
fn a_wrong_content_length_is_the_applications_mistake() {
    let error = UsageError::ContentLength;
    for length in ["", "x", "+1", "1 1", "1,1", "18446744073709551616"] {
        check_refused(
            GET,
            200,
            &[("content-length", length)],
            ReplyBody::Stream,
            error,
        );
        check_refused(
            HEAD,
            200,
            &[("content-length", length)],
            ReplyBody::Stream,
            error,
        );
    }
    check_refused(
        GET,
        200,
        &[("content-length", "2")],
        ReplyBody::Whole(3),
        UsageError::TooMuchData { declared: 2 },
    );
    check_refused(
        GET,
        200,
        &[("content-length", "2")],
        ReplyBody::Begins(3),
        UsageError::TooMuchData { declared: 2 },
    );
    check_refused(
        GET,
        200,
        &[("content-length", "5")],
        ReplyBody::Whole(3),
        UsageError::TooLittleData { missing: 2 },
    );
    check_refused(
        GET,
        200,
        &[("content-length", "3"), ("content-length", "3")],
        ReplyBody::Whole(3),
        error,
    );
}

#[test]
fn the_fields_that_govern_the_connection_are_the_servers() {
    check(
        GET,
        200,
        &[
            ("Transfer-Encoding", "gzip"),
            ("connection", "upgrade, x-hop"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "x"),
            ("x-kept", "1"),
        ],
        ReplyBody::Whole(0),
        &[],
        "HTTP/1.1 200 OK\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n",
    );
    check(
        GET,
        200,
        &[("connection", "x, Close")],
        ReplyBody::Whole(0),
        &[],
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
}

#[test]
fn an_application_may_give_the_date() {
    let mut server = asked("GET", "1.1");
    let given = headers(&[("date", "yesterday")]);
    server
        .connection
        .send_whole(StatusCode::OK, &given, b"", DATE, &mut server.out)
        .unwrap();
    assert_eq!(
        server.written(),
        "HTTP/1.1 200 OK\r\ndate: yesterday\r\ncontent-length: 0\r\n\r\n"
    );
}

#[test]
fn heads_of_every_form_are_written_alike() {
    let list = headers(&[("content-type", "text/plain"), ("x", "y")]);
    let map = Headers::from(list.as_map().clone());
    let request = Server::asked("GET / HTTP/1.1\r\nhost: a\r\nContent-Length: 0\r\nX: y\r\n\r\n")
        .head
        .headers;
    for (headers, fields) in [
        (list, "content-type: text/plain\r\nx: y\r\n"),
        (map, "content-type: text/plain\r\nx: y\r\n"),
        (request, "host: a\r\nX: y\r\n"),
    ] {
        let mut server = asked("GET", "1.1");
        server
            .connection
            .send_whole(StatusCode::OK, &headers, b"", DATE, &mut server.out)
            .unwrap();
        let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert_eq!(
            server.written(),
            format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n{date}\r\n")
        );
    }
}

#[test]
fn a_body_is_neither_longer_nor_shorter_than_its_length() {
    let mut server = asked("GET", "1.1");
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_head(
            StatusCode::OK,
            &Headers::new(),
            ReplyBody::Whole(3),
            DATE,
            out,
        )
        .unwrap();
    out.clear();
    assert_eq!(
        connection.send_data(b"abcd", out),
        Err(UsageError::TooMuchData { declared: 3 })
    );
    assert_eq!(connection.send_data(b"ab", out), Ok(()));
    assert_eq!(
        connection.send_data(b"cd", out),
        Err(UsageError::TooMuchData { declared: 3 })
    );
    assert_eq!(
        connection.send_last(b"cd", out),
        Err(UsageError::TooMuchData { declared: 3 })
    );
    assert_eq!(
        connection.send_last(b"", out),
        Err(UsageError::TooLittleData { missing: 1 })
    );
    assert_eq!(out, b"ab", "what is refused is not written");
    assert_eq!(
        connection.send_end(None, out),
        Err(UsageError::TooLittleData { missing: 1 })
    );
    assert_eq!(connection.after_reply(), http1::AfterReply::Close);
    assert_eq!(connection.start_next(), Err(UsageError::OutOfOrder));
    assert_eq!(out, b"ab");
}

#[test]
fn data_can_be_written_from_where_it_is() {
    let mut server = asked("GET", "1.1");
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_head(
            StatusCode::OK,
            &Headers::new(),
            ReplyBody::Stream,
            DATE,
            out,
        )
        .unwrap();
    out.clear();
    assert_eq!(
        connection.send_data_frame(1 << 20, out),
        Ok(Payload::Write { suffix: b"\r\n" })
    );
    assert_eq!(connection.send_data_frame(0, out), Ok(Payload::Skip));
    assert_eq!(out, b"100000\r\n");
    assert_eq!(
        connection.send_data_frame(usize::MAX, out),
        Ok(Payload::Write { suffix: b"\r\n" })
    );
    assert_eq!(out, b"100000\r\nffffffffffffffff\r\n");

    for (method, body, payload) in [
        ("GET", ReplyBody::Whole(7), Payload::Write { suffix: b"" }),
        ("HEAD", ReplyBody::Whole(7), Payload::Skip),
        ("HEAD", ReplyBody::Stream, Payload::Skip),
    ] {
        let mut server = asked(method, "1.1");
        let (connection, out) = (&mut server.connection, &mut server.out);
        connection
            .send_head(StatusCode::OK, &Headers::new(), body, DATE, out)
            .unwrap();
        out.clear();
        assert_eq!(connection.send_data_frame(7, out), Ok(payload));
        assert!(out.is_empty());
    }
}

#[test]
fn trailers_follow_a_chunked_body() {
    let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
    let forbidden = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("1"))]);
    for (method, version, body, end) in [
        ("GET", "1.1", ReplyBody::Stream, "0\r\netag: x\r\n\r\n"),
        ("GET", "1.1", ReplyBody::Whole(0), ""),
        ("HEAD", "1.1", ReplyBody::Stream, ""),
        ("GET", "1.0", ReplyBody::Stream, ""),
    ] {
        let mut server = asked(method, version);
        let (connection, out) = (&mut server.connection, &mut server.out);
        connection
            .send_head(StatusCode::OK, &Headers::new(), body, DATE, out)
            .unwrap();
        out.clear();
        if end.is_empty() {
            assert_eq!(connection.send_end(Some(&trailers), out), Ok(()));
        } else {
            assert_eq!(
                connection.send_end(Some(&forbidden), out),
                Err(UsageError::ForbiddenTrailer)
            );
            assert!(out.is_empty());
            assert_eq!(connection.send_end(Some(&trailers), out), Ok(()));
        }
        assert_eq!(server.written(), end);
    }
}

#[test]
fn interim_replies_come_before_the_final_one() {
    let mut server = asked("GET", "1.1");
    let (connection, out) = (&mut server.connection, &mut server.out);
    let link = headers(&[
        ("link", "</a>"),
        ("content-length", "1"),
        ("connection", "close"),
    ]);
    assert_eq!(
        connection.send_informational(StatusCode::EARLY_HINTS, &link, out),
        Ok(())
    );
    assert_eq!(
        connection.send_informational(StatusCode::CONTINUE, &Headers::new(), out),
        Ok(())
    );
    for wrong in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS] {
        assert_eq!(
            connection.send_informational(wrong, &link, out),
            Err(UsageError::Status)
        );
    }
    for wrong in [
        StatusCode::CONTINUE,
        StatusCode::EARLY_HINTS,
        StatusCode::SWITCHING_PROTOCOLS,
    ] {
        let sent = connection.send_head(wrong, &link, ReplyBody::Stream, DATE, out);
        assert_eq!(sent, Err(UsageError::Status));
    }
    let expected = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(server.written(), expected);
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_whole(StatusCode::OK, &Headers::new(), b"", DATE, out)
        .unwrap();
    assert_eq!(
        connection.after_reply(),
        http1::AfterReply::KeepOpen,
        "an interim reply closes nothing"
    );
    let sent = connection.send_informational(StatusCode::EARLY_HINTS, &link, out);
    assert_eq!(sent, Err(UsageError::OutOfOrder));
}

#[test]
fn http_1_0_knows_no_interim_replies() {
    let mut server = asked("GET", "1.0");
    let sent = server.connection.send_informational(
        StatusCode::EARLY_HINTS,
        &Headers::new(),
        &mut server.out,
    );
    assert_eq!((sent, server.written().as_str()), (Ok(()), ""));
}

#[test]
fn a_2xx_to_connect_is_no_reply_with_a_body() {
    check_refused(
        ("CONNECT", "1.1"),
        200,
        &[],
        ReplyBody::Whole(0),
        UsageError::Tunnel,
    );
    check(
        ("CONNECT", "1.1"),
        403,
        &[],
        ReplyBody::Whole(2),
        &["no"],
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    );
}

#[test]
fn calls_out_of_order_change_nothing() {
    let mut server = Server::new(http1::Limits::default());
    let (connection, out) = (&mut server.connection, &mut server.out);
    let wrong = Err(UsageError::OutOfOrder);
    let none = Headers::new();
    assert_eq!(
        connection.send_informational(StatusCode::CONTINUE, &none, out),
        wrong
    );
    assert_eq!(
        connection.send_whole(StatusCode::OK, &none, b"", DATE, out),
        wrong
    );
    assert_eq!(connection.send_data(b"x", out), wrong);
    assert_eq!(connection.send_end(None, out), wrong);
    assert_eq!(
        connection.switch_protocols(StatusCode::OK, &none, DATE, out),
        wrong
    );
    assert_eq!(connection.start_next(), wrong);

    let mut server = asked("GET", "1.1");
    let (connection, out) = (&mut server.connection, &mut server.out);
    assert_eq!(connection.send_data(b"x", out), wrong);
    assert_eq!(connection.send_end(None, out), wrong);
    assert_eq!(connection.start_next(), wrong);
    connection
        .send_whole(StatusCode::OK, &none, b"", DATE, out)
        .unwrap();
    out.clear();
    assert_eq!(
        connection.send_head(StatusCode::OK, &none, ReplyBody::Stream, DATE, out),
        wrong
    );
    assert_eq!(connection.send_data(b"x", out), wrong);
    assert_eq!(connection.send_end(None, out), wrong);
    assert!(out.is_empty());
    assert_eq!(server.head.method, Method::GET);
}
