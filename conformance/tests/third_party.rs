//! Peers that others wrote, on both servers: curl, wrk, h2load, Python's `websockets`, and nginx before them.
//!
//! They need programs that are not Rust's, so `./test` at the root of the repository installs those and runs these tests.
#![forbid(unsafe_code)]

#[path = "third_party/nginx.rs"]
mod nginx;

use std::process::{Command, Stdio};

use conformance::{Server, Subject};
use nginx::nginx_stands_before_it;

/// Writes a test for each server.
macro_rules! on_both {
    ($($test:ident;)*) => {
        mod raw {
            $(#[test]
            #[ignore = "needs curl, wrk, h2load, nginx and python3-websockets: run ./test"]
            fn $test() {
                super::$test(&super::subject("raw"));
            })*
        }

        mod hyper {
            $(#[test]
            #[ignore = "needs curl, wrk, h2load, nginx and python3-websockets: run ./test"]
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
    curl_speaks_http_2;
    h2load_sees_no_error;
    python_s_websockets_compress;
    python_s_websockets_close;
    nginx_stands_before_it;
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
    let writer = std::thread::spawn(move || {
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
    let server =
        subject.start_with(conformance::Options::new().arguments(&["--access-log", "off"]));
    wrk(&server, &[]);
}

fn wrk_sees_no_error_when_it_pipelines(subject: &Subject) {
    let server =
        subject.start_with(conformance::Options::new().arguments(&["--access-log", "off"]));
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
