//! `Expect: 100-continue` (SRV-8).

use std::time::Duration;

use super::chapter;
use crate::server::Subject;

chapter! {
    the_client_is_told_to_go_on_when_the_application_asks: "SRV-8";
    nobody_is_told_to_go_on_when_the_answer_comes_first: "SRV-8";
    a_client_that_goes_on_by_itself_is_served: "SRV-8";
    http_1_0_expects_nothing: "SRV-8";
    an_expectation_that_nobody_knows_is_refused: "HTTP-1";
}

const EXPECTING: &str = "expect: 100-continue\r\ncontent-length: 4\r\n\r\n";

fn the_client_is_told_to_go_on_when_the_application_asks(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/read-late HTTP/1.1\r\nhost: a\r\n{EXPECTING}"
    ));
    assert_eq!(server.ask("/conformance/report/read-late/1"), "waiting");
    assert!(
        !client.poll_read(Duration::from_millis(100)),
        "something came before the application asked"
    );
    let _ = server.ask("/conformance/open/read-late");
    assert_eq!(client.read_response().status, 100);
    client.send("data");
    assert_eq!(client.read_response().text(), "data");
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn nobody_is_told_to_go_on_when_the_answer_comes_first(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/forbidden HTTP/1.1\r\nhost: a\r\n{EXPECTING}"
    ));
    let response = client.read_response();
    assert_eq!(response.status, 403, "the first answer is the final one");
    // Whether the body follows cannot be known: the connection must not be used again, or must take it as a body.
    let _ = client.try_send("dataGET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    match client.try_read_response(crate::Method::Other) {
        Ok(response) => assert_eq!(response.text(), "Hello, world!"),
        Err(cut) => assert!(response.closes() && cut.response.is_none(), "{cut}"),
    }
}

fn a_client_that_goes_on_by_itself_is_served(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\n{EXPECTING}data"
    ));
    let mut response = client.read_response();
    if response.status == 100 {
        response = client.read_response();
    }
    assert_eq!(response.text(), "data");
}

fn http_1_0_expects_nothing(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(format!(
        "POST /conformance/read-all HTTP/1.0\r\n{EXPECTING}data"
    ));
    assert_eq!(
        client.read_response().text(),
        "data",
        "a 100 is not for HTTP/1.0 (RFC 9110 section 10.1.1)"
    );
}

fn an_expectation_that_nobody_knows_is_refused(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        "POST /conformance/read-all HTTP/1.1\r\nhost: a\r\nexpect: 200-maybe\r\ncontent-length: 4\r\n\r\ndata",
    );
    assert_eq!(client.read_response().status, 417);
}
