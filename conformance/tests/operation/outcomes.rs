//! How exchanges end, as the access log tells it; and what is escaped in it, whoever says it.

use conformance::{Client, End, Options, Server, Signal, Subject};
use serde_json::Value;

use super::access_log::{log_of, start};
use super::{Folder, chapter, metrics, on_runtime};

chapter! {
    what_the_application_gives_up_is_aborted,
    a_reset_stream_is_told_from_a_connection_that_is_gone,
    who_does_not_read_is_told_from_who_is_gone,
    who_leaves_within_a_body_gets_no_answer,
    what_breaks_off_is_no_failure_of_the_application,
    what_a_shutdown_cuts_off_is_told,
    what_no_application_saw_is_refused,
    what_a_client_sends_is_escaped_in_each_format,
    a_client_that_a_proxy_names_is_escaped,
    it_is_opened_anew_during_a_drain,
}

const OUTCOME: [&str; 2] = ["--access-log-format", "{target} {status} {outcome}"];

#[track_caller]
fn assert_logged(log: &[String], line: &str) {
    assert!(
        log.iter().any(|logged| logged == line),
        "{line} is not in {log:#?}"
    );
}

fn what_the_application_gives_up_is_aborted(subject: &Subject) {
    let server = start(subject, &OUTCOME);
    for path in ["/conformance/fail/abort", "/conformance/fail/started/abort"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let _ = client.read_to_end();
    }
    let log = log_of(server);
    assert_logged(&log, "/conformance/fail/abort - aborted");
    assert_logged(&log, "/conformance/fail/started/abort 200 aborted");
}

fn a_reset_stream_is_told_from_a_connection_that_is_gone(subject: &Subject) {
    let server = start(subject, &OUTCOME);
    on_runtime(async {
        let stream = tokio::net::TcpStream::connect(server.address()).await?;
        let (mut requests, connection) = h2::client::handshake(stream).await?;
        let connection = tokio::spawn(connection);
        let uri = format!("http://{}/conformance/endless", server.address());
        let request = http::Request::get(uri).body(())?;
        requests = requests.ready().await?;
        let (response, mut stream) = requests.send_request(request, true)?;
        assert_eq!(response.await?.status(), 200);
        stream.send_reset(h2::Reason::CANCEL);
        // The connection goes on.
        let uri = format!("http://{}/conformance/report/endless/2", server.address());
        requests = requests.ready().await?;
        let (response, _) = requests.send_request(http::Request::get(uri).body(())?, true)?;
        assert_eq!(response.await?.status(), 200);
        drop((requests, stream));
        connection.await??;
        Ok(())
    });
    let log = log_of(server);
    assert_logged(&log, "/conformance/endless 200 gone:stream-reset");
}

fn who_does_not_read_is_told_from_who_is_gone(subject: &Subject) {
    let flags = [&OUTCOME[..], &["--write-timeout", "300ms"]].concat();
    let server = start(subject, &flags);
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let reported = server.ask("/conformance/report/endless/2");
    assert_eq!(reported, "started\nGone(WriteTimeout)");
    let log = log_of(server);
    assert_logged(&log, "/conformance/endless 200 gone:write-timeout");
}

fn what_a_shutdown_cuts_off_is_told(subject: &Subject) {
    // Of which a tenth is left for the last words, however busy the machine is.
    let server = start(subject, &[&OUTCOME[..], &["--grace", "3s"]].concat());
    let mut client = server.connect();
    client.send("GET /conformance/chunks/1 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    let mut unanswered = server.connect();
    unanswered.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    let log = log_of(server);
    assert_logged(&log, "/conformance/chunks/1 200 gone:shutdown");
    // What had no answer gets one.
    assert_logged(&log, "/conformance/slow 503 finished");
}

fn what_no_application_saw_is_refused(subject: &Subject) {
    let server = start(
        subject,
        &["--access-log-format", "{status} {outcome} {label}"],
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx\x1b[31m: 1\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    let log = log_of(server);
    let refused = log.iter().find(|line| line.starts_with("400 refused "));
    assert!(
        refused.is_some_and(|line| !line.ends_with(" -")),
        "{log:#?}"
    );
}

/// No byte of it is obeyed by a terminal or ends a line.
#[track_caller]
fn assert_is_plain(log: &[String]) {
    for line in log {
        let is_plain = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(is_plain, "{} is not plain", line.escape_debug());
    }
}

fn what_a_client_sends_is_escaped_in_each_format(subject: &Subject) {
    // All that a field and a target may hold, and what no request may.
    let requests: [&[u8]; 5] = [
        b"GET /conformance/hello?%22%0a%1b HTTP/1.1\r\nhost: a\r\nuser-agent: a\tb\"\\\xff\xc2\x9b\r\n\r\n",
        b"GET /conformance/hello?\x1b[31m HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /conformance/hello?\xff\x85 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: a\x1b[31mb\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: a\x00\rb\r\n\r\n",
    ];
    for (format, agent) in [
        ("plain", None),
        ("combined", Some("\"a%09b%22%5C%FF%C2%9B\"")),
        ("json", Some(r#""user_agent":"a\u0009b\"\\\ufffd\u009b""#)),
        (
            "{client} {target} {field:user-agent}",
            Some(" a%09b%22%5C%FF%C2%9B"),
        ),
    ] {
        let mut flags = vec!["--access-log", "stdout", "--access-log-format", format];
        // In the order in which they come.
        flags.extend(["--workers", "1"]);
        let mut server = start(subject, &flags);
        for request in requests {
            let mut client = server.connect();
            client.send(request);
            let _ = client.read_response();
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        // The first line says where it listens.
        let log = &server.output()[1..];
        assert_eq!(log.len(), requests.len(), "{log:#?}");
        assert_is_plain(log);
        let is_shown = agent.is_none_or(|agent| log[0].contains(agent));
        assert!(is_shown, "{format}: {}", log[0]);
        if format == "json" {
            for line in log {
                assert!(
                    serde_json::from_str::<Value>(line).is_ok(),
                    "{line} is no JSON"
                );
            }
        }
    }
}

fn a_client_that_a_proxy_names_is_escaped(subject: &Subject) {
    let proxied = [
        "--proxy-protocol",
        "required",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    for format in ["plain", "common", "json"] {
        let flags = [
            &proxied[..],
            &["--access-log", "stdout", "--access-log-format", format],
        ];
        let mut server = start(subject, &flags.concat());
        let mut client = server.connect();
        // Version 2, over a unix socket: each path takes 108 bytes.
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8".to_vec();
        let mut paths = [0; 216];
        paths[..16].copy_from_slice(b"/run/a\n1.2.3.4 x");
        header.extend(paths);
        client.send(
            [
                &header[..],
                b"GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n",
            ]
            .concat(),
        );
        assert_eq!(client.read_response().status, 200);
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0));
        let log = &server.output()[1..];
        assert_eq!(log.len(), 1, "{log:#?}");
        assert_is_plain(log);
        assert!(log[0].contains("/run/a"), "{log:#?}");
    }
}

fn who_leaves_within_a_body_gets_no_answer(subject: &Subject) {
    let server = start(subject, &OUTCOME);
    let mut client = server.connect();
    client.send("POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    let _ = server.ask("/conformance/report/calls/1");
    client.reset();
    // The application hands on the error of its read, which is none of its own.
    assert_logged(&log_of(server), "/conformance/read-all - gone:peer-reset");
}

fn what_breaks_off_is_no_failure_of_the_application(subject: &Subject) {
    let (server, metrics) = metrics::start(subject, &OUTCOME);
    let mut client = server.connect();
    client.send("POST /conformance/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    assert_eq!(client.read_head().status, 200);
    client.half_close();
    let (_, end) = client.read_to_end();
    assert_eq!(end, End::Closed, "and without the body's end");
    metrics::wait_for(
        metrics,
        "gateway_exchanges_total{outcome=\"aborted:request\"}",
        |count| count == 1.0,
    );
    assert_eq!(metrics::numbers(metrics)["gateway_failures_total"], 0.0);
    assert_logged(&log_of(server), "/conformance/echo 200 aborted:request");
}

fn it_is_opened_anew_during_a_drain(subject: &Subject) {
    let folder = Folder::new();
    let (path, moved) = (folder.file("access.log"), folder.file("access.log.1"));
    let flags = [&OUTCOME[..], &["--access-log", &path]].concat();
    let mut server: Server = subject.start_with(Options::new().arguments(&flags));
    let mut client = server.connect();
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    server.signal(Signal::TERM);
    let _ = server.wait_for_log("shutting down");
    std::fs::rename(&path, &moved).expect("it is there");
    server.signal(Signal::USR1);
    let _ = server.wait_for_log("the access log is opened anew");
    client.reset();
    assert_eq!(server.wait().code(), Some(0));
    folder.wait_for("access.log", "/conformance/endless 200 gone:peer-reset\n");
    let kept = std::fs::read_to_string(&moved).expect("it is there");
    assert!(!kept.contains("endless"), "{kept}");
}
