//! What clients see of the stack.

use std::net::TcpStream;

use conformance::{Client, Response, Server, Signal, Subject};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::app::{HOST, ORIGIN};

/// A name, and what is done with a server of either kind.
type Test = (&'static str, fn(&Subject));

pub(crate) const TESTS: &[Test] = &[
    ("the_application_sees_its_part_of_all", sees),
    ("every_answer_has_the_fields_whoever_gives_it", fields),
    ("errors_are_logged_once_and_with_the_answer_given", errors),
    ("a_connection_outlives_a_panic", panics),
    ("a_preflight_is_answered", preflight),
    ("hosts_that_are_not_served_are_misdirected", hosts),
    ("what_is_refused_is_the_second_s_with_its_body", falls_back),
    (
        "a_declared_length_over_the_limit_is_refused_unasked",
        declared,
    ),
    ("a_streamed_body_over_the_limit_is_too_large", streamed),
    ("an_answer_that_never_comes_is_503", never),
    ("an_answer_that_never_ends_is_cut_off", never_ends),
    ("the_work_for_a_client_that_resets_is_dropped", resets),
    (
        "the_work_for_a_client_that_half_closes_is_dropped",
        half_closes,
    ),
    (
        "a_stream_to_a_client_that_leaves_is_dropped",
        leaves_a_stream,
    ),
    ("a_tunnel_goes_through_all_of_it", tunnel),
    ("sockets_go_through_all_of_it", sockets),
    ("sockets_of_foreign_pages_are_denied", foreign_sockets),
    (
        "a_socket_whose_time_is_up_is_closed",
        sockets_that_never_close,
    ),
    ("every_event_is_logged", log),
    ("the_lifespan_of_a_mounted_application_runs", lifespan),
];

/// A request to the host that is served, from a page of the origin.
fn request(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\norigin: {ORIGIN}\r\n{more}\r\n")
}

fn get(client: &mut Client, path: &str) -> Response {
    client.send(request("GET", path, ""));
    client.read_response()
}

/// Waits until so much work was begun or dropped.
fn wait_for(server: &Server, what: &str) {
    assert_eq!(get(&mut server.connect(), what).text(), "so it is");
}

/// That a page may read it, and that it can be found in the log.
#[track_caller]
fn check(response: &Response, status: u16, text: &str) {
    assert_eq!((response.status, response.text()), (status, text));
    assert_eq!(response.field("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(
        response.field("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(response.field("vary"), Some("origin"));
    assert_eq!(response.field("x-request-id").map(str::len), Some(32));
}

fn sees(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = get(&mut client, "/app/see");
    let id = response
        .field("x-request-id")
        .unwrap_or_default()
        .to_owned();
    check(
        &response,
        200,
        &format!("/see below /app; made at startup; {id}"),
    );
    let other = get(&mut client, "/app/see");
    assert_ne!(other.field("x-request-id"), Some(&*id));
}

fn fields(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    check(
        &get(&mut client, "/app/fail"),
        500,
        "500 Internal Server Error\n",
    );
    check(&get(&mut client, "/app/panic"), 500, "<h1>oops</h1>");
    check(&get(&mut client, "/app/else"), 200, "second, 0 bytes");
    check(&get(&mut client, "/elsewhere"), 404, "");
    check(&get(&mut client, "/app/see%2F"), 200, "second, 0 bytes");
    // No page may read it, and a cache must know that another page may.
    client.send(format!(
        "GET /app/see HTTP/1.1\r\nhost: {HOST}\r\norigin: https://evil.example\r\n\r\n"
    ));
    let response = client.read_response();
    assert_eq!(response.status, 200);
    assert_eq!(response.field("access-control-allow-origin"), None);
    assert_eq!(response.field("vary"), Some("origin"));
}

fn errors(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        check(
            &get(&mut client, "/app/fail"),
            500,
            "500 Internal Server Error\n",
        );
    }
    drop(client);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let is_error = |line: &&String| line.contains("it broke") && line.contains("ERROR");
    assert_eq!(server.log().iter().filter(is_error).count(), 2);
}

fn panics(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        check(&get(&mut client, "/app/panic"), 500, "<h1>oops</h1>");
    }
    drop(client);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let is_error = |line: &&String| line.contains("ERROR");
    assert_eq!(server.log().iter().find(is_error), None, "it was handled");
}

fn preflight(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let asking = "access-control-request-method: PUT\r\n";
    client.send(request("OPTIONS", "/app/see", asking));
    let response = client.read_response();
    check(&response, 204, "");
    client.send(request("OPTIONS", "*", asking));
    check(&client.read_response(), 204, "");
}

fn hosts(subject: &Subject) {
    let server = subject.start();
    let ask = |host: &str| {
        let mut client = server.connect();
        client.send(format!("GET /app/see HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        client.read_response().status
    };
    assert_eq!(ask(HOST), 200);
    assert_eq!(ask(&format!("{}.:8000", HOST.to_uppercase())), 200);
    assert_eq!(ask("evil.example"), 421);
    assert_eq!(ask("site.example.evil.example"), 421);
    assert_eq!(ask("[::1]:80"), 421);
    // By the server or by us: it is no host.
    assert_eq!(ask("site.example:port"), 400);
    assert_eq!(ask("user@site.example"), 400);
}

fn falls_back(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request("POST", "/app/else", "content-length: 5\r\n"));
    client.send("12345");
    check(&client.read_response(), 200, "second, 5 bytes");
    client.send(request(
        "POST",
        "/app/else",
        "transfer-encoding: chunked\r\n",
    ));
    client.send("3\r\n123\r\n2\r\n45\r\n0\r\n\r\n");
    check(&client.read_response(), 200, "second, 5 bytes");
    check(&get(&mut client, "/app/else"), 200, "second, 0 bytes");
}

fn declared(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request(
        "POST",
        "/app/upload",
        "content-length: 11\r\nexpect: 100-continue\r\n",
    ));
    // The first that comes is the answer, and no 100.
    let response = client.read_response();
    check(&response, 413, "413 Payload Too Large\n");

    let mut client = server.connect();
    client.send(request("POST", "/app/upload", "content-length: 10\r\n"));
    client.send("0123456789");
    check(&client.read_response(), 200, "10");
}

fn streamed(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request(
        "POST",
        "/app/upload",
        "transfer-encoding: chunked\r\n",
    ));
    client.send("5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n");
    check(&client.read_response(), 200, "10");
    client.send(request(
        "POST",
        "/app/upload",
        "transfer-encoding: chunked\r\n",
    ));
    client.send("5\r\n01234\r\n6\r\n56789+\r\n");
    check(&client.read_response(), 413, "413 Payload Too Large\n");
    // What the client still sends is thrown away, and is not the next request.
    client.send("5\r\n01234\r\n0\r\n\r\n");
    assert_eq!(get(&mut client, "/app/see").status, 200);
}

fn never(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    check(
        &get(&mut client, "/never"),
        503,
        "503 Service Unavailable\n",
    );
    // The connection goes on.
    assert_eq!(get(&mut client, "/app/see").status, 200);
    let line = server.wait_for_log("did not begin its answer in time");
    assert!(line.contains("WARN"), "{line}");
}

fn never_ends(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request("GET", "/never/ends", ""));
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk(), b"begun");
    client.expect_gone();
}

fn resets(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request("GET", "/app/watch", ""));
    wait_for(&server, "/report/begun/1");
    client.reset();
    wait_for(&server, "/report/dropped/1");
}

fn half_closes(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request("GET", "/app/watch", ""));
    wait_for(&server, "/report/begun/1");
    client.half_close();
    wait_for(&server, "/report/dropped/1");
    client.expect_gone();
}

fn leaves_a_stream(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(request("GET", "/app/watch-stream", ""));
    assert_eq!(client.read_head().status, 200);
    wait_for(&server, "/report/begun/1");
    drop(client);
    wait_for(&server, "/report/dropped/1");
}

fn tunnel(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let upgrade = "connection: upgrade\r\nupgrade: echo\r\n";
    client.send(request("GET", "/app/tunnel", upgrade));
    let head = client.read_head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("x-request-id").map(str::len), Some(32));
    client.send("more than the ten bytes of a body");
    assert_eq!(client.read_bytes(33), b"more than the ten bytes of a body");
    client.half_close();
    assert_eq!(client.read_bytes(3), b"bye");
    client.expect_end();
}

type Opened = (
    WebSocket<TcpStream>,
    tungstenite::handshake::client::Response,
);

fn open(server: &Server, path: &str, origin: Option<&str>) -> Result<Opened, u16> {
    let request = format!("ws://{HOST}{path}").into_client_request();
    let mut request = request.expect("it is a URL");
    if let Some(origin) = origin {
        let origin = origin.parse().expect("it is a field's value");
        request.headers_mut().insert("origin", origin);
    }
    let stream = server.connect().into_stream();
    tungstenite::client(request, stream).map_err(|error| match error {
        tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response)) => {
            assert!(response.headers().contains_key("x-request-id"));
            response.status().as_u16()
        }
        other => panic!("{other}"),
    })
}

fn sockets(subject: &Subject) {
    let server = subject.start();
    // By the first, and by the second after the first denied it.
    for path in ["/app/echo", "/app/else"] {
        for origin in [None, Some(ORIGIN), Some("http://site.example")] {
            let (mut socket, response) = open(&server, path, origin).expect("it is let in");
            assert!(response.headers().contains_key("x-request-id"));
            let message = Message::text("through all of it, and longer than a body");
            socket.send(message.clone()).expect("it is open");
            assert_eq!(socket.read().expect("it answers"), message);
            socket.close(None).expect("it is open");
            while socket.read().is_ok() {}
        }
    }
    assert_eq!(open(&server, "/elsewhere", None).err(), Some(404));
}

fn foreign_sockets(subject: &Subject) {
    let server = subject.start();
    for origin in ["https://evil.example", "null", "http://site.example:8000"] {
        let denied = open(&server, "/app/echo", Some(origin)).err();
        assert_eq!(denied, Some(403), "{origin}");
    }
}

fn sockets_that_never_close(subject: &Subject) {
    let server = subject.start();
    let (mut socket, _) = open(&server, "/sockets", None).expect("it is let in");
    let mut read = socket.read();
    // The server's own, should it come before.
    if let Ok(Message::Ping(_)) = read {
        read = socket.read();
    }
    match read {
        Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 1011),
        other => panic!("{other:?} instead of a close frame"),
    }
}

fn log(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let path = "/app/see?secret=1";
    assert_eq!(get(&mut client, path).status, 200);
    let called = server.wait_for_log("GET /app/see?(8 bytes) HTTP/1.1, 2 fields, no body");
    assert!(called.contains("DEBUG adapters::events: #"), "{called}");
    let sent = server.wait_for_log("Sent: start 200, 5 fields, ");
    assert!(sent.contains(" bytes, the end"), "{sent}");
    server.wait_for_log("Ended: done");
}

fn lifespan(subject: &Subject) {
    let mut server = subject.start();
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let log = server.log();
    assert!(log.iter().any(|line| line == "stopped in order"));
    for event in [
        "Sent: started with",
        "Received: the shutdown was requested",
        "Sent: stopped",
    ] {
        assert!(log.iter().any(|line| line.contains(event)), "{event}");
    }
}
