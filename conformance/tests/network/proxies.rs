//! Proxies that are trusted, and those that are not: forwarded fields, the PROXY protocol, the root path.

use std::net::TcpStream;
use std::path::PathBuf;

use conformance::{Client, Options, Server, Subject};

use super::certificates::Authority;
use super::http2::{self, Asked};
use super::{Folder, chapter, text};

chapter! {
    nobody_is_believed_by_default,
    a_trusted_proxy_names_client_scheme_and_host,
    a_client_beside_a_proxy_is_not_believed,
    forwarded_is_read_where_it_is_what_proxies_write,
    each_stream_has_a_client_of_its_own,
    proxies_behind_a_unix_socket_can_be_trusted,
    a_root_path_is_mounted,
    a_header_of_the_proxy_protocol_names_the_client,
    a_header_that_names_nobody_gives_no_trust,
    a_header_may_come_in_pieces,
    nothing_behind_a_header_is_lost,
    a_second_header_is_no_header,
    what_is_no_header_ends_the_connection,
    a_header_that_does_not_end_is_given_up,
    peers_that_say_no_header_keep_nobody_out,
    only_trusted_proxies_may_say_headers,
    tls_comes_behind_the_header,
    contradictions_are_said_in_one_line,
}

const TRUST: &[&str] = &["--trusted-proxy", "127.0.0.0/8"];

fn trusting(subject: &Subject, arguments: &[&str]) -> Server {
    subject.start_with(Options::new().arguments(TRUST).arguments(arguments))
}

/// The scope of a request with these fields.
#[track_caller]
fn scope(client: &mut Client, fields: &str) -> String {
    client.send(format!(
        "GET /conformance/scope HTTP/1.1\r\nhost: inside\r\n{fields}\r\n"
    ));
    let response = client.read_response();
    assert_eq!(response.status, 200);
    response.text().to_owned()
}

#[track_caller]
fn assert_lines(scope: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            scope.lines().any(|own| own == *line),
            "no {line:?} in {scope}"
        );
    }
}

const FIELDS: &str = "x-forwarded-for: 6.6.6.6, 192.0.2.1, 127.0.0.9\r\nx-forwarded-proto: https\r\n\
                      x-forwarded-host: a.example\r\nforwarded: for=192.0.2.2;proto=https;host=b.example\r\n";

fn nobody_is_believed_by_default(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let from = format!("client {}", client.address());
    let scope = scope(&mut client, FIELDS);
    assert_lines(
        &scope,
        &[
            &from,
            "scheme http",
            "authority inside",
            "path /conformance/scope",
        ],
    );
}

fn a_trusted_proxy_names_client_scheme_and_host(subject: &Subject) {
    let server = trusting(subject, &["--proxy-fields", "x-forwarded-host"]);
    let mut client = server.connect();
    let own = format!("client {}", client.address());
    for _ in 0..2 {
        let forwarded = scope(&mut client, FIELDS);
        assert_lines(
            &forwarded,
            &[
                "client 192.0.2.1:0",
                "scheme https",
                "authority a.example",
                "tls -",
            ],
        );
        // What was said of one request is not of the next.
        let plain = scope(&mut client, "");
        assert_lines(&plain, &[&own, "scheme http", "authority inside"]);
    }
    let line = server.wait_for_log("192.0.2.1:0 \"GET /conformance/scope");
    assert!(
        line.starts_with("192.0.2.1:0"),
        "the log names the client: {line}"
    );
}

fn a_client_beside_a_proxy_is_not_believed(subject: &Subject) {
    // As nginx asks: it adds to one field, writes the next, and hands the client's host on.
    let handed_on = "x-forwarded-for: 127.0.0.9, 192.0.2.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: evil.example\r\n";
    let server = trusting(subject, &[]);
    let plain = scope(&mut server.connect(), handed_on);
    assert_lines(
        &plain,
        &["client 192.0.2.1:0", "scheme http", "authority inside"],
    );
    // A proxy that adds to each field, asked by a client that has sent all of them.
    let added = "x-forwarded-for: 192.0.2.1, 127.0.0.9\r\nx-forwarded-proto: https, http\r\n\
                 x-forwarded-host: evil.example\r\nx-forwarded-host: a.example\r\n";
    let server = trusting(subject, &["--proxy-fields", "x-forwarded-host"]);
    let beside = scope(&mut server.connect(), added);
    assert_lines(
        &beside,
        &["client 192.0.2.1:0", "scheme http", "authority a.example"],
    );
}

fn forwarded_is_read_where_it_is_what_proxies_write(subject: &Subject) {
    let server = trusting(subject, &["--proxy-fields", "forwarded"]);
    let mut client = server.connect();
    let forwarded = scope(&mut client, FIELDS);
    assert_lines(
        &forwarded,
        &["client 192.0.2.2:0", "scheme https", "authority b.example"],
    );
    let spoofed = "forwarded: for=6.6.6.6;proto=https, for=127.0.0.1\r\n";
    let spoofed = scope(
        &mut client,
        &format!("{spoofed}forwarded: for=\"[2001:db8::1]:80\"\r\n"),
    );
    assert_lines(&spoofed, &["client [2001:db8::1]:80", "scheme http"]);
}

fn each_stream_has_a_client_of_its_own(subject: &Subject) {
    let arguments = ["--root-path", "/api", "--proxy-fields", "x-forwarded-host"];
    let server = trusting(subject, &arguments);
    let ask = |fields| {
        let asked = Asked {
            url: "http://inside/conformance/scope",
            fields,
            times: 5,
        };
        http2::ask(server.address(), &asked)
    };
    let forwarded = ask(&[
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-host", "a.example"),
    ]);
    assert_lines(
        &forwarded,
        &[
            "version HTTP/2.0",
            "client 192.0.2.1:0",
            "authority a.example",
            "uri http://a.example/api/conformance/scope",
            "path /conformance/scope",
        ],
    );
    let plain = ask(&[]);
    assert!(plain.contains("\nclient 127.0.0.1:"), "{plain}");
    assert_lines(&plain, &["authority inside"]);
}

fn proxies_behind_a_unix_socket_can_be_trusted(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let bind = format!("unix:{}", text(&path));
    for (trusted, expected) in [
        ("unix", "client 192.0.2.1:0"),
        ("127.0.0.0/8", "client unix:"),
    ] {
        let arguments = ["--bind", &bind, "--trusted-proxy", trusted];
        let _server = subject.start_with(Options::new().arguments(&arguments));
        let mut client = Client::connect_unix(&path);
        let scope = scope(&mut client, "x-forwarded-for: 192.0.2.1\r\n");
        assert_lines(&scope, &[expected]);
    }
}

fn a_root_path_is_mounted(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--root-path", "/api"]));
    let mut client = server.connect();
    for target in ["/api/conformance/scope?a=b", "/conformance/scope?a=b"] {
        let scope = client.get(target);
        let whole = [
            "uri /api/conformance/scope?a=b",
            "path /conformance/scope",
            "query a=b",
        ];
        assert_lines(scope.text(), &whole);
    }
    client.send("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_response().status, 200);
}

/// A server whose connections begin with a header.
fn proxied(subject: &Subject, arguments: &[&str]) -> Server {
    let server = ["--proxy-protocol", "required", "--workers", "1"];
    let arguments = [&server, arguments].concat();
    trusting(subject, &arguments)
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\r\n";

/// Version 2 with the same addresses, the client's TLS, and a vector that nobody knows.
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x19\xc0\0\x02\x01\xc6\x33\x64\x01\x13\x88\x01\xbb\
                    \x20\0\x05\x01\0\0\0\0\xe0\0\x02ab";

/// Version 2 of a check of health.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Version 2 of somebody of whom the proxy says nothing.
const UNSPECIFIED: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0";

fn a_header_of_the_proxy_protocol_names_the_client(subject: &Subject) {
    let server = proxied(subject, &[]);
    for (header, scheme) in [(V1, "scheme http"), (V2, "scheme https")] {
        let mut client = server.connect();
        client.send(header);
        for _ in 0..2 {
            let scope = scope(&mut client, "");
            assert_lines(
                &scope,
                &[
                    "client 192.0.2.1:5000",
                    "server 198.51.100.1:443",
                    scheme,
                    "tls -",
                ],
            );
        }
        // Whom the header names is not trusted.
        let spoofed = scope(&mut client, FIELDS);
        assert_lines(&spoofed, &["client 192.0.2.1:5000", scheme]);
    }
    // The proxy's own connection has the proxy's trust.
    let mut client = server.connect();
    client.send(LOCAL);
    let from = format!("client {}", client.address());
    assert_lines(&scope(&mut client, ""), &[&from, "scheme http"]);
    let forwarded = scope(&mut client, FIELDS);
    assert_lines(&forwarded, &["client 192.0.2.1:0", "scheme https"]);
}

fn a_header_that_names_nobody_gives_no_trust(subject: &Subject) {
    let server = proxied(subject, &[]);
    for header in [
        UNSPECIFIED,
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 127.0.0.1 127.0.0.1 1 2\r\n",
    ] {
        let mut client = server.connect();
        client.send(header);
        for fields in ["", FIELDS] {
            let scope = scope(&mut client, fields);
            assert_lines(&scope, &["client -", "scheme http", "authority inside"]);
        }
    }
}

fn a_header_may_come_in_pieces(subject: &Subject) {
    let server = proxied(subject, &[]);
    for header in [V1, V2] {
        for cut in [1, 5, 12, 13, header.len() - 1] {
            let mut client = server.connect();
            client.send(&header[..cut]);
            // So that what came is read before the rest comes.
            let _ = ask(&server, "/conformance/hello");
            client.send(&header[cut..]);
            assert_lines(&scope(&mut client, ""), &["client 192.0.2.1:5000"]);
        }
        let mut client = server.connect();
        client.send_each_byte(header);
        assert_lines(&scope(&mut client, ""), &["client 192.0.2.1:5000"]);
    }
}

/// What a connection of its own gets, behind a header.
fn ask(server: &Server, path: &str) -> String {
    let mut client = server.connect();
    client.send(LOCAL);
    client.get(path).text().to_owned()
}

fn nothing_behind_a_header_is_lost(subject: &Subject) {
    let server = proxied(subject, &[]);
    let body = "x".repeat(100_000);
    let request = format!(
        "POST /conformance/collect/200000 HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for header in [V1, V2] {
        let mut client = server.connect();
        client.send([header, request.as_bytes()].concat());
        assert_eq!(client.read_response().text(), body);
    }
}

fn a_second_header_is_no_header(subject: &Subject) {
    let server = proxied(subject, &[]);
    // CVE-2026-47737.
    for second in [V1, V2] {
        let mut client = server.connect();
        client.send(V1);
        assert_lines(&scope(&mut client, ""), &["client 192.0.2.1:5000"]);
        client.send(
            [
                second,
                b"GET /conformance/scope HTTP/1.1\r\nhost: a\r\n\r\n",
            ]
            .concat(),
        );
        assert_eq!(client.read_response().status, 400);
        client.expect_gone();
    }
    let mut client = server.connect();
    client.send([V1, V1].concat());
    assert_eq!(client.read_response().status, 400);
    client.expect_gone();
}

fn what_is_no_header_ends_the_connection(subject: &Subject) {
    let server = proxied(subject, &[]);
    let endless = [b"PROXY ", &[b'x'; 4000][..]].concat();
    for bytes in [
        &b"GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        b"PROXY TCP4 6.6.6.6\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 443\n",
        // CVE-2026-47736.
        &endless,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
        b"\x16\x03\x01\x02\0\x01\n\n",
    ] {
        let mut client = server.connect();
        // It may be gone before it has all of it.
        let _ = client.try_send(bytes);
        client.expect_gone();
    }
    assert_eq!(ask(&server, "/conformance/hello"), "Hello, world!");
}

fn a_header_that_does_not_end_is_given_up(subject: &Subject) {
    let arguments = [
        "--handshake-timeout",
        "300ms",
        "--head-timeout",
        "1h",
        "--idle-timeout",
        "1h",
    ];
    let server = proxied(subject, &arguments);
    let mut silent = server.connect();
    let mut begun = server.connect();
    begun.send(&V1[..20]);
    let mut cut_off = server.connect();
    cut_off.send(&V2[..20]);
    cut_off.half_close();
    for client in [&mut silent, &mut begun, &mut cut_off] {
        client.expect_gone();
    }
    assert_eq!(ask(&server, "/conformance/hello"), "Hello, world!");
}

fn peers_that_say_no_header_keep_nobody_out(subject: &Subject) {
    let arguments = ["--handshake-timeout", "1h", "--connections", "4"];
    let server = proxied(subject, &arguments);
    let silent: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    assert_eq!(ask(&server, "/conformance/hello"), "Hello, world!");
    drop(silent);
}

fn only_trusted_proxies_may_say_headers(subject: &Subject) {
    let arguments = [
        "--proxy-protocol",
        "required",
        "--trusted-proxy",
        "192.0.2.0/24",
    ];
    let server = subject.start_with(Options::new().arguments(&arguments));
    for _ in 0..2 {
        let mut client = server.connect();
        let _ = client.try_send(V1);
        client.expect_gone();
    }
    let said = server.wait_for_log("--trusted-proxy");
    assert!(said.contains("127.0.0.1"), "{said}");
    let all = server.log().join("\n");
    assert_eq!(
        all.matches("--trusted-proxy").count(),
        1,
        "once is enough: {all}"
    );
}

fn tls_comes_behind_the_header(subject: &Subject) {
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let (certificate, key): (PathBuf, PathBuf) =
        authority.server(&["localhost"]).write(&folder, "server");
    let files = ["--tls-cert", text(&certificate), "--tls-key", text(&key)];
    let server = proxied(subject, &files);
    for header in [V1, V2] {
        let mut socket = TcpStream::connect(server.address()).expect("it listens");
        std::io::Write::write_all(&mut socket, header).expect("it is taken");
        let config = authority.trusted_by(&[]);
        let mut client = Client::begin_tls(socket, &config, "localhost").expect("a handshake");
        let scope = scope(&mut client, "");
        assert_lines(&scope, &["client 192.0.2.1:5000", "scheme https"]);
        assert!(scope.contains("\ntls 0x0304 "), "{scope}");
    }
}

fn contradictions_are_said_in_one_line(subject: &Subject) {
    for (arguments, place, mend) in [
        (
            &["--proxy-protocol", "required"][..],
            "proxy-protocol",
            "name the proxies",
        ),
        (&["--trusted-proxy", "*"], "--trusted-proxy", "10.0.0.0/8"),
        (
            &["--trusted-proxy", "10.1.0.0/8"],
            "--trusted-proxy",
            "10.0.0.0/8",
        ),
        (&["--root-path", "api/"], "--root-path", "/api"),
        (&["--proxy-fields", "all"], "--proxy-fields", "x-forwarded"),
    ] {
        let mut server = subject.launch(Options::new().arguments(arguments));
        assert_eq!(server.wait().code(), Some(2), "{arguments:?}");
        let [line] = &server.log()[..] else {
            panic!("{arguments:?}: {:?}", server.log());
        };
        assert!(line.contains(place) && line.contains(mend), "{line}");
    }
}
