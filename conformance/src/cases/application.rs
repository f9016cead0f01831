//! What an application is, and what servers make of one that is not (APP).

use super::chapter;
use crate::server::Subject;

chapter! {
    calls_run_beside_each_other_once_a_request: "APP-1";
    an_answer_that_was_never_given_is_500: "APP-2", "SRV-12";
    handles_may_go_to_other_tasks_and_threads: "APP-4";
    a_thread_that_is_blocked_is_late_and_loses_nobody: "APP-7";
    what_is_new_is_no_failure: "APP-8", "APP-3";
    capabilities_say_what_the_server_does: "APP-9", "SRV-10";
    a_call_begins_with_the_whole_head_and_before_the_body: "APP-10", "HTTP-1";
    it_runs_where_there_are_time_and_io: "SRV-11";
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn calls_run_beside_each_other_once_a_request(subject: &Subject) {
    let server = subject.start();
    let mut clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/conformance/slow"));
    }
    // All eight wait at once: no call waits for another to return.
    let waiting = server.ask("/conformance/report/slow/8");
    assert_eq!(waiting.lines().count(), 8);
    for _ in &clients {
        let _ = server.ask("/conformance/open/slow");
    }
    for client in &mut clients {
        assert_eq!(client.read_response().text(), "slow");
    }
    let calls = server.ask("/conformance/report/calls/8");
    assert_eq!(calls.lines().count(), 8, "one call a request: {calls}");
}

fn an_answer_that_was_never_given_is_500(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // A `Done` of another exchange proves nothing.
    assert_eq!(client.get("/conformance/fail/lie").status, 500);
    assert_eq!(server.connect().get("/conformance/hello").status, 200);
}

fn handles_may_go_to_other_tasks_and_threads(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for n in 0..3 {
        let response = client.post("/conformance/split", format!("body {n}"));
        assert_eq!(response.text(), format!("/conformance/split body {n}"));
    }
}

fn a_thread_that_is_blocked_is_late_and_loses_nobody(subject: &Subject) {
    let server = subject.start();
    let mut blocking = server.connect();
    blocking.send(get("/conformance/block/300"));
    let mut others: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut others {
        client.send(get("/conformance/hello"));
    }
    assert_eq!(blocking.read_response().text(), "blocked");
    for client in &mut others {
        assert_eq!(client.read_response().text(), "Hello, world!");
        // Those before may have been served before the thread was blocked; this one comes after it.
        assert_eq!(client.get("/conformance/hello").text(), "Hello, world!");
    }
}

fn what_is_new_is_no_failure(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("NEWER /conformance/scope HTTP/1.1\r\nhost: a\r\nx-newer: 1\r\nupgrade: newer\r\nconnection: upgrade\r\n\r\n");
    let response = client.read_response();
    assert_eq!(response.status, 200);
    assert!(response.text().starts_with("method NEWER\n"));
    // A kind that the application does not serve.
    client.send(
        "GET /conformance/ws/refuse HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.read_response().status, 404);
}

fn capabilities_say_what_the_server_does(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET /conformance/scope HTTP/1.1\r\nhost: a\r\nX-Two: 1\r\nx-One: 2\r\nX-Two: 3\r\n\r\n",
    );
    let response = client.read_response();
    let described = response.text();
    let offers = |what: &str| described.contains(&format!("{what} true\n"));
    let fields: Vec<&str> = described
        .lines()
        .filter_map(|line| line.strip_prefix("field "))
        .collect();
    let lower: Vec<String> = fields.iter().map(|field| field.to_lowercase()).collect();
    let in_order = ["host=a", "x-two=1", "x-one=2", "x-two=3"];
    if offers("wire-order") {
        assert_eq!(lower, in_order, "it says that it keeps the order");
    }
    if offers("wire-case") {
        assert!(fields.contains(&"X-Two=1") && fields.contains(&"x-One=2"));
    }
    client.send(get("/conformance/inform"));
    let first = client.read_head();
    let informed = offers("informational");
    assert_eq!(first.status == 103, informed, "whether it informs");
    let last = if informed {
        client.read_response().status
    } else {
        first.status
    };
    assert_eq!(last, 200, "and no application fails for the lack of it");
}

fn a_call_begins_with_the_whole_head_and_before_the_body(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let head = "POST /conformance/read-late HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n";
    client.send(&head[..head.len() - 1]);
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    let calls = server.ask("/conformance/report/calls/1");
    assert_eq!(calls, "GET /conformance/hello", "half a head calls nobody");
    client.send(&head[head.len() - 1..]);
    assert_eq!(server.ask("/conformance/report/read-late/1"), "waiting");
    client.send("body");
    let _ = server.ask("/conformance/open/read-late");
    assert_eq!(client.read_response().text(), "body");
}

fn it_runs_where_there_are_time_and_io(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/runtime").text(), "time and io");
}
