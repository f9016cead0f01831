//! Routes of WebSockets, with what they depend on.

use std::net::TcpStream;

use conformance::{Server, Subject};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::{chapter, noted};

chapter! {
    a_socket_has_its_arguments,
    a_socket_is_denied_with_what_a_request_would_be_answered,
    both_scopes_end_when_a_client_leaves,
    a_request_of_a_route_of_sockets_is_400,
}

/// A socket, or the status that denies it.
#[track_caller]
fn enter(server: &Server, path: &str, member: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let request = format!("ws://test{path}").into_client_request();
    let mut request = request.expect("it is a URL");
    if let Some(member) = member {
        let member = member.parse().expect("it is a field's value");
        request.headers_mut().insert("x-member", member);
    }
    match tungstenite::client(request, server.connect().into_stream()) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            let content_type = response.headers()["content-type"].as_bytes();
            assert_eq!(content_type, b"application/problem+json");
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{other}"),
    }
}

/// The next message that is no ping.
#[track_caller]
fn read(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        match socket.read().expect("a message comes") {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

fn a_socket_has_its_arguments(subject: &Subject) {
    let server = subject.start();
    let mut socket = enter(&server, "/room/7", Some("ada")).expect("it is let in");
    for text in ["hello", "again"] {
        socket.send(Message::text(text)).expect("it is open");
        let expected = format!("ada in 7: {text}");
        assert_eq!(read(&mut socket), Message::text(expected));
    }
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
    assert_eq!(
        noted(&server, 3),
        "begun\nhandler returned\nresponse returned"
    );
}

fn a_socket_is_denied_with_what_a_request_would_be_answered(subject: &Subject) {
    let server = subject.start();
    for (path, member, status) in [
        ("/room/7", None, 401),
        ("/room/seven", Some("ada"), 422),
        ("/nowhere", Some("ada"), 404),
        ("/hello", Some("ada"), 404),
    ] {
        assert_eq!(enter(&server, path, member).err(), Some(status), "{path}");
    }
}

fn both_scopes_end_when_a_client_leaves(subject: &Subject) {
    let server = subject.start();
    let mut socket = enter(&server, "/room/7", Some("ada")).expect("it is let in");
    socket.send(Message::text("hello")).expect("it is open");
    assert_eq!(read(&mut socket), Message::text("ada in 7: hello"));
    drop(socket);
    let notes = noted(&server, 3);
    assert!(notes.starts_with("begun\nhandler "), "{notes}");
    assert!(notes.contains("\nresponse "), "{notes}");
}

fn a_request_of_a_route_of_sockets_is_400(subject: &Subject) {
    let server = subject.start();
    assert_eq!(server.connect().get("/room/7").status, 400);
}
