//! What a scope is beyond its head: one for each request, and kept as long as somebody has it (SCOPE).

use super::chapter;
use crate::client::Client;
use crate::server::Subject;

chapter! {
    a_scope_outlives_its_exchange_unchanged: "SCOPE-1", "SRV-9";
    each_request_has_a_scope_of_its_own: "SCOPE-1";
    the_version_is_the_one_of_the_wire: "SCOPE-14";
    streams_have_scopes_of_version_2: "SCOPE-14", "SCOPE-1";
    an_extended_connect_names_its_protocol: "SCOPE-13";
    clear_text_is_not_taken_for_tls: "SCOPE-15", "SCOPE-4";
}

fn a_scope_outlives_its_exchange_unchanged(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/kept?first HTTP/1.1\r\nhost: a\r\nx-which: the-first\r\n\r\n");
    let first = client.read_response();
    assert!(first.text().contains("x-which=the-first"));
    // The same connection goes on, with other heads in the same buffers.
    for n in 0..20 {
        let path = "/conformance/scope?".to_owned() + &"z".repeat(10 * n);
        assert_eq!(client.get(&path).status, 200);
    }
    drop(client);
    let _ = server.ask("/conformance/open/kept");
    let kept = server.ask("/conformance/report/kept/1");
    assert_eq!(kept.trim_end(), first.text().trim_end());
}

fn each_request_has_a_scope_of_its_own(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let request =
        |n| format!("GET /conformance/scope?{n} HTTP/1.1\r\nhost: a\r\nx-n-{n}: {n}\r\n\r\n");
    client.send((0..3).map(request).collect::<String>());
    for n in 0..3 {
        let response = client.read_response();
        let described = response.text();
        assert!(described.contains(&format!("query {n}\n")), "{described}");
        let fields = described.lines().filter(|line| line.contains("x-n-"));
        assert_eq!(fields.count(), 1, "only its own fields: {described}");
    }
}

fn the_version_is_the_one_of_the_wire(subject: &Subject) {
    let server = subject.start();
    for version in ["1.0", "1.1"] {
        let mut client = server.connect();
        client.send(format!(
            "GET /conformance/scope HTTP/{version}\r\nhost: a\r\nconnection: close\r\n\r\n"
        ));
        let response = client.read_response();
        let line = format!("version HTTP/{version}\n");
        assert!(response.text().contains(&line), "{}", response.text());
    }
}

fn clear_text_is_not_taken_for_tls(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET https://a/conformance/scope HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: https\r\nx-ssl-client-s-dn: CN=root\r\n\r\n",
    );
    let described = client.read_response();
    for line in ["scheme http\n", "tls -\n"] {
        assert!(described.text().contains(line), "{}", described.text());
    }
}

fn streams_have_scopes_of_version_2(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let get = |path| {
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "a"),
        ]
    };
    client.send(PREFACE);
    client.send(headers(1, &get("/conformance/scope?one")));
    client.send(headers(3, &get("/conformance/scope?three")));
    for _ in 0..2 {
        let (stream, described) = read_stream(&mut client);
        assert!(described.contains("version HTTP/2"), "{described}");
        let query = if stream == 1 {
            "query one\n"
        } else {
            "query three\n"
        };
        assert!(described.contains(query), "{described}");
    }
}

fn an_extended_connect_names_its_protocol(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(PREFACE);
    // The application declines, as a success would begin a tunnel.
    client.send(headers(
        1,
        &[
            (":method", "CONNECT"),
            (":protocol", "a-protocol"),
            (":scheme", "http"),
            (":path", "/conformance/scope/404"),
            (":authority", "a"),
        ],
    ));
    let (_, described) = read_stream(&mut client);
    assert!(described.contains("protocol a-protocol\n"), "{described}");
}

/// What a client of HTTP/2 begins with: the preface and settings that change nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A request without a body. Fields are literals that are not indexed (RFC 7541 section 6.2.2), and short.
fn headers(stream: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("it is short"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    // The stream of a CONNECT stays open: what would follow is the tunnel.
    let is_connect = fields.contains(&(":method", "CONNECT"));
    let end = if is_connect { 0 } else { END_STREAM };
    let length = u8::try_from(block.len()).expect("it is short");
    let mut frame = vec![0, 0, length, HEADERS, END_HEADERS | end, 0, 0, 0, stream];
    frame.append(&mut block);
    frame
}

/// The body of the next stream that ends. The answers fit a frame, so none is lost between two calls.
#[track_caller]
fn read_stream(client: &mut Client) -> (u8, String) {
    let mut bodies = [Vec::new(), Vec::new()];
    loop {
        let head = client.read_bytes(9);
        assert!(!head.starts_with(b"HTTP/"), "it does not speak HTTP/2");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags, stream) = (head[3], head[4], head[8]);
        let payload = client.read_bytes(length);
        assert!(
            kind != RST_STREAM && kind != GOAWAY,
            "the stream or the connection was ended: {}",
            payload.escape_ascii()
        );
        if !matches!(kind, DATA | HEADERS) {
            continue;
        }
        let body = &mut bodies[usize::from(stream > 1)];
        if kind == DATA {
            body.extend_from_slice(&payload);
        }
        if flags & END_STREAM != 0 {
            let text = String::from_utf8(std::mem::take(body)).expect("the peer's bodies are text");
            return (stream, text);
        }
    }
}
