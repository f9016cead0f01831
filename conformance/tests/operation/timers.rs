//! Timers that ran out are counted, each by its name, and nothing else is.

use std::net::SocketAddr;

use conformance::{Client, Subject};

use super::chapter;
use super::metrics::{numbers, start, wait_for};

chapter! {
    a_handshake_that_does_not_end_is_counted,
    a_header_of_a_proxy_that_does_not_come_is_counted,
    a_peer_that_leaves_in_a_handshake_is_not,
    a_ping_that_is_not_answered_is_counted,
    a_close_frame_that_is_not_answered_is_counted,
}

/// Waits until this timer has run out once; no other one has.
#[track_caller]
fn expect_only(metrics: SocketAddr, timer: &str) {
    let name = format!("gateway_timeouts_total{{timer=\"{timer}\"}}");
    wait_for(metrics, &name, |count| count >= 1.0);
    let all = numbers(metrics);
    let timers = all
        .iter()
        .filter(|(name, _)| name.starts_with("gateway_timeouts_total"));
    let ran_out: Vec<_> = timers.filter(|(_, count)| **count > 0.0).collect();
    assert_eq!(ran_out, [(&name, &1.0)]);
}

fn a_handshake_that_does_not_end_is_counted(subject: &Subject) {
    let flags = ["--tls-self-signed", "--handshake-timeout", "300ms"];
    let (server, metrics) = start(subject, &flags);
    let mut silent = Client::connect(server.address());
    silent.send([0x16, 3, 1]);
    silent.expect_gone();
    expect_only(metrics, "handshake");
}

fn a_header_of_a_proxy_that_does_not_come_is_counted(subject: &Subject) {
    let flags = [
        "--proxy-protocol",
        "required",
        "--trusted-proxy",
        "127.0.0.1",
        "--tls-self-signed",
        "--handshake-timeout",
        "300ms",
    ];
    let (server, metrics) = start(subject, &flags);
    let mut silent = Client::connect(server.address());
    silent.send("PROXY TCP4 ");
    silent.expect_gone();
    expect_only(metrics, "proxy-header");
}

fn a_peer_that_leaves_in_a_handshake_is_not(subject: &Subject) {
    // The second one takes the place of the first.
    let flags = ["--tls-self-signed", "--handshakes", "1"];
    let (server, metrics) = start(subject, &flags);
    let mut first = Client::connect(server.address());
    first.send([0x16, 3, 1]);
    wait_for(metrics, "gateway_connections{worker=\"0\"}", |count| {
        count == 1.0
    });
    let second = Client::connect(server.address());
    first.expect_gone();
    second.reset();
    wait_for(metrics, "gateway_connections{worker=\"0\"}", |count| {
        count == 0.0
    });
    let all = numbers(metrics);
    assert_eq!(all["gateway_timeouts_total{timer=\"handshake\"}"], 0.0);
}

fn a_ping_that_is_not_answered_is_counted(subject: &Subject) {
    let flags = [
        "--ws-ping-interval",
        "200ms",
        "--ws-ping-timeout",
        "200ms",
        "--linger-timeout",
        "1m",
    ];
    let (server, metrics) = start(subject, &flags);
    let mut client = server.connect();
    client.send(upgrade("echo"));
    assert_eq!(client.read_head().status, 101);
    expect_only(metrics, "ws-ping");
}

fn a_close_frame_that_is_not_answered_is_counted(subject: &Subject) {
    let flags = ["--ws-close-timeout", "200ms", "--linger-timeout", "1m"];
    let (server, metrics) = start(subject, &flags);
    let mut client = server.connect();
    client.send(upgrade("close"));
    assert_eq!(client.read_head().status, 101);
    expect_only(metrics, "ws-close");
}

/// The request for a WebSocket of the peer.
pub(super) fn upgrade(how: &str) -> String {
    format!(
        "GET /conformance/ws/{how} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
