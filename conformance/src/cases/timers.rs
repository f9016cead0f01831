//! Every wait on a client has an end (SRV-14). The times are set short; none is waited for by sleeping.

use std::time::{Duration, Instant};

use super::chapter;
use super::websocket::{BINARY, CLOSE, FIN, PING, PONG, TEXT, frame, raw, read_frame};
use crate::client::Client;
use crate::response::Method;
use crate::server::{Options, Server, Subject};

chapter! {
    a_client_that_sends_nothing_is_closed: "SRV-14";
    a_head_that_trickles_is_408: "SRV-14";
    hundreds_of_slow_heads_hold_nobody_up: "SRV-14", "SRV-2";
    an_idle_connection_is_closed: "SRV-14";
    an_idle_connection_is_used_until_then: "SRV-14", "HTTP-2";
    each_head_has_its_own_time: "SRV-14", "HTTP-2";
    a_body_that_stops_is_408: "SRV-14", "HTTP-7";
    a_client_that_does_not_read_is_given_up: "SRV-14", "SRV-2";
    an_application_that_takes_long_is_not_hurried: "SRV-14", "SRV-1";
    a_slow_reader_gets_the_last_answer_whole: "SRV-14", "SRV-6";
    a_silent_websocket_is_pinged_and_given_up: "WS-9", "SRV-14";
    a_websocket_that_says_anything_stays: "WS-9";
    a_websocket_that_is_not_received_stays: "WS-9", "WS-17";
    a_close_frame_is_not_waited_for_for_ever: "WS-19", "SRV-14";
    a_websocket_that_closes_and_does_not_read_is_given_up: "WS-19", "SRV-14";
}

/// The settings of all cases here, in milliseconds.
const TIMES: &str = "head=400,idle=1500,body=500,write=500,linger=100";

/// Those of WebSockets, and of the requests that they were, which are not theirs.
const SOCKET_TIMES: &str = "head=400,idle=400,ping=300,pong=600,close=500,write=1000,linger=200";

fn start_for_sockets(subject: &Subject) -> Server {
    subject.start_with(Options::new().environment(crate::TIMEOUTS, SOCKET_TIMES))
}

fn start(subject: &Subject) -> Server {
    subject.start_with(Options::new().environment(crate::TIMEOUTS, TIMES))
}

/// Fewer than a server with a thread for each connection has, which takes no more.
const SLOW_HEADS: usize = 400;

/// Some of the clients of an attack that keeps heads open without end ("slow loris"): each has begun one, and goes on when it is told to.
fn slow_heads(server: &Server, count: usize) -> Vec<Client> {
    let begun = |_| {
        let mut client = server.connect();
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\nx-slow: ");
        client
    };
    (0..count).map(begun).collect()
}

/// They are waited for, each with its own time, and others are served meanwhile; those that come to an end are served too.
fn hundreds_of_slow_heads_hold_nobody_up(subject: &Subject) {
    let patient = "head=60000,idle=60000,body=500,write=500,linger=100";
    let server = subject.start_with(Options::new().environment(crate::TIMEOUTS, patient));
    let mut slow = slow_heads(&server, SLOW_HEADS);
    let mut client = server.connect();
    for _ in 0..100 {
        for head in &mut slow[..10] {
            head.send("y");
        }
        assert_eq!(client.get("/conformance/hello").text(), "Hello, world!");
    }
    assert_eq!(
        server.connect().get("/conformance/hello").text(),
        "Hello, world!"
    );
    for mut head in slow {
        head.send("\r\n\r\n");
        assert_eq!(head.read_response().text(), "Hello, world!");
    }
}

/// How long it takes until the server ends the connection.
fn until_closed(client: &mut Client) -> Duration {
    let start = Instant::now();
    client.expect_gone();
    start.elapsed()
}

#[track_caller]
fn assert_not_before(took: Duration, milliseconds: u64) {
    // Timers are coarse and may be late; early they must not be.
    assert!(
        took >= Duration::from_millis(milliseconds),
        "it took only {took:?}"
    );
}

fn a_client_that_sends_nothing_is_closed(subject: &Subject) {
    let server = start(subject);
    let took = until_closed(&mut server.connect());
    assert_not_before(took, 350);
}

fn a_head_that_trickles_is_408(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    let start = Instant::now();
    // CVE-2007-6750: a byte now and then must not keep the connection.
    let head = "GET / HTTP/1.1\r\nhost: a\r\nx: ".to_owned() + &"a".repeat(100_000);
    let mut head = head.bytes();
    while start.elapsed() < Duration::from_secs(10) {
        let byte = [head.next().unwrap_or(b'a')];
        if client.try_send(byte).is_err() || client.poll_read(Duration::from_millis(50)) {
            break;
        }
    }
    let (received, _) = client.read_to_end();
    assert_not_before(start.elapsed(), 350);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "the trickle was let go on"
    );
    let answered = received.starts_with(b"HTTP/1.1 408 ");
    assert!(
        received.is_empty() || answered,
        "{}",
        received.escape_ascii()
    );
}

fn an_idle_connection_is_closed(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/hello").status, 200);
    assert_not_before(until_closed(&mut client), 1450);
}

fn each_head_has_its_own_time(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    let (begun, rest) = ("GET /conformance/hel", "lo HTTP/1.1\r\nhost: a\r\n\r\n");
    client.send(begun);
    // A head has always begun when the one before is whole: together these take longer than the time of one.
    for n in 0..8 {
        let came = client.poll_read(Duration::from_millis(150));
        assert!(!came, "head {n} was not waited for");
        client.send(format!("{rest}{begun}"));
        assert_eq!(client.read_response().status, 200, "head {n}");
    }
}

fn an_idle_connection_is_used_until_then(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    let start = Instant::now();
    // Each request begins the wait anew: together these take longer than the idle time.
    while start.elapsed() < Duration::from_millis(3000) {
        assert_eq!(client.get("/conformance/hello").status, 200);
        assert!(
            !client.poll_read(Duration::from_millis(300)),
            "the connection was closed while it was used"
        );
    }
}

fn a_body_that_stops_is_408(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    let start = Instant::now();
    client.send("POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    assert_eq!(client.read_response().status, 408);
    assert_not_before(start.elapsed(), 450);
    client.expect_gone();
}

fn a_client_that_does_not_read_is_given_up(subject: &Subject) {
    let server = start(subject);
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        server.ask("/conformance/report/endless/2"),
        "started\nGone(WriteTimeout)"
    );
    assert!(
        client.try_read_response(Method::Other).is_err(),
        "the response was cut off"
    );
}

fn an_application_that_takes_long_is_not_hurried(subject: &Subject) {
    let server = start(subject);
    let mut client = server.connect();
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        !client.poll_read(Duration::from_millis(1500)),
        "no timer runs while the application is at work"
    );
    let _ = server.ask("/conformance/open/slow");
    assert_eq!(client.read_response().text(), "slow");
}

fn a_slow_reader_gets_the_last_answer_whole(subject: &Subject) {
    let server = start(subject);
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    // More than the kernels hold, so that the end of the answer waits in the server when the exchange is over.
    let body = vec![b'x'; 16 * 1024 * 1024];
    client.send(format!(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(client.read_head().status, 200);
    // A pause that is longer than the lingering, and shorter than the write time.
    let mut other = server.connect();
    let _ = other.poll_read(Duration::from_millis(350));
    assert_eq!(client.read_bytes(body.len()), body);
    client.expect_end();
    who_reads_slowly_is_not_idle(subject);
}

/// Neither is the head late that it has sent behind the request whose answer it still takes.
fn who_reads_slowly_is_not_idle(subject: &Subject) {
    let times = "head=300,idle=300,body=20000,write=20000,linger=100";
    let server = subject.start_with(Options::new().environment(crate::TIMEOUTS, times));
    let body = vec![b'x'; 16 * 1024 * 1024];
    for behind in ["", "GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
        client.send(format!(
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        client.send(behind);
        assert_eq!(client.read_head().status, 200);
        // A pause that is longer than both.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(900) {
            let _ = server.connect().poll_read(Duration::from_millis(100));
        }
        assert_eq!(client.read_bytes(body.len()), body);
        if !behind.is_empty() {
            assert_eq!(client.read_response().text(), "Hello, world!");
        }
    }
}

#[track_caller]
fn assert_ping(client: &mut Client) {
    assert_eq!(read_frame(client), (FIN | PING, vec![]));
}

fn a_silent_websocket_is_pinged_and_given_up(subject: &Subject) {
    let server = start_for_sockets(subject);
    let start = Instant::now();
    let mut client = raw(&server, "/conformance/ws/report");
    assert_ping(&mut client);
    assert_not_before(start.elapsed(), 300);
    let (first, payload) = read_frame(&mut client);
    assert_not_before(start.elapsed(), 900);
    assert_eq!(
        (first, &payload[..2]),
        (FIN | CLOSE, &1011_u16.to_be_bytes()[..])
    );
    let reported = server.ask("/conformance/report/socket/1");
    assert!(
        reported.starts_with("closed 1006 \"\" Timeout"),
        "{reported}"
    );
    client.expect_end();
}

fn a_websocket_that_says_anything_stays(subject: &Subject) {
    let server = start_for_sockets(subject);
    let mut client = raw(&server, "/conformance/ws/echo");
    // A pong, then a message whose bytes come one at a time, each as the answer to a ping.
    assert_ping(&mut client);
    client.send(frame(FIN | PONG, b""));
    for byte in frame(FIN | TEXT, b"") {
        assert_ping(&mut client);
        client.send([byte]);
    }
    assert_eq!(read_frame(&mut client), (FIN | TEXT, vec![]));
}

fn a_websocket_that_is_not_received_stays(subject: &Subject) {
    let server = start_for_sockets(subject);
    let mut client = raw(&server, "/conformance/ws/deaf");
    assert_eq!(server.ask("/conformance/report/deaf/1"), "waiting");
    let message = frame(FIN | BINARY, &[0; 1016]);
    let sent = client.send_until_stuck(&message, 26 * 1024 * 1024, Duration::from_secs(1));
    // No pong of this client could come through, for longer than it may be silent.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        if client.poll_read(Duration::from_millis(100)) && !client.unread().is_empty() {
            assert_ping(&mut client);
        }
    }
    let _ = server.ask("/conformance/open/deaf");
    client.send(&message[sent % message.len()..]);
    client.send(frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
    let expected = (sent / message.len() + 1) * 1016;
    assert_eq!(
        server.ask("/conformance/report/deaf/2"),
        format!("waiting\n{expected}"),
        "nothing is lost"
    );
}

fn a_close_frame_is_not_waited_for_for_ever(subject: &Subject) {
    let server = start_for_sockets(subject);
    let mut client = raw(&server, "/conformance/ws/close");
    let (first, _) = read_frame(&mut client);
    assert_eq!(first, FIN | CLOSE);
    let start = Instant::now();
    // RFC 6455 section 7.1.1: it is the server that closes the connection.
    client.expect_end();
    assert_not_before(start.elapsed(), 450);
}

fn a_websocket_that_closes_and_does_not_read_is_given_up(subject: &Subject) {
    let server = start_for_sockets(subject);
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(super::websocket::handshake("/conformance/ws/flood", ""));
    assert_eq!(client.read_head().status, 101);
    client.send(frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
    let start = Instant::now();
    let mut other = server.connect();
    while client.try_send(frame(FIN | PONG, b"")).is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the connection was kept"
        );
        let _ = other.poll_read(Duration::from_millis(100));
    }
}
