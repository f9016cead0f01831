//! Middleware between a server and an application, well made and badly made (MW).

use super::chapter;
use crate::client::Client;
use crate::response::Method;
use crate::server::Subject;

chapter! {
    an_edited_scope_is_seen_below_alone: "MW-1";
    what_forwards_everything_changes_nothing: "MW-2";
    a_layer_sees_every_byte: "MW-3", "HTTP-18";
    a_layer_leaves_tunnels_alone: "MW-3", "HTTP-31";
    true_lengths_pass: "MW-4";
    a_longer_request_body_passes: "MW-4";
    untrue_lengths_never_reach_the_wire: "MW-4", "HTTP-24";
    each_block_passes_at_once: "MW-5", "MW-6";
    blocks_that_are_held_are_late_and_whole: "MW-5";
    an_application_runs_ahead_by_a_bound: "MW-6", "SRV-5";
    a_leaving_client_shows_through: "MW-6", "SRV-2";
    a_dropped_interception_hands_the_end_on: "MW-7", "HTTP-29";
    an_interception_may_answer_instead: "MW-7";
    a_body_that_was_read_in_part_stays_so: "MW-8";
    a_body_that_was_read_stays_read: "MW-8", "HTTP-12";
    an_exchange_in_memory_keeps_the_rules: "MW-9", "HTTP-10", "HTTP-18", "HTTP-20", "SRV-13";
    a_done_of_nobody_s_is_500: "MW-10", "SRV-12";
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn an_edited_scope_is_seen_below_alone(subject: &Subject) {
    let server = subject.start();
    let below = server.ask("/conformance/layers/edit/scope");
    assert!(below.starts_with("method EDITED\n"), "{below}");
    assert_eq!(server.ask("/conformance/report/layers/1"), "method GET");
}

fn what_forwards_everything_changes_nothing(subject: &Subject) {
    let server = subject.start();
    let layer = "/conformance/layers/unchanged";
    let mut client = server.connect();
    assert_eq!(
        client.post(&format!("{layer}/echo"), "echoed").text(),
        "echoed"
    );
    assert_eq!(
        client.get(&format!("{layer}/hello")).text(),
        "Hello, world!"
    );
    let waited = client.post(&format!("{layer}/transport/buffered/4"), "long enough");
    assert_eq!(waited.text(), "long enough", "poll_buffered");
    let written = client.get(&format!("{layer}/transport/write"));
    assert!(written.body.ends_with(b"xend"), "poll_write");
    let file = client.get(&format!("{layer}/file"));
    assert_eq!(file.body.len(), 100_000, "a file");
    // stop_receiving: the rest of the body is thrown away, and the connection goes on.
    assert_eq!(
        client
            .post(&format!("{layer}/early"), vec![0; 100_000])
            .text(),
        "early"
    );
    assert_eq!(
        client.get(&format!("{layer}/fail/error")).status,
        500,
        "abort"
    );
    let mut leaving = server.connect();
    leaving.send(get(&format!("{layer}/gone")));
    assert_eq!(server.ask("/conformance/report/gone/1"), "waiting");
    leaving.half_close();
    assert_eq!(leaving.read_response().text(), "answered all the same");
    assert_eq!(
        server.ask("/conformance/report/gone/2"),
        "waiting\nHalfClosed"
    );
    let mut aborted = server.connect();
    aborted.send(get(&format!("{layer}/fail/abort")));
    aborted.expect_gone();
}

fn a_layer_sees_every_byte(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let path = "/conformance/layers/upper";
    assert_eq!(client.get(&format!("{path}/hello")).text(), "HELLO, WORLD!");
    assert_eq!(client.post(&format!("{path}/echo"), "abc").text(), "ABC");
    let written = client.get(&format!("{path}/transport/write"));
    let lower = written.body.iter().any(u8::is_ascii_lowercase);
    assert!(!lower, "bytes of poll_write went past the layer");
    let plain = client.get("/conformance/file").body.to_ascii_uppercase();
    assert!(client.get(&format!("{path}/file")).body == plain, "a file");
}

fn a_layer_leaves_tunnels_alone(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "GET /conformance/layers/upper/upgrade HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 101);
    client.send("as it is");
    assert_eq!(client.read_bytes(8), b"as it is");
    client.half_close();
    assert_eq!(client.read_bytes(3), b"bye");
    client.expect_end();
}

fn true_lengths_pass(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/layers/double/length/right");
    assert_eq!(response.text(), "abcabcdefdef");
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_longer_request_body_passes(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.post("/conformance/layers/prefix/read-all", "and after");
    assert_eq!(response.text(), "before and after");
    let described = client.post("/conformance/layers/prefix/scope", "123");
    assert!(
        described.text().contains("body 10\n"),
        "{}",
        described.text()
    );
}

fn untrue_lengths_never_reach_the_wire(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/layers/double-lying/length/right"));
    // An error in its place, what was announced, or less: never twelve bytes where six were announced.
    if let Ok(response) = client.try_read_response(Method::Other) {
        let right = response.status == 500 || response.text() == "abcabc";
        assert!(right, "{response:?}");
    }
    client.expect_gone();
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn each_block_passes_at_once(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/layers/relay/chunks/3"));
    assert_eq!(client.read_head().status, 200);
    for n in 0..3 {
        let _ = server.ask("/conformance/open/chunk");
        let chunk = client.read_chunk();
        assert_eq!(chunk, format!("chunk {n}\n").as_bytes());
    }
    let _ = server.ask("/conformance/open/chunk");
    assert_eq!(client.read_chunk(), b"");
}

fn blocks_that_are_held_are_late_and_whole(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/layers/hoard/chunks/3"));
    for _ in 0..4 {
        let _ = server.ask("/conformance/open/chunk");
    }
    assert_eq!(client.read_response().text(), "chunk 0\nchunk 1\nchunk 2\n");
}

fn an_application_runs_ahead_by_a_bound(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/layers/stopped/fill"));
    let ahead: usize = server
        .ask("/conformance/report/fill/1")
        .parse()
        .expect("the peer reports a number");
    // Parts of 4 KiB: fifteen beside the head, or so many bytes and one part.
    assert!((1..=64 * 1024 + 4096).contains(&ahead), "{ahead} bytes");
    assert!(ahead / 4096 <= 16, "{ahead} bytes are more than 16 events");
    for gate in ["layers", "fill"] {
        let _ = server.ask(&format!("/conformance/open/{gate}"));
    }
    assert_eq!(client.read_response().body.len(), ahead);
}

fn a_leaving_client_shows_through(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(get("/conformance/layers/relay/gone/final"));
    assert_eq!(server.ask("/conformance/report/gone/1"), "waiting");
    client.reset();
    let told = server.ask("/conformance/report/gone/2");
    assert!(
        told.ends_with("PeerReset") || told.contains("HalfClosed"),
        "{told}"
    );
}

fn a_dropped_interception_hands_the_end_on(subject: &Subject) {
    let server = subject.start();
    let mut deliberate = server.connect();
    deliberate.send(get("/conformance/layers/dropped/fail/abort"));
    deliberate.expect_gone();
    let mut forgotten = server.connect();
    assert_eq!(
        forgotten
            .get("/conformance/layers/dropped/fail/error")
            .status,
        500
    );
}

fn an_interception_may_answer_instead(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/conformance/layers/rescue/fail/error");
    assert_eq!((response.status, response.text()), (502, "rescued"));
    assert_eq!(server.ask("/conformance/report/layers/1"), "Some(Dropped)");
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_body_that_was_read_in_part_stays_so(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("POST /conformance/layers/read-first/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nfirst");
    assert_eq!(server.ask("/conformance/report/layers/1"), "took 5");
    client.send(" after");
    assert_eq!(client.read_response().text(), " after");
}

fn a_body_that_was_read_stays_read(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.post("/conformance/layers/read-all-first/read-all", "all of it");
    assert_eq!((response.status, response.text()), (200, ""));
    assert_eq!(server.ask("/conformance/report/layers/1"), "Ok(9)");
}

fn an_exchange_in_memory_keeps_the_rules(subject: &Subject) {
    let server = subject.start();
    let layer = "/conformance/layers/memory";
    let mut client = server.connect();
    assert_eq!(
        client.post(&format!("{layer}/echo"), "echoed").text(),
        "echoed"
    );
    let order = client.get(&format!("{layer}/transport/order"));
    assert_eq!(order.text(), "yes and yes");
    let written = client.get(&format!("{layer}/transport/write"));
    assert_eq!(written.body.len(), {
        let plain = client.get("/conformance/transport/write");
        plain.body.len()
    });
    let finished = client.get(&format!("{layer}/transport/finished"));
    assert_eq!(finished.text(), "finished");
    let waited = client.post(&format!("{layer}/transport/buffered/4"), "long enough");
    assert_eq!(waited.text(), "long enough");
    let mut slow = Client::connect_with_receive_buffer(server.address(), 4096);
    slow.send(get(&format!("{layer}/transport/wakers")));
    let _ = server.ask("/conformance/open/transport");
    assert!(slow.read_response().body.ends_with(b"the end"));
    let told = server.ask("/conformance/report/transport/0");
    assert!(told.contains("a second start: Err(OutOfOrder)"), "{told}");
    assert!(told.contains("Disconnect(Finished)"), "{told}");
}

fn a_done_of_nobody_s_is_500(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    assert_eq!(client.get("/conformance/layers/forgets/hello").status, 500);
    assert_eq!(
        client.get("/conformance/layers/unchanged/hello").status,
        200
    );
}
