//! The metrics bind: what it counts, and whom it costs nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conformance::{Client, Method, Options, PATIENCE, Server, Signal, Subject};
use serde_json::Value;

use super::streams::{Streams, blocking};
use super::{chapter, on_runtime};

chapter! {
    both_servers_count_alike,
    readiness_follows_the_application,
    a_drain_is_seen_until_its_end,
    a_collector_that_never_pauses_costs_nobody_else,
    a_silent_collector_holds_nothing_up,
    who_does_not_read_keeps_no_probe_out,
    streams_that_are_not_read_keep_no_probe_out,
    routes_are_bounded_for_the_process,
    only_looking_is_allowed,
    the_page_is_whole,
    websockets_are_counted_while_they_are_open,
    without_a_bind_there_are_none,
    a_port_that_is_taken_is_a_failed_start,
}

/// A server with a metrics bind.
pub(super) fn start(subject: &Subject, flags: &[&str]) -> (Server, SocketAddr) {
    let options = Options::new()
        .arguments(&["--metrics-bind", "127.0.0.1:0", "--workers", "1"])
        .arguments(flags);
    let server = subject.start_with(options);
    let address = address_of(&server);
    (server, address)
}

/// Where the metrics are, as the log says it.
pub(super) fn address_of(server: &Server) -> SocketAddr {
    address_in(&server.wait_for_log(ANNOUNCED))
}

/// What the log says of where the metrics are.
pub(super) const ANNOUNCED: &str = "metrics, health, readiness and the page";

/// Where the metrics are, by this line of the log.
pub(super) fn address_in(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("address=").expect("it is a field");
    address.trim().parse().expect("it is an address")
}

/// The body of this path there.
pub(super) fn look(at: SocketAddr, path: &str) -> String {
    let response = Client::connect(at).get(path);
    assert_eq!(response.status, 200, "{path}");
    response.text().to_owned()
}

/// All numbers, by name and labels.
pub(super) fn numbers(at: SocketAddr) -> BTreeMap<String, f64> {
    let text = look(at, "/metrics");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').expect("a name and a value"));
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().expect("it is a number")))
        .collect()
}

/// Waits until a number has come to this.
#[track_caller]
pub(super) fn wait_for(at: SocketAddr, name: &str, is_so: impl Fn(f64) -> bool) {
    let start = Instant::now();
    loop {
        let all = numbers(at);
        if all.get(name).copied().is_some_and(&is_so) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{name} never came: {all:#?}");
    }
}

fn both_servers_count_alike(subject: &Subject) {
    let (server, metrics) = start(subject, &["--head-timeout", "300ms", "--access-log", "off"]);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/conformance/hello").status, 200);
    }
    assert_eq!(client.get("/conformance/label").status, 200);
    assert_eq!(client.get("/conformance/none").status, 404);
    assert_eq!(client.post("/conformance/read-all", "12345").status, 200);
    client.send("HEAD /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_response_to(Method::Head);
    client.send("no request\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    let mut client = server.connect();
    client.send("GET /conformance/panic/started HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.try_read_response(Method::Other);
    let mut client = server.connect();
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_head();
    client.reset();
    let mut slow = server.connect();
    slow.send("GET / HT");
    let (answer, _) = slow.read_to_end();
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        answer.escape_ascii()
    );
    wait_for(
        metrics,
        "gateway_exchanges_total{outcome=\"gone:peer-reset\"}",
        |count| count >= 1.0,
    );
    let all = numbers(metrics);
    for (name, expected) in [
        ("gateway_responses_total{status=\"200\"}", 8.0),
        ("gateway_responses_total{status=\"400\"}", 1.0),
        ("gateway_responses_total{status=\"404\"}", 1.0),
        ("gateway_responses_total{status=\"408\"}", 1.0),
        ("gateway_responses_total{status=\"none\"}", 0.0),
        ("gateway_exchanges_total{outcome=\"finished\"}", 7.0),
        ("gateway_exchanges_total{outcome=\"panicked\"}", 1.0),
        ("gateway_exchanges_total{outcome=\"refused\"}", 2.0),
        ("gateway_exchanges_total{outcome=\"aborted\"}", 0.0),
        ("gateway_exchanges_total{outcome=\"gone:peer-reset\"}", 1.0),
        ("gateway_exchange_duration_seconds_count", 9.0),
        ("gateway_exchange_duration_seconds_bucket{le=\"+Inf\"}", 9.0),
        ("gateway_received_bytes_total", 5.0),
        ("gateway_route_exchanges_total{route=\"the-label\"}", 1.0),
        ("gateway_connections_accepted_total{worker=\"0\"}", 4.0),
        ("gateway_timeouts_total{timer=\"head\"}", 1.0),
        ("gateway_timeouts_total{timer=\"write\"}", 0.0),
        ("gateway_workers", 1.0),
        ("gateway_ready", 1.0),
        ("gateway_draining", 0.0),
        ("gateway_exchanges_active{worker=\"0\"}", 0.0),
    ] {
        assert_eq!(all.get(name), Some(&expected), "{name} in {all:#?}");
    }
    let info = format!("gateway_info{{server=\"server-{}\",", subject.name());
    assert!(all.keys().any(|name| name.starts_with(&info)), "{all:#?}");
    assert!(all["process_resident_memory_bytes"] > 1e6);
    assert!(all["process_open_fds"] > 3.0);
}

fn readiness_follows_the_application(subject: &Subject) {
    let options = Options::new()
        .arguments(&["--metrics-bind", "127.0.0.1:0"])
        .environment(conformance::LIFESPAN, "hang");
    let server = subject.launch(options);
    let metrics = address_of(&server);
    let mut client = Client::connect(metrics);
    let response = client.get("/ready");
    assert_eq!((response.status, response.text()), (503, "starting\n"));
    assert_eq!(client.get("/health").status, 200);
    let all = numbers(metrics);
    assert_eq!((all["gateway_ready"], all["gateway_workers"]), (0.0, 0.0));
    let (_server, metrics) = start(subject, &[]);
    assert_eq!(look(metrics, "/ready"), "ready\n");
}

fn a_drain_is_seen_until_its_end(subject: &Subject) {
    let (mut server, metrics) = start(subject, &[]);
    let mut client = server.connect();
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    let mut opener = server.connect();
    opener.send("GET /conformance/open/slow HTTP/1.1\r\nho");
    // It is at the connection when this one is answered.
    let _ = server.ask("/conformance/hello");
    server.signal(Signal::TERM);
    let _ = server.wait_for_log("shutting down");
    wait_for(metrics, "gateway_draining", |is_so| is_so == 1.0);
    let response = Client::connect(metrics).get("/ready");
    assert_eq!((response.status, response.text()), (503, "draining\n"));
    assert_eq!(numbers(metrics)["gateway_ready"], 0.0);
    let live: Value = serde_json::from_str(&look(metrics, "/live")).expect("it is JSON");
    assert!(
        live["drain_left"].as_f64().is_some_and(|left| left > 1.0),
        "{live}"
    );
    opener.send("st: a\r\n\r\n");
    assert_eq!(opener.read_response().text(), "opened");
    assert_eq!(client.read_response().text(), "slow");
    assert_eq!(server.wait().code(), Some(0));
}

fn a_collector_that_never_pauses_costs_nobody_else(subject: &Subject) {
    let (server, metrics) = start(subject, &["--access-log", "off"]);
    let asking = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
    let mut collectors: Vec<Client> = (0..20).map(|_| Client::connect(metrics)).collect();
    for collector in &mut collectors {
        collector.send(&asking);
    }
    let before = numbers(metrics)["process_cpu_seconds_total"];
    let start = Instant::now();
    let mut client = server.connect();
    while start.elapsed() < Duration::from_secs(2) {
        assert_eq!(client.get("/conformance/hello").status, 200);
        std::thread::sleep(Duration::from_millis(20));
    }
    let cpu = numbers(metrics)["process_cpu_seconds_total"] - before;
    // Processor time, which other work on the machine does not lengthen.
    assert!(
        cpu < start.elapsed().as_secs_f64() / 2.0,
        "{cpu} seconds of the processor"
    );
}

fn a_silent_collector_holds_nothing_up(subject: &Subject) {
    let (_server, metrics) = start(subject, &[]);
    let _silent: Vec<Client> = (0..30).map(|_| Client::connect(metrics)).collect();
    let mut half = Client::connect(metrics);
    half.send("GET /metrics HTTP/1.1\r\nho");
    assert_eq!(look(metrics, "/ready"), "ready\n");
}

fn who_does_not_read_keeps_no_probe_out(subject: &Subject) {
    // No timer lets anybody in.
    let long = [
        "--head-timeout",
        "10m",
        "--idle-timeout",
        "10m",
        "--write-timeout",
        "10m",
    ];
    let (_server, metrics) = start(subject, &long);
    let mut first = Client::connect(metrics);
    assert_eq!(first.get("/health").text(), "alive\n");
    let asking = "GET /page.js HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
    let mut crowd = Vec::new();
    for n in 0..200 {
        let mut client = Client::connect_with_receive_buffer(metrics, 4096);
        if n % 2 == 0 {
            client.send(&asking);
        }
        crowd.push(client);
        if n % 50 == 49 {
            assert_eq!(look(metrics, "/health"), "alive\n");
            assert_eq!(look(metrics, "/ready"), "ready\n");
        }
    }
    first.expect_gone();
}

fn streams_that_are_not_read_keep_no_probe_out(subject: &Subject) {
    let (_server, metrics) = start(subject, &[]);
    on_runtime(async {
        let mut crowd = Vec::new();
        for _ in 0..20 {
            let mut streams = Streams::connect(metrics).await?;
            // With the answer it knows how many it may have beside each other.
            assert_eq!(streams.ask("/ready").await?.status(), 200);
            for _ in 0..8 {
                crowd.push(streams.get("/metrics").await?);
            }
            blocking(move || assert_eq!(look(metrics, "/ready"), "ready\n")).await?;
        }
        Ok(())
    });
}

fn routes_are_bounded_for_the_process(subject: &Subject) {
    let flags = [
        "--access-log",
        "off",
        "--workers",
        "2",
        "--accept",
        "hand-off",
    ];
    let (server, metrics) = start(subject, &flags);
    let (mut one, mut other) = (server.connect(), server.connect());
    for n in 0..200 {
        for (client, name) in [(&mut one, "one"), (&mut other, "other")] {
            let path = format!("/conformance/block/0/{name}-{n}");
            assert_eq!(client.get(&path).status, 200);
        }
    }
    let all = numbers(metrics);
    let routes = all
        .iter()
        .filter(|(name, _)| name.starts_with("gateway_route_exchanges_total{"));
    let (count, sum) = routes.fold((0, 0.0), |(count, sum), (_, of_one)| {
        (count + 1, sum + of_one)
    });
    assert_eq!((count, sum), (257, 400.0));
    assert_eq!(
        all["gateway_route_exchanges_total{route=\"(others)\"}"],
        144.0
    );
    let help = look(metrics, "/metrics");
    assert!(
        help.contains("the first 256 of the process"),
        "it does not say so"
    );
    let line = server.wait_for_log("more routes than the 256");
    assert!(line.contains("WARN"), "{line}");
}

fn only_looking_is_allowed(subject: &Subject) {
    let (_server, metrics) = start(subject, &[]);
    let mut client = Client::connect(metrics);
    let response = client.post("/metrics", "x");
    assert_eq!(response.status, 405);
    assert_eq!(response.field("allow"), Some("GET, HEAD"));
    assert_eq!(client.get("/other").status, 404);
    client.send("HEAD /metrics HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_response_to(Method::Head).status, 200);
}

fn the_page_is_whole(subject: &Subject) {
    let (server, metrics) = start(subject, &["--access-log", "off"]);
    let page = look(metrics, "/");
    for file in ["/page.css", "/page.js"] {
        assert!(page.contains(&file[1..]), "{file} is not named");
        assert!(!look(metrics, file).is_empty());
    }
    let response = Client::connect(metrics).get("/");
    assert!(
        response
            .field("content-security-policy")
            .is_some_and(|policy| policy.contains("'self'"))
    );
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    let live: Value = serde_json::from_str(&look(metrics, "/live")).expect("it is JSON");
    assert_eq!(live["phase"], "ready");
    assert_eq!(live["workers"][0]["total"], 1);
    assert_eq!(live["statuses"], serde_json::json!([[2, 1]]));
    assert_eq!(live["workers"][0]["held"], Value::Null);
}

fn websockets_are_counted_while_they_are_open(subject: &Subject) {
    let (server, metrics) = start(subject, &[]);
    let name = "gateway_websockets{worker=\"0\"}";
    let mut client = server.connect();
    client.send(
        "GET /conformance/ws/echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 101);
    wait_for(metrics, name, |count| count == 1.0);
    client.reset();
    wait_for(metrics, name, |count| count == 0.0);
}

fn without_a_bind_there_are_none(subject: &Subject) {
    let mut server = subject.start();
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log().join("\n");
    assert!(!log.contains("metrics"), "{log}");
}

fn a_port_that_is_taken_is_a_failed_start(subject: &Subject) {
    let taken = subject.start();
    let address = taken.address().to_string();
    let options = Options::new().arguments(&["--metrics-bind", &address]);
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log().join("\n");
    assert!(
        log.contains(&format!("cannot listen on {address}: ")),
        "{log}"
    );
}
