//! The drain: SIGTERM and SIGINT, and what they leave whole (SRV-4, SRV-16, WS-18).

use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::Message;

use super::{chapter, websocket};
use crate::client::PATIENCE;
use crate::response::Method;
use crate::server::{Options, Signal, Subject};

chapter! {
    an_idle_server_ends_at_once: "SRV-16";
    idle_connections_do_not_hold_it: "SRV-16";
    a_body_that_nobody_reads_does_not_hold_it: "SRV-16", "SRV-6";
    a_head_that_does_not_end_does_not_hold_it: "SRV-16", "SRV-14";
    a_head_that_has_begun_is_served: "SRV-16";
    a_streamed_answer_ends_whole: "SRV-4", "SRV-16";
    the_request_at_work_is_answered_and_its_connection_closed: "SRV-16";
    nobody_new_is_served: "SRV-16";
    a_websocket_says_goodbye: "SRV-4", "WS-18", "WS-19";
    a_websocket_that_stays_is_closed_by_the_server: "WS-18", "WS-13";
    an_exchange_that_stays_is_ended_with_the_grace: "SRV-1", "SRV-2", "SRV-16";
    a_second_signal_forces_the_end: "SRV-16";
    work_after_the_answer_is_waited_for: "SRV-9";
}

fn an_idle_server_ends_at_once(subject: &Subject) {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = subject.start();
        assert_eq!(server.connect().get("/conformance/hello").status, 200);
        let start = Instant::now();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{signal:?}");
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{signal:?} took {:?}",
            start.elapsed()
        );
    }
}

fn a_body_that_nobody_reads_does_not_hold_it(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("POST /conformance/early HTTP/1.1\r\nhost: a\r\ncontent-length: 90\r\n\r\nabc");
    assert_eq!(client.read_response().text(), "early");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    // Far more than it lingers, and far less than the grace.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(12), "it took {took:?}");
}

fn idle_connections_do_not_hold_it(subject: &Subject) {
    let mut server = subject.start();
    let mut used = server.connect();
    assert_eq!(used.get("/conformance/hello").status, 200);
    // hyper#3576: browsers connect ahead and send nothing.
    let mut silent = server.connect();
    // Asked over another connection, so that the server has accepted those two.
    let _ = server.ask("/conformance/hello");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
    used.expect_gone();
    silent.expect_gone();
}

fn a_head_that_does_not_end_does_not_hold_it(subject: &Subject) {
    let mut server = subject.start();
    let mut first = server.connect();
    first.send("GET /conformance/hello HTTP/1.1\r\nho");
    let mut second = server.connect();
    assert_eq!(second.get("/conformance/hello").status, 200);
    second.send("GET /conformance/hello HTTP/1.1\r\nho");
    let mut short = server.connect();
    // As long as it may be the beginning of HTTP/2.
    short.send("P");
    let _ = server.ask("/conformance/hello");
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
    for mut client in [first, second, short] {
        let (answer, _) = client.read_to_end();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "),
            "{}",
            answer.escape_ascii()
        );
    }
}

fn a_head_that_has_begun_is_served(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    // Its application says when the worker drains.
    let mut open = server.connect();
    open.send("GET /conformance/drain HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(open.read_head().status, 200);
    let mut first = server.connect();
    first.send("GET /conformance/hello HTTP/1.1\r\nho");
    let mut second = server.connect();
    assert_eq!(second.get("/conformance/hello").status, 200);
    second.send("GET /conformance/hello HTTP/1.1\r\nho");
    let _ = server.ask("/conformance/hello");
    server.signal(Signal::TERM);
    let _ = server.wait_for_log("peer: draining");
    for client in [&mut first, &mut second] {
        client.send("st: a\r\n\r\n");
        let response = client.read_response();
        assert_eq!(response.status, 200);
        assert!(response.closes(), "the client is told");
        client.expect_end();
    }
    assert_eq!(server.wait().code(), Some(0));
}

fn a_streamed_answer_ends_whole(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/drain HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk(), b"open\n");
    server.signal(Signal::TERM);
    for n in 0..3 {
        assert_eq!(client.read_chunk(), format!("drained {n}\n").into_bytes());
    }
    assert_eq!(client.read_chunk(), b"", "the stream ends whole");
    assert_eq!(server.wait().code(), Some(0));
}

fn the_request_at_work_is_answered_and_its_connection_closed(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/drain/answer HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/drain/1"), "waiting");
    server.signal(Signal::TERM);
    let response = client.read_response();
    assert_eq!(response.text(), "answered while draining");
    assert!(
        response.closes(),
        "clients are told not to use the connection again"
    );
    client.expect_end();
    assert_eq!(server.wait().code(), Some(0));
}

fn nobody_new_is_served(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/drain HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    server.signal(Signal::TERM);
    let _ = server.wait_for_log("peer: draining");
    if let Ok(stream) = TcpStream::connect_timeout(&server.address(), PATIENCE) {
        drop(stream);
    }
    // The connection's next request is not served either: the response says so or the connection ends.
    let _ = client.try_send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    while !client.read_chunk().is_empty() {}
    let _ = client.read_bytes(2);
    assert!(
        client.try_read_response(Method::Other).is_err(),
        "a request after the drain was served"
    );
    assert_eq!(server.wait().code(), Some(0));
}

fn a_websocket_says_goodbye(subject: &Subject) {
    let mut server = subject.start();
    let mut socket = websocket::open(&server, "/conformance/ws/goodbye");
    assert_eq!(websocket::text(&mut socket), "ready");
    for n in 0..10 {
        socket
            .send(Message::text(format!("message {n}")))
            .expect("the socket is open");
    }
    for n in 0..10 {
        assert_eq!(websocket::text(&mut socket), format!("message {n}"));
    }
    server.signal(Signal::TERM);
    for expected in ["last 0", "last 1", "last 2", "goodbye"] {
        assert_eq!(websocket::text(&mut socket), expected);
    }
    assert_eq!(websocket::close_code(&mut socket), 1001);
    assert_eq!(server.wait().code(), Some(0));
}

fn a_websocket_that_stays_is_closed_by_the_server(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut socket = websocket::open(&server, "/conformance/ws/stay");
    assert_eq!(websocket::text(&mut socket), "ready");
    server.signal(Signal::TERM);
    assert_eq!(websocket::close_code(&mut socket), 1012);
    let _ = server.wait();
    let log = server.log().join("\n");
    assert!(
        log.contains("Shutdown"),
        "the application was not told: {log}"
    );
}

fn an_exchange_that_stays_is_ended_with_the_grace(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut client = server.connect();
    client.send("GET /conformance/drain/ignored HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_chunk(), b"open\n");
    let start = Instant::now();
    server.signal(Signal::TERM);
    let (rest, _) = client.read_to_end();
    let cut = start.elapsed();
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "what is cut off must not look whole"
    );
    let _ = server.wait();
    let ended = start.elapsed();
    assert!(
        ended < Duration::from_secs(6),
        "the grace was not kept: {ended:?}"
    );
    let log = server.log().join("\n");
    assert!(
        log.contains("peer: gone by Shutdown"),
        "the application was not told"
    );
    let told = log.split_once("the deadline is in ").and_then(|(_, rest)| {
        let (milliseconds, _) = rest.split_once(" ms")?;
        milliseconds.parse().ok().map(Duration::from_millis)
    });
    let told = told.expect("the application logs its deadline");
    assert!(
        cut + Duration::from_millis(50) >= told,
        "the application was told of {told:?} and cut off after {cut:?}"
    );
}

fn a_second_signal_forces_the_end(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "60"]));
    let mut client = server.connect();
    client.send("GET /conformance/drain/ignored HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    server.signal(Signal::TERM);
    // Its log shows that the first was taken: two that come at once are one.
    let _ = server.wait_for_log("shutting down");
    let start = Instant::now();
    server.signal(Signal::TERM);
    let status = server.wait();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        start.elapsed()
    );
    assert_ne!(status.code(), Some(0), "a forced end is no success");
}

fn work_after_the_answer_is_waited_for(subject: &Subject) {
    let mut server = subject.start();
    assert_eq!(
        server.connect().get("/conformance/drain/work").text(),
        "answered"
    );
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        server.log().join("\n").contains("peer: the work has ended"),
        "the work was dropped"
    );
}
