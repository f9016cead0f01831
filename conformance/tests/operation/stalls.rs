//! The stall detector: code of the application that holds a worker is named.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use conformance::{Client, Options, Server, Signal, Subject};
use tungstenite::Message;

use super::metrics::{address_of, numbers, start, wait_for};
use super::streams::{Streams, blocking};
use super::{chapter, on_runtime};

chapter! {
    a_call_that_holds_its_worker_is_named,
    one_that_lasts_is_told_of_meanwhile,
    a_socket_that_holds_its_worker_is_named,
    a_socket_over_http_2_is_named,
    a_stream_that_holds_its_worker_is_named,
    a_task_beside_the_exchanges_is_seen_too,
    warnings_are_rare_and_counts_are_not,
    waiting_is_no_stall,
    it_can_be_turned_off,
}

/// A server with a worker that is held, and one that lets it go.
fn start_two(subject: &Subject) -> (Server, SocketAddr) {
    let flags = [
        "--metrics-bind",
        "127.0.0.1:0",
        "--workers",
        "2",
        "--accept",
        "hand-off",
    ];
    let server = subject.start_with(Options::new().arguments(&flags));
    let metrics = address_of(&server);
    (server, metrics)
}

/// Lets the worker go that is held, once that was seen, however busy the machine is.
#[track_caller]
fn let_go(server: SocketAddr, metrics: SocketAddr) {
    wait_for(metrics, "gateway_stalled_workers", |count| count == 1.0);
    let opened = Client::connect(server).get("/conformance/open/hold");
    assert_eq!(opened.text(), "opened");
}

/// Has a call hold its worker until that was seen.
#[track_caller]
fn hold(server: &Server, metrics: SocketAddr, label: &str) {
    let mut client = server.connect();
    client.send(format!(
        "GET /conformance/hold/{label} HTTP/1.1\r\nhost: a\r\n\r\n"
    ));
    let_go(server.address(), metrics);
    assert_eq!(client.read_response().text(), "held");
}

fn a_call_that_holds_its_worker_is_named(subject: &Subject) {
    let (server, metrics) = start_two(subject);
    hold(&server, metrics, "the-route");
    expect_named(&server, metrics, "the-route", "/conformance/hold/the-route");
    let line = server.wait_for_log("route=\"the-route\"");
    let took = line
        .split("took_ms=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let took: u64 = took
        .and_then(|took| took.parse().ok())
        .expect("it says how long");
    assert!(took >= 100, "{line}");
    let all = numbers(metrics);
    assert!(all["gateway_stalled_seconds_total{route=\"the-route\"}"] >= 0.1);
}

fn one_that_lasts_is_told_of_meanwhile(subject: &Subject) {
    let (mut server, metrics) = start(subject, &["--grace", "0"]);
    let mut client = server.connect();
    client.send("GET /conformance/block/60000/for-ever HTTP/1.1\r\nhost: a\r\n\r\n");
    let line = server.wait_for_log("holds a worker, and is still at it");
    for part in ["worker=0", "route=\"for-ever\""] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    // The metrics are no worker's.
    wait_for(metrics, "gateway_stalled_workers", |count| count == 1.0);
    server.signal(Signal::TERM);
    let _ = server.wait();
}

/// What is said of one stall, by this route and path.
#[track_caller]
fn expect_named(server: &Server, metrics: SocketAddr, route: &str, path: &str) {
    let line = server.wait_for_log(&format!("route=\"{route}\""));
    for part in [
        "WARN".to_owned(),
        "held a worker".to_owned(),
        format!("path=\"{path}\""),
        "method=\"".to_owned(),
        "times=1".to_owned(),
    ] {
        assert!(line.contains(&part), "{part} is not in {line}");
    }
    let all = numbers(metrics);
    let name = format!("gateway_stalls_total{{route=\"{route}\"}}");
    assert_eq!(all.get(&name), Some(&1.0), "{all:#?}");
    assert_eq!(all["gateway_stalled_workers"], 0.0);
}

fn a_socket_that_holds_its_worker_is_named(subject: &Subject) {
    let (server, metrics) = start_two(subject);
    let url = format!("ws://{}/conformance/ws/hold", server.address());
    let stream = server.connect().into_stream();
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    socket.send(Message::text("now")).expect("it is open");
    let_go(server.address(), metrics);
    assert_eq!(socket.read().expect("it answers"), Message::text("held"));
    expect_named(&server, metrics, "the-socket", "/conformance/ws/hold");
}

fn a_socket_over_http_2_is_named(subject: &Subject) {
    let (server, metrics) = start_two(subject);
    let address = server.address();
    on_runtime(async {
        let mut streams = Streams::connect(address).await?;
        let (mut answer, mut sender) = streams.upgrade("/conformance/ws/hold").await?;
        // "now", in a frame whose mask changes nothing.
        let frame: &[u8] = &[0x81, 0x83, 0, 0, 0, 0, b'n', b'o', b'w'];
        sender.send_data(frame.into(), false)?;
        blocking(move || let_go(address, metrics)).await?;
        let came = answer.data().await.ok_or("an answer")??;
        assert_eq!(came, &b"\x81\x04held"[..]);
        blocking(move || expect_named(&server, metrics, "the-socket", "/conformance/ws/hold")).await
    });
}

fn a_stream_that_holds_its_worker_is_named(subject: &Subject) {
    let (server, metrics) = start_two(subject);
    let address = server.address();
    on_runtime(async {
        let mut streams = Streams::connect(address).await?;
        // In its first turn, which is the connection's, and in one of its own.
        for how in ["hold", "hold-later"] {
            let answer = streams.get(&format!("/conformance/{how}/{how}")).await?;
            blocking(move || let_go(address, metrics)).await?;
            assert_eq!(answer.await?.status(), 200);
        }
        blocking(move || {
            for how in ["hold", "hold-later"] {
                let path = format!("/conformance/{how}/{how}");
                expect_named(&server, metrics, how, &path);
            }
        })
        .await
    });
}

fn a_task_beside_the_exchanges_is_seen_too(subject: &Subject) {
    let (server, metrics) = start_two(subject);
    // It stays connected: a worker without a connection is not asked for a sign.
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/hold-beside").text(), "spawned");
    let_go(server.address(), metrics);
    let route = "gateway_stalls_total{route=\"(a task beside the exchanges)\"}";
    wait_for(metrics, route, |count| count >= 1.0);
    let line = server.wait_for_log("held a worker");
    assert!(line.contains("(a task beside the exchanges)"), "{line}");
}

fn warnings_are_rare_and_counts_are_not(subject: &Subject) {
    let (mut server, metrics) = start_two(subject);
    for _ in 0..3 {
        hold(&server, metrics, "often");
    }
    assert_eq!(
        numbers(metrics)["gateway_stalls_total{route=\"often\"}"],
        3.0
    );
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    let of_this = |line: &&String| line.contains("held a worker") && line.contains("often");
    assert_eq!(log.iter().filter(of_this).count(), 1, "{log:#?}");
}

fn waiting_is_no_stall(subject: &Subject) {
    let (mut server, metrics) = start(subject, &["--stall-threshold", "50ms"]);
    let mut client = server.connect();
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    thread::sleep(Duration::from_millis(500));
    let _ = server.ask("/conformance/open/slow");
    assert_eq!(client.read_response().text(), "slow");
    assert_eq!(numbers(metrics)["gateway_stalled_workers"], 0.0);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log().join("\n");
    let is_of_it = |line: &str| line.contains("held a worker") && line.contains("/slow\"");
    assert!(!log.lines().any(is_of_it), "{log}");
}

fn it_can_be_turned_off(subject: &Subject) {
    let options = Options::new().arguments(&["--stall-threshold", "off"]);
    let mut server = subject.start_with(options);
    assert_eq!(server.ask("/conformance/block/300"), "blocked");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log().join("\n");
    assert!(!log.contains("held a worker"), "{log}");
}
