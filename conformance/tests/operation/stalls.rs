//! The stall detector: code of the application that holds a worker is named.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use conformance::{Options, Server, Signal, Subject};
use tungstenite::Message;

use super::metrics::{numbers, start, wait_for};
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

fn a_call_that_holds_its_worker_is_named(subject: &Subject) {
    let (server, metrics) = start(subject, &[]);
    assert_eq!(server.ask("/conformance/block/400/the-route"), "blocked");
    let line = server.wait_for_log("held a worker");
    for part in [
        "WARN",
        "worker=0",
        "route=\"the-route\"",
        "method=\"GET\"",
        "path=\"/conformance/block/400/the-route\"",
        "times=1",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let took = line
        .split("took_ms=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let took: u64 = took
        .and_then(|took| took.parse().ok())
        .expect("it says how long");
    assert!(took >= 300, "{line}");
    let all = numbers(metrics);
    assert_eq!(all["gateway_stalls_total{route=\"the-route\"}"], 1.0);
    assert!(all["gateway_stalled_seconds_total{route=\"the-route\"}"] >= 0.3);
    assert_eq!(all["gateway_stalled_workers"], 0.0);
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
    let (server, metrics) = start(subject, &[]);
    let url = format!("ws://{}/conformance/ws/block", server.address());
    let stream = server.connect().into_stream();
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    for milliseconds in ["0", "400", "0"] {
        socket
            .send(Message::text(milliseconds))
            .expect("it is open");
        assert_eq!(socket.read().expect("it answers"), Message::text("blocked"));
    }
    expect_named(&server, metrics, "the-socket", "/conformance/ws/block");
}

fn a_socket_over_http_2_is_named(subject: &Subject) {
    let (server, metrics) = start(subject, &[]);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        let (mut answer, mut sender) = streams.upgrade("/conformance/ws/block").await?;
        // "400", in a frame whose mask changes nothing.
        let frame: &[u8] = &[0x81, 0x83, 0, 0, 0, 0, b'4', b'0', b'0'];
        sender.send_data(frame.into(), false)?;
        let came = answer.data().await.ok_or("an answer")??;
        assert_eq!(came, &b"\x81\x07blocked"[..]);
        blocking(move || expect_named(&server, metrics, "the-socket", "/conformance/ws/block"))
            .await
    });
}

fn a_stream_that_holds_its_worker_is_named(subject: &Subject) {
    let (server, metrics) = start(subject, &[]);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        // In its first turn, which is the connection's, and in one of its own.
        for how in ["block", "block-later"] {
            let path = format!("/conformance/{how}/400/{how}");
            assert_eq!(streams.ask(&path).await?.status(), 200);
        }
        blocking(move || {
            for how in ["block", "block-later"] {
                let path = format!("/conformance/{how}/400/{how}");
                expect_named(&server, metrics, how, &path);
            }
        })
        .await
    });
}

fn a_task_beside_the_exchanges_is_seen_too(subject: &Subject) {
    let (server, metrics) = start(subject, &[]);
    assert_eq!(server.ask("/conformance/block-beside/600"), "spawned");
    let route = "gateway_stalls_total{route=\"(a task beside the exchanges)\"}";
    wait_for(metrics, route, |count| count >= 1.0);
    let line = server.wait_for_log("held a worker");
    assert!(line.contains("(a task beside the exchanges)"), "{line}");
}

fn warnings_are_rare_and_counts_are_not(subject: &Subject) {
    let (mut server, metrics) = start(subject, &[]);
    for _ in 0..3 {
        assert_eq!(server.ask("/conformance/block/700/often"), "blocked");
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
