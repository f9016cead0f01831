//! WebSockets with axum's own types, over HTTP/1.1 and over HTTP/2's extended CONNECT.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use cookbook::axum::MESSAGE_BYTES;
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host};

on_every_host!(over both:
    a_subprotocol_is_agreed_on,
    sockets_share_the_board,
    messages_of_all_sizes_come_back,
    many_messages_come_back_in_their_order,
    fragments_are_one_message,
    a_ping_is_answered,
    the_client_closes,
    the_server_closes,
    a_message_over_the_limit_ends_the_socket,
    a_socket_ends_when_its_client_leaves,
    a_client_that_does_not_read_its_socket_is_not_read,
    a_request_that_asks_for_no_socket_is_told,
    sockets_come_and_go,
);
on_every_host!(over http1:
    another_client_agrees,
    what_comes_with_the_handshake_is_read,
    other_upgrades_are_not_taken_up,
);
on_every_host!(over http2:
    sockets_and_requests_share_a_connection,
);

/// A socket, as hyper's client has it after the handshake.
pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The handshake, without its answer.
fn handshake(client: &Client, wire: Wire, path: &str, protocols: &str) -> Request<Body> {
    let request = match wire {
        Wire::Http1 => client
            .request(Method::GET, path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        Wire::Http2 => client
            .request(Method::CONNECT, path)
            .extension(Protocol::from_static("websocket")),
    };
    let request = request.header("sec-websocket-version", "13");
    let request = match protocols {
        "" => request,
        protocols => request.header("sec-websocket-protocol", protocols),
    };
    request.body(Body::empty()).unwrap()
}

async fn shake_hands(
    client: &mut Client,
    wire: Wire,
    protocols: &str,
) -> (Response<Incoming>, Socket) {
    shake_hands_at(client, wire, "/socket", protocols).await
}

pub(crate) async fn shake_hands_at(
    client: &mut Client,
    wire: Wire,
    path: &str,
    protocols: &str,
) -> (Response<Incoming>, Socket) {
    if wire == Wire::Http2 {
        // Behind the answer are the server's settings, which allow an extended CONNECT.
        client.get("/").await;
    }
    let request = handshake(client, wire, path, protocols);
    let mut answer = client.send(request).await;
    match wire {
        Wire::Http1 => {
            assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
            // The one that RFC 6455 computes for this key.
            let accept = &answer.headers()["sec-websocket-accept"];
            assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        }
        Wire::Http2 => assert_eq!(answer.status(), StatusCode::OK),
    }
    let upgraded = hyper::upgrade::on(&mut answer).await.expect("it switches");
    let mut config = WebSocketConfig::default();
    config.max_frame_size = Some(MESSAGE_BYTES);
    let io = TokioIo::new(upgraded);
    let socket = WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).await;
    (answer, socket)
}

/// A socket that was welcomed.
pub(crate) async fn open(client: &mut Client, wire: Wire) -> Socket {
    let (_, mut socket) = shake_hands(client, wire, "").await;
    assert_eq!(next(&mut socket).await, Message::text("welcome to notes"));
    socket
}

pub(crate) async fn next(socket: &mut Socket) -> Message {
    let message = socket.next().await.expect("the socket is open");
    message.expect("what comes is right")
}

/// The socket is closed, with this code.
pub(crate) async fn expect_close(socket: &mut Socket, code: u16, reason: &str) {
    let expected = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    assert_eq!(next(socket).await, Message::Close(Some(expected)));
    // And then its transport, once the client has answered.
    if let Some(Ok(message)) = socket.next().await {
        panic!("{message} came behind the close");
    }
}

async fn a_subprotocol_is_agreed_on(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for (offered, agreed) in [
        ("notes.v1", Some("notes.v1")),
        ("notes.v1, notes.v2", Some("notes.v2")),
        ("chat", None),
        ("", None),
    ] {
        let mut client = site.connect().await;
        let (answer, mut socket) = shake_hands(&mut client, wire, offered).await;
        let said = answer.headers().get("sec-websocket-protocol");
        assert_eq!(said.map(|said| said.to_str().unwrap()), agreed);
        let welcome = format!("welcome to {}", agreed.unwrap_or("notes"));
        assert_eq!(next(&mut socket).await, Message::text(welcome));
    }
}

async fn sockets_share_the_board(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let (mut one, mut other) = (site.connect().await, site.connect().await);
    let mut one = open(&mut one, wire).await;
    let mut other = open(&mut other, wire).await;
    for id in 1..=10 {
        one.send(Message::text(format!("note {id} ✓")))
            .await
            .unwrap();
        let shown = Message::text(format!("{id}: note {id} ✓"));
        assert_eq!(next(&mut other).await, shown);
        assert_eq!(next(&mut one).await, shown);
    }
}

async fn messages_of_all_sizes_come_back(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = open(&mut client, wire).await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000, MESSAGE_BYTES] {
        let bytes: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
        socket.send(Message::Binary(bytes.clone())).await.unwrap();
        let back = next(&mut socket).await;
        assert!(back == Message::Binary(bytes), "{} of {length}", back.len());
    }
}

async fn many_messages_come_back_in_their_order(kind: Kind, wire: Wire) {
    const COUNT: u32 = 10_000;
    // Each is a frame of HTTP/2, and of frames below 256 bytes `h2` lets few wait before it ends the connection
    // (`data_frame_budget`, which hyper cannot set): a client that reads late loses it then, at home too.
    let message = |number: u32| number.to_be_bytes().repeat(64);
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let (mut writes, mut reads) = open(&mut client, wire).await.split();
    let sent = async {
        for number in 0..COUNT {
            let bytes = Bytes::from(message(number));
            writes.send(Message::Binary(bytes)).await.unwrap();
        }
    };
    let received = async {
        for number in 0..COUNT {
            let received = reads.next().await.expect("it is open").unwrap();
            assert_eq!(received.into_data(), message(number));
        }
    };
    tokio::join!(sent, received);
}

async fn fragments_are_one_message(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = open(&mut client, wire).await;
    for (bytes, kind, last) in [
        ("one, ", Data::Binary, false),
        ("two, ", Data::Continue, false),
        ("three", Data::Continue, true),
    ] {
        let frame = Frame::message(bytes, OpCode::Data(kind), last);
        socket.send(Message::Frame(frame)).await.unwrap();
        if !last {
            // Between fragments, and answered before they are whole.
            socket.send(Message::Ping(bytes.into())).await.unwrap();
            assert_eq!(next(&mut socket).await, Message::Pong(bytes.into()));
        }
    }
    assert_eq!(
        next(&mut socket).await,
        Message::Binary("one, two, three".into())
    );
}

async fn a_ping_is_answered(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = open(&mut client, wire).await;
    for payload in ["", "are you there?"] {
        socket.send(Message::Ping(payload.into())).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::Pong(payload.into()));
    }
}

async fn the_client_closes(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for code in [1000, 1001, 3000, 4999] {
        let mut client = site.connect().await;
        let mut socket = open(&mut client, wire).await;
        let close = CloseFrame {
            code: CloseCode::from(code),
            reason: "done".into(),
        };
        socket.close(Some(close)).await.unwrap();
        // What was sent comes back, as tungstenite has it.
        expect_close(&mut socket, code, "done").await;
        site.watched_by(0).await;
    }
}

async fn the_server_closes(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = open(&mut client, wire).await;
    socket.send(Message::text("leave")).await.unwrap();
    expect_close(&mut socket, 4000, "as you wish").await;
    site.watched_by(0).await;
}

async fn a_message_over_the_limit_ends_the_socket(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut socket = open(&mut client, wire).await;
    let bytes = vec![0; MESSAGE_BYTES + 1];
    // axum gives up at its head, so the rest of it may not be taken.
    let _ = socket.send(Message::Binary(bytes.into())).await;
    site.watched_by(0).await;
    if let Some(Ok(message)) = socket.next().await {
        panic!("{message} came");
    }
}

async fn a_socket_ends_when_its_client_leaves(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let socket = open(&mut client, wire).await;
    site.watched_by(1).await;
    drop((client, socket));
    site.watched_by(0).await;
}

async fn a_client_that_does_not_read_its_socket_is_not_read(kind: Kind, wire: Wire) {
    const BYTES: usize = 1024 * 1024;
    const MESSAGES: usize = 64;
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let (mut writes, mut reads) = open(&mut client, wire).await.split();
    let (sent, mut seen) = tokio::sync::watch::channel(0);
    let send = async {
        for _ in 0..MESSAGES {
            let message = Message::Binary(vec![7; BYTES].into());
            writes.send(message).await.unwrap();
            sent.send_modify(|sent| *sent += 1);
        }
    };
    let read_late = async {
        // Until nothing was sent for a while. A busy machine sends less, and that is right too.
        let quiet = std::time::Duration::from_millis(500);
        while let Ok(Ok(())) = tokio::time::timeout(quiet, seen.changed()).await {}
        let taken = *seen.borrow();
        assert!(taken < MESSAGES, "all {MESSAGES} MiB were taken");
        for _ in 0..MESSAGES {
            let message = reads.next().await.expect("it is open").unwrap();
            assert_eq!(message.len(), BYTES);
        }
    };
    tokio::join!(send, read_late);
}

async fn a_request_that_asks_for_no_socket_is_told(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let answer = client.get("/socket").await;
    let (status, text) = match wire {
        Wire::Http1 => (
            StatusCode::BAD_REQUEST,
            "Connection header did not include 'upgrade'",
        ),
        Wire::Http2 => (
            StatusCode::METHOD_NOT_ALLOWED,
            "Request method must be `CONNECT`",
        ),
    };
    assert_eq!(answer.status, status);
    assert_eq!(answer.text(), text);
    assert_eq!(client.get("/release").await.status, StatusCode::OK);
}

async fn sockets_come_and_go(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for round in 0..50 {
        let mut client = site.connect().await;
        let mut socket = open(&mut client, wire).await;
        match round % 3 {
            0 => socket.close(None).await.unwrap(),
            1 => {
                socket.send(Message::text("leave")).await.unwrap();
                expect_close(&mut socket, 4000, "as you wish").await;
            }
            _ => {
                let bytes = Message::Binary("x".into());
                socket.send(bytes.clone()).await.unwrap();
                assert_eq!(next(&mut socket).await, bytes);
                socket.close(None).await.unwrap();
            }
        }
        while socket.next().await.is_some() {}
    }
    site.watched_by(0).await;
}

async fn another_client_agrees(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let url = format!("ws://{}/socket?a=b", site.host.address);
    let (mut socket, answer) = tokio_tungstenite::connect_async(url).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let welcome = socket.next().await.unwrap().unwrap();
    assert_eq!(welcome, Message::text("welcome to notes"));
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
    let denied = tokio_tungstenite::connect_async(format!("ws://{}/asked", site.host.address));
    let Err(Error::Http(denied)) = denied.await else {
        panic!("there is no socket at this path");
    };
    assert_eq!(denied.status(), StatusCode::OK);
}

async fn what_comes_with_the_handshake_is_read(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut stream = TcpStream::connect(site.host.address).await.unwrap();
    let mut sent =
        b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    // Three binary messages of two bytes, with a mask of zeros, and the first byte of a fourth.
    for letter in b"abc" {
        sent.extend([0x82, 0x82, 0, 0, 0, 0, *letter, *letter]);
    }
    sent.push(0x82);
    stream.write_all(&sent).await.unwrap();
    stream.write_all(&[0x81, 0, 0, 0, 0, b'd']).await.unwrap();
    let mut seen = Vec::new();
    let end = [0x82, 2, b'c', b'c', 0x82, 1, b'd'];
    while !seen.ends_with(&end) {
        let length = stream.read_buf(&mut seen).await.unwrap();
        assert_ne!(length, 0, "it ended: {}", seen.escape_ascii());
    }
    assert!(
        seen.starts_with(b"HTTP/1.1 101 "),
        "{}",
        seen.escape_ascii()
    );
}

async fn other_upgrades_are_not_taken_up(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for path in ["/release", "/socket"] {
        let request = client.request(Method::GET, path);
        let request = request.header("connection", "upgrade");
        let request = request.header("upgrade", "h2c").body(Body::empty());
        let answer = client.ask(request.unwrap()).await;
        let expected = match path {
            "/release" => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        };
        assert_eq!(answer.status, expected, "{path}");
    }
}

async fn sockets_and_requests_share_a_connection(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(open(&mut client, wire).await);
    }
    site.watched_by(10).await;
    for round in 0..10 {
        let note = client.post("/api/notes", "application/json", r#"{"text":"x"}"#);
        assert_eq!(note.await.status, StatusCode::CREATED);
        for socket in &mut sockets {
            assert_eq!(
                next(socket).await,
                Message::text(format!("{}: x", round + 1))
            );
        }
    }
    // Half of them leave without a word.
    sockets.truncate(5);
    site.watched_by(5).await;
    for socket in &mut sockets {
        socket.send(Message::text("leave")).await.unwrap();
        expect_close(socket, 4000, "as you wish").await;
    }
    site.watched_by(0).await;
    assert_eq!(client.get("/release").await.status, StatusCode::OK);
}
