//! Limits and timers by their flags, where no clause has a case for them.

use std::io::Read;
use std::time::{Duration, Instant};

use conformance::{Client, Options, PATIENCE, Server, Subject};

use super::chapter;

chapter! {
    a_connection_ends_after_its_requests,
    a_connection_of_http_2_ends_after_its_requests,
    a_body_that_trickles_is_408,
    a_body_that_keeps_the_rate_is_read,
    no_body_is_waited_for_beyond_the_ceiling,
    a_reader_that_trickles_is_given_up,
    no_reader_is_waited_for_beyond_the_ceiling,
    trailers_have_their_limits,
    unsafe_settings_are_warned_of,
}

fn start(subject: &Subject, flags: &[&str]) -> Server {
    subject.start_with(Options::new().arguments(flags))
}

fn a_connection_ends_after_its_requests(subject: &Subject) {
    let server = start(subject, &["--requests", "3"]);
    let mut client = server.connect();
    for last in [false, false, true] {
        let response = client.get("/conformance/hello");
        assert_eq!((response.status, response.closes()), (200, last));
    }
    client.expect_end();
    // Pipelined: what is behind the last one is not served.
    let mut client = server.connect();
    client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n".repeat(5));
    for last in [false, false, true] {
        assert_eq!(client.read_response().closes(), last);
    }
    client.expect_gone();
}

fn a_connection_of_http_2_ends_after_its_requests(subject: &Subject) {
    let server = start(subject, &["--requests", "3"]);
    super::on_runtime(async {
        let stream = tokio::net::TcpStream::connect(server.address()).await?;
        let (mut requests, connection) = h2::client::handshake(stream).await?;
        let connection = tokio::spawn(connection);
        for _ in 0..3 {
            let uri = format!("http://{}/conformance/hello", server.address());
            let request = http::Request::get(uri).body(())?;
            requests = requests.ready().await?;
            let (response, _) = requests.send_request(request, true)?;
            assert_eq!(response.await?.status(), 200);
        }
        // It is told to go, without an error.
        drop(requests);
        connection.await??;
        Ok(())
    });
}

/// Sends this much each tenth of a second, until the server answers or so long is over; whether it answered.
fn trickle(client: &mut Client, bytes: usize, at_most: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < at_most {
        if client.try_send(vec![b'x'; bytes]).is_err()
            || client.poll_read(Duration::from_millis(100))
        {
            return true;
        }
    }
    false
}

fn post(server: &Server, length: usize) -> Client {
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
    ));
    client
}

fn a_body_that_trickles_is_408(subject: &Subject) {
    // No pause comes near to the timeout.
    let flags = ["--body-timeout", "1s", "--body-rate", "10KiB"];
    let server = start(subject, &flags);
    let mut client = post(&server, 1_000_000);
    let start = Instant::now();
    assert!(trickle(&mut client, 10, PATIENCE), "it was let go on");
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(client.read_response().status, 408);
}

fn a_body_that_keeps_the_rate_is_read(subject: &Subject) {
    let flags = ["--body-timeout", "5s", "--body-rate", "1"];
    let server = start(subject, &flags);
    let mut client = post(&server, 1_000);
    // Longer than the timeout in all.
    assert!(
        !trickle(&mut client, 10, Duration::from_secs(7)),
        "it was not"
    );
    client.send([b'x'; 1_000]);
    assert_eq!(client.read_response().status, 200);
}

fn no_body_is_waited_for_beyond_the_ceiling(subject: &Subject) {
    let flags = [
        "--body-timeout",
        "60s",
        "--body-rate",
        "off",
        "--body-ceiling",
        "1s",
    ];
    let server = start(subject, &flags);
    let mut client = post(&server, 1_000_000);
    let start = Instant::now();
    assert!(trickle(&mut client, 1_000, PATIENCE), "it was let go on");
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(client.read_response().status, 408);
}

/// Reads an answer that has no end, in small parts and with pauses, until the server gives the reader up.
fn read_slowly(server: &Server) {
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut stream = client.into_stream();
    let start = Instant::now();
    let mut part = [0; 64 * 1024];
    while start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        if stream.read(&mut part).is_err() {
            break;
        }
        let reported = server.ask("/conformance/report/endless/0");
        if reported.contains("WriteTimeout") {
            return;
        }
    }
    let reported = server.ask("/conformance/report/endless/2");
    assert_eq!(reported, "started\nGone(WriteTimeout)");
}

fn a_reader_that_trickles_is_given_up(subject: &Subject) {
    // It takes some 3 MB a second.
    read_slowly(&start(
        subject,
        &["--write-timeout", "2s", "--write-rate", "1GiB"],
    ));
}

fn no_reader_is_waited_for_beyond_the_ceiling(subject: &Subject) {
    let flags = [
        "--write-timeout",
        "60s",
        "--write-rate",
        "off",
        "--write-ceiling",
        "1s",
    ];
    read_slowly(&start(subject, &flags));
}

fn trailers_have_their_limits(subject: &Subject) {
    let server = start(
        subject,
        &["--trailer-fields", "2", "--trailer-bytes", "100"],
    );
    let long = format!("x: {}\r\n", "y".repeat(100));
    for (trailers, expected) in [
        ("x: 1\r\ny: 2\r\n", 200),
        ("x: 1\r\ny: 2\r\nz: 3\r\n", 400),
        (&long, 400),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST /conformance/trailers/in HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n{trailers}\r\n"
        ));
        let status = client.read_response().status;
        let is_expected = status == expected || (expected == 400 && status == 431);
        assert!(is_expected, "{trailers:?} give {status}");
    }
}

fn unsafe_settings_are_warned_of(subject: &Subject) {
    let flags = [
        "--head-timeout",
        "10m",
        "--body-rate",
        "off",
        "--ws-ping-interval",
        "off",
    ];
    let server = start(subject, &flags);
    for named in ["head-timeout", "body-rate", "ws-ping-interval"] {
        let line = server.wait_for_log(named);
        assert!(line.contains("WARN"), "{line}");
    }
    let mut quiet = start(subject, &["--bind", "127.0.0.1:0"]);
    quiet.signal(conformance::Signal::TERM);
    let _ = quiet.wait();
    let log = quiet.log().join("\n");
    assert!(!log.contains("WARN"), "the defaults are safe: {log}");
}
