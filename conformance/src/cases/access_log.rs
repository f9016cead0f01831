//! The access log: a line for each exchange, safe to look at.

use super::chapter;
use crate::server::{Signal, Subject};

chapter! {
    each_exchange_is_a_line: "SRV-2", "SCOPE-12";
    control_bytes_are_escaped: "SRV-2";
    it_can_be_turned_off: "SRV-2";
}

fn each_exchange_is_a_line(subject: &Subject) {
    let mut server = subject.start();
    let mut client = server.connect();
    let from = client.address().to_string();
    assert_eq!(client.get("/conformance/hello?q=1").status, 200);
    assert_eq!(client.get("/conformance/none").status, 404);
    client.send("HEAD /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = client.read_response_to(crate::Method::Head);
    client.send("no request at all\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    let lines: Vec<&String> = log.iter().filter(|line| line.starts_with(&from)).collect();
    let expected = [
        ["\"GET /conformance/hello?q=1 HTTP/1.1\"", " 200 13 "],
        ["\"GET /conformance/none HTTP/1.1\"", " 404 0 "],
        ["\"HEAD /conformance/hello HTTP/1.1\"", " 200 0 "],
        ["", " 400 "],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, parts) in lines.iter().zip(expected) {
        assert!(
            parts.iter().all(|part| line.contains(part)),
            "{parts:?} are not in {line}"
        );
    }
}

fn control_bytes_are_escaped(subject: &Subject) {
    let mut server = subject.start();
    // CVE-2020-7694, CVE-2009-4492: what a terminal would obey, raw and percent-encoded.
    for target in [
        b"/%1b%5b31mX%0aY".as_slice(),
        b"/\x1b[31mX",
        b"/\"quoted\"",
        b"/\x07\x08",
        b"/\xff",
        b"/\\x",
    ] {
        let mut client = server.connect();
        client.send([b"GET ", target, b" HTTP/1.1\r\nhost: a\r\n\r\n"].concat());
        let _ = client.read_response();
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    for line in &log {
        assert!(
            !line.contains(|c: char| c.is_control()),
            "a control byte is in {}",
            line.escape_debug()
        );
    }
    let quoted = log.iter().find(|line| line.contains("quoted"));
    if let Some(line) = quoted {
        assert_eq!(
            line.matches('"').count(),
            2,
            "a quote from the client stands in {line}"
        );
    }
    assert!(
        log.iter().any(|line| line.contains("%1b%5b31mX%0aY")),
        "the target is kept as it was sent"
    );
}

fn it_can_be_turned_off(subject: &Subject) {
    let mut server = subject.start_with(crate::Options::new().arguments(&["--access-log", "off"]));
    assert_eq!(server.connect().get("/conformance/hello").status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        !server
            .log()
            .iter()
            .any(|line| line.contains("/conformance/hello")),
        "the exchange was logged"
    );
}
