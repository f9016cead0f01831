//! How much a server holds for a client that does not read, or an application that does not (SRV-5, HTTP-11, HTTP-16).

use std::time::Duration;

use super::chapter;
use crate::client::Client;
use crate::server::{Server, Subject};

chapter! {
    a_client_that_does_not_read_stops_the_application: "SRV-5", "HTTP-16";
    what_is_accepted_at_once_is_bounded: "SRV-5", "HTTP-16";
    an_application_that_does_not_read_stops_the_client: "HTTP-11", "SRV-5";
    an_application_s_timers_go_on_while_its_client_does_not_read: "SRV-1";
    a_client_that_does_not_read_stops_nobody_else: "SRV-15";
    pipelined_requests_do_not_pile_up: "SRV-5", "HTTP-2";
}

/// What the kernel holds of one direction at the most: the sender's buffer (4 MiB), and the receiver's, which these cases
/// keep small or which is 6 MiB at the most.
const KERNEL: usize = 12 * 1024 * 1024;

/// What a server may hold for an exchange in one direction: far over any bound that a server states, and far below what
/// shows that there is none.
const SERVER: usize = 1024 * 1024;

fn does_not_read(server: &Server) -> Client {
    Client::connect_with_receive_buffer(server.address(), 4096)
}

fn number(text: &str) -> usize {
    text.parse().expect("the peer reports a number")
}

fn a_client_that_does_not_read_stops_the_application(subject: &Subject) {
    let server = subject.start();
    let mut client = does_not_read(&server);
    client.send("GET /conformance/stall HTTP/1.1\r\nhost: a\r\n\r\n");
    let written = number(&server.ask("/conformance/report/stall/1"));
    assert!(written < KERNEL + SERVER, "{written} bytes were accepted");
    let response = client.read_response();
    assert_eq!(
        response.body.len(),
        written + "the end".len(),
        "nothing is lost"
    );
    assert!(response.body.ends_with(b"the end"));
}

fn what_is_accepted_at_once_is_bounded(subject: &Subject) {
    let server = subject.start();
    let mut client = does_not_read(&server);
    client.send("GET /conformance/fill HTTP/1.1\r\nhost: a\r\n\r\n");
    let accepted = number(&server.ask("/conformance/report/fill/1"));
    assert!(
        accepted <= SERVER,
        "{accepted} bytes were accepted without waiting"
    );
    let _ = server.ask("/conformance/open/fill");
    assert_eq!(
        client.read_response().body.len(),
        accepted,
        "nothing is lost"
    );
}

fn an_application_that_does_not_read_stops_the_client(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "POST /conformance/read-some/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n",
    );
    let sent = client.send_until_stuck(
        &[b'x'; 16 * 1024],
        2 * (KERNEL + SERVER),
        Duration::from_secs(1),
    );
    assert!(sent < KERNEL + SERVER, "{sent} bytes were taken");
    let _ = server.ask("/conformance/open/read-some");
    assert_eq!(
        client.read_response().status,
        200,
        "the answer comes all the same"
    );
}

fn an_application_s_timers_go_on_while_its_client_does_not_read(subject: &Subject) {
    let server = subject.start();
    let mut client = does_not_read(&server);
    client.send("GET /conformance/ticks HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        server.ask("/conformance/report/ticks/11").lines().count(),
        11
    );
    let _ = server.ask("/conformance/open/ticks");
    let _ = client.read_response();
}

fn a_client_that_does_not_read_stops_nobody_else(subject: &Subject) {
    let server = subject.start_with(crate::Options::new().arguments(&["--workers", "1"]));
    let stuck: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = does_not_read(&server);
            client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
            client
        })
        .collect();
    // One that reads as fast as it can must not starve the others either: its writes never wait.
    let mut fast = server.connect();
    fast.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = fast.read_bytes(10_000_000);
    assert_eq!(server.connect().get("/conformance/hello").status, 200);
    let _ = fast.read_bytes(10_000_000);
    drop(stuck);
}

fn pipelined_requests_do_not_pile_up(subject: &Subject) {
    let server = subject.start();
    let mut client = does_not_read(&server);
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    // Behind an answer that does not come, the server must stop reading.
    let sent = client.send_until_stuck(
        &[b'x'; 16 * 1024],
        2 * (KERNEL + SERVER),
        Duration::from_secs(1),
    );
    assert!(sent < KERNEL + SERVER, "{sent} bytes were taken");
}
