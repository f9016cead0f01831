//! Requests that are none, by RFC 9113 section 8: each is refused, and no application sees it.

use super::{ask, frames, route};
use crate::case::Case;
use crate::http2_client::session::{Session, converse, request as ordinary};
use crate::http2_client::{Frames, block, code, flag, kind, request};
use crate::server::Subject;

/// A field more than a request to `/hello` has.
const FIELDS: [(&str, &str, &[u8]); 21] = [
    ("an_upper_case_name", "X-Upper", b"1"),
    ("a_name_with_a_space", "x y", b"1"),
    ("a_name_with_a_colon", "x:y", b"1"),
    ("a_name_with_a_line_feed", "x\ny", b"1"),
    ("an_empty_name", "", b"1"),
    ("a_value_with_a_carriage_return", "x", b"a\rb"),
    ("a_value_with_a_line_feed", "x", b"a\nset-cookie: b"),
    ("a_value_with_a_null", "x", b"a\0b"),
    ("a_value_that_begins_with_a_space", "x", b" a"),
    ("a_value_that_ends_with_a_tab", "x", b"a\t"),
    ("a_connection_field", "connection", b"close"),
    ("a_connection_field_that_is_no_text", "connection", b"\xff"),
    ("a_transfer_encoding", "transfer-encoding", b"chunked"),
    ("a_keep_alive", "keep-alive", b"timeout=1"),
    ("a_proxy_connection", "proxy-connection", b"close"),
    ("an_upgrade", "upgrade", b"websocket"),
    ("a_te_other_than_trailers", "te", b"gzip"),
    ("a_host_that_differs", "host", b"b"),
    ("a_host_that_is_none", "host", b"a b"),
    ("a_length_that_is_no_number", "content-length", b"+0"),
    ("a_length_without_a_body", "content-length", b"5"),
];

/// Whole heads.
const HEADS: [(&str, &[(&str, &str)]); 40] = [
    ("no_method", &[S, P, A]),
    ("no_scheme", &[M, P, A]),
    ("no_path", &[M, S, A]),
    ("no_authority_and_no_host", &[M, S, P]),
    ("an_empty_method", &[(":method", ""), S, P, A]),
    ("an_empty_scheme", &[M, (":scheme", ""), P, A]),
    ("an_empty_path", &[M, S, (":path", ""), A]),
    ("an_empty_authority", &[M, S, P, (":authority", "")]),
    ("two_methods", &[M, M, S, P, A]),
    ("two_schemes", &[M, S, S, P, A]),
    ("two_paths", &[M, S, P, P, A]),
    ("two_authorities", &[M, S, P, A, A]),
    ("a_pseudo_field_after_a_field", &[M, S, A, ("x", "y"), P]),
    (
        "a_pseudo_field_that_is_not_known",
        &[M, S, P, A, (":x", "y")],
    ),
    ("a_status", &[M, S, P, A, (":status", "200")]),
    ("a_method_that_is_no_token", &[(":method", "G T"), S, P, A]),
    ("another_scheme", &[M, (":scheme", "ftp"), P, A]),
    ("a_path_without_a_slash", &[M, S, (":path", "hello"), A]),
    ("a_path_with_a_space", &[M, S, (":path", "/he llo"), A]),
    (
        "a_path_with_a_control_byte",
        &[M, S, (":path", "/\u{1}"), A],
    ),
    ("a_path_with_a_high_byte", &[M, S, (":path", "/\u{e9}"), A]),
    (
        "a_query_with_a_high_byte",
        &[M, S, (":path", "/?\u{e9}"), A],
    ),
    ("a_path_with_a_quote", &[M, S, (":path", "/\""), A]),
    ("a_path_with_a_bracket", &[M, S, (":path", "/<"), A]),
    ("a_path_with_a_backslash", &[M, S, (":path", "/\\"), A]),
    ("a_path_with_a_caret", &[M, S, (":path", "/^"), A]),
    ("a_path_with_a_backtick", &[M, S, (":path", "/`"), A]),
    ("a_path_with_braces", &[M, S, (":path", "/{a}"), A]),
    (
        "a_path_with_a_lone_percent_sign",
        &[M, S, (":path", "/%4?1"), A],
    ),
    ("an_absolute_path", &[M, S, (":path", "http://b/hello"), A]),
    ("an_asterisk_of_get", &[M, S, (":path", "*"), A]),
    ("user_information", &[M, S, P, (":authority", "u@a")]),
    (
        "an_authority_with_a_path",
        &[M, S, P, (":authority", "a/b")],
    ),
    ("two_hosts", &[M, S, P, A, ("host", "a"), ("host", "a")]),
    (
        "two_lengths",
        &[M, S, P, A, ("content-length", "0"), ("content-length", "1")],
    ),
    (
        "a_protocol_of_get",
        &[M, S, P, A, (":protocol", "websocket")],
    ),
    ("a_connect_with_a_path", &[C, P, (":authority", "a:80")]),
    ("a_connect_with_a_scheme", &[C, S, (":authority", "a:80")]),
    ("a_connect_without_a_port", &[C, A]),
    ("a_connect_without_an_authority", &[C]),
];

const M: (&str, &str) = (":method", "GET");
const C: (&str, &str) = (":method", "CONNECT");
const S: (&str, &str) = (":scheme", "http");
const P: (&str, &str) = (":path", "/hello");
const A: (&str, &str) = (":authority", "a");

mod table {
    use super::{
        a_body_over_its_length, a_body_under_its_length,
        a_refused_head_is_answered_without_content, a_refused_request_leaves_its_connection,
        a_second_head_that_does_not_end_is_refused, an_expectation_that_is_not_known_is_417,
        fields_that_are_no_trailers_are_refused,
        pseudo_fields_in_trailers_never_reach_the_application, targets_and_heads_have_limits,
        the_authority_is_given_as_host, trailers_have_the_limit_of_heads, what_is_allowed_passes,
    };
    use crate::cases::chapter;

    chapter! {
        what_is_allowed_passes: "SCOPE-7", "SCOPE-8", "SCOPE-3";
        the_authority_is_given_as_host: "SCOPE-6", "SCOPE-7";
        an_expectation_that_is_not_known_is_417: "SRV-8", "HTTP-1";
        targets_and_heads_have_limits: "HTTP-1";
        a_refused_request_leaves_its_connection: "HTTP-1", "HTTP-2";
        a_refused_head_is_answered_without_content: "HTTP-1", "SRV-6";
        a_body_over_its_length: "HTTP-8", "HTTP-4";
        a_body_under_its_length: "HTTP-8", "HTTP-4";
        pseudo_fields_in_trailers_never_reach_the_application: "HTTP-6";
        fields_that_are_no_trailers_are_refused: "HTTP-6";
        trailers_have_the_limit_of_heads: "HTTP-6", "HTTP-1";
        a_second_head_that_does_not_end_is_refused: "HTTP-6";
    }
}

pub(super) fn cases() -> Vec<Case> {
    let fields = FIELDS.into_iter().map(|(name, field, value)| {
        Case::new(name, &["HTTP-1"], move |subject| {
            refused_field(subject, field, value)
        })
    });
    let heads = HEADS.into_iter().map(|(name, head)| {
        Case::new(name, &["HTTP-1", "SCOPE-6"], move |subject| {
            refused_head(subject, head)
        })
    });
    fields.chain(heads).chain(table::cases()).collect()
}

#[track_caller]
fn refused_field(subject: &Subject, name: &str, value: &[u8]) {
    let path = route("/hello");
    let mut fields = request("GET", &path);
    fields.push((name, value));
    refused(subject, &fields);
}

#[track_caller]
fn refused_head(subject: &Subject, head: &[(&str, &str)]) {
    let path = route("/hello");
    let mut fields = Vec::new();
    for (name, value) in head {
        let value = if *value == "/hello" {
            path.as_str()
        } else {
            value
        };
        fields.push((*name, value.as_bytes()));
    }
    refused(subject, &fields);
}

/// By a reset, by the end of the connection, or by 400.
#[track_caller]
fn refused(subject: &Subject, fields: &[(&str, &[u8])]) {
    let server = subject.start();
    let mut client = frames(&server);
    client.send_head(1, flag::END_STREAM, fields);
    let codes = [code::PROTOCOL_ERROR, code::COMPRESSION_ERROR];
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    match answer.kind {
        kind::HEADERS => assert_eq!(answer.status(), Some(400), "{answer:?}"),
        _ => assert!(codes.contains(&answer.code()), "{answer:?}"),
    }
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

fn what_is_allowed_passes(subject: &Subject) {
    let server = subject.start();
    let path = route("/scope?a=%2F&b=/../");
    let mut client = frames(&server);
    let mut fields = request("GET", &path);
    fields.extend([
        ("te", &b"trailers"[..]),
        ("cookie", b"a=1"),
        ("x-empty", b""),
        ("x-bytes", b"\xe9\xff"),
        ("cookie", b"b=2"),
        ("host", b"A:80"),
    ]);
    client.send_head(1, flag::END_STREAM, &fields);
    client.expect_status(1, 200);
    let scope = String::from_utf8(client.read_body(1)).expect("a scope is text");
    let lines: Vec<_> = scope.lines().collect();
    for line in [
        "method GET",
        "query a=%2F&b=/../",
        "version HTTP/2.0",
        "scheme http",
        "body empty",
        "field te=trailers",
        "field x-empty=",
        "field x-bytes=\\xe9\\xff",
        "field host=A:80",
    ] {
        assert!(lines.contains(&line), "{line} is not in {scope}");
    }
    let cookies = lines
        .iter()
        .filter(|line| line.starts_with("field cookie="));
    let cookies: Vec<_> = cookies.copied().collect();
    assert_eq!(
        cookies,
        ["field cookie=a=1", "field cookie=b=2"],
        "crumbs stay as they came"
    );
    assert!(!scope.contains("field :"), "pseudo-fields are left out");
    // A fresh connection: the asterisk is no route, but a request.
    client.send_head(3, flag::END_STREAM, &request("OPTIONS", "*"));
    let answer = client.expect_head(3);
    assert_ne!(answer.status(), Some(400), "{answer:?}");
    // What browsers leave in a query, and in a path, though no URI has it.
    let path = route("/scope?[a]{b}|^\\`%");
    client.get(5, &path);
    client.expect_status(5, 200);
    let scope = String::from_utf8(client.read_body(5)).expect("a scope is text");
    assert!(scope.contains("query [a]{b}|^\\`%\n"), "{scope}");
    client.get(7, "/[a]|b%C3%A9");
    client.expect_status(7, 200);
}

fn the_authority_is_given_as_host(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/scope");
    client.get(1, &path);
    client.expect_status(1, 200);
    let scope = String::from_utf8(client.read_body(1)).expect("a scope is text");
    assert!(scope.contains("field host=a\n"), "{scope}");
    assert!(scope.contains("authority a\n"), "{scope}");
    // Host alone will do.
    let mut fields = request("GET", &path);
    fields.pop();
    fields.push(("host", b"b:81"));
    client.send_head(3, flag::END_STREAM, &fields);
    client.expect_status(3, 200);
    let scope = String::from_utf8(client.read_body(3)).expect("a scope is text");
    assert!(scope.contains("authority b:81\n"), "{scope}");
}

fn an_expectation_that_is_not_known_is_417(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let mut request = ordinary("GET", &route("/hello"));
        let magic = http::HeaderValue::from_static("magic");
        request.headers_mut().insert(http::header::EXPECT, magic);
        let answer = session.ask(request).await.expect("an answer");
        assert_eq!(answer.status(), 417);
    });
}

fn targets_and_heads_have_limits(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let long = route(&format!("/{}", "a".repeat(20 * 1024)));
        let answer = session.get(&long).await.expect("an answer");
        assert_eq!(answer.status(), 414);
        let mut request = ordinary("GET", &route("/hello"));
        for n in 0..150 {
            let name = http::HeaderName::try_from(format!("x-{n}")).expect("a name");
            request
                .headers_mut()
                .insert(name, http::HeaderValue::from_static("y"));
        }
        let answer = session.ask(request).await.expect("an answer");
        assert_eq!(answer.status(), 431);
        let method = "M".repeat(100);
        let answer = session.ask(ordinary(&method, &route("/hello"))).await;
        assert_eq!(answer.expect("an answer").status(), 501);
    });
    // Over the limit of the settings, too, whose client would not send it.
    let mut client = frames(&server);
    let path = route("/hello");
    let value = vec![b'x'; 10 * 1024];
    let mut fields = request("GET", &path);
    fields.extend([
        ("a", &value[..]),
        ("b", &value[..]),
        ("c", &value[..]),
        ("d", &value[..]),
    ]);
    let block = block(&fields);
    let (first, rest) = block.split_at(16 * 1024);
    client.send(kind::HEADERS, flag::END_STREAM, 1, first);
    let (second, third) = rest.split_at(16 * 1024);
    client.send(kind::CONTINUATION, 0, 1, second);
    client.send(kind::CONTINUATION, flag::END_HEADERS, 1, third);
    let answer = client.expect(|frame| frame.stream == 1);
    assert!(
        matches!(answer.kind, kind::HEADERS | kind::RST_STREAM),
        "{answer:?}"
    );
    assert_ne!(answer.status(), Some(200), "{answer:?}");
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

fn a_refused_request_leaves_its_connection(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/hello");
    let mut differs = request("GET", &path);
    differs.push(("host", b"b"));
    client.send_head(1, flag::END_STREAM, &differs);
    client.expect_status(1, 400);
    let mut closing = request("GET", &path);
    closing.push(("connection", b"close"));
    client.send_head(3, flag::END_STREAM, &closing);
    client.expect_reset(3, &[code::PROTOCOL_ERROR]);
    client.get(5, &path);
    client.expect_status(5, 200);
    // A body that belongs to a refused head is not waited for.
    differs[0] = (":method", b"POST");
    client.send_head(7, 0, &differs);
    client.expect_status(7, 400);
    client.get(9, &path);
    client.expect_status(9, 200);
}

/// RFC 9110 section 9.3.2: its length may be told, but there is none.
fn a_refused_head_is_answered_without_content(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.send_head(1, flag::END_STREAM, &request("HEAD", "*"));
    let answer = client.expect_head(1);
    assert_eq!(answer.status(), Some(400), "{answer:?}");
    assert!(answer.ends_stream(), "content follows {answer:?}");
    converse(async {
        let session = Session::connect(server.address()).await;
        let mut twice = ordinary("HEAD", &route("/hello"));
        for _ in 0..2 {
            let host = http::HeaderValue::from_static("a");
            twice.headers_mut().append(http::header::HOST, host);
        }
        let answer = session.ask(twice).await.expect("an answer");
        assert_eq!((answer.status(), answer.body.len()), (400, 0));
        let length = answer.field("content-length");
        assert!(length.is_some_and(|length| length != "0"), "{length:?}");
    });
}

/// A body of "12345" to an application that reads it, with this length declared.
#[track_caller]
fn a_body_of_another_length(subject: &Subject, length: &[u8]) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/read-all");
    let mut fields = request("POST", &path);
    fields.push(("content-length", length));
    client.send_head(1, 0, &fields);
    client.ping();
    client.send(kind::DATA, 0, 1, b"123");
    client.send(kind::DATA, flag::END_STREAM, 1, b"45");
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    match answer.kind {
        kind::HEADERS => assert_eq!(answer.status(), Some(400), "{answer:?}"),
        _ => assert_eq!(answer.code(), code::PROTOCOL_ERROR, "{answer:?}"),
    }
}

fn a_body_over_its_length(subject: &Subject) {
    a_body_of_another_length(subject, b"4");
}

fn a_body_under_its_length(subject: &Subject) {
    a_body_of_another_length(subject, b"6");
}

/// What comes of trailers with these fields, to an application that reads them.
#[track_caller]
fn trailers(subject: &Subject, flags: u8, fields: &[(&str, &[u8])]) -> Frames {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/trailers/in"));
    client.send(kind::DATA, 0, 1, b"body");
    client.ping();
    client.send_head(1, flags, fields);
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    match answer.kind {
        kind::HEADERS => assert_eq!(answer.status(), Some(400), "{answer:?}"),
        _ => assert_eq!(answer.code(), code::PROTOCOL_ERROR, "{answer:?}"),
    }
    client
}

/// An engine may drop them before anybody sees them, as h2 does; to the application they must not be.
fn pseudo_fields_in_trailers_never_reach_the_application(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/trailers/in"));
    client.send(kind::DATA, 0, 1, b"body");
    client.ping();
    client.send_head(1, flag::END_STREAM, &[(":path", b"/"), ("x-sum", b"1")]);
    let answer = client
        .expect(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY | kind::HEADERS));
    match (answer.kind, answer.status()) {
        (kind::HEADERS, Some(200)) => {
            let told = client.read_body(1);
            let told = String::from_utf8_lossy(&told);
            assert!(!told.contains("path"), "the application saw {told:?}");
        }
        (kind::HEADERS, status) => assert_eq!(status, Some(400), "{answer:?}"),
        _ => assert_eq!(answer.code(), code::PROTOCOL_ERROR, "{answer:?}"),
    }
}

fn fields_that_are_no_trailers_are_refused(subject: &Subject) {
    for name in ["content-length", "host", "authorization"] {
        trailers(subject, flag::END_STREAM, &[(name, b"1")]);
    }
    for value in [" 1", "1\t"] {
        trailers(subject, flag::END_STREAM, &[("x-sum", value.as_bytes())]);
    }
}

/// Fields over the 100 of the settings.
fn trailers_have_the_limit_of_heads(subject: &Subject) {
    let many = [("x-sum", &b"1"[..]); 101];
    trailers(subject, flag::END_STREAM, &many);
}

fn a_second_head_that_does_not_end_is_refused(subject: &Subject) {
    trailers(subject, 0, &[("x-sum", b"1")]);
}
