//! Synchronous applications through the adapter (SYNC). Their lives are in `lifespan`.

use std::time::{Duration, Instant};

use super::chapter;
use crate::client::{Client, patience};
use crate::response::Method;
use crate::server::{Options, Server, Signal, Subject};

chapter! {
    calls_run_on_threads_that_may_block: "SYNC-1";
    a_blocking_handle_on_a_worker_is_a_panic: "SYNC-1", "SRV-7";
    an_upload_that_dribbles_takes_no_thread: "SYNC-2";
    a_thread_is_taken_when_enough_is_there: "SYNC-2";
    above_its_bounds_it_answers_503: "SYNC-3";
    who_leaves_the_queue_is_not_called: "SYNC-3";
    a_client_that_leaves_makes_reading_fail: "SYNC-4", "HTTP-8";
    a_client_that_leaves_makes_writing_fail: "SYNC-4", "SYNC-7";
    an_iterator_is_dropped_once_on_every_path: "SYNC-5";
    reading_gives_what_there_is: "SYNC-6";
    writing_waits_for_a_client_that_is_slow: "SYNC-7", "SRV-5";
    a_whole_response_is_handed_over: "SYNC-8";
    a_startup_that_fails_ends_the_server: "SYNC-9", "LIFE-3";
    an_iterator_that_fails_at_once_is_500: "SYNC-10", "SYNC-5";
    a_panic_is_one_exchange_s: "SRV-7", "SYNC-1";
    a_hundred_that_sleep_keep_nobody_from_a_worker: "SYNC-1", "APP-7";
    a_hundred_that_are_too_many_keep_nobody_from_a_worker: "SYNC-3";
    a_thread_at_work_is_waited_for: "SRV-16";
    a_thread_that_waits_for_its_client_comes_back_with_the_grace: "SYNC-4", "SRV-2";
    a_thread_that_does_not_come_back_is_counted: "SYNC-9", "LIFE-7";
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// Asks until it is so: for facts that nobody reports when they come about.
#[track_caller]
fn ask_until(server: &Server, path: &str, is_so: impl Fn(&str) -> bool) {
    let start = Instant::now();
    loop {
        let answer = server.ask(path);
        if is_so(&answer) {
            return;
        }
        assert!(start.elapsed() < patience(), "{path} stays {answer}");
    }
}

fn calls_run_on_threads_that_may_block(subject: &Subject) {
    let server = subject.start();
    let response = server.connect().get("/conformance/sync/thread");
    let told = response.text().to_owned();
    assert!(
        told.starts_with("sync-") && told.ends_with("worker false"),
        "{told}"
    );
    // While one blocks, all workers go on.
    let mut blocked = server.connect();
    blocked.send(get("/conformance/sync/block"));
    assert_eq!(
        server.ask("/conformance/report/sync-calls/2"),
        "thread\nblock"
    );
    for _ in 0..8 {
        assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    }
    let _ = server.ask("/conformance/open/sync");
    assert_eq!(blocked.read_response().text(), "blocked");
}

fn a_blocking_handle_on_a_worker_is_a_panic(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("POST /conformance/sync/misuse HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n");
    // Without the mark this would wait for a body that its own thread has to read.
    assert_eq!(client.read_response().status, 500);
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn an_upload_that_dribbles_takes_no_thread(subject: &Subject) {
    let server = subject.start();
    let mut slow = server.connect();
    slow.send(
        "POST /conformance/sync/small/read HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf ",
    );
    // There is one thread, and it is free.
    for _ in 0..3 {
        let response = server.connect().get("/conformance/sync/small/hello");
        assert_eq!(response.text(), "Hello, world!");
    }
    slow.send("whole");
    assert_eq!(slow.read_response().text(), "half whole");
}

fn a_thread_is_taken_when_enough_is_there(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client
        .send("POST /conformance/sync/read HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n");
    client.send(vec![b'x'; 70_000]);
    // Not complete, and called.
    assert_eq!(server.ask("/conformance/report/sync-calls/1"), "read");
    client.send(vec![b'x'; 30_000]);
    assert_eq!(client.read_response().body.len(), 100_000);
}

/// Fills the small pool: one that runs, one that waits.
fn fill(server: &Server) -> (Client, Client) {
    let mut running = server.connect();
    running.send(get("/conformance/sync/small/block/first"));
    let _ = server.ask("/conformance/report/sync-calls/1");
    let mut queued = server.connect();
    queued.send(get("/conformance/sync/small/block/second"));
    ask_until(server, "/conformance/sync/stats", |stats| {
        stats.contains("queued 1")
    });
    (running, queued)
}

fn above_its_bounds_it_answers_503(subject: &Subject) {
    let server = subject.start();
    let (mut running, mut queued) = fill(&server);
    let mut refused = server.connect();
    let response = refused.get("/conformance/sync/small/hello");
    assert_eq!(response.status, 503);
    assert!(response.field("retry-after").is_some(), "when to ask again");
    for client in [&mut running, &mut queued] {
        let _ = server.ask("/conformance/open/sync");
        assert_eq!(client.read_response().text(), "blocked");
    }
    let calls = server.ask("/conformance/report/sync-calls/2");
    assert_eq!(calls, "block/first\nblock/second");
    assert_eq!(refused.get("/conformance/sync/small/hello").status, 200);
}

fn who_leaves_the_queue_is_not_called(subject: &Subject) {
    let server = subject.start();
    let (mut running, queued) = fill(&server);
    queued.reset();
    ask_until(&server, "/conformance/sync/stats", |stats| {
        stats.contains("queued 0")
    });
    let _ = server.ask("/conformance/open/sync");
    assert_eq!(running.read_response().text(), "blocked");
    let hello = server.connect().get("/conformance/sync/small/hello");
    assert_eq!(hello.status, 200);
    let calls = server.ask("/conformance/report/sync-calls/2");
    assert_eq!(calls, "block/first\nhello");
}

fn a_client_that_leaves_makes_reading_fail(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client
        .send("POST /conformance/sync/read HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    assert_eq!(server.ask("/conformance/report/sync-calls/1"), "read");
    client.reset();
    let told = server.ask("/conformance/report/sync/1");
    assert!(told.starts_with("Err("), "{told}");
}

fn a_client_that_leaves_makes_writing_fail(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/sync/endless"));
    assert_eq!(client.read_head().status, 200);
    client.reset();
    let told = server.ask("/conformance/report/sync/2");
    assert!(
        told.starts_with("started\nSome("),
        "the reason is in the error: {told}"
    );
}

fn an_iterator_is_dropped_once_on_every_path(subject: &Subject) {
    let server = subject.start();
    let whole = server.connect().get("/conformance/sync/parts/all");
    assert_eq!(whole.body.len(), 3 * 16 * 1024);
    let dropped = "the iterator was dropped";
    assert_eq!(server.ask("/conformance/report/sync/1"), dropped);

    let mut leaving = server.connect();
    leaving.send(get("/conformance/sync/parts/endless"));
    assert_eq!(leaving.read_head().status, 200);
    leaving.reset();
    let told = server.ask("/conformance/report/sync/2");
    assert_eq!(told.lines().count(), 2, "once each: {told}");

    let mut cut = server.connect();
    cut.send(get("/conformance/sync/parts/panic"));
    assert!(
        cut.try_read_response(Method::Other).is_err(),
        "it is cut off"
    );
    let told = server.ask("/conformance/report/sync/3");
    assert_eq!(told.lines().count(), 3, "once each: {told}");
}

fn reading_gives_what_there_is(subject: &Subject) {
    let server = subject.start();
    let response = server
        .connect()
        .post("/conformance/sync/read-oddly", "abcdef");
    assert_eq!(
        response.text(),
        "true taken 1 empty 0 first a rest bcdef ends [0, 0]"
    );
}

fn writing_waits_for_a_client_that_is_slow(subject: &Subject) {
    const LIMIT: usize = 16 * 1024 * 1024;
    let server = subject.start();
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(get("/conformance/sync/endless"));
    assert_eq!(server.ask("/conformance/report/sync/1"), "started");
    // It goes on until nothing more is taken; the count then stays for as long as this looks.
    let mut last = String::new();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(500) {
        let now = server.ask("/conformance/report/sync-written/0");
        if now != last {
            (last, since) = (now, Instant::now());
        }
        let written = last
            .lines()
            .last()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        assert!(written < LIMIT, "{written} bytes were taken");
    }
    let _ = client.read_head();
    client.reset();
    assert!(server.ask("/conformance/report/sync/2").contains("Some("));
}

fn a_whole_response_is_handed_over(subject: &Subject) {
    let server = subject.start();
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(get("/conformance/sync/large"));
    // The client has read nothing of 16 MiB.
    assert_eq!(
        server.ask("/conformance/report/sync/1"),
        "respond has returned"
    );
    ask_until(&server, "/conformance/sync/thread", |told| {
        told.ends_with("worker false")
    });
    assert_eq!(client.read_response().body.len(), 16 * 1024 * 1024);
}

fn a_startup_that_fails_ends_the_server(subject: &Subject) {
    let options = Options::new().environment(crate::peer::LIFESPAN, "sync-fail");
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log().join("\n");
    assert!(
        log.contains("the synchronous startup fails on purpose"),
        "{log}"
    );
}

fn an_iterator_that_fails_at_once_is_500(subject: &Subject) {
    let server = subject.start();
    let response = server
        .connect()
        .get("/conformance/sync/parts/panic-at-once");
    assert_eq!(response.status, 500);
    assert_eq!(
        server.ask("/conformance/report/sync/1"),
        "the iterator was dropped"
    );
}

fn a_panic_is_one_exchange_s(subject: &Subject) {
    let server = subject.start();
    for _ in 0..3 {
        assert_eq!(
            server.connect().get("/conformance/sync/small/panic").status,
            500
        );
        assert_eq!(
            server.connect().get("/conformance/sync/small/hello").status,
            200
        );
    }
}

/// The latencies of an asynchronous route, asked again and again for as long as one of these clients, which sleeps, has no answer.
fn latencies_beside(server: &Server, sleepers: &mut [Client]) -> Vec<Duration> {
    let moment = Duration::from_millis(1);
    let asleep = sleepers
        .iter_mut()
        .position(|client| !client.poll_read(moment));
    let asleep = &mut sleepers[asleep.expect("they sleep for two seconds")];
    let mut other = server.connect();
    let mut latencies = Vec::new();
    while latencies.is_empty() || !asleep.poll_read(moment) {
        let start = Instant::now();
        let hello = other.get("/conformance/hello");
        latencies.push(start.elapsed());
        assert_eq!(hello.text(), "Hello, world!");
    }
    latencies
}

/// They hold for two seconds. Whoever waited for one of them has waited longer than this, and has been alone in it.
#[track_caller]
fn assert_unharmed(mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let median = latencies[latencies.len() / 2];
    assert!(
        median < Duration::from_millis(500),
        "half of {} took more than {median:?}",
        latencies.len()
    );
}

/// A hundred requests to this route, sent at once.
fn a_hundred(server: &Server, path: &str) -> Vec<Client> {
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get(path));
    }
    clients
}

fn a_hundred_that_sleep_keep_nobody_from_a_worker(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    let mut sleepers = a_hundred(&server, "/conformance/sync/crowd/sleep");
    let asleep = server.ask("/conformance/report/sync-calls/100");
    assert_eq!(asleep.lines().count(), 100, "all at once");
    assert_unharmed(latencies_beside(&server, &mut sleepers));
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.read_response().text(), "slept");
    }
}

fn a_hundred_that_are_too_many_keep_nobody_from_a_worker(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    let mut sleepers = a_hundred(&server, "/conformance/sync/few/sleep");
    let asleep = server.ask("/conformance/report/sync-calls/40");
    assert!(asleep.lines().count() >= 40);
    assert_unharmed(latencies_beside(&server, &mut sleepers));
    let mut refused = 0;
    for sleeper in &mut sleepers {
        let response = sleeper.read_response();
        match response.status {
            503 => {
                assert!(response.field("retry-after").is_some(), "when to ask again");
                refused += 1;
            }
            status => assert_eq!((status, response.text()), (200, "slept")),
        }
    }
    // Forty sleep and twenty wait; a machine that is slow has more of them sleep later.
    assert!((1..=40).contains(&refused), "{refused} were refused");
}

fn a_thread_at_work_is_waited_for(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/sync/drain"));
    assert_eq!(server.ask("/conformance/report/sync-calls/1"), "drain");
    server.signal(Signal::TERM);
    assert_eq!(client.read_response().text(), "drained true");
    assert_eq!(server.wait().code(), Some(0));
}

fn a_thread_that_waits_for_its_client_comes_back_with_the_grace(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(get("/conformance/sync/endless"));
    assert_eq!(server.ask("/conformance/report/sync/1"), "started");
    server.signal(Signal::TERM);
    let _ = server.wait();
    let log = server.log().join("\n");
    assert!(
        log.contains("peer: a thread could not write: Some("),
        "it was not told that its client is gone: {log}"
    );
    assert!(!log.contains("did not come back"), "{log}");
}

fn a_thread_that_does_not_come_back_is_counted(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut clients: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/conformance/sync/block"));
    }
    let _ = server.ask("/conformance/report/sync-calls/2");
    let start = Instant::now();
    server.signal(Signal::TERM);
    let _ = server.wait();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    let log = server.log().join("\n");
    let counted = log.lines().find(|line| line.contains("did not come back"));
    let counted = counted.unwrap_or_else(|| panic!("nobody counts them: {log}"));
    assert!(
        counted.contains('2') && counted.contains("sync"),
        "{counted}"
    );
    assert!(
        log.contains("peer: synchronous shutdown"),
        "the application has its say: {log}"
    );
}
