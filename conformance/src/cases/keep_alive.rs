//! Several requests on a connection, and when it ends (HTTP-2, HTTP-23, SRV-9).

use super::chapter;
use crate::client::End;
use crate::response::Method;
use crate::server::{Options, Subject};

chapter! {
    a_hundred_requests_on_one_connection: "HTTP-2";
    pipelined_requests_are_answered_in_their_order: "HTTP-2";
    a_slow_answer_holds_back_the_ones_behind_it: "HTTP-2";
    pipelined_requests_with_bodies: "HTTP-2", "HTTP-4";
    the_client_s_close_is_obeyed: "HTTP-23";
    the_application_s_close_is_obeyed: "HTTP-23";
    http_1_0_closes_unless_asked: "HTTP-23", "HTTP-26";
    an_error_of_the_application_leaves_the_connection_usable: "APP-6", "SRV-7";
    work_after_the_answer_holds_nothing_back: "SRV-9";
    connections_that_are_kept_hold_nobody_back: "SRV-15", "HTTP-2";
    a_half_closed_client_gets_all_its_answers: "SRV-3", "HTTP-2";
}

fn a_hundred_requests_on_one_connection(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for _ in 0..100 {
        let response = client.get("/conformance/hello");
        assert_eq!((response.status, response.text()), (200, "Hello, world!"));
    }
}

fn pipelined_requests_are_answered_in_their_order(subject: &Subject) {
    let server = subject.start();
    let requests: String = (0..100)
        .map(|n| format!("GET /conformance/scope?{n} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    for cuts in [vec![], (1..100).map(|n| n * 30 + 7).collect()] {
        let mut client = server.connect();
        client.send_cut(&requests, &cuts);
        for n in 0..100 {
            assert!(
                client
                    .read_response()
                    .text()
                    .contains(&format!("query {n}\n")),
                "the answer to {n}"
            );
        }
    }
    requests_that_say_nearly_the_same(subject);
}

/// Nothing of a request is taken for the next one's, however alike they are.
fn requests_that_say_nearly_the_same(subject: &Subject) {
    const SAME: &str = "GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n";
    let server = subject.start();
    let others = [
        (
            Method::Other,
            "GET /conformance/scope?1 HTTP/1.1\r\nhost: a\r\n\r\n",
            "query 1\n",
        ),
        (
            Method::Head,
            "HEAD /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n",
            "",
        ),
        (
            Method::Other,
            "GET /conformance/scope HTTP/1.1\r\nhost: b\r\n\r\n",
            "authority b\n",
        ),
        (
            Method::Other,
            "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\none",
            "one",
        ),
        (
            Method::Other,
            "GET /conformance/hello HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n",
            "Hello, world!",
        ),
    ];
    let mut requests = String::new();
    for (_, other, _) in others {
        requests += &[SAME, SAME, other, SAME, SAME, SAME].concat();
    }
    for cuts in [vec![], (1..requests.len() / 11).map(|n| n * 11).collect()] {
        let mut client = server.connect();
        client.send_cut(&requests, &cuts);
        for (method, other, expected) in others {
            for n in 0..6 {
                let (method, expected) = match n {
                    2 => (method, expected),
                    _ => (Method::Other, "Hello, world!"),
                };
                let response = client.read_response_to(method);
                assert_eq!(response.status, 200, "{n} around {other:?}");
                let text = response.text();
                assert!(text.contains(expected), "{n} around {other:?}: {text:?}");
            }
        }
        client.send(SAME.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
        assert!(client.read_response().closes());
        client.expect_gone();
    }
}

fn a_slow_answer_holds_back_the_ones_behind_it(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // CVE-2023-46137: the second was answered first.
    client.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    let _ = server.ask("/conformance/open/slow");
    assert_eq!(client.read_response().text(), "slow");
    assert_eq!(client.read_response().text(), "Hello, world!");
}

fn pipelined_requests_with_bodies(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(concat!(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\none",
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n",
        "POST /conformance/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nthree",
        "GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n",
    ));
    for expected in ["one", "two", "three", "Hello, world!"] {
        assert_eq!(client.read_response().text(), expected);
    }
}

fn the_client_s_close_is_obeyed(subject: &Subject) {
    let server = subject.start();
    for value in ["close", "Close", "x-other, close", "close, x-other"] {
        let mut client = server.connect();
        client.send(format!(
            "GET /conformance/hello HTTP/1.1\r\nhost: a\r\nconnection: {value}\r\n\r\n"
        ));
        client.send("GET /late HTTP/1.1\r\nhost: a\r\n\r\n");
        let response = client.read_response();
        assert!(
            response.closes(),
            "{value:?} is answered by {:?}",
            response.fields
        );
        client.expect_gone();
    }
    assert!(
        !server.ask("/conformance/report/calls/4").contains("late"),
        "a request after the last was served"
    );
}

fn the_application_s_close_is_obeyed(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/fields/close");
    assert!(response.closes());
    client.expect_end();
}

fn http_1_0_closes_unless_asked(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/hello HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_response().text(), "Hello, world!");
    client.expect_end();

    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET /conformance/hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        let response = client.read_response();
        assert_eq!(
            response.field("connection"),
            Some("keep-alive"),
            "HTTP/1.0 must be told"
        );
    }

    // A stream has no chunks there: its end is the connection's, whatever was asked.
    let mut client = server.connect();
    client.send(
        "POST /conformance/echo HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 4\r\n\r\nda",
    );
    // The answer begins before the server can know how long it will be.
    let head = client.read_head();
    assert_eq!(head.field("transfer-encoding"), None);
    assert_eq!(head.field("content-length"), None);
    client.send("ta");
    assert_eq!(client.read_to_end(), (b"data".to_vec(), End::Closed));
}

fn an_error_of_the_application_leaves_the_connection_usable(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for (path, status) in [
        ("/conformance/fail/error", 500),
        ("/conformance/fail/panic", 500),
        ("/conformance/fail/status/418", 418),
        ("/conformance/none", 404),
    ] {
        assert_eq!(client.get(path).status, status, "{path}");
        assert_eq!(client.get("/conformance/hello").status, 200, "after {path}");
    }
}

fn work_after_the_answer_holds_nothing_back(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for n in 1..=3 {
        assert_eq!(client.get("/conformance/work").text(), "answered");
        assert_eq!(
            server
                .ask(&format!("/conformance/report/work/{n}"))
                .lines()
                .count(),
            n,
            "the work goes on"
        );
        assert_eq!(client.get("/conformance/hello").text(), "Hello, world!");
    }
    for _ in 0..3 {
        let _ = server.ask("/conformance/open/work");
    }
    let all = server.ask("/conformance/report/work/6");
    assert_eq!(all.matches("ended").count(), 3, "{all}");
}

fn connections_that_are_kept_hold_nobody_back(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    // CVE-2019-16770, CVE-2021-29509: more of them than workers left none for a new one.
    let mut kept: Vec<_> = (0..200)
        .map(|_| {
            let mut client = server.connect();
            assert_eq!(client.get("/conformance/hello").status, 200);
            client
        })
        .collect();
    assert_eq!(
        server.connect().get("/conformance/hello").status,
        200,
        "a new one"
    );
    for client in &mut kept {
        assert_eq!(
            client.get("/conformance/hello").status,
            200,
            "one that was kept"
        );
    }
}

fn a_half_closed_client_gets_all_its_answers(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\nGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    client.half_close();
    assert_eq!(client.read_response().text(), "Hello, world!");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    let _ = server.ask("/conformance/open/slow");
    assert_eq!(client.read_response().text(), "slow");
    assert_eq!(client.read_response().text(), "Hello, world!");
    client.expect_end();
}
