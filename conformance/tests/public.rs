//! What the peer application answers outside of the cases' routes, as testers that others wrote expect it: on both servers.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::thread;

use conformance::{Client, Method, Response, Server, Subject};
use libtest_mimic::{Arguments, Trial};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

type Test = fn(&Subject);

fn main() {
    let tests: [(&str, Test); 11] = [
        ("a_websocket_on_any_path_is_an_echo", websockets),
        ("echo_shows_the_fields", echo),
        ("cookie_shows_the_cookies", cookie),
        ("a_body_comes_back_whatever_the_method", bodies),
        ("a_chunked_body_comes_back", chunked),
        ("a_fault_in_a_body_is_its_answer", fault),
        ("a_body_up_to_the_bound_is_answered_with_its_length", bound),
        ("a_large_body_streams_both_ways_at_once", large),
        ("the_root_is_exactly_ok", root),
        ("anything_else_is_at_least_five_bytes", anything),
        ("special_methods_are_ordinary", special),
    ];
    let program = env!("CARGO_BIN_EXE_conformance");
    let trials = ["raw", "hyper"].into_iter().flat_map(|server| {
        tests.map(|(name, test)| {
            Trial::test(format!("{server}::{name}"), move || {
                test(&Subject::new(
                    server,
                    program,
                    &["peer", "--server", server],
                ));
                Ok(())
            })
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn websockets(subject: &Subject) {
    let server = subject.start();
    for path in ["/", "/echo", "/any/other?path"] {
        let request = format!("ws://{}{path}", server.address()).into_client_request();
        let request = request.expect("the address makes a URL");
        let (mut socket, _) = tungstenite::client(request, server.connect().into_stream())
            .expect("the handshake is accepted");
        for message in [
            Message::text("text"),
            Message::binary(vec![0, 255, 1]),
            Message::text(""),
        ] {
            socket.send(message.clone()).expect("it is open");
            assert_eq!(socket.read().expect("it answers"), message, "{path}");
        }
    }
}

fn echo(subject: &Subject) {
    let server = subject.start();
    let response = ask(
        &server,
        "GET /echo HTTP/1.1\r\nHost: a\r\nX-Mixed-Case: 1\r\nx-twice: 2\r\nx-twice: 3\r\n\r\n",
    );
    let keeps_case = subject.name() == "raw";
    let expected = "Host: a\nX-Mixed-Case: 1\nx-twice: 2\nx-twice: 3\n";
    if keeps_case {
        assert_eq!(response.text(), expected);
    } else {
        let mut lines: Vec<String> = response.text().lines().map(str::to_lowercase).collect();
        lines.sort();
        let mut expected: Vec<String> = expected.lines().map(str::to_lowercase).collect();
        expected.sort();
        assert_eq!(lines, expected);
    }
    let beside_a_body = ask(
        &server,
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
    );
    let text = beside_a_body.text().to_lowercase();
    assert!(text.contains("content-length: 4\n"), "{text}");
}

fn cookie(subject: &Subject) {
    let server = subject.start();
    let response = ask(
        &server,
        "GET /cookie HTTP/1.1\r\nhost: a\r\ncookie: a=1; b=2\r\ncookie: c=\"3\"\r\n\r\n",
    );
    assert_eq!(response.text(), "a=1\nb=2\nc=\"3\"\n");
}

fn bodies(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        for path in ["/", "/any/path?q"] {
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n{path:.1}body!"
            ));
            let response = client.read_response();
            let answer = (response.status, response.text());
            assert_eq!(answer, (200, "/body!"), "{method} {path}");
        }
    }
}

fn chunked(subject: &Subject) {
    let server = subject.start();
    let response = ask(
        &server,
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\na: b\r\n\r\n",
    );
    assert_eq!(response.text(), "abcde");
    let empty = ask(
        &server,
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    assert_eq!((empty.status, empty.text()), (200, ""));
}

/// Its beginning is right, and yet there is no answer but the refusal.
fn fault(subject: &Subject) {
    let server = subject.start();
    for body in [
        "3\r\nabc\r\nx\r\n",
        "3\r\nabc\r\n0;\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(body);
        assert_eq!(client.read_response().status, 400, "{body:?}");
        client.expect_gone();
    }
}

fn bound(subject: &Subject) {
    const BOUND: usize = 1024 * 1024;
    let server = subject.start();
    for (size, coding) in [(BOUND, None), (BOUND + 1, Some("chunked"))] {
        let body = "x".repeat(size);
        let mut client = server.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n{body}"
        ));
        let response = client.read_response();
        assert_eq!(response.field("transfer-encoding"), coding, "{size}");
        let length = size.to_string();
        let length = coding.is_none().then_some(&*length);
        assert_eq!(response.field("content-length"), length, "{size}");
        assert!(response.body == body.as_bytes(), "{size}");
    }
}

fn large(subject: &Subject) {
    const SIZE: usize = 10 * 1024 * 1024;
    let server = subject.start();
    let body: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
    let stream = server.connect().into_stream();
    let mut sending = stream.try_clone().expect("a socket can be shared");
    let mut receiving = stream;
    let (received, sent) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let head = format!("POST /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {SIZE}\r\n\r\n");
            sending.write_all(head.as_bytes())?;
            sending.write_all(&body)
        });
        let mut received = Vec::new();
        let read = receiving.read_to_end(&mut received);
        (read.map(|_| received), sender.join())
    });
    sent.expect("the sender does not panic")
        .expect("all is taken");
    let received = dechunked(&received.expect("all comes back"));
    assert!(received == body, "{} bytes came back", received.len());
}

/// The data of a chunked response, without its head.
fn dechunked(wire: &[u8]) -> Vec<u8> {
    let find = |from: usize, what: &[u8]| {
        let rest = &wire[from..];
        let at = rest.windows(what.len()).position(|window| window == what);
        from + at.expect("it is there")
    };
    let mut at = find(0, b"\r\n\r\n") + 4;
    let mut data = Vec::new();
    loop {
        let line = find(at, b"\r\n");
        let size = str::from_utf8(&wire[at..line]).expect("a size is text");
        let size = usize::from_str_radix(size, 16).expect("a size is a number");
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&wire[line + 2..line + 2 + size]);
        at = line + 2 + size + 2;
    }
}

fn root(subject: &Subject) {
    let server = subject.start();
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /?query HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    ] {
        let response = ask(&server, request);
        assert_eq!((response.status, response.text()), (200, "OK"), "{request}");
    }
}

fn anything(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for start in [
        "GET /other",
        "GET //",
        "POST /",
        "PUT /",
        "DELETE /x",
        "BREW /",
    ] {
        client.send(format!("{start} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let response = client.read_response();
        assert_eq!(response.status, 200, "{start}");
        assert!(response.body.len() >= 5, "{start}: {}", response.text());
    }
}

/// OPTIONS of the server, HEAD and TRACE are methods as others; what a CONNECT asks for, nobody here is.
fn special(subject: &Subject) {
    let server = subject.start();
    let options = ask(&server, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(options.status == 200 && options.body.len() >= 5);
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = client.read_response_to(Method::Head);
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("2"))
    );
    let trace = ask(
        &server,
        "TRACE / HTTP/1.1\r\nhost: a\r\ncookie: secret=1\r\n\r\n",
    );
    assert_eq!(trace.status, 200);
    assert!(!trace.text().contains("secret"), "what TRACE would reflect");
    let connect = ask(
        &server,
        "CONNECT example.test:443 HTTP/1.1\r\nhost: example.test:443\r\n\r\n",
    );
    assert_eq!(connect.status, 501);
}

#[track_caller]
fn ask(server: &Server, request: &str) -> Response {
    let mut client: Client = server.connect();
    client.send(request);
    client.read_response()
}
