//! Switching protocols, and the bytes after it (HTTP-30 to HTTP-32).

use super::chapter;
use crate::client::End;
use crate::server::Subject;

chapter! {
    a_tunnel_carries_bytes_both_ways: "HTTP-30", "HTTP-31";
    bytes_behind_the_head_are_the_first: "HTTP-31";
    the_client_s_half_close_ends_its_direction_alone: "HTTP-31", "HTTP-32";
    a_dropped_tunnel_is_sent_whole_and_closed: "HTTP-32";
    an_aborted_tunnel_is_cut_off: "HTTP-32";
    an_application_that_reads_late_gets_everything: "HTTP-31", "HTTP-11";
    an_upgrade_that_was_not_asked_for_is_refused: "HTTP-30";
    an_upgrade_that_nobody_takes_up_is_an_ordinary_request: "HTTP-30";
    http_1_0_cannot_upgrade: "HTTP-30";
}

const ASKING: &str =
    "GET /conformance/upgrade HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";

fn a_tunnel_carries_bytes_both_ways(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(ASKING);
    let head = client.read_head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("upgrade"), Some("echo"));
    assert!(
        head.field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
    );
    for n in 0..10 {
        let bytes = vec![n; 10_000];
        client.send(&bytes);
        assert!(client.read_bytes(bytes.len()) == bytes);
    }
}

fn bytes_behind_the_head_are_the_first(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!("{ASKING}at once"));
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_bytes(7), b"at once");
    client.send("later");
    assert_eq!(client.read_bytes(5), b"later");
}

fn the_client_s_half_close_ends_its_direction_alone(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!("{ASKING}at once"));
    client.half_close();
    assert_eq!(client.read_head().status, 101);
    assert_eq!(client.read_bytes(10), b"at oncebye");
    client.expect_end();
}

fn an_aborted_tunnel_is_cut_off(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("GET /conformance/upgrade/abort HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.read_head().status, 101);
    // A close in order would be taken for the end of what the protocol inside had to say.
    let (_, end) = client.read_to_end();
    assert_eq!(end, End::Reset);
}

fn a_dropped_tunnel_is_sent_whole_and_closed(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(ASKING.replace("/conformance/upgrade ", "/conformance/upgrade/drop "));
    assert_eq!(client.read_head().status, 101);
    let (received, end) = client.read_to_end();
    assert_eq!((received.len(), end), (300_000, End::Closed));
}

fn an_application_that_reads_late_gets_everything(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(ASKING.replace("/conformance/upgrade ", "/conformance/upgrade/late "));
    assert_eq!(client.read_head().status, 101);
    assert_eq!(server.ask("/conformance/report/upgrade/1"), "waiting");
    // More than the server keeps: it must go on reading when there is room again.
    let bytes = vec![b'x'; 300_000];
    client.send(&bytes);
    let _ = server.ask("/conformance/open/upgrade");
    assert!(client.read_bytes(bytes.len()) == bytes);
}

fn an_upgrade_that_was_not_asked_for_is_refused(subject: &Subject) {
    let server = subject.start();
    for fields in ["", "upgrade: echo\r\n", "connection: upgrade\r\n"] {
        let mut client = server.connect();
        client.send(format!(
            "GET /conformance/upgrade HTTP/1.1\r\nhost: a\r\n{fields}\r\n"
        ));
        assert_eq!(client.read_response().status, 500, "{fields:?}");
        assert_eq!(
            client.get("/conformance/hello").status,
            200,
            "the connection goes on"
        );
    }
}

fn an_upgrade_that_nobody_takes_up_is_an_ordinary_request(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(ASKING.replace("/conformance/upgrade ", "/conformance/hello "));
    assert_eq!(client.read_response().text(), "Hello, world!");
    assert_eq!(client.get("/conformance/hello").text(), "Hello, world!");
}

fn http_1_0_cannot_upgrade(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    // RFC 9110 section 7.8: a server ignores the field in HTTP/1.0.
    client.send(ASKING.replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(client.read_response().status, 500);
}
