//! What of a request's head the application sees, and which heads it never sees (SCOPE, HTTP-1).

use super::chapter;
use crate::client::End;
use crate::server::Subject;

chapter! {
    the_scope_says_what_was_sent: "SCOPE-2", "SCOPE-3", "SCOPE-9", "SCOPE-10";
    a_method_is_case_sensitive: "SCOPE-2";
    what_a_stranger_says_of_a_proxy_is_only_a_field: "SCOPE-4", "SCOPE-10";
    an_absolute_target_names_the_authority_and_not_the_scheme: "SCOPE-4", "SCOPE-6";
    an_asterisk_is_a_target_of_options: "SCOPE-5";
    fields_keep_their_bytes_and_their_order_in_one_name: "SCOPE-7", "SCOPE-8";
    fields_keep_order_and_case_where_the_server_says_so: "SCOPE-7", "SRV-10";
    the_state_of_the_lifespan_is_in_every_scope: "SCOPE-11", "LIFE-5";
    the_label_is_in_the_log: "SCOPE-12";
    the_body_s_length_is_in_the_scope: "SCOPE-9";
    a_head_is_the_same_however_it_is_cut: "HTTP-1";
    empty_lines_before_a_request_are_passed_over: "HTTP-1";
    http_1_0_needs_no_host: "SCOPE-6";
    a_host_is_there_once_and_is_the_target_s: "SCOPE-6", "HTTP-1";
    a_version_that_is_not_spoken_is_refused: "HTTP-1";
    a_target_over_the_limit_is_414: "HTTP-1";
    a_first_word_without_an_end_is_400: "HTTP-1";
    a_query_may_have_what_browsers_leave_in_it: "SCOPE-3", "HTTP-1";
    a_head_over_the_limit_is_431_however_it_comes: "HTTP-1";
    too_many_fields_are_431: "HTTP-1";
    a_control_byte_in_a_value_is_refused_at_once: "HTTP-1";
    who_does_not_speak_http_gets_no_answer: "HTTP-1";
    a_refusal_of_head_has_no_text: "HTTP-1", "SRV-6";
    a_connection_that_ends_within_a_head_has_no_answer_but_a_refusal: "HTTP-1";
}

/// The lines of `/conformance/scope` that begin with this word.
fn said<'a>(scope: &'a str, word: &str) -> Vec<&'a str> {
    let line = |line: &'a str| line.strip_prefix(word)?.strip_prefix(' ');
    scope.lines().filter_map(line).collect()
}

fn the_scope_says_what_was_sent(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("PUT /conformance/scope?a=%2F&b=+ HTTP/1.1\r\nhost: a.example:81\r\n\r\n");
    let response = client.read_response();
    let (client, server) = (client.address().to_string(), server.address().to_string());
    for (word, expected) in [
        ("method", "PUT"),
        ("uri", "/conformance/scope?a=%2F&b=+"),
        ("path", "/conformance/scope"),
        ("query", "a=%2F&b=+"),
        ("version", "HTTP/1.1"),
        ("scheme", "http"),
        ("authority", "a.example:81"),
        ("body", "empty"),
        ("client", &client),
        ("server", &server),
        ("field", "host=a.example:81"),
    ] {
        assert_eq!(said(response.text(), word), [expected], "{word}");
    }
}

fn a_method_is_case_sensitive(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("get /conformance/scope HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(said(client.read_response().text(), "method"), ["get"]);
}

fn what_a_stranger_says_of_a_proxy_is_only_a_field(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // actix-web#3750: taken from whoever sent it.
    client.send("GET /conformance/scope HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nx-forwarded-proto: https\r\nx-forwarded-host: b\r\nforwarded: for=6.6.6.6;proto=https;host=b\r\n\r\n");
    let response = client.read_response();
    let from = client.address().to_string();
    for (word, expected) in [("client", &*from), ("scheme", "http"), ("authority", "a")] {
        assert_eq!(said(response.text(), word), [expected], "{word}");
    }
}

fn an_absolute_target_names_the_authority_and_not_the_scheme(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // CVE-2026-39807: the target's scheme is not the connection's.
    client.send("GET https://a.example/conformance/scope?x HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let response = client.read_response();
    assert_eq!(said(response.text(), "path"), ["/conformance/scope"]);
    assert_eq!(said(response.text(), "query"), ["x"]);
    assert_eq!(said(response.text(), "authority"), ["a.example"]);
    assert_eq!(said(response.text(), "scheme"), ["http"]);
}

fn an_asterisk_is_a_target_of_options(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        client.read_response().status,
        200,
        "the peer serves all paths"
    );
    assert_eq!(server.ask("/conformance/report/calls/1"), "OPTIONS *");
}

fn fields_keep_their_bytes_and_their_order_in_one_name(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(b"GET /conformance/scope HTTP/1.1\r\nhost: a\r\nx-a: 1\r\ncookie: a=1\r\nx-b: \t b\xe9b \t\r\nX-A: 2, 3\r\ncookie: b=2\r\nx-a:\r\n\r\n");
    let response = client.read_response();
    let fields = said(response.text(), "field");
    let of = |name: &str| -> Vec<&str> {
        fields
            .iter()
            .filter_map(|field| field.split_once('='))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    };
    assert_eq!(of("x-a"), ["1", "2, 3", ""]);
    assert_eq!(of("cookie"), ["a=1", "b=2"]);
    assert_eq!(of("x-b"), ["b\\xe9b"]);
}

fn fields_keep_order_and_case_where_the_server_says_so(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/scope HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-A: 2\r\nX-b: 3\r\n\r\n");
    let response = client.read_response();
    let scope = response.text();
    let mut fields: Vec<String> = said(scope, "field")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut expected = vec!["Host=a", "X-B=1", "x-A=2", "X-b=3"];
    if said(scope, "wire-case") != ["true"] {
        expected = vec!["host=a", "x-b=1", "x-a=2", "x-b=3"];
        fields
            .iter_mut()
            .for_each(|field| field.make_ascii_lowercase());
    }
    if said(scope, "wire-order") != ["true"] {
        fields.sort();
        expected.sort_unstable();
    }
    assert_eq!(fields, expected);
}

fn the_state_of_the_lifespan_is_in_every_scope(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/conformance/state").text(), "made at startup");
    }
    assert_eq!(
        server.ask("/conformance/state"),
        "made at startup",
        "on another connection"
    );
}

fn the_label_is_in_the_log(subject: &Subject) {
    let server = subject.start();
    assert_eq!(server.ask("/conformance/label"), "labelled");
    let line = server.wait_for_log("/conformance/label");
    assert!(line.contains("the-label"), "the label is not in {line}");
}

fn the_body_s_length_is_in_the_scope(subject: &Subject) {
    let server = subject.start();
    for (fields, length) in [
        ("", "empty"),
        ("content-length: 0\r\n", "empty"),
        ("content-length: 2\r\n", "2"),
        ("transfer-encoding: chunked\r\n", "unknown"),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST /conformance/scope HTTP/1.1\r\nhost: a\r\n{fields}\r\n"
        ));
        let response = client.read_response();
        let said = said(response.text(), "body");
        // An announced length of nothing is none or nothing: both are right.
        assert!(
            said == [length] || (length, &said[..]) == ("empty", &["0"]),
            "{fields:?} gives {said:?}"
        );
    }
}

fn a_head_is_the_same_however_it_is_cut(subject: &Subject) {
    let server = subject.start();
    let request = "GET /conformance/scope?q HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two:2\r\n\r\n";
    let mut client = server.connect();
    client.send(request);
    let whole = client.read_response();
    assert_eq!(said(whole.text(), "uri"), ["/conformance/scope?q"]);
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with("client"))
            .map(str::to_owned)
            .collect()
    };
    for cut in 1..request.len() {
        let mut client = server.connect();
        client.send_cut(request, &[cut]);
        assert_eq!(
            lines(client.read_response().text()),
            lines(whole.text()),
            "cut at {cut}"
        );
    }
    let mut client = server.connect();
    client.send_each_byte(request);
    assert_eq!(
        lines(client.read_response().text()),
        lines(whole.text()),
        "byte by byte"
    );
}

fn empty_lines_before_a_request_are_passed_over(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // RFC 9112 section 2.2: at least one, before the first request and between two.
    for _ in 0..2 {
        client.send("\r\nGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.read_response().text(), "Hello, world!");
    }
}

fn http_1_0_needs_no_host(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/scope HTTP/1.0\r\n\r\n");
    let response = client.read_response();
    assert_eq!(said(response.text(), "version"), ["HTTP/1.0"]);
    assert_eq!(said(response.text(), "authority"), ["-"]);
}

fn a_host_is_there_once_and_is_the_target_s(subject: &Subject) {
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://user@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", 200),
        // An http URI has a host (RFC 9110 section 4.2.1).
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n", 400),
    ] {
        let server = subject.start();
        let mut client = server.connect();
        client.send(head);
        assert_eq!(client.read_response().status, status, "{head:?}");
        if status == 400 {
            client.expect_end();
            assert_eq!(
                server.ask("/conformance/report/calls/0"),
                "",
                "the application was called for {head:?}"
            );
        }
    }
}

fn a_version_that_is_not_spoken_is_refused(subject: &Subject) {
    let server = subject.start();
    for (version, statuses) in [
        ("HTTP/1.1", &[200][..]),
        ("HTTP/2.0", &[505, 400]),
        ("HTTP/1.2", &[505, 400, 200]),
        ("HTTP/1.", &[400, 505]),
        ("HTTP/1.1x", &[400, 505]),
        ("http/1.1", &[400, 505]),
        ("HTTP/1.\u{b9}", &[400, 505]),
        ("", &[400, 505]),
    ] {
        let mut client = server.connect();
        client.send(format!("GET / {version}\r\nhost: a\r\n\r\n"));
        let status = client.read_response().status;
        assert!(statuses.contains(&status), "{version:?} gives {status}");
        if status != 200 {
            client.expect_end();
        }
    }
}

fn a_target_over_the_limit_is_414(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let target = "a".repeat(20 * 1024);
    client.send(format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(client.read_response().status, 414);
    client.expect_end();
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}

fn a_first_word_without_an_end_is_400(subject: &Subject) {
    let server = subject.start();
    let word = "A".repeat(100_000);
    for (wire, status) in [
        // No method is so long, and no target began.
        (word.clone(), 400),
        (format!("{word} / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        (
            format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", &word[..100]),
            501,
        ),
    ] {
        let mut client = server.connect();
        // The server may have answered and closed before it had everything.
        let _ = client.try_send(&wire);
        let length = wire.len();
        assert_eq!(client.read_response().status, status, "{length} bytes");
        client.expect_gone();
    }
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}

/// A path has less (the rows of framing say what); both have these three marks, which no URI has but browsers send.
fn a_query_may_have_what_browsers_leave_in_it(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for (target, word, expected) in [
        ("/conformance/scope?[a]{b}|^\\`", "query", "[a]{b}|^\\`"),
        ("/conformance/scope?a=100%&b=%zz", "query", "a=100%&b=%zz"),
        ("/conformance/scope?c=%C3%A9", "query", "c=%C3%A9"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let response = client.read_response();
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(said(response.text(), word), [expected], "{target}");
    }
    client.send("GET /[a]|b%C3%A9 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_response().status, 200, "a path");
}

fn a_head_over_the_limit_is_431_however_it_comes(subject: &Subject) {
    let server = subject.start();
    let value = "a".repeat(70 * 1024);
    let whole = format!("GET / HTTP/1.1\r\nhost: a\r\nx-large: {value}\r\n\r\n");
    let endless = &whole[..whole.len() - 4];
    for (how, bytes, cuts) in [
        // hyper#4081, ntex 3.12: complete when it is first looked at, and still too large.
        ("whole", &whole[..], vec![]),
        ("without an end", endless, vec![]),
        ("in pieces", endless, (1..70).map(|n| n * 1000).collect()),
    ] {
        let mut client = server.connect();
        client.send_cut(bytes, &cuts);
        assert_eq!(client.read_response().status, 431, "{how}");
        client.expect_end();
    }
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}

fn too_many_fields_are_431(subject: &Subject) {
    let server = subject.start();
    let fields = "a: b\r\n".repeat(200);
    let mut client = server.connect();
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    assert_eq!(client.read_response().status, 431);
    client.expect_end();
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}

fn who_does_not_speak_http_gets_no_answer(subject: &Subject) {
    let server = subject.start();
    // What tests HTTP/2's preface by a wrong one looks for (RFC 9113 section 3.4).
    for cuts in [vec![], (1..30).collect()] {
        let mut client = server.connect();
        client.send_cut("INVALID CONNECTION PREFACE\r\n\r\n", &cuts);
        client.expect_end();
    }
    let mut client = server.connect();
    client.send("GET / PREFACE\r\n\r\n");
    assert_eq!(client.read_response().status, 400, "it named a target");
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}

fn a_control_byte_in_a_value_is_refused_at_once(subject: &Subject) {
    let server = subject.start();
    // CVE-2020-5236: refusing such a value took time exponential in its length.
    let value = "x".repeat(8 * 1024);
    let mut client = server.connect();
    client.send(format!(
        "GET / HTTP/1.1\r\nhost: a\r\ngood: {value}\r\n\r\n"
    ));
    assert_eq!(client.read_response().status, 200);
    client.send(format!(
        "GET / HTTP/1.1\r\nhost: a\r\nbad: {value}\u{10}\r\n\r\n"
    ));
    assert_eq!(client.read_response().status, 400);
    client.expect_end();
}

fn a_refusal_of_head_has_no_text(subject: &Subject) {
    let server = subject.start();
    for (wire, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "400"),
        ("HEAD / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n", "400"),
        ("HEAD / HTTP/1.1\r\nhost: a\r\nexpect: x\r\n\r\n", "417"),
    ] {
        let mut client = server.connect();
        client.send(wire);
        let (received, _) = client.read_to_end();
        let text = received.escape_ascii().to_string();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        let end = text.find(r"\r\n\r\n");
        assert_eq!(end.map(|end| &text[end..]), Some(r"\r\n\r\n"), "{text}");
    }
}

fn a_connection_that_ends_within_a_head_has_no_answer_but_a_refusal(subject: &Subject) {
    let server = subject.start();
    for sent in ["", "GET", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut client = server.connect();
        client.send(sent);
        client.half_close();
        let (received, end) = client.read_to_end();
        assert_eq!(end, End::Closed, "{sent:?}");
        let refused = received.starts_with(b"HTTP/1.1 400 ") && !sent.is_empty();
        assert!(
            received.is_empty() || refused,
            "{sent:?} gives {}",
            received.escape_ascii()
        );
    }
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "the application was called"
    );
}
