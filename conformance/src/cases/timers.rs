//! Every wait on a client has an end (SRV-14). The times are set short; none is waited for by sleeping.

use std::time::{Duration, Instant};

use super::chapter;
use crate::client::Client;
use crate::response::Method;
use crate::server::{Options, Server, Subject};

chapter! {
    a_client_that_sends_nothing_is_closed: "SRV-14";
    a_head_that_trickles_is_408: "SRV-14";
    an_idle_connection_is_closed: "SRV-14";
    an_idle_connection_is_used_until_then: "SRV-14", "HTTP-2";
    a_body_that_stops_is_408: "SRV-14", "HTTP-7";
    a_client_that_does_not_read_is_given_up: "SRV-14", "SRV-2";
    an_application_that_takes_long_is_not_hurried: "SRV-14", "SRV-1";
}

/// The settings of all cases here, in milliseconds.
const TIMES: &str = "head=400,idle=1500,body=500,write=500,linger=200";

fn start(subject: &Subject) -> Server {
    subject.start_with(Options::new().environment(crate::TIMEOUTS, TIMES))
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
