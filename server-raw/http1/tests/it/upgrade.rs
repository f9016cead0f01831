//! RFC 9110 sections 7.8 and 9.3.6: connections that become something else.

use gateway_spec::Headers;
use http::{HeaderValue, StatusCode, header};
use http1::{AfterReply, Event, Step, UsageError};

use crate::support::{DATE, Server, check};

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: x\r\n\r\n";

fn to_x() -> Headers {
    [
        (header::UPGRADE, HeaderValue::from_static("x")),
        (header::CONNECTION, HeaderValue::from_static("x")),
        (header::CONTENT_LENGTH, HeaderValue::from_static("5")),
        (header::ETAG, HeaderValue::from_static("kept")),
    ]
    .into_iter()
    .collect()
}

#[test]
fn a_switch_gives_what_is_left_to_the_tunnel() {
    let mut server = Server::asked(format!("{UPGRADE}GET /not-http HTTP/1.1\r\n\r\n"));
    let (connection, out) = (&mut server.connection, &mut server.out);
    assert_eq!(
        connection.switch_protocols(StatusCode::SWITCHING_PROTOCOLS, &to_x(), DATE, out),
        Ok(())
    );
    assert_eq!(
        server.written(),
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\netag: kept\r\nconnection: upgrade\r\n\
         date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
    assert_eq!(server.next(), Ok(Step::Closed));
    assert_eq!(&server.input[..], b"GET /not-http HTTP/1.1\r\n\r\n");
    assert_eq!(server.connection.after_reply(), AfterReply::Close);
    assert_eq!(server.connection.start_next(), Err(UsageError::OutOfOrder));
    assert_eq!(
        server.connection.send_data(b"x", &mut server.out),
        Err(UsageError::OutOfOrder)
    );
}

#[test]
fn it_stays_http_until_the_switch_is_sent() {
    check(
        format!("{UPGRADE}GET /admin HTTP/1.1\r\nhost: a\r\n\r\n"),
        &[
            "GET / HTTP/1.1 | host: a | connection: Upgrade | upgrade: x | upgrade Offered",
            "GET /admin HTTP/1.1 | host: a",
            "waits",
        ],
    );
}

#[test]
fn a_switch_must_be_offered_and_named() {
    for (request, status, headers, error) in [
        (
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            101,
            to_x(),
            UsageError::NotOffered,
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\n\r\n",
            101,
            to_x(),
            UsageError::NotOffered,
        ),
        (
            "GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            101,
            to_x(),
            UsageError::NotOffered,
        ),
        (UPGRADE, 200, to_x(), UsageError::NotOffered),
        (UPGRADE, 101, Headers::new(), UsageError::NotOffered),
        (
            "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
            101,
            to_x(),
            UsageError::NotOffered,
        ),
        (
            "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
            403,
            to_x(),
            UsageError::NotOffered,
        ),
    ] {
        let mut server = Server::asked(request);
        let status = StatusCode::from_u16(status).unwrap();
        let (connection, out) = (&mut server.connection, &mut server.out);
        assert_eq!(
            connection.switch_protocols(status, &headers, DATE, out),
            Err(error),
            "{request}"
        );
        assert!(out.is_empty());
        assert_eq!(
            connection.send_whole(StatusCode::FORBIDDEN, &Headers::new(), b"", DATE, out),
            Ok(())
        );
    }
}

#[test]
fn a_switch_waits_for_the_end_of_the_body() {
    let mut server = Server::asked(UPGRADE.replace("\r\n\r\n", "\r\ncontent-length: 1\r\n\r\nx"));
    let status = StatusCode::SWITCHING_PROTOCOLS;
    let early = server
        .connection
        .switch_protocols(status, &to_x(), DATE, &mut server.out);
    assert_eq!(
        (early, server.written().as_str()),
        (Err(UsageError::OutOfOrder), "")
    );
    assert_eq!(server.next(), Ok(Step::Event(Event::Data("x".into()))));
    assert_eq!(server.next(), Ok(Step::Event(Event::End)));
    let sent = server
        .connection
        .switch_protocols(status, &to_x(), DATE, &mut server.out);
    assert_eq!(sent, Ok(()));
}

#[test]
fn a_2xx_to_connect_makes_a_tunnel() {
    let mut server = Server::asked("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n\x16\x03");
    let (connection, out) = (&mut server.connection, &mut server.out);
    assert_eq!(
        connection.switch_protocols(StatusCode::OK, &to_x(), DATE, out),
        Ok(())
    );
    assert_eq!(
        server.written(),
        "HTTP/1.1 200 OK\r\netag: kept\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        "no framing fields"
    );
    assert_eq!(server.next(), Ok(Step::Closed));
    assert_eq!(&server.input[..], b"\x16\x03");
}
