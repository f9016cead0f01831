//! What a server bears: panics at every point, applications that never return, exhaustion, many requests, a long time.

use std::time::Duration;

use super::chapter;
use crate::client::{Client, PATIENCE};
use crate::peer::{PANICS_AFTER, PANICS_BEFORE};
use crate::response::Method;
use crate::server::{Options, Server, Signal, Subject};

chapter! {
    a_panic_before_the_answer_is_a_500: "SRV-7", "APP-6";
    a_panic_within_the_answer_cuts_it_off: "SRV-7", "HTTP-29";
    a_panic_after_the_answer_takes_nothing_back: "SRV-7", "SRV-9";
    a_panic_in_a_tunnel_ends_it: "SRV-7", "HTTP-32";
    an_application_that_never_answers_is_left_alone: "SRV-1", "SRV-2";
    an_application_that_never_returns_is_dropped_with_the_grace: "SRV-1", "SRV-16";
    an_early_answer_with_an_unread_body_goes_on_or_closes: "SRV-6", "HTTP-14";
    a_flood_beyond_the_descriptors_loses_nobody: "SRV-2", "HTTP-1";
    a_hundred_thousand_requests_on_one_connection: "HTTP-2", "SRV-9";
    memory_is_flat_over_a_soak: "SRV-5", "SCOPE-1";
}

/// A request with a body that is there at once.
fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
}

#[track_caller]
fn still_serves(server: &Server, after: &str) {
    let answer = server.connect().get("/conformance/hello");
    assert_eq!(
        (answer.status, answer.text()),
        (200, "Hello, world!"),
        "after {after}"
    );
}

fn a_panic_before_the_answer_is_a_500(subject: &Subject) {
    let server = subject.start();
    for point in PANICS_BEFORE {
        let mut client = server.connect();
        client.send(post(&format!("/conformance/panic/{point}")));
        let mut answer = client.read_response();
        if answer.status == 103 {
            answer = client.read_response();
        }
        assert_eq!(answer.status, 500, "{point}");
        assert!(
            !answer.text().contains("on purpose"),
            "{point}: the answer has details"
        );
        still_serves(&server, point);
    }
}

fn a_panic_within_the_answer_cuts_it_off(subject: &Subject) {
    let server = subject.start();
    for point in PANICS_AFTER {
        let mut client = server.connect();
        client.send(post(&format!("/conformance/panic/{point}")));
        let cut = client.try_read_response(Method::Other);
        let cut = cut.expect_err("it cannot be whole");
        let begun = cut.response.is_some_and(|response| response.status == 200);
        assert!(begun, "{point}: {}", cut.why);
        still_serves(&server, point);
    }
}

fn a_panic_after_the_answer_takes_nothing_back(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(post("/conformance/panic/finished"));
    assert_eq!(client.read_response().text(), "finished");
    still_serves(&server, "finished");
}

fn a_panic_in_a_tunnel_ends_it(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/panic/tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.read_head().status, 101);
    let (rest, _) = client.read_to_end();
    assert_eq!(rest, b"open", "what was accepted before");
    still_serves(&server, "tunnel");
}

fn an_application_that_never_answers_is_left_alone(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/never HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/never/1"), "waiting");
    client.reset();
    // It is told, and still not dropped: its guard would say so.
    let said = server.ask("/conformance/report/never/2");
    assert!(said.contains("gone"), "{said}");
    still_serves(&server, "a client that left it");
    assert_eq!(
        server.ask("/conformance/report/never/0").lines().count(),
        2,
        "it was dropped"
    );
}

fn an_application_that_never_returns_is_dropped_with_the_grace(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut client = server.connect();
    client.send("GET /conformance/never HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/never/1"), "waiting");
    server.signal(Signal::TERM);
    // There may be time for an answer that says so.
    let (received, end) = client.read_until_quiet(PATIENCE);
    assert!(end.is_some(), "the connection was left open");
    assert!(
        received.is_empty() || received.starts_with(b"HTTP/1.1 503 "),
        "{}",
        received.escape_ascii()
    );
    // That it had to be forced is no success (LIFE-7 says what is).
    let _ = server.wait();
    let log = server.log().join("\n");
    assert!(
        log.contains("peer: dropped"),
        "its future was not dropped:\n{log}"
    );
}

fn an_early_answer_with_an_unread_body_goes_on_or_closes(subject: &Subject) {
    let server = subject.start();
    for (size, sent) in [
        (100_usize, 100),
        (100_000, 100_000),
        (10_000_000, 10_000_000),
        (10_000_000, 10),
    ] {
        let mut client = server.connect();
        let head = format!(
            "POST /conformance/early HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
        );
        client.send(head);
        // A server that closes after its answer does not take all of it.
        let _ = client.try_send(vec![b'x'; sent]);
        let answer = client.read_response();
        assert_eq!(
            (answer.status, answer.text()),
            (200, "early"),
            "{sent} of {size} bytes"
        );
        if sent < size {
            continue;
        }
        if client
            .try_send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n")
            .is_ok()
            && let Ok(next) = client.try_read_response(Method::Other)
        {
            assert_eq!(
                next.text(),
                "Hello, world!",
                "after {size} bytes that nobody read"
            );
        }
    }
    still_serves(&server, "early answers");
}

fn a_flood_beyond_the_descriptors_loses_nobody(subject: &Subject) {
    const ROOM: usize = 20;
    let server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    still_serves(&server, "the start");
    server.limit_descriptors(ROOM);
    // The kernel accepts them all; the server has descriptors for some.
    let mut flood: Vec<Client> = (0..3 * ROOM).map(|_| server.connect()).collect();
    for client in &mut flood {
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    // Each that is served makes room for another by leaving.
    for mut client in flood {
        assert_eq!(client.read_response().text(), "Hello, world!");
    }
    still_serves(&server, "the flood");
    let complaints = server
        .log()
        .iter()
        .filter(|line| line.contains("cannot accept"))
        .count();
    // At most one for each pause, of which there are ten in a second.
    assert!(complaints <= 200, "it complained {complaints} times");
}

fn a_hundred_thousand_requests_on_one_connection(subject: &Subject) {
    const BATCH: usize = 100;
    let server = subject.start_with(Options::new().arguments(&["--access-log", "off"]));
    let mut client = server.connect();
    let requests = "GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n".repeat(BATCH);
    for batch in 0..100_000 / BATCH {
        client.send(&requests);
        for n in 0..BATCH {
            let answer = client.read_response();
            assert!(
                answer.status == 200 && answer.body == b"Hello, world!",
                "request {}: {answer:?}",
                batch * BATCH + n
            );
        }
    }
    assert_eq!(
        server.ask("/conformance/report/calls/0").lines().count(),
        100_000,
        "calls of the application"
    );
}

fn memory_is_flat_over_a_soak(subject: &Subject) {
    /// Two rounds warm up buffers and arenas; what the others add is a leak.
    const WARM_UP: usize = 2;
    const ROUNDS: usize = 4;
    /// Of what the allocator keeps for itself. A leak of 100 bytes a connection would show.
    const SLACK_KIB: usize = 512;
    let server =
        subject.start_with(Options::new().arguments(&["--access-log", "off", "--workers", "1"]));
    let mut sizes = Vec::new();
    for _ in 0..WARM_UP + ROUNDS {
        soak(&server);
        // The peer's own reports grow; they are forgotten.
        let _ = server.ask("/conformance/reset");
        sizes.push(server.resident_kib());
    }
    let (before, after) = (sizes[WARM_UP - 1], sizes[WARM_UP + ROUNDS - 1]);
    assert!(
        after <= before + SLACK_KIB,
        "the server's memory grows: {sizes:?} KiB after each round"
    );
}

/// A round: connections that are used well, cut, reset, half-closed, and WebSockets.
fn soak(server: &Server) {
    for n in 0..1500 {
        let mut client = server.connect();
        match n % 5 {
            0 => assert_eq!(client.get("/conformance/hello").status, 200),
            1 => {
                client.send(post("/conformance/read-all"));
                assert_eq!(client.read_response().text(), "hello");
            }
            2 => {
                client.send("POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\nhel");
                client.reset();
            }
            3 => {
                client.send("GET /conformance/hel");
                client.half_close();
                let _ = client.read_until_quiet(Duration::from_secs(5));
            }
            _ => {
                client.send("GET /any HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x03\0\0\0\0abc");
                assert_eq!(client.read_head().status, 101);
            }
        }
    }
}
