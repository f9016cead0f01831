//! RFC 9112 section 3: methods, targets in their four forms, versions, and the Host that must agree.

use http1::PeerError;

use crate::support::{check, check_refused};

/// A request of this line, and a Host.
fn line(line: &str) -> String {
    format!("{line}\r\nhost: a\r\n\r\n")
}

fn hosts(line: &str, hosts: &[&str]) -> String {
    let hosts: String = hosts
        .iter()
        .map(|host| format!("Host: {host}\r\n"))
        .collect();
    format!("{line}\r\n{hosts}\r\n")
}

#[test]
fn a_method_is_a_token() {
    for method in [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "TRACE",
        "get",
        "M-SEARCH",
        "!#$%&'*+-.^_`|~09",
    ] {
        let seen = format!("{method} / HTTP/1.1 | host: a");
        check(line(&format!("{method} / HTTP/1.1")), &[&seen, "waits"]);
    }
    for method in ["G\"T", "G(T", "G/T", "G\u{e9}T", "G{T", "G:T"] {
        check_refused(
            line(&format!("{method} / HTTP/1.1")),
            &[],
            PeerError::Method,
        );
    }
    check_refused(line(" / HTTP/1.1"), &[], PeerError::RequestLine);
    check_refused(line("G\tT / HTTP/1.1"), &[], PeerError::Method);
    check(
        line(&format!("{} / HTTP/1.1", "M".repeat(32))),
        &[&format!("{} / HTTP/1.1 | host: a", "M".repeat(32)), "waits"],
    );
    check_refused(
        line(&format!("{} / HTTP/1.1", "M".repeat(33))),
        &[],
        PeerError::MethodTooLong,
    );
}

#[test]
fn single_spaces_part_a_request_line() {
    for wrong in [
        "GET / HTTP/1.1 ",
        "GET /",
        "GET",
        "GET /HTTP/1.1",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GET /\tHTTP/1.1",
    ] {
        check_refused(line(wrong), &[], PeerError::RequestLine);
    }
    for wrong in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / a HTTP/1.1",
        "GET \t/ HTTP/1.1",
    ] {
        check_refused(line(wrong), &[], PeerError::Target);
    }
    for wrong in ["GET\t/ HTTP/1.1", "GET"] {
        let error = if wrong == "GET" {
            PeerError::RequestLine
        } else {
            PeerError::Method
        };
        check_refused(line(wrong), &[], error);
    }
    check_refused("GET /\0 HTTP/1.1\r\n", &[], PeerError::ControlByte);
    check_refused("GET /\x0b HTTP/1.1\r\n", &[], PeerError::ControlByte);
    check_refused("\0", &[], PeerError::ControlByte);
}

#[test]
fn two_versions_are_spoken() {
    check(
        line("GET / HTTP/1.1"),
        &["GET / HTTP/1.1 | host: a", "waits"],
    );
    check("GET / HTTP/1.0\r\n\r\n", &["GET / HTTP/1.0", "closed"]);
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9"] {
        check_refused(line(&format!("GET / {version}")), &[], PeerError::Version);
    }
    for version in [
        "http/1.1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/11",
        "HTTP/1,1",
        "HTTPS/1.1",
        "HTTP/1.\u{b9}",
        "HTTP/+1.1",
        "ICAP/1.0",
    ] {
        check_refused(
            line(&format!("GET / {version}")),
            &[],
            PeerError::RequestLine,
        );
    }
}

#[test]
fn an_origin_form_is_a_path_with_an_optional_query() {
    for target in [
        "/",
        "/a/b?c=d&e=%20",
        "//a",
        "/a?b?c",
        "/?",
        "/*",
        "/%00%fF%2e",
        "/a|b[c]",
        "/-._~!$&'()*+,;=:@",
        "/?[a]{b}|^\\`",
        "/?%",
        "/a?b=100%&c=%zz",
    ] {
        let seen = format!("GET {target} HTTP/1.1 | host: a");
        check(line(&format!("GET {target} HTTP/1.1")), &[&seen, "waits"]);
    }
    for target in ["/#", "/a#b", "/?#", "a", "a/b", "?a", "/\u{7f}a", "/\x01"] {
        let expected = if target.bytes().any(|byte| byte.is_ascii_control()) {
            PeerError::ControlByte
        } else {
            PeerError::Target
        };
        check_refused(line(&format!("GET {target} HTTP/1.1")), &[], expected);
    }
}

#[test]
fn no_target_has_a_byte_that_must_be_escaped() {
    for wrong in [
        "\"", "<", ">", "\\", "^", "`", "{", "}", "%", "%4", "%zz", "%4g", "%g4", "%?41",
    ] {
        for target in [format!("/{wrong}"), format!("http://a/b{wrong}x")] {
            // What stands behind the path is not to complete an escape.
            let target = format!("{target}/x");
            check_refused(
                line(&format!("GET {target} HTTP/1.1")),
                &[],
                PeerError::Target,
            );
        }
    }
    for wrong in [
        &b"\xff"[..],
        "\u{e9}".as_bytes(),
        b"\x80",
        "\u{10348}".as_bytes(),
    ] {
        for before in [
            "GET /",
            "GET /?",
            "GET /a?b=",
            "GET http://a/",
            "GET http://a/?",
        ] {
            let wire = [before.as_bytes(), wrong, b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
            check_refused(wire, &[], PeerError::Target);
        }
    }
    for wrong in ["\"", "<", ">"] {
        check_refused(
            line(&format!("GET /?a={wrong} HTTP/1.1")),
            &[],
            PeerError::Target,
        );
    }
    check_refused(line("GET /% HTTP/1.1"), &[], PeerError::Target);
    check_refused(line("GET /%4 HTTP/1.1"), &[], PeerError::Target);
}

#[test]
fn an_absolute_form_is_an_http_uri() {
    for target in [
        "http://a/",
        "https://a/b?c",
        "http://a:80/",
        "HTTP://A/",
        "http://a/?x",
    ] {
        let shown: http::Uri = target.parse().unwrap();
        let seen = format!("GET {shown} HTTP/1.1 | host: a");
        check(line(&format!("GET {target} HTTP/1.1")), &[&seen, "waits"]);
    }
    check(
        line("GET http://a HTTP/1.1"),
        &["GET http://a/ HTTP/1.1 | host: a", "waits"],
    );
    for target in [
        "http:/a",
        "http:a",
        "http://",
        "http:///a",
        "ftp://a/",
        "://a/",
        "http//a",
        "http://a b/",
        "http://u@a/",
        "http://u:p@a/",
        "http://a#f",
        "http://a/#f",
        "http://a:x/",
        "http://[::1/",
        "ws://a/",
    ] {
        check_refused(
            line(&format!("GET {target} HTTP/1.1")),
            &[],
            PeerError::Target,
        );
    }
    check(
        "GET http://a/ HTTP/1.0\r\n\r\n",
        &["GET http://a/ HTTP/1.0", "closed"],
    );
}

#[test]
fn only_connect_takes_an_authority() {
    check(
        line("CONNECT a:443 HTTP/1.1"),
        &["CONNECT a:443 HTTP/1.1 | host: a", "waits"],
    );
    for target in [
        "a",
        "a:",
        "/",
        "*",
        "http://a/",
        "u@a:1",
        ":1",
        "a:65536",
        "a:-1",
        "a:1/",
    ] {
        check_refused(
            line(&format!("CONNECT {target} HTTP/1.1")),
            &[],
            PeerError::Target,
        );
    }
    for target in ["a:443", "a"] {
        check_refused(
            line(&format!("GET {target} HTTP/1.1")),
            &[],
            PeerError::Target,
        );
    }
}

#[test]
fn only_options_takes_an_asterisk() {
    check(
        line("OPTIONS * HTTP/1.1"),
        &["OPTIONS * HTTP/1.1 | host: a", "waits"],
    );
    check(
        line("OPTIONS /a HTTP/1.1"),
        &["OPTIONS /a HTTP/1.1 | host: a", "waits"],
    );
    check_refused(line("GET * HTTP/1.1"), &[], PeerError::Target);
    check_refused(line("OPTIONS ** HTTP/1.1"), &[], PeerError::Target);
}

#[test]
fn a_target_that_came_before_is_read_anew_with_its_method() {
    let wire = [
        "OPTIONS *",
        "OPTIONS *",
        "GET /a",
        "GET /a",
        "GET /",
        "GET http://a/",
        "GET /",
        "CONNECT a:1",
        "GET /a",
    ];
    let seen: Vec<String> = wire
        .iter()
        .map(|start| format!("{start} HTTP/1.1 | host: a"))
        .chain(["waits".to_owned()])
        .collect();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    check(
        wire.map(|start| line(&format!("{start} HTTP/1.1")))
            .concat(),
        &seen,
    );
    check_refused(
        line("OPTIONS * HTTP/1.1") + &line("GET * HTTP/1.1"),
        &["OPTIONS * HTTP/1.1 | host: a"],
        PeerError::Target,
    );
}

#[test]
fn http_1_1_has_one_host() {
    check_refused("GET / HTTP/1.1\r\n\r\n", &[], PeerError::MissingHost);
    check_refused(
        hosts("GET / HTTP/1.1", &["a", "a"]),
        &[],
        PeerError::RepeatedHost,
    );
    check_refused(
        hosts("GET / HTTP/1.0", &["a", "a"]),
        &[],
        PeerError::RepeatedHost,
    );
    check_refused(
        hosts("GET http://a/ HTTP/1.1", &[]),
        &[],
        PeerError::MissingHost,
    );
}

#[test]
fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
    for host in [
        "a",
        "a.example",
        "A.Example:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8080",
        "[2001:db8::1%25]",
        "a:",
        "a_b~c!$&'()*+,;=d",
        "%41",
        "xn--nxasmq6b",
        "a-very-long-name.with-more-than-sixteen-bytes.example:65535",
        "a:00080",
        "-",
        "1",
    ] {
        if host.contains("%25") {
            check_refused(hosts("GET / HTTP/1.1", &[host]), &[], PeerError::Host);
            continue;
        }
        let seen = format!("GET / HTTP/1.1 | Host: {}", host.escape_default());
        check(hosts("GET / HTTP/1.1", &[host]), &[&seen, "waits"]);
        let seen = format!("{seen} | x: behind which is room");
        check(with_room_behind(host), &[&seen, "waits"]);
    }
    for host in [
        "", " ", ":80", "a b", "a, b", "a/", "a?", "a#", "u@a", "u:p@a", "a:b", "a:80:80",
        "a:65536", "a:+1", "a:-1", "[::1", "::1", "[::1]a", "[]", "[a]", "[v1.x]", "%4", "%zz",
        "a\\b", "a\tb", "a\u{e9}", "http://a", "\"a\"", "<a>",
    ] {
        check_refused(hosts("GET / HTTP/1.1", &[host]), &[], PeerError::Host);
        check_refused(hosts("GET / HTTP/1.0", &[host]), &[], PeerError::Host);
        check_refused(with_room_behind(host), &[], PeerError::Host);
    }
    check_refused(
        with_room_behind("a\r\nhost: a"),
        &[],
        PeerError::RepeatedHost,
    );
}

/// A request whose Host can be looked at in whole lanes.
fn with_room_behind(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nx: behind which is room\r\n\r\n")
}

#[test]
fn a_host_agrees_with_the_authority_of_the_target() {
    for (line, host) in [
        ("GET http://a/", "A"),
        ("GET http://a/", "a:80"),
        ("GET http://a:80/", "a"),
        ("GET https://a/", "a:443"),
        ("GET http://[::1]:81/", "[::1]:81"),
        ("CONNECT a:1", "a:1"),
        ("CONNECT a:1", "A"),
    ] {
        let uri: http::Uri = line.split(' ').nth(1).unwrap().parse().unwrap();
        let method = line.split(' ').next().unwrap();
        let seen = format!("{method} {uri} HTTP/1.1 | Host: {host}");
        check(
            hosts(&format!("{line} HTTP/1.1"), &[host]),
            &[&seen, "waits"],
        );
    }
    for (line, host) in [
        ("GET http://a/", "b"),
        ("GET http://a/", "a:81"),
        ("GET https://a/", "a:80"),
        ("GET http://a:81/", "a"),
        ("GET http://a.b/", "a"),
        ("CONNECT a:1", "b:1"),
        ("CONNECT a:1", "a:2"),
        ("CONNECT a:1", "b"),
    ] {
        check_refused(
            hosts(&format!("{line} HTTP/1.1"), &[host]),
            &[],
            PeerError::HostDiffers,
        );
    }
}
