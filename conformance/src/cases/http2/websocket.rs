//! WebSockets over streams (RFC 8441): by an independent client (tungstenite) over a stream made by hand.

use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::{QUIET, SERVER, ask, frames, route};
use crate::cases::chapter;
use crate::http2_client::{Frame, Frames, Tunnel, code, flag, kind};
use crate::server::{Options, Server, Signal, Subject};

chapter! {
    a_stream_becomes_a_websocket: "WS-1", "WS-7", "SCOPE-13";
    the_answer_is_200_without_a_proof: "WS-1";
    large_messages_go_both_ways: "WS-7", "WS-17";
    frames_may_be_cut_anywhere: "WS-7";
    several_sockets_share_a_connection: "SCOPE-1", "WS-7";
    subprotocols_are_offered_in_order: "WS-4", "WS-5";
    a_handshake_is_answered_when_the_application_does: "WS-3";
    a_denial_is_an_ordinary_response: "WS-15";
    the_plain_exchange_comes_back: "WS-6";
    a_handshake_of_another_version_is_refused: "WS-1";
    the_handshake_of_http_1_is_an_ordinary_request: "WS-1", "HTTP-30";
    another_protocol_is_no_websocket: "WS-1", "SCOPE-13", "HTTP-30";
    a_tunnel_of_another_protocol: "HTTP-31", "HTTP-30";
    the_application_closes: "WS-19", "WS-10";
    the_client_closes: "WS-12", "WS-13";
    a_cancelled_stream_is_1006: "WS-12", "WS-13";
    a_lost_connection_is_1006: "WS-12", "WS-13";
    a_deliberate_abort_resets_the_stream: "WS-14";
    an_application_that_drops_it_is_1011: "WS-14";
    frames_that_break_the_protocol_are_1002: "WS-16";
    an_application_that_does_not_receive_stops_the_client: "WS-17";
    a_client_that_does_not_read_stops_the_application: "WS-17";
    a_shutdown_lets_sockets_go_on: "WS-18", "SRV-4";
    a_socket_that_stays_is_closed_with_the_grace: "WS-18";
}

type Socket = WebSocket<Tunnel>;

/// Asks for a WebSocket on a stream; what is answered.
#[track_caller]
fn connect(client: &mut Frames, stream: u32, path: &str, more: &[(&str, &[u8])]) -> Frame {
    ask_for(client, stream, path, b"websocket", more);
    client.expect_head(stream)
}

#[track_caller]
fn ask_for(client: &mut Frames, stream: u32, path: &str, protocol: &[u8], more: &[(&str, &[u8])]) {
    let path = route(path);
    let mut fields: Vec<(&str, &[u8])> = vec![
        (":method", b"CONNECT"),
        (":protocol", protocol),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"a"),
        ("sec-websocket-version", b"13"),
    ];
    fields.extend(more);
    client.send_head(stream, 0, &fields);
}

/// A socket of the independent client, on stream 1 of a connection of its own.
#[track_caller]
fn open(server: &Server, path: &str) -> Socket {
    let mut client = frames(server);
    let head = connect(&mut client, 1, path, &[]);
    assert_eq!(head.status(), Some(200), "{head:?}");
    assert!(!head.ends_stream(), "{head:?}");
    WebSocket::from_raw_socket(Tunnel::new(client, 1), Role::Client, None)
}

#[track_caller]
fn echoes(socket: &mut Socket, text: &str) {
    socket.send(text.into()).expect("it is open");
    let message = socket.read().expect("an echo");
    assert_eq!(message, Message::text(text));
}

/// Reads to the close frame: its code.
#[track_caller]
fn closed(socket: &mut Socket) -> Option<u16> {
    loop {
        let message = socket.read().expect("a close frame before the end");
        if let Message::Close(frame) = message {
            return frame.map(|frame| frame.code.into());
        }
    }
}

fn a_stream_becomes_a_websocket(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/echo");
    echoes(&mut socket, "over a stream");
    let bytes = Message::binary(vec![0, 255, 7]);
    socket.send(bytes.clone()).expect("it is open");
    assert_eq!(socket.read().expect("an echo"), bytes);
}

fn the_answer_is_200_without_a_proof(subject: &Subject) {
    let server = subject.start();
    crate::http2_client::session::converse(async {
        use crate::http2_client::session::{Session, request};
        let session = Session::connect(server.address()).await;
        session.get(&route("/hello")).await.expect("an answer");
        assert!(session.may_tunnel(), "the settings offer it");
        let mut connect = request("CONNECT", &route("/ws/field"));
        let protocol = h2::ext::Protocol::from_static("websocket");
        connect.extensions_mut().insert(protocol);
        let version = http::HeaderValue::from_static("13");
        connect
            .headers_mut()
            .insert("sec-websocket-version", version);
        let (response, _stream) = session.begin(connect).await;
        let head = response.await.expect("a head");
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["x-accepted"], "yes");
        for name in [
            "sec-websocket-accept",
            "upgrade",
            "connection",
            "content-length",
        ] {
            assert!(!head.headers().contains_key(name), "{name}");
        }
    });
}

fn large_messages_go_both_ways(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/echo");
    let tunnel = socket.get_mut();
    tunnel.frames.window_update(0, 1_000_000);
    tunnel.frames.window_update(1, 1_000_000);
    // Within the windows that the server gives at the start, so that this client need not wait for more.
    let text = "x".repeat(60_000);
    echoes(&mut socket, &text);
}

fn frames_may_be_cut_anywhere(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let head = connect(&mut client, 1, "/ws/echo", &[]);
    assert_eq!(head.status(), Some(200), "{head:?}");
    for byte in [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2] {
        client.send(kind::DATA, 0, 1, &[byte]);
    }
    let mut said = Vec::new();
    while said.len() < 4 {
        let data = client.expect(|frame| frame.kind == kind::DATA);
        said.extend(data.payload);
    }
    assert_eq!(said, [0x81, 2, b'h', b'i']);
}

fn several_sockets_share_a_connection(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    for stream in [1, 3, 5] {
        let head = connect(&mut client, stream, "/ws/echo", &[]);
        assert_eq!(head.status(), Some(200), "{head:?}");
    }
    for stream in [5, 1, 3] {
        let id = stream as u8;
        client.send(kind::DATA, 0, stream, &[0x82, 0x81, 0, 0, 0, 0, id]);
        let data = client.expect(|frame| frame.kind == kind::DATA && !frame.payload.is_empty());
        assert_eq!(
            (data.stream, &data.payload[..]),
            (stream, &[0x82, 1, id][..])
        );
    }
    client.get(7, &route("/hello"));
    client.expect_status(7, 200);
}

fn subprotocols_are_offered_in_order(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let offers: [(&str, &[u8]); 2] = [
        ("sec-websocket-protocol", b"one, two"),
        ("sec-websocket-protocol", b"three"),
    ];
    let head = connect(&mut client, 1, "/ws/subprotocol", &offers);
    assert_eq!(head.status(), Some(200), "{head:?}");
    assert_eq!(ask(&server, "/report/subprotocols/1"), "one two three");
    let head = connect(&mut client, 3, "/ws/not-offered", &[]);
    assert_eq!(head.status(), Some(500), "{head:?}");
}

fn a_handshake_is_answered_when_the_application_does(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/ws/late", b"websocket", &[]);
    assert_eq!(ask(&server, "/report/late/1"), "waiting");
    // What is sent ahead waits for the answer.
    client.send(kind::DATA, 0, 1, &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    client.ping();
    let _ = ask(&server, "/open/late");
    client.expect_status(1, 200);
}

fn a_denial_is_an_ordinary_response(subject: &Subject) {
    let server = subject.start();
    crate::http2_client::session::converse(async {
        use crate::http2_client::session::{Answer, Session, request};
        let session = Session::connect(server.address()).await;
        session.get(&route("/hello")).await.expect("an answer");
        let mut connect = request("CONNECT", &route("/ws/deny"));
        let protocol = h2::ext::Protocol::from_static("websocket");
        connect.extensions_mut().insert(protocol);
        let version = http::HeaderValue::from_static("13");
        connect
            .headers_mut()
            .insert("sec-websocket-version", version);
        let (response, _stream) = session.begin(connect).await;
        let answer = Answer::read(response).await.expect("an answer");
        assert_eq!((answer.status(), answer.text()), (403, "not you"));
        assert_eq!(answer.field("x-reason"), Some("denied"));
        let answer = session.get(&route("/hello")).await.expect("it lives");
        assert_eq!(answer.status(), 200);
    });
}

fn the_plain_exchange_comes_back(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/ws/http", b"websocket", &[]);
    // A plain 200 to a CONNECT would make a tunnel that nobody asked for, and one without is what the peer answers.
    client.expect_reset(1, &[code::INTERNAL_ERROR]);
    assert_eq!(
        ask(&server, "/report/accept/0"),
        "",
        "the handshake was not answered"
    );
    client.ping();
}

fn a_handshake_of_another_version_is_refused(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/ws/echo");
    let fields: Vec<(&str, &[u8])> = vec![
        (":method", b"CONNECT"),
        (":protocol", b"websocket"),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"a"),
        ("sec-websocket-version", b"8"),
    ];
    client.send_head(1, 0, &fields);
    let head = client.expect_head(1);
    assert!(!matches!(head.status(), Some(200 | 204 | 500)), "{head:?}");
    assert_eq!(
        ask(&server, "/report/calls/0"),
        "",
        "the application was called"
    );
}

fn the_handshake_of_http_1_is_an_ordinary_request(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/hello");
    let mut fields = crate::http2_client::request("GET", &path);
    fields.extend([
        ("sec-websocket-version", &b"13"[..]),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    client.send_head(1, flag::END_STREAM, &fields);
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"Hello, world!");
}

fn another_protocol_is_no_websocket(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/forbidden", b"echo", &[]);
    let head = client.expect_head(1);
    assert_ne!(head.status(), Some(200), "{head:?}");
    assert_eq!(
        ask(&server, "/report/calls/1"),
        format!("CONNECT {}", route("/forbidden"))
    );
}

fn a_tunnel_of_another_protocol(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/upgrade", b"echo", &[]);
    client.expect_status(1, 200);
    client.send(kind::DATA, 0, 1, b"through");
    let data = client.expect(|frame| frame.kind == kind::DATA);
    assert_eq!(data.payload, b"through");
    client.send(kind::DATA, flag::END_STREAM, 1, b"");
    assert_eq!(client.read_body(1), b"bye");
}

fn the_application_closes(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/close");
    assert_eq!(closed(&mut socket), Some(4001));
    // The answer to the close frame goes out with the next call.
    let _ = socket.flush();
    let end = socket.read();
    assert!(end.is_err(), "the stream ends: {end:?}");
}

fn the_client_closes(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/report");
    let frame = CloseFrame {
        code: CloseCode::Library(4002),
        reason: "enough".into(),
    };
    socket.close(Some(frame)).expect("it is open");
    assert_eq!(closed(&mut socket), Some(4002));
    let told = ask(&server, "/report/socket/1");
    assert!(told.contains("4002"), "{told}");
}

fn a_cancelled_stream_is_1006(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/report");
    socket.get_mut().frames.reset(1);
    let told = ask(&server, "/report/socket/1");
    assert!(told.contains("1006"), "{told}");
    socket.get_mut().frames.ping();
}

fn a_lost_connection_is_1006(subject: &Subject) {
    let server = subject.start();
    drop(open(&server, "/ws/report"));
    let told = ask(&server, "/report/socket/1");
    assert!(told.contains("1006"), "{told}");
}

fn a_deliberate_abort_resets_the_stream(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/ws/abort", b"websocket", &[]);
    let reset = client.expect(|frame| frame.stream == 1 && frame.kind != kind::HEADERS);
    assert_eq!(reset.kind, kind::RST_STREAM, "{reset:?}");
    client.ping();
}

fn an_application_that_drops_it_is_1011(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/drop");
    assert_eq!(closed(&mut socket), Some(1011));
}

fn frames_that_break_the_protocol_are_1002(subject: &Subject) {
    let server = subject.start();
    for broken in [
        &[0x81, 0x02, b'h', b'i'][..],
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0x80, 0x80, 0, 0, 0, 0],
    ] {
        let mut client = frames(&server);
        let head = connect(&mut client, 1, "/ws/echo", &[]);
        assert_eq!(head.status(), Some(200), "{head:?}");
        client.send(kind::DATA, 0, 1, broken);
        let data = client.expect(|frame| frame.kind == kind::DATA);
        assert_eq!(data.payload[0], 0x88, "{data:?}");
        assert_eq!(data.payload[2..4], 1002_u16.to_be_bytes(), "{data:?}");
    }
}

fn an_application_that_does_not_receive_stops_the_client(subject: &Subject) {
    let server = subject.start();
    crate::http2_client::session::converse(async {
        use crate::http2_client::session::{Session, request};
        let session = Session::connect(server.address()).await;
        session.get(&route("/hello")).await.expect("an answer");
        let mut connect = request("CONNECT", &route("/ws/deaf"));
        let protocol = h2::ext::Protocol::from_static("websocket");
        connect.extensions_mut().insert(protocol);
        let version = http::HeaderValue::from_static("13");
        connect
            .headers_mut()
            .insert("sec-websocket-version", version);
        let (response, mut stream) = session.begin(connect).await;
        assert_eq!(response.await.expect("a head").status(), 200);
        let mut message = vec![0x82, 0xfe, 0x10, 0, 0, 0, 0, 0];
        message.extend([0; 0x1000]);
        let mut sent = 0;
        'windows: loop {
            let mut rest = message.clone();
            while !rest.is_empty() {
                stream.reserve_capacity(rest.len());
                let capacity = std::future::poll_fn(|task| stream.poll_capacity(task));
                let Ok(capacity) = tokio::time::timeout(QUIET, capacity).await else {
                    break 'windows;
                };
                let capacity = capacity.expect("it is open").expect("and whole");
                let after = rest.split_off(capacity.min(rest.len()));
                sent += rest.len();
                stream.send_data(rest.into(), false).expect("there is room");
                rest = after;
                assert!(sent < 2 * SERVER, "{sent} bytes were taken");
            }
        }
    });
}

fn a_client_that_does_not_read_stops_the_application(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    ask_for(&mut client, 1, "/ws/flood", b"websocket", &[]);
    client.expect_status(1, 200);
    // Beyond its first window this client gives none.
    let sent: usize = ask(&server, "/report/flood/1").parse().expect("a number");
    assert!(sent < 2 * SERVER, "{sent} bytes were accepted");
}

fn a_socket_that_stays_is_closed_with_the_grace(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut socket = open(&server, "/ws/stay");
    server.signal(Signal::TERM);
    assert_eq!(closed(&mut socket), Some(1012));
    let _ = socket.flush();
    assert_eq!(server.wait().code(), Some(0));
}

fn a_shutdown_lets_sockets_go_on(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/ws/echo");
    echoes(&mut socket, "before");
    server.signal(Signal::TERM);
    let tunnel = socket.get_mut();
    tunnel
        .frames
        .expect(|frame| frame.kind == kind::GOAWAY && frame.code() == code::NO_ERROR);
    echoes(&mut socket, "while it drains");
}
