//! Peers that others wrote, on both servers: curl, wrk, h2load, Python's `websockets`, nginx before them, and tools that read
//! the OpenAPI documents of app-router's examples.
//!
//! They need programs that are not Rust's, so `./test` at the root of the repository installs those and runs these tests.
#![forbid(unsafe_code)]

#[path = "third_party/nginx.rs"]
mod nginx;
#[path = "third_party/openapi.rs"]
mod openapi;
#[path = "third_party/relay.rs"]
mod relay;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{Client, Options, PATIENCE, Process, Server, Signal, Subject};

use nginx::nginx_stands_before_it;
use openapi::{a_generated_client_works, its_documents_are_valid};
use relay::{Relay, Seen};

/// Writes a test for each server.
macro_rules! on_both {
    ($($test:ident;)*) => {
        mod raw {
            $(#[test]
            #[ignore = "needs curl, wrk, h2load, nginx and packages of Python: run ./test"]
            fn $test() {
                super::$test(&super::subject("raw"));
            })*
        }

        mod hyper {
            $(#[test]
            #[ignore = "needs curl, wrk, h2load, nginx and packages of Python: run ./test"]
            fn $test() {
                super::$test(&super::subject("hyper"));
            })*
        }
    };
}

on_both! {
    curl_gets_and_posts;
    curl_uploads_with_an_expectation;
    curl_uploads_what_nobody_reads;
    wrk_sees_no_error;
    wrk_sees_no_error_when_it_pipelines;
    wrk_sees_no_error_at_a_restart;
    curl_speaks_http_2;
    h2load_sees_no_error;
    h2load_loses_nothing_that_it_sent_at_a_restart;
    python_s_websockets_compress;
    python_s_websockets_close;
    nginx_stands_before_it;
    its_documents_are_valid;
    a_generated_client_works;
}

fn subject(server: &'static str) -> Subject {
    Subject::new(
        server,
        env!("CARGO_BIN_EXE_conformance"),
        &["peer", "--server", server],
    )
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

/// Runs a program to its end and gives its standard output. Each is told itself how long it may take.
#[track_caller]
fn run(program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started ({error}): run ./test"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // A program that does not read all of it is none the worse for it.
        let _ = std::io::Write::write_all(&mut stdin, &input);
    });
    let output = child.wait_with_output().expect("the child is ours");
    writer.join().expect("writing does not panic");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} failed: {}\n{text}\n{errors}",
        output.status
    );
    text
}

#[track_caller]
fn curl(arguments: &[&str], input: &[u8]) -> String {
    run(
        "curl",
        &[&["--silent", "--show-error", "--max-time", "20"], arguments].concat(),
        input,
    )
}

fn curl_gets_and_posts(subject: &Subject) {
    let server = subject.start();
    assert_eq!(
        curl(&[&url(&server, "/conformance/hello")], b""),
        "Hello, world!"
    );
    assert_eq!(
        curl(&["--http1.0", &url(&server, "/conformance/hello")], b""),
        "Hello, world!"
    );
    let head = curl(&["--head", &url(&server, "/conformance/hello")], b"");
    assert!(
        head.to_ascii_lowercase().contains("content-length: 13\r\n"),
        "{head}"
    );
    let body = "a body\n".repeat(10_000);
    let chunked = ["--header", "transfer-encoding: chunked"];
    for fields in [&[][..], &chunked] {
        for path in ["/conformance/read-all", "/conformance/echo"] {
            let url = url(&server, path);
            let sent = [fields, &["--data-binary", "@-", &url]].concat();
            assert!(
                curl(&sent, body.as_bytes()) == body,
                "{path} with {fields:?}"
            );
        }
    }
    // One connection for all of them.
    let three = curl(
        &[
            "--write-out",
            "%{num_connects}\n",
            &url(&server, "/conformance/hello"),
            &url(&server, "/conformance/hello"),
        ],
        b"",
    );
    assert_eq!(three, "Hello, world!1\nHello, world!0\n");
}

fn curl_uploads_with_an_expectation(subject: &Subject) {
    let server = subject.start();
    let body = vec![b'x'; 3_000_000];
    // Without an answer to its expectation curl would wait for a second before it sends.
    let timed = [
        "--header",
        "expect: 100-continue",
        "--expect100-timeout",
        "15",
        "--write-out",
        "%{time_total}",
        "--output",
        "/dev/null",
        "--data-binary",
        "@-",
        &url(&server, "/conformance/read-all"),
    ];
    let seconds: f64 = curl(&timed, &body).parse().expect("curl writes a number");
    assert!(seconds < 10.0, "curl waited for {seconds} s");
}

fn curl_uploads_what_nobody_reads(subject: &Subject) {
    let server = subject.start();
    let body = vec![b'x'; 20_000_000];
    let sent = [
        "--header",
        "expect:",
        "--data-binary",
        "@-",
        &url(&server, "/conformance/early"),
    ];
    assert_eq!(curl(&sent, &body), "early");
}

fn wrk(server: &Server, more: &[&str]) {
    let arguments = [
        &[
            "--threads",
            "1",
            "--connections",
            "16",
            "--duration",
            "2s",
            "--timeout",
            "5s",
        ],
        more,
    ]
    .concat();
    let report = run(
        "wrk",
        &[&arguments[..], &[&url(server, "/conformance/hello")]].concat(),
        b"",
    );
    assert!(
        !report.contains("Socket errors") && !report.contains("Non-2xx"),
        "{report}"
    );
    let requests = report
        .lines()
        .find_map(|line| line.trim().split_once(" requests in"));
    let requests: u64 = requests
        .and_then(|(count, _)| count.parse().ok())
        .unwrap_or_default();
    assert!(requests > 100, "{report}");
}

fn wrk_sees_no_error(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--access-log", "off"]));
    wrk(&server, &[]);
}

fn wrk_sees_no_error_when_it_pipelines(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--access-log", "off"]));
    let script = std::env::temp_dir().join(format!(
        "pipeline-{}-{}.lua",
        subject.name(),
        std::process::id()
    ));
    let pipeline = "init = function(args)\n  local r = {}\n  for i = 1, 16 do r[i] = wrk.format() end\n  req = table.concat(r)\nend\nrequest = function() return req end\n";
    std::fs::write(&script, pipeline).expect("the temporary folder can be written");
    wrk(
        &server,
        &["--script", script.to_str().expect("its name is text")],
    );
    std::fs::remove_file(&script).expect("it is ours");
}

/// Restarts a server once so many answers were seen; where that is counted, and who it is now.
fn restart_at(server: &Server, answered: impl Fn() -> usize) -> Process {
    let begun = Instant::now();
    while answered() < 200 {
        assert!(begun.elapsed() < PATIENCE, "nobody asks");
        thread::park_timeout(Duration::from_millis(1));
    }
    server.signal(Signal::USR2);
    server.successor()
}

fn wrk_sees_no_error_at_a_restart(subject: &Subject) {
    let flags = [
        "--workers",
        "2",
        "--access-log",
        "off",
        "--metrics-bind",
        "127.0.0.1:0",
    ];
    let mut server = subject.start_with(Options::new().arguments(&flags));
    let line = server.wait_for_log("metrics, health, readiness and the page");
    let (_, metrics) = line.split_once("address=").expect("it is a field");
    let metrics: std::net::SocketAddr = metrics.trim().parse().expect("it is an address");
    let answered = || {
        let all = Client::connect(metrics).get("/metrics");
        let name = "gateway_responses_total{status=\"200\"} ";
        let mut lines = all.text().lines();
        let count = lines.find_map(|line| line.strip_prefix(name));
        count.map_or(0, |count| count.parse().expect("a number"))
    };
    thread::scope(|scope| {
        let load = scope.spawn(|| wrk(&server, &[]));
        let new = restart_at(&server, answered);
        load.join().expect("wrk sees no error");
        new.signal(Signal::TERM);
    });
    assert_eq!(server.wait_for_process().code(), Some(0));
}

fn curl_speaks_http_2(subject: &Subject) {
    let server = subject.start();
    let first = [
        "--http2-prior-knowledge",
        "--write-out",
        " by %{http_version}",
    ];
    let said = curl(
        &[&first[..], &[&url(&server, "/conformance/hello")]].concat(),
        b"",
    );
    assert_eq!(said, "Hello, world! by 2");
    let body = vec![b'x'; 300_000];
    let sent = [
        "--http2-prior-knowledge",
        "--data-binary",
        "@-",
        &url(&server, "/conformance/echo"),
    ];
    assert!(curl(&sent, &body).as_bytes() == body);
}

fn h2load_sees_no_error(subject: &Subject) {
    let server = subject.start();
    let arguments = [
        "--requests",
        "2000",
        "--clients",
        "4",
        "--max-concurrent-streams",
        "25",
    ];
    let report = run(
        "h2load",
        &[&arguments[..], &[&url(&server, "/conformance/hello")]].concat(),
        b"",
    );
    assert!(
        report.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"),
        "{report}"
    );
}

/// h2load keeps its connections, and does not connect anew when it is told to go. What it had queued then and never sent it counts as
/// failed; so what it sent is counted on its way.
fn h2load_loses_nothing_that_it_sent_at_a_restart(subject: &Subject) {
    let flags = ["--workers", "2", "--access-log", "off"];
    let mut server = subject.start_with(Options::new().arguments(&flags));
    let relay = Relay::before(server.address());
    let url = format!("http://{}/conformance/hello", relay.address);
    let arguments = [
        "--duration",
        "3",
        "--clients",
        "4",
        "--max-concurrent-streams",
        "10",
        &url,
    ];
    let new = thread::scope(|scope| {
        let load = scope.spawn(|| run("h2load", &arguments, b""));
        let new = restart_at(&server, || relay.seen().answered);
        load.join().expect("h2load ends in order");
        new
    });
    assert_eq!(server.wait_for_process().code(), Some(0));
    new.signal(Signal::TERM);
    let seen = relay.seen();
    let Seen { asked, goaways, .. } = seen;
    // Each connection is told twice, and the client may leave before it is told again.
    assert!(goaways >= 4, "{seen:?}");
    let all = Seen {
        asked,
        answered: asked,
        reset: 0,
        goaways,
    };
    assert_eq!(seen, all, "something was lost");
}

/// Runs a script with the `websockets` package and this URL as its argument.
#[track_caller]
fn python(script: &str, url: &str) -> String {
    let python = std::env::var("CONFORMANCE_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = format!(
        "import asyncio, sys, websockets\n\n{script}\n\nasyncio.run(asyncio.wait_for(main(sys.argv[1]), 20))\n"
    );
    run(&python, &["-c", &script, url], b"")
}

fn python_s_websockets_compress(subject: &Subject) {
    let server = subject.start();
    let script = r#"
async def main(url):
    async with websockets.connect(url, compression="deflate", max_size=None) as socket:
        extensions = getattr(socket, "extensions", None) or socket.protocol.extensions
        print([extension.name for extension in extensions])
        for message in ["", "text", "\u20ac" * 100_000, b"", bytes(range(256)) * 1000]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in", " ", "fragments"])
        assert await socket.recv() == "in fragments"
        await (await socket.ping())
        print("echoed")
"#;
    let url = format!("ws://{}/conformance/ws/echo", server.address());
    assert_eq!(python(script, &url), "['permessage-deflate']\nechoed\n");
}

fn python_s_websockets_close(subject: &Subject) {
    let server = subject.start();
    let script = r#"
async def main(url):
    async with websockets.connect(url, subprotocols=["a", "b"]) as socket:
        try:
            await socket.recv()
        except websockets.exceptions.ConnectionClosed as end:
            print(end.rcvd.code, end.rcvd.reason, end.rcvd_then_sent)
"#;
    let url = format!("ws://{}/conformance/ws/close", server.address());
    assert_eq!(python(script, &url), "4001 as asked True\n");
}
