//! What is open right now, counted exactly and alike by both servers; and the limits of connections and of calls, which are two.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conformance::{Client, Subject};

use super::metrics::{look, numbers, start, wait_for};
use super::streams::{Streams, blocking};
use super::timers::upgrade;
use super::{chapter, on_runtime};

chapter! {
    all_that_is_open_is_counted_for_what_it_is,
    the_limit_of_connections_is_for_sockets_alone,
    a_socket_above_the_limit_waits_for_one_to_end,
    calls_have_a_limit_of_their_own,
    a_refused_call_of_http_2_is_told_apart_too,
    a_body_above_the_limit_is_told_apart,
}

/// What a test sees of one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Gauges {
    connections: u32,
    streams: u32,
    calls: u32,
    left_behind: u32,
    websockets: u32,
}

impl Gauges {
    fn of(metrics: SocketAddr) -> Self {
        let all = numbers(metrics);
        let of = |name: &str| all[&format!("gateway_{name}{{worker=\"0\"}}")] as u32;
        Self {
            connections: of("connections"),
            streams: of("http2_streams"),
            calls: of("exchanges_active"),
            left_behind: of("calls_left_behind"),
            websockets: of("websockets"),
        }
    }

    /// Waits until it is so. That nothing more comes is seen by what follows.
    #[track_caller]
    fn expect(self, metrics: SocketAddr, when: &str) {
        let start = std::time::Instant::now();
        loop {
            let seen = Self::of(metrics);
            if seen == self {
                return;
            }
            assert!(
                start.elapsed() < conformance::PATIENCE,
                "{when}: {seen:?} and not {self:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

const SLOW: &str = "GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n";

fn all_that_is_open_is_counted_for_what_it_is(subject: &Subject) {
    let (server, metrics) = start(subject, &["--access-log", "off"]);
    let server = Arc::new(server);
    on_runtime(async {
        let mut seen = Gauges::default();
        seen.expect(metrics, "at the start");
        // Idle, and silent from its beginning.
        let mut idle = server.connect();
        assert_eq!(idle.get("/conformance/hello").status, 200);
        let silent = server.connect();
        seen.connections = 2;
        seen.expect(metrics, "two connections");
        let mut busy = server.connect();
        busy.send(SLOW);
        (seen.connections, seen.calls) = (3, 1);
        seen.expect(metrics, "a request");
        let mut socket = server.connect();
        socket.send(upgrade("echo"));
        assert_eq!(socket.read_head().status, 101);
        (seen.connections, seen.calls, seen.websockets) = (4, 2, 1);
        seen.expect(metrics, "a WebSocket");

        let mut streams = Streams::connect(server.address()).await?;
        assert_eq!(streams.ask("/conformance/hello").await?.status(), 200);
        seen.connections = 5;
        blocking(move || seen.expect(metrics, "a connection of HTTP/2 without a stream")).await?;
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(streams.get("/conformance/slow").await?);
        }
        let cancelled = streams.get("/conformance/never").await?;
        (seen.streams, seen.calls) = (4, 6);
        blocking(move || seen.expect(metrics, "four streams")).await?;
        drop(cancelled);
        (seen.streams, seen.left_behind) = (3, 1);
        blocking(move || seen.expect(metrics, "a stream that was cancelled")).await?;
        assert_eq!(idle.get("/conformance/work").text(), "answered");
        (seen.calls, seen.left_behind) = (7, 2);
        blocking(move || seen.expect(metrics, "a call after its answer")).await?;

        let of_all = Arc::clone(&server);
        blocking(move || {
            for gate in ["slow", "slow", "slow", "slow", "work"] {
                let _ = of_all.ask(&format!("/conformance/open/{gate}"));
            }
        })
        .await?;
        for answer in waiting {
            assert_eq!(answer.await?.status(), 200);
        }
        assert_eq!(busy.read_response().text(), "slow");
        (seen.streams, seen.calls, seen.left_behind) = (0, 2, 1);
        blocking(move || seen.expect(metrics, "all were answered")).await?;
        for client in [idle, silent, busy, socket] {
            client.reset();
        }
        (seen.connections, seen.calls, seen.websockets) = (1, 1, 0);
        blocking(move || seen.expect(metrics, "one connection is left")).await?;
        streams.close().await?;
        seen.connections = 0;
        blocking(move || seen.expect(metrics, "nobody is connected")).await?;
        // The page has the same numbers.
        let live: serde_json::Value = serde_json::from_str(&look(metrics, "/live"))?;
        let worker = &live["workers"][0];
        assert_eq!(
            (
                &worker["connections"],
                &worker["streams"],
                &worker["exchanges"]
            ),
            (&0.into(), &0.into(), &1.into())
        );
        Ok(())
    });
}

fn the_limit_of_connections_is_for_sockets_alone(subject: &Subject) {
    // The others are for what the test asks meanwhile.
    let (server, metrics) = start(subject, &["--connections", "3"]);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            waiting.push(streams.get("/conformance/slow").await?);
        }
        let mut cancelled = Vec::new();
        for _ in 0..5 {
            cancelled.push(streams.get("/conformance/never").await?);
        }
        assert_eq!(streams.ask("/conformance/hello").await?.status(), 200);
        drop(cancelled);
        blocking(move || {
            wait_for(
                metrics,
                "gateway_calls_left_behind{worker=\"0\"}",
                |count| count == 5.0,
            );
        })
        .await?;
        let address = server.address();
        blocking(move || {
            let mut other = Client::connect(address);
            assert_eq!(other.get("/conformance/hello").status, 200);
            let mut client = Client::connect(address);
            for _ in 0..20 {
                assert_eq!(client.get("/conformance/open/slow").text(), "opened");
            }
        })
        .await?;
        for answer in waiting {
            assert_eq!(answer.await?.status(), 200);
        }
        Ok(())
    });
}

fn a_socket_above_the_limit_waits_for_one_to_end(subject: &Subject) {
    let (server, metrics) = start(subject, &["--connections", "2", "--accept", "per-worker"]);
    let (mut one, two) = (server.connect(), server.connect());
    assert_eq!(one.get("/conformance/hello").status, 200);
    wait_for(metrics, "gateway_connections{worker=\"0\"}", |count| {
        count == 2.0
    });
    let mut three = server.connect();
    three.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    // The others are served, and it is not.
    for _ in 0..10 {
        assert_eq!(one.get("/conformance/hello").status, 200);
    }
    assert!(
        !three.poll_read(Duration::from_millis(100)),
        "it is one too many"
    );
    let all = numbers(metrics);
    assert_eq!(all["gateway_connections_accepted_total{worker=\"0\"}"], 2.0);
    two.reset();
    assert_eq!(three.read_response().status, 200);
}

/// The counts of what was not let through.
#[track_caller]
fn expect_refused(metrics: SocketAddr, limit: &str, status: &str) {
    let outcome = format!("gateway_exchanges_total{{outcome=\"refused:{limit}\"}}");
    wait_for(metrics, &outcome, |count| count == 1.0);
    let all = numbers(metrics);
    let of = |name: &str| all.get(name).copied();
    assert_eq!(
        of(&format!("gateway_responses_total{{status=\"{status}\"}}")),
        Some(1.0),
        "{all:#?}"
    );
    assert_eq!(
        of("gateway_exchanges_total{outcome=\"refused\"}"),
        Some(0.0),
        "{all:#?}"
    );
    // It says nothing of how long the application takes.
    let finished = of("gateway_exchanges_total{outcome=\"finished\"}");
    assert_eq!(
        of("gateway_exchange_duration_seconds_count"),
        finished,
        "{all:#?}"
    );
}

fn calls_have_a_limit_of_their_own(subject: &Subject) {
    let (server, metrics) = start(subject, &["--exchanges", "2"]);
    let mut busy = [server.connect(), server.connect()];
    for client in &mut busy {
        client.send(SLOW);
    }
    wait_for(metrics, "gateway_exchanges_active{worker=\"0\"}", |count| {
        count == 2.0
    });
    // It is let in, and told to come again; its connection is as good as before.
    let mut client = server.connect();
    let refused = client.get("/conformance/hello");
    assert_eq!(
        (refused.status, refused.field("retry-after")),
        (503, Some("1"))
    );
    let line = server.wait_for_log(" refused:exchanges ");
    assert!(
        line.contains("\"GET /conformance/hello HTTP/1.1\" 503 "),
        "{line}"
    );
    expect_refused(metrics, "exchanges", "503");
}

fn a_refused_call_of_http_2_is_told_apart_too(subject: &Subject) {
    let (server, metrics) = start(subject, &["--exchanges", "2"]);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        let _waiting = [
            streams.get("/conformance/slow").await?,
            streams.get("/conformance/slow").await?,
        ];
        let refused = streams.ask("/conformance/hello").await?;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        let line = server.wait_for_log(" refused:exchanges ");
        assert!(
            line.contains("\"GET /conformance/hello HTTP/2\" 503 "),
            "{line}"
        );
        blocking(move || expect_refused(metrics, "exchanges", "503")).await
    });
}

fn a_body_above_the_limit_is_told_apart(subject: &Subject) {
    let flags = ["--body-bytes", "1000", "--access-log-format", "json"];
    let (server, metrics) = start(subject, &flags);
    let mut client = server.connect();
    client.send("POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n");
    assert_eq!(client.read_response().status, 413);
    let line = server.wait_for_log("\"status\":413");
    for part in [
        "\"outcome\":\"refused\"",
        "\"why\":\"its body is longer than body-bytes\"",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(
        server.ask("/conformance/report/calls/0"),
        "",
        "it was not called"
    );
    expect_refused(metrics, "body-bytes", "413");
}
