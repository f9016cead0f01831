//! RFC 9112 section 9: what becomes of a connection.

use gateway_spec::Headers;
use http::{HeaderValue, StatusCode, header};
use http1::{AfterReply, BodyFraming, Event, Limits, PeerError, ReplyBody, Step, UsageError};

use crate::support::{DATE, Server, check};

/// Answers with 200, and gives what to do then and what the reply said of the connection.
#[track_caller]
fn after(server: &mut Server) -> (AfterReply, Option<String>) {
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_whole(StatusCode::OK, &Headers::new(), b"", DATE, out)
        .expect("a reply is owed");
    let said = server.written();
    let said = said
        .lines()
        .find_map(|line| line.strip_prefix("connection: ").map(str::to_owned));
    (server.connection.after_reply(), said)
}

#[test]
fn versions_and_options_decide_whether_a_connection_is_kept() {
    for (request, after_reply, said) in [
        ("HTTP/1.1\r\nhost: a", AfterReply::KeepOpen, None),
        (
            "HTTP/1.1\r\nhost: a\r\nconnection: keep-alive",
            AfterReply::KeepOpen,
            None,
        ),
        (
            "HTTP/1.1\r\nhost: a\r\nconnection: x, y",
            AfterReply::KeepOpen,
            None,
        ),
        (
            "HTTP/1.1\r\nhost: a\r\nconnection: closed",
            AfterReply::KeepOpen,
            None,
        ),
        (
            "HTTP/1.1\r\nhost: a\r\nConnection: Close",
            AfterReply::Close,
            Some("close"),
        ),
        (
            "HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, close",
            AfterReply::Close,
            Some("close"),
        ),
        (
            "HTTP/1.1\r\nhost: a\r\nconnection: x\r\nconnection:\tclose",
            AfterReply::Close,
            Some("close"),
        ),
        ("HTTP/1.0", AfterReply::Close, Some("close")),
        (
            "HTTP/1.0\r\nconnection: Keep-Alive",
            AfterReply::KeepOpen,
            Some("keep-alive"),
        ),
        (
            "HTTP/1.0\r\nconnection: keep-alive\r\nconnection: close",
            AfterReply::Close,
            Some("close"),
        ),
    ] {
        let mut server = Server::asked(format!("GET / {request}\r\n\r\n"));
        assert_eq!(
            after(&mut server),
            (after_reply, said.map(str::to_owned)),
            "{request}"
        );
    }
}

#[test]
fn what_comes_behind_a_close_is_not_read() {
    check(
        "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n",
        &["GET /a HTTP/1.1 | host: a | connection: close", "closed"],
    );
}

#[test]
fn requests_sent_ahead_wait_for_the_reply() {
    let mut server =
        Server::asked("GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\nGET");
    assert_eq!(server.next(), Ok(Step::Paused));
    assert_eq!(
        server.head.uri, "/a",
        "the head is not touched before its exchange is over"
    );
    assert_eq!(after(&mut server).0, AfterReply::KeepOpen);
    assert_eq!(server.next(), Ok(Step::Paused));
    server.connection.start_next().unwrap();
    assert_eq!(server.next(), Ok(Step::Event(Event::Head)));
    assert_eq!(server.head.uri, "/b");
    assert_eq!(&server.input[..], b"GET");
}

#[test]
fn a_body_that_was_not_read_is_drained_or_the_connection_closes() {
    const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelGET / HTTP/1.1";
    let mut server = Server::asked(POST);
    assert_eq!(after(&mut server), (AfterReply::Drain, None));
    assert_eq!(server.connection.start_next(), Err(UsageError::OutOfOrder));
    assert_eq!(server.next(), Ok(Step::Event(Event::Data("helGE".into()))));
    assert_eq!(server.connection.after_reply(), AfterReply::Drain);
    assert_eq!(server.next(), Ok(Step::Event(Event::End)));
    assert_eq!(server.connection.after_reply(), AfterReply::KeepOpen);
    server.connection.start_next().unwrap();
    assert_eq!(server.next(), Ok(Step::NeedBytes));

    let mut server = Server::asked(POST);
    server.connection.close_after_reply();
    assert_eq!(
        after(&mut server),
        (AfterReply::Close, Some("close".to_owned()))
    );
    server.connection.start_next().unwrap();
    assert_eq!(
        server.next(),
        Ok(Step::Closed),
        "no byte of the body is taken for a request"
    );
}

#[test]
fn a_server_that_drains_closes_after_the_reply() {
    let mut server = Server::asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_head(
            StatusCode::OK,
            &Headers::new(),
            ReplyBody::Stream,
            DATE,
            out,
        )
        .unwrap();
    connection.close_after_reply();
    assert_eq!(
        connection.after_reply(),
        AfterReply::Close,
        "even when the head did not say so"
    );
    connection.send_end(None, out).unwrap();
    connection.start_next().unwrap();
    assert_eq!(server.next(), Ok(Step::Closed));
}

#[test]
fn an_application_may_close() {
    let mut server = Server::asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let close: Headers = [(header::CONNECTION, HeaderValue::from_static("close"))]
        .into_iter()
        .collect();
    server
        .connection
        .send_whole(StatusCode::OK, &close, b"", DATE, &mut server.out)
        .unwrap();
    assert_eq!(server.connection.after_reply(), AfterReply::Close);
}

#[test]
fn a_peer_that_finished_sending_still_gets_its_replies() {
    let mut server = Server::asked("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    server.connection.end_of_input();
    assert_eq!(server.next(), Ok(Step::Paused));
    assert_eq!(after(&mut server).0, AfterReply::KeepOpen);
    server.connection.start_next().unwrap();
    assert_eq!(server.next(), Ok(Step::Closed));
    assert_eq!(server.next(), Ok(Step::Closed));
}

#[test]
fn a_continue_is_sent_when_the_body_is_asked_for() {
    const POST: &str =
        "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let mut server = Server::asked(POST);
    assert!(server.connection.expects_continue());
    server
        .connection
        .send_informational(StatusCode::CONTINUE, &Headers::new(), &mut server.out)
        .unwrap();
    assert!(!server.connection.expects_continue());
    assert_eq!(server.written(), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(after(&mut server).0, AfterReply::Drain);

    let mut server = Server::asked(format!("{POST}hel"));
    assert!(server.connection.expects_continue());
    assert_eq!(server.next(), Ok(Step::Event(Event::Data("hel".into()))));
    assert!(
        !server.connection.expects_continue(),
        "the peer did not wait"
    );
    assert_eq!(after(&mut server).0, AfterReply::Drain);

    let mut server = Server::asked(POST);
    assert_eq!(
        after(&mut server),
        (AfterReply::Close, Some("close".to_owned())),
        "the body may come or not"
    );
    assert!(!server.connection.expects_continue());
}

#[test]
fn an_error_in_a_head_is_answered_and_the_connection_closes() {
    let mut server = Server::new(Limits::default());
    server
        .input
        .extend_from_slice(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.next(), Err(PeerError::MissingHost));
    assert_eq!(server.connection.after_reply(), AfterReply::Close);
    server
        .connection
        .error_reply(PeerError::MissingHost, DATE, &mut server.out)
        .unwrap();
    assert_eq!(
        server.written(),
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 51\r\n\
         connection: close\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n\
         the Host field is missing (RFC 9112 section 3.2)\n"
            .replace("51", "49")
    );
    assert_eq!(server.next(), Ok(Step::Closed));
    let again = server
        .connection
        .error_reply(PeerError::MissingHost, DATE, &mut server.out);
    assert_eq!(again, Err(UsageError::OutOfOrder));
}

#[test]
fn an_error_in_a_body_leaves_the_reply_to_the_caller() {
    const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx";
    let mut server = Server::asked(POST);
    assert_eq!(server.head.facts.framing, BodyFraming::Chunked);
    assert_eq!(server.next(), Err(PeerError::ChunkSize));
    assert_eq!(
        after(&mut server),
        (AfterReply::Close, Some("close".to_owned()))
    );
    assert_eq!(server.next(), Err(PeerError::ChunkSize));
    server.connection.start_next().unwrap();
    assert_eq!(server.next(), Ok(Step::Closed));

    let mut server = Server::asked(POST);
    assert_eq!(server.next(), Err(PeerError::ChunkSize));
    server
        .connection
        .error_reply(PeerError::ChunkSize, DATE, &mut server.out)
        .unwrap();
    assert!(server.written().starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert_eq!(server.next(), Ok(Step::Closed));

    let mut server = Server::asked(POST);
    let (connection, out) = (&mut server.connection, &mut server.out);
    connection
        .send_head(
            StatusCode::OK,
            &Headers::new(),
            ReplyBody::Stream,
            DATE,
            out,
        )
        .unwrap();
    assert_eq!(server.next(), Err(PeerError::ChunkSize));
    let (connection, out) = (&mut server.connection, &mut server.out);
    assert_eq!(
        connection.error_reply(PeerError::ChunkSize, DATE, out),
        Err(UsageError::OutOfOrder)
    );
    connection.send_end(None, out).unwrap();
    assert_eq!(connection.after_reply(), AfterReply::Close);
}

#[test]
fn the_answer_to_a_head_request_has_no_text() {
    let get = "GET / HTTP/1.1\r\n\r\n";
    let mut server = Server::new(Limits::default());
    server.input.extend_from_slice(get.as_bytes());
    let error = server.next().expect_err("it has no Host");
    let replied = server.connection.error_reply(error, DATE, &mut server.out);
    assert_eq!(replied, Ok(()));
    let answer = server.written();
    let (head, text) = answer.split_at(answer.find("\r\n\r\n").expect("the end of the head") + 4);
    assert_eq!(text, "the Host field is missing (RFC 9112 section 3.2)\n");

    let post = "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (wire, steps) in [
        ("HEAD / HTTP/1.1\r\n\r\n", 0),
        ("\r\nHEAD / HTTP/1.1\r\n\r\n", 0),
        (&format!("{post}x"), 1),
    ] {
        for pieces in [vec![wire.as_bytes()], wire.as_bytes().chunks(1).collect()] {
            let mut server = Server::new(Limits::default());
            let mut seen = 0;
            let mut failed = None;
            for piece in pieces {
                server.input.extend_from_slice(piece);
                match server.next() {
                    Ok(Step::Event(_)) => seen += 1,
                    Ok(_) => {}
                    Err(error) => failed = Some(error),
                }
            }
            failed = failed.or_else(|| server.next().err());
            let error = failed.expect("each of them is wrong");
            assert_eq!(seen, steps);
            let replied = server.connection.error_reply(error, DATE, &mut server.out);
            assert_eq!(replied, Ok(()));
            let answer = server.written();
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
            if steps == 0 {
                assert_eq!(answer, head);
            }
        }
    }
}
