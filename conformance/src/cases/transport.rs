//! The transport below the handles: what it says to events and polls that no handle makes (HTTP-9 to HTTP-21, SRV-13).

use std::time::{Duration, Instant};

use super::chapter;
use crate::client::{Client, patience};
use crate::response::Method;
use crate::server::{Options, Subject};

chapter! {
    exchanges_are_bounded: "HTTP-3";
    receiving_after_the_response_is_finished: "HTTP-10";
    a_part_that_was_not_taken_is_still_there: "HTTP-12";
    collecting_is_bounded: "HTTP-13";
    buffered_waits_for_so_many_bytes: "HTTP-15";
    buffered_ends_with_the_body: "HTTP-15";
    buffered_ends_with_a_failure: "HTTP-15", "HTTP-7";
    buffered_ends_when_the_buffer_is_full: "HTTP-15", "SRV-5";
    buffered_asks_for_the_body: "HTTP-15", "SRV-8";
    writing_and_sending_keep_their_order: "HTTP-18", "HTTP-17";
    events_out_of_order_are_refused_and_dropped: "HTTP-20", "HTTP-35";
    informational_statuses_are_checked: "HTTP-22", "HTTP-19";
    a_head_does_not_wait_for_a_body_for_ever: "HTTP-21", "HTTP-17";
    representations_are_the_application_s: "HTTP-33";
    wakers_may_use_the_transport: "SRV-13";
}

fn exchanges_are_bounded(subject: &Subject) {
    let server = subject.start_with(Options::new().environment(crate::LIMITS, "exchanges=3"));
    let slow = "GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut waiting = [server.connect(), server.connect()];
    for client in &mut waiting {
        client.send(slow);
    }
    // Who asks for this is the third, and ends.
    let _ = server.ask("/conformance/report/slow/2");
    let ask = "GET /conformance/gone HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut last = server.connect();
    last.send(ask);
    let mut refused = server.connect();
    let mut served = 0;
    let begun = Instant::now();
    let response = loop {
        // Until the head of the last one was read, there is room.
        let response = refused.get("/conformance/hello");
        served += usize::from(response.status == 200);
        if last.poll_read(Duration::from_millis(1)) {
            // It came while the other one was served, and asks again.
            assert_eq!(last.read_response().status, 503);
            last = server.connect();
            last.send(ask);
        } else if response.status != 200 {
            break response;
        }
        assert!(begun.elapsed() < patience(), "there is always room");
    };
    assert_eq!(response.status, 503);
    assert!(response.field("retry-after").is_some(), "when to ask again");
    // One that ends makes room, on the same connection.
    last.half_close();
    assert_eq!(last.read_response().text(), "answered all the same");
    assert_eq!(refused.get("/conformance/hello").status, 200);
    let calls = server.ask("/conformance/report/calls/0");
    let hellos = calls.lines().filter(|line| line.ends_with("/hello"));
    assert_eq!(
        hellos.count(),
        served + 1,
        "the refused one was never called"
    );
}

fn receiving_after_the_response_is_finished(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(
        client.get("/conformance/transport/finished").text(),
        "finished"
    );
    let told = server.ask("/conformance/report/transport/2");
    assert_eq!(told, "Disconnect(Finished)\nDisconnect(Finished)");
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_part_that_was_not_taken_is_still_there(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client
        .send("POST /conformance/dropped-chunks HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n");
    for (n, part) in ["one", "two", "six"].into_iter().enumerate() {
        // It has asked, and let go of asking.
        let _ = server.ask(&format!("/conformance/report/dropped-chunks/{}", n + 1));
        client.send(part);
    }
    assert_eq!(client.read_response().text(), "onetwosix");
    let told = server.ask("/conformance/report/dropped-chunks/4");
    assert!(told.contains("at the end [None, None]"), "{told}");
}

fn collecting_is_bounded(subject: &Subject) {
    let server = subject.start();
    let fits = server
        .connect()
        .post("/conformance/collect/10", "0123456789");
    assert_eq!((fits.status, fits.text()), (200, "0123456789"));
    // What is announced is refused before it is read: nothing of it has come.
    let mut announced = server.connect();
    announced
        .send("POST /conformance/collect/10 HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n");
    assert_eq!(announced.read_response().status, 413);
    let mut grown = server.connect();
    grown.send(
        "POST /conformance/collect/10 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
         b\r\n01234567890\r\n",
    );
    assert_eq!(grown.read_response().status, 413);
}

const POST_20: &str =
    "POST /conformance/transport/buffered/10 HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n";

fn buffered_waits_for_so_many_bytes(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(POST_20);
    assert_eq!(server.ask("/conformance/report/transport/1"), "waiting");
    client.send("12345");
    let _ = server.ask("/conformance/hello");
    client.send("67890");
    let _ = server.ask("/conformance/hello");
    client.send("1234567890");
    assert_eq!(client.read_response().text(), "12345678901234567890");
    let told = server.ask("/conformance/report/transport/2");
    let there = told.lines().nth(1).and_then(|line| line.split(' ').next());
    let there: usize = there
        .and_then(|n| n.parse().ok())
        .expect("it reports a number");
    assert!(there >= 10, "it resolved too early: {told}");
    assert!(
        told.ends_with("20 in all, whole"),
        "nothing was taken: {told}"
    );
}

fn buffered_ends_with_the_body(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.post("/conformance/transport/buffered/1000", "short");
    assert_eq!(response.text(), "short");
    assert_eq!(
        client.get("/conformance/transport/buffered/1000").text(),
        ""
    );
}

fn buffered_ends_with_a_failure(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "POST /conformance/transport/buffered/1000 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\nno size\r\n",
    );
    assert_eq!(client.read_response().status, 200);
    let told = server.ask("/conformance/report/transport/1");
    assert!(told.contains("Failed(Malformed)"), "{told}");
}

fn buffered_ends_when_the_buffer_is_full(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.post(
        "/conformance/transport/buffered/1000000000",
        vec![b'x'; 2 * 1024 * 1024],
    );
    assert_eq!(response.body.len(), 2 * 1024 * 1024);
}

fn buffered_asks_for_the_body(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(POST_20.replace("host: a", "host: a\r\nexpect: 100-continue"));
    assert_eq!(client.read_head().status, 100);
    client.send("12345678901234567890");
    assert_eq!(client.read_response().body.len(), 20);
}

fn writing_and_sending_keep_their_order(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/transport/write");
    let turns = (0..20).map(|n| format!("written {n} sent {n} "));
    let expected = "begin ".to_owned() + &turns.collect::<String>();
    let (text, rest) = response.body.split_at(expected.len());
    assert_eq!(text, expected.as_bytes());
    assert_eq!(rest.len(), 4 * 1024 * 1024 + 3, "all that was accepted");
    assert!(rest.ends_with(b"xend"));
}

fn events_out_of_order_are_refused_and_dropped(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(
        client.get("/conformance/transport/order").text(),
        "yes and yes"
    );
    let told = server.ask("/conformance/report/transport/12");
    for line in told.lines() {
        let (what, said) = line.split_once(": ").expect("each line is an event");
        let right = match what {
            "start" | "body" | "end" => said == "Ok(())",
            // The exchange is over, or what does not fit it.
            "body after end" | "start after end" => {
                said == "Err(OutOfOrder)" || said == "Err(Gone(Finished))"
            }
            _ => said == "Err(OutOfOrder)",
        };
        assert!(right, "{line}");
    }
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn informational_statuses_are_checked(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/transport/informational");
    assert_eq!((response.status, response.text()), (200, "informed"));
    let told = server.ask("/conformance/report/transport/2");
    assert_eq!(told, "101: Err(BadHead)\n200: Err(BadHead)");
}

fn a_head_does_not_wait_for_a_body_for_ever(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/chunks/1 HTTP/1.1\r\nhost: a\r\n\r\n");
    // The application waits, with nothing but a head sent.
    assert_eq!(client.read_head().status, 200);
    let _ = server.ask("/conformance/open/chunk");
    assert_eq!(client.read_chunk(), b"chunk 0\n");
    let _ = server.ask("/conformance/open/chunk");
    assert_eq!(client.read_chunk(), b"");
}

fn representations_are_the_application_s(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET /conformance/representation HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip, br\r\nrange: bytes=0-9\r\n\
         if-none-match: \"one\"\r\nif-modified-since: Fri, 01 Jan 2038 00:00:00 GMT\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(response.status, 200);
    assert_eq!(response.body, vec![b'a'; 10_000]);
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "text/plain"),
        ("etag", "\"one\""),
        ("accept-ranges", "bytes"),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("vary", "accept-encoding"),
    ] {
        assert_eq!(response.field(name), Some(value));
    }
}

fn wakers_may_use_the_transport(subject: &Subject) {
    let server = subject.start();
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send("GET /conformance/transport/wakers HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/transport/1"), "registered");
    assert!(
        client.poll_read(Duration::from_secs(20)),
        "the head is sent"
    );
    let _ = server.ask("/conformance/open/transport");
    let response = client
        .try_read_response(Method::Other)
        .expect("the response is whole");
    assert!(response.body.ends_with(b"the end"));
    let told = server.ask("/conformance/report/transport/2");
    assert_eq!(told, "registered\nended");
}
