//! The access log: its forms, where it goes, and what it does not hold up.

use std::time::{Duration, Instant};

use conformance::{Options, PATIENCE, Server, Signal, Subject};
use serde_json::Value;

use super::streams::Streams;
use super::timers::upgrade;
use super::{Folder, chapter, on_runtime};

chapter! {
    a_plain_line_has_all_that_is_known,
    a_json_line_has_the_same,
    how_an_exchange_ended_is_told,
    formats_are_those_of_others_or_ones_own,
    a_wrong_format_ends_with_code_2,
    a_file_is_opened_anew_at_sigusr1_and_sighup,
    a_file_that_cannot_be_opened_is_a_failed_start,
    a_pipe_without_a_reader_is_a_failed_start,
    a_check_tries_it_and_makes_nothing,
    a_full_disk_costs_no_client_an_answer,
    a_stuck_pipe_costs_no_client_an_answer,
    spans_show_the_exchange_of_an_event,
    spans_show_the_stream_of_an_event,
    spans_show_the_socket_of_an_event,
}

pub(super) fn start(subject: &Subject, flags: &[&str]) -> Server {
    subject.start_with(Options::new().arguments(flags))
}

/// Ends a server in order, and reads its log without what is of the process itself.
pub(super) fn log_of(mut server: Server) -> Vec<String> {
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    server.log()
}

fn a_plain_line_has_all_that_is_known(subject: &Subject) {
    let server = start(subject, &[]);
    let mut client = server.connect();
    let from = client.address();
    assert_eq!(
        client.post("/conformance/read-all?x=1", "12345").status,
        200
    );
    assert_eq!(client.get("/conformance/label").status, 200);
    let log = log_of(server);
    let lines: Vec<_> = log
        .iter()
        .filter(|line| line.starts_with(&from.to_string()))
        .collect();
    assert_eq!(lines.len(), 2, "{log:#?}");
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!(
        words[1..6],
        [
            "\"POST",
            "/conformance/read-all?x=1",
            "HTTP/1.1\"",
            "200",
            "5"
        ]
    );
    let took: Option<f64> = words[6]
        .strip_suffix("ms")
        .and_then(|took| took.parse().ok());
    assert!(took.is_some_and(|took| took > 0.0), "{}", lines[0]);
    assert_eq!(words[7..9], ["5", "finished"]);
    let id: Vec<&str> = words[9].split('-').collect();
    assert!(
        id.len() == 3 && id[0].len() == 4 && id[2] == "1",
        "{}",
        lines[0]
    );
    assert_eq!(words[10], "-");
    assert!(lines[1].ends_with(" the-label"), "{}", lines[1]);
}

fn a_json_line_has_the_same(subject: &Subject) {
    let server = start(subject, &["--access-log-format", "json"]);
    let mut client = server.connect();
    let from = client.address().to_string();
    client.send(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\nuser-agent: \"x\"\\\r\ncontent-length: 2\r\n\r\nab",
    );
    assert_eq!(client.read_response().status, 200);
    client.send("no request\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    let log = log_of(server);
    let lines: Vec<Value> = log
        .iter()
        .filter(|line| line.contains(&from))
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{log:#?}");
    let of = |name: &str| &lines[0][name];
    for (name, expected) in [
        ("client", &*from),
        ("method", "POST"),
        ("target", "/conformance/read-all"),
        ("version", "HTTP/1.1"),
        ("outcome", "finished"),
        ("host", "a"),
        ("user_agent", "\"x\"\\"),
    ] {
        assert_eq!(of(name), expected, "{name}");
    }
    assert_eq!(
        (of("status"), of("sent"), of("received")),
        (&200.into(), &2.into(), &2.into())
    );
    assert!(of("ms").as_f64().is_some_and(|took| took > 0.0));
    assert_eq!(of("label"), &Value::Null);
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["status"]),
        (&"refused".into(), &400.into())
    );
    assert!(lines[1]["why"].is_string());
}

fn how_an_exchange_ended_is_told(subject: &Subject) {
    let server = start(
        subject,
        &["--access-log-format", "{target} {status} {outcome}"],
    );
    let mut client = server.connect();
    client.send("GET /conformance/panic/started HTTP/1.1\r\nhost: a\r\n\r\n");
    let panicked = client.try_read_response(conformance::Method::Other);
    let mut client = server.connect();
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    client.reset();
    let _ = server.ask("/conformance/report/endless/2");
    let log = log_of(server);
    assert!(
        log.iter()
            .any(|line| line == "/conformance/endless 200 gone:peer-reset"),
        "{log:#?}"
    );
    let line = log
        .iter()
        .find(|line| line.starts_with("/conformance/panic/started "));
    assert!(
        line.is_some_and(|line| line.ends_with(" panicked")),
        "{line:?}, {panicked:?}"
    );
}

fn formats_are_those_of_others_or_ones_own(subject: &Subject) {
    for (format, head, tail) in [
        (
            "common",
            "127.0.0.1 - - [",
            " +0000] \"GET /conformance/hello HTTP/1.1\" 200 13",
        ),
        ("combined", "127.0.0.1 - - [", " 200 13 \"-\" \"me/1%22\""),
        (
            "{{{method}}} {field:User-Agent}|{field:x-none}",
            "{GET} me/1%22|-",
            "|-",
        ),
    ] {
        let flags = ["--access-log", "stdout", "--access-log-format", format];
        let mut server = start(subject, &flags);
        let mut client = server.connect();
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\nuser-agent: me/1\"\r\n\r\n");
        assert_eq!(client.read_response().status, 200);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        let output = server.output();
        let line = output.last().expect("it was logged");
        assert!(
            line.starts_with(head) && line.ends_with(tail),
            "{format}: {line}"
        );
    }
}

fn a_wrong_format_ends_with_code_2(subject: &Subject) {
    let options = Options::new().environment("GATEWAY_ACCESS_LOG_FORMAT", "{state}");
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(2));
    let log = server.log().join("\n");
    let expected = "error: GATEWAY_ACCESS_LOG_FORMAT: {state} is no field; those are client, ";
    assert!(log.starts_with(expected), "{log}");
}

fn a_file_is_opened_anew_at_sigusr1_and_sighup(subject: &Subject) {
    let folder = Folder::new();
    let (path, moved) = (folder.file("access.log"), folder.file("access.log.1"));
    let flags = ["--access-log", &path, "--access-log-format", "{target}"];
    let server = start(subject, &flags);
    let mut expected = Vec::new();
    for (round, signal) in [Signal::USR1, Signal::HUP].into_iter().enumerate() {
        let target = format!("/conformance/hello?{round}");
        let _ = server.ask(&target);
        folder.wait_for("access.log", &target);
        std::fs::rename(&path, &moved).expect("it is there");
        server.signal(signal);
        let start = Instant::now();
        while !std::path::Path::new(&path).exists() {
            assert!(
                start.elapsed() < PATIENCE,
                "it was not opened anew at {signal:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        expected.push(target);
        let kept = std::fs::read_to_string(&moved).expect("it is there");
        assert!(kept.contains(&expected[round]), "{kept}");
    }
    let _ = server.ask("/conformance/hello?last");
    folder.wait_for("access.log", "/conformance/hello?last");
}

fn a_file_that_cannot_be_opened_is_a_failed_start(subject: &Subject) {
    let options = Options::new().arguments(&["--access-log", "/no/such/folder/log"]);
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log().join("\n");
    assert!(
        log.contains("error: access-log: cannot write to /no/such/folder/log: "),
        "{log}"
    );
}

fn a_pipe_without_a_reader_is_a_failed_start(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.pipe("pipe");
    // It is seen before an address is: that one is taken.
    let taken = subject.start();
    let address = taken.address().to_string();
    let options = Options::new().arguments(&["--access-log", &path, "--bind", &address]);
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    let expected = format!(
        "error: access-log: cannot write to {path}: nobody reads this pipe; start its reader first"
    );
    assert_eq!(log, [expected]);
}

fn a_check_tries_it_and_makes_nothing(subject: &Subject) {
    let folder = Folder::new();
    let (new, nowhere) = (folder.file("access.log"), folder.file("none/access.log"));
    let check = |path: &str| {
        let options = Options::new().arguments(&["--check", "--access-log", path]);
        let mut server = subject.launch(options);
        (server.wait().code(), server.log())
    };
    assert_eq!(check(&new), (Some(0), Vec::new()));
    assert!(
        !std::path::Path::new(&new).exists(),
        "it would be that of whoever checks"
    );
    let (code, log) = check(&nowhere);
    assert_eq!(code, Some(2));
    let expected = format!("error: access-log: cannot write to {nowhere}: there is no folder ");
    assert!(log.len() == 1 && log[0].starts_with(&expected), "{log:#?}");
}

fn a_full_disk_costs_no_client_an_answer(subject: &Subject) {
    let server = start(subject, &["--access-log", "/dev/full"]);
    let mut client = server.connect();
    for _ in 0..500 {
        assert_eq!(client.get("/conformance/hello").status, 200);
    }
    let warned = server.wait_for_log("the access log cannot be written");
    assert!(warned.contains("lost="), "{warned}");
    assert_eq!(client.get("/conformance/hello").status, 200);
    let log = log_of(server);
    let warnings = log
        .iter()
        .filter(|line| line.contains("cannot be written"))
        .count();
    assert!(warnings <= 2, "they are rare: {warnings}");
}

fn a_stuck_pipe_costs_no_client_an_answer(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.pipe("pipe");
    // Open, and never read.
    let mut options = std::fs::OpenOptions::new();
    let _reader = options
        .read(true)
        .write(true)
        .open(&path)
        .expect("it is there");
    let server = start(subject, &["--access-log", &path]);
    let mut client = server.connect();
    // More than a pipe holds.
    let target = format!("/conformance/hello?{}", "x".repeat(2_000));
    for _ in 0..100 {
        assert_eq!(client.get(&target).status, 200);
    }
    let start = Instant::now();
    let _ = log_of(server);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

/// Whether these events, and they alone, are in the span of the exchange that the access log has at this path.
#[track_caller]
fn expect_spans(log: &[String], method: &str, path: &str, events: &[&str]) {
    let line = log.iter().find_map(|line| line.strip_prefix(path));
    let id = line.expect("it is in the access log").trim();
    let span = format!("exchange{{id={id} method={method} path=\"{path}\"}}");
    for event in events {
        let line = log.iter().find(|line| line.contains(event));
        let line = line.unwrap_or_else(|| panic!("{event} is not in {log:#?}"));
        assert!(line.contains(&span), "{span} is not in {line}");
    }
    let spans = log.iter().filter(|line| line.contains(&span));
    assert_eq!(spans.count(), events.len(), "{log:#?}");
}

const EVENTS: [&str; 2] = [": an event of the peer", ": another event of the peer"];

fn spans_show_the_exchange_of_an_event(subject: &Subject) {
    let server = start(subject, &SPANS);
    let _ = server.ask("/conformance/event");
    expect_spans(&log_of(server), "GET", "/conformance/event", &EVENTS);
}

const SPANS: [&str; 3] = ["--spans", "--access-log-format", "{target} {id}"];

fn spans_show_the_stream_of_an_event(subject: &Subject) {
    let server = start(subject, &SPANS);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        assert_eq!(streams.ask("/conformance/event").await?.status(), 200);
        streams.close().await
    });
    expect_spans(&log_of(server), "GET", "/conformance/event", &EVENTS);
}

fn spans_show_the_socket_of_an_event(subject: &Subject) {
    let events = [": an event of the peer's socket"];
    let server = start(subject, &SPANS);
    let mut client = server.connect();
    client.send(upgrade("event"));
    assert_eq!(client.read_head().status, 101);
    drop(client);
    expect_spans(&log_of(server), "GET", "/conformance/ws/event", &events);
    let server = start(subject, &SPANS);
    on_runtime(async {
        let mut streams = Streams::connect(server.address()).await?;
        let (mut answer, _sender) = streams.upgrade("/conformance/ws/event").await?;
        // Its close frame.
        let _ = answer.data().await.ok_or("an end")??;
        Ok(())
    });
    expect_spans(&log_of(server), "CONNECT", "/conformance/ws/event", &events);
}
