//! WebSockets: by an independent client (tungstenite), and by raw frames for what no client would send (WS).

use std::net::TcpStream;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::chapter;
use crate::client::Client;
use crate::kernel::Kernels;
use crate::response::Response;
use crate::server::{Server, Subject};

chapter! {
    an_independent_client_is_echoed: "WS-1", "WS-7";
    the_answer_to_the_handshake_proves_it: "WS-1";
    a_handshake_that_is_not_valid_is_refused: "WS-1";
    an_upgrade_of_what_is_no_handshake_is_ignored: "WS-1", "HTTP-30";
    a_websocket_has_the_scope_of_its_request: "WS-2";
    a_handshake_is_answered_when_the_application_does: "WS-3";
    subprotocols_are_offered_in_order: "WS-4";
    an_acceptance_that_was_not_offered_is_refused: "WS-5";
    an_acceptance_may_have_fields: "WS-15";
    a_denial_is_an_ordinary_response: "WS-15", "APP-3";
    the_plain_exchange_comes_back: "WS-6";
    a_forgotten_handshake_is_500: "SRV-12";
    messages_keep_their_kind_and_their_order: "WS-7";
    fragments_are_put_together_around_pings: "WS-7", "WS-9";
    messages_behind_the_handshake_are_not_lost: "HTTP-31", "WS-7";
    frames_may_come_byte_by_byte: "WS-7";
    pings_are_answered_and_shown: "WS-9";
    the_application_s_pings_reach_the_client: "WS-8", "WS-9";
    the_application_closes: "WS-19", "WS-10";
    what_was_sent_before_a_close_arrives: "WS-19";
    the_client_s_close_is_told_once: "WS-12", "WS-13", "WS-11";
    a_close_without_a_code_is_1005: "WS-13";
    a_lost_connection_is_1006: "WS-12", "WS-13";
    an_application_that_ends_without_a_close_is_1011: "WS-14", "SRV-7";
    a_deliberate_abort_has_no_frame: "WS-14";
    frames_that_break_the_protocol_are_1002: "WS-16";
    text_that_is_not_utf_8_is_1007: "WS-16";
    messages_over_the_limit_are_1009: "WS-16";
    fragments_of_nothing_without_an_end_are_1009: "WS-16";
    a_message_that_inflates_over_the_limit_is_1009: "WS-16";
    a_message_in_very_many_fragments_costs_no_more: "WS-7", "WS-16";
    offers_that_are_odd_harm_nobody: "WS-1", "WS-4";
    a_client_that_does_not_read_stops_the_application: "WS-17";
    an_application_that_does_not_receive_stops_the_client: "WS-17";
    what_came_before_the_end_is_received_late: "WS-12", "WS-7";
    a_half_close_without_a_close_frame_is_1006: "WS-13", "SRV-3";
    compression_frees_one_bit_of_data_frames_alone: "WS-16";
    nothing_is_answered_behind_a_close: "WS-12", "WS-19";
    a_client_that_only_pings_and_does_not_read_is_not_read: "WS-9", "WS-17";
    what_was_accepted_need_not_arrive: "WS-20", "WS-11";
}

/// A socket of the independent client.
#[track_caller]
pub(super) fn open(server: &Server, path: &str) -> WebSocket<TcpStream> {
    let request = format!("ws://{}{path}", server.address()).into_client_request();
    let request = request.expect("the address makes a URL");
    match tungstenite::client(request, server.connect().into_stream()) {
        Ok((socket, _)) => socket,
        Err(error) => panic!("the handshake with {path} failed: {error}"),
    }
}

/// The next message, which must be text; pings in between are answered.
#[track_caller]
pub(super) fn text(socket: &mut WebSocket<TcpStream>) -> String {
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => return text.as_str().to_owned(),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("expected text, got {other:?}"),
        }
    }
}

/// The code of the server's close frame, which must come next.
#[track_caller]
pub(super) fn close_code(socket: &mut WebSocket<TcpStream>) -> u16 {
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("expected a close frame, got {other:?}"),
        }
    }
}

/// The sample nonce of RFC 6455 section 1.3, whose answer is known.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
pub(super) const FIN: u8 = 0x80;

pub(super) fn handshake(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{fields}\r\n"
    )
}

/// A raw connection behind its handshake.
#[track_caller]
pub(super) fn raw(server: &Server, path: &str) -> Client {
    let mut client = server.connect();
    client.send(handshake(path, ""));
    assert_eq!(client.read_head().status, 101);
    client
}

/// A frame of a client, masked as it must be.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// The first byte and the payload of the server's next frame.
#[track_caller]
pub(super) fn read_frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.read_bytes(2);
    assert_eq!(head[1] & 0x80, 0, "a server must not mask");
    let length = match head[1] {
        126 => client.read_bytes(2),
        127 => client.read_bytes(8),
        length => vec![length],
    };
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    (head[0], client.read_bytes(length))
}

/// The code of the server's close frame, which must be all that it still sends.
#[track_caller]
fn closed_with(client: &mut Client) -> u16 {
    let (first, payload) = read_frame(client);
    assert_eq!(
        first,
        FIN | CLOSE,
        "expected a close frame, got {}",
        payload.escape_ascii()
    );
    let code = payload
        .first_chunk()
        .map_or(1005, |code| u16::from_be_bytes(*code));
    let _ = client.try_send(frame(FIN | CLOSE, &code.to_be_bytes()));
    client.expect_gone();
    code
}

fn an_independent_client_is_echoed(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/conformance/ws/echo");
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
        let text = "\u{20ac}".repeat(length / 3);
        for message in [Message::text(text), Message::binary(vec![7; length])] {
            socket.send(message.clone()).expect("the socket is open");
            assert_eq!(socket.read().expect("the echo comes"), message);
        }
    }
    socket.close(None).expect("the socket is open");
    assert_eq!(
        close_code(&mut socket),
        1005,
        "the answer repeats what was said: nothing"
    );
}

fn the_answer_to_the_handshake_proves_it(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/echo", ""));
    let head = client.read_head();
    assert_eq!(head.status, 101);
    assert_eq!(head.field("sec-websocket-accept"), Some(PROOF));
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(
        head.field("sec-websocket-extensions"),
        None,
        "none was offered"
    );
    assert_eq!(
        head.field("sec-websocket-protocol"),
        None,
        "none was offered"
    );
}

fn a_handshake_that_is_not_valid_is_refused(subject: &Subject) {
    let server = subject.start();
    let whole = handshake("/conformance/ws/echo", "");
    for (what, request, status) in [
        (
            "no key",
            whole.replace(&format!("sec-websocket-key: {KEY}\r\n"), ""),
            400,
        ),
        ("a short key", whole.replace(KEY, "dGhlIHNhbXBsZQ=="), 400),
        (
            "a key that is not base64",
            whole.replace(KEY, "????????????????????????"),
            400,
        ),
        (
            "two keys",
            whole.replace(
                "host: a\r\n",
                &format!("host: a\r\nsec-websocket-key: {KEY}\r\n"),
            ),
            400,
        ),
        (
            "another version",
            whole.replace("version: 13", "version: 8"),
            426,
        ),
        (
            "no version",
            whole.replace("sec-websocket-version: 13\r\n", ""),
            400,
        ),
    ] {
        let response = ask(&server, &request);
        // No version is a version that is not spoken too.
        let right = response.status == status || (what, response.status) == ("no version", 426);
        assert!(right, "{what} is answered by {}", response.status);
        if response.status == 426 {
            assert_eq!(
                response.field("sec-websocket-version"),
                Some("13"),
                "{what}"
            );
        }
    }
    assert!(
        !server
            .ask("/conformance/report/calls/0")
            .contains("WEBSOCKET"),
        "the application was called"
    );
}

#[track_caller]
fn ask(server: &Server, request: &str) -> Response {
    let mut client = server.connect();
    client.send(request);
    client.read_response()
}

fn a_handshake_is_answered_when_the_application_does(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/late", ""));
    assert_eq!(server.ask("/conformance/report/late/1"), "waiting");
    assert!(
        !client.poll_read(Duration::from_millis(100)),
        "the handshake was answered by the server"
    );
    let _ = server.ask("/conformance/open/late");
    assert_eq!(client.read_head().status, 101);
}

fn subprotocols_are_offered_in_order(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake(
        "/conformance/ws/subprotocol",
        "sec-websocket-protocol: chat.v3, chat.v2\r\nsec-websocket-protocol: chat.v1\r\n",
    ));
    assert_eq!(
        client.read_head().field("sec-websocket-protocol"),
        Some("chat.v1")
    );
    assert_eq!(
        server.ask("/conformance/report/subprotocols/1"),
        "chat.v3 chat.v2 chat.v1"
    );
}

fn an_acceptance_that_was_not_offered_is_refused(subject: &Subject) {
    let server = subject.start();
    for (n, path) in ["/conformance/ws/not-offered", "/conformance/ws/owned-field"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(ask(&server, &handshake(path, "")).status, 500, "{path}");
        let reported = server.ask(&format!("/conformance/report/accept/{}", n + 1));
        assert_eq!(reported.lines().last(), Some("BadHandshake"), "{path}");
    }
}

fn an_acceptance_may_have_fields(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/field", ""));
    assert_eq!(client.read_head().field("x-accepted"), Some("yes"));
}

fn a_denial_is_an_ordinary_response(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/deny", ""));
    let response = client.read_response();
    assert_eq!((response.status, response.text()), (403, "not you"));
    assert_eq!(response.field("x-reason"), Some("denied"));
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
    client.send(handshake("/conformance/ws/refuse", ""));
    assert_eq!(client.read_response().status, 404, "refused");
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn the_plain_exchange_comes_back(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/http", ""));
    let response = client.read_response();
    assert_eq!((response.status, response.text()), (200, "plain"));
    assert_eq!(
        client.get("/conformance/hello").status,
        200,
        "the connection goes on"
    );
}

fn a_forgotten_handshake_is_500(subject: &Subject) {
    let server = subject.start();
    assert_eq!(
        ask(&server, &handshake("/conformance/ws/forgotten", "")).status,
        500
    );
}

fn messages_keep_their_kind_and_their_order(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/echo");
    let messages: Vec<(u8, Vec<u8>)> = (0..200_u8)
        .map(|n| {
            (
                if n % 2 == 0 { TEXT } else { BINARY },
                vec![n % 128; usize::from(n)],
            )
        })
        .collect();
    let wire: Vec<u8> = messages
        .iter()
        .flat_map(|(kind, payload)| frame(FIN | kind, payload))
        .collect();
    client.send(wire);
    for (kind, payload) in messages {
        assert_eq!(read_frame(&mut client), (FIN | kind, payload));
    }
}

fn fragments_are_put_together_around_pings(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/echo");
    // The euro sign is cut in two: text is checked as a whole.
    let [first, rest @ ..] = "\u{20ac}uro".as_bytes() else {
        unreachable!("it has several bytes")
    };
    client.send(frame(TEXT, &[*first]));
    client.send(frame(FIN | PING, b"between"));
    client.send(frame(CONTINUATION, b""));
    client.send(frame(FIN | CONTINUATION, rest));
    assert_eq!(read_frame(&mut client), (FIN | PONG, b"between".to_vec()));
    assert_eq!(
        read_frame(&mut client),
        (FIN | TEXT, "\u{20ac}uro".as_bytes().to_vec())
    );
}

fn messages_behind_the_handshake_are_not_lost(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(
        [
            handshake("/conformance/ws/echo", "").as_bytes(),
            &frame(FIN | TEXT, b"early"),
        ]
        .concat(),
    );
    assert_eq!(client.read_head().status, 101);
    assert_eq!(read_frame(&mut client), (FIN | TEXT, b"early".to_vec()));
}

fn frames_may_come_byte_by_byte(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/echo");
    client.send_each_byte(frame(FIN | TEXT, &[b'a'; 300]));
    assert_eq!(read_frame(&mut client), (FIN | TEXT, vec![b'a'; 300]));
}

fn pings_are_answered_and_shown(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/report");
    client.send(frame(FIN | PING, b"here?"));
    assert_eq!(read_frame(&mut client), (FIN | PONG, b"here?".to_vec()));
    client.send(frame(FIN | PONG, b"unasked"));
    assert_eq!(
        server.ask("/conformance/report/socket/2"),
        "ping here?\npong unasked"
    );
}

fn the_application_s_pings_reach_the_client(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/ping");
    assert_eq!(
        read_frame(&mut client),
        (FIN | PING, b"from the server".to_vec())
    );
    client.send(frame(FIN | PONG, b"from the server"));
    let reported = server.ask("/conformance/report/ping/2");
    assert_eq!(
        reported, "pong from the server\nErr(BadHandshake)",
        "a longer one is refused"
    );
    assert_eq!(closed_with(&mut client), 1000);
}

fn the_application_closes(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/close");
    assert_eq!(
        read_frame(&mut client),
        (
            FIN | CLOSE,
            [&4001_u16.to_be_bytes()[..], b"as asked"].concat()
        )
    );
    client.send(frame(FIN | CLOSE, &4001_u16.to_be_bytes()));
    client.expect_end();
}

fn what_was_sent_before_a_close_arrives(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/last-words");
    for n in 0..3 {
        assert_eq!(
            read_frame(&mut client),
            (FIN | TEXT, format!("word {n}").into_bytes())
        );
    }
    assert_eq!(closed_with(&mut client), 1000);
}

fn the_client_s_close_is_told_once(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/report");
    client.send(frame(FIN | TEXT, b"last"));
    client.send(frame(
        FIN | CLOSE,
        &[&4000_u16.to_be_bytes()[..], b"so long"].concat(),
    ));
    let told = "closed 4000 \"so long\" Remote";
    let reported = server.ask("/conformance/report/socket/4");
    assert_eq!(
        reported,
        format!("text \"last\"\n{told}\n{told}\nsending gives Err(Gone(Finished))")
    );
    let (first, payload) = read_frame(&mut client);
    assert_eq!(
        (first, &payload[..2]),
        (FIN | CLOSE, &4000_u16.to_be_bytes()[..]),
        "the code comes back"
    );
    client.expect_end();
}

fn a_close_without_a_code_is_1005(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/report");
    client.send(frame(FIN | CLOSE, b""));
    assert_eq!(read_frame(&mut client), (FIN | CLOSE, vec![]));
    assert!(
        server
            .ask("/conformance/report/socket/1")
            .starts_with("closed 1005 \"\" Remote")
    );
}

fn a_lost_connection_is_1006(subject: &Subject) {
    let server = subject.start();
    for reset in [true, false] {
        let server = if reset { &server } else { &subject.start() };
        let client = raw(server, "/conformance/ws/report");
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        assert!(
            server
                .ask("/conformance/report/socket/1")
                .starts_with("closed 1006 \"\" Lost"),
            "reset: {reset}"
        );
    }
}

fn what_came_before_the_end_is_received_late(subject: &Subject) {
    // A little more than a server keeps before it stops reading, and much more.
    for count in [66, 70, 80, 300] {
        let server = subject.start();
        let mut client = raw(&server, "/conformance/ws/deaf");
        assert_eq!(server.ask("/conformance/report/deaf/1"), "waiting");
        client.send(frame(FIN | BINARY, &[0; 1016]).repeat(count));
        client.half_close();
        // The application's turn comes when the server has read what it will.
        let _ = server.ask("/conformance/hello");
        let _ = server.ask("/conformance/open/deaf");
        assert_eq!(
            server.ask("/conformance/report/deaf/2"),
            format!("waiting\n{}", count * 1016),
            "nothing is lost"
        );
        client.expect_gone();
    }
}

fn a_half_close_without_a_close_frame_is_1006(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/report");
    client.send(frame(FIN | TEXT, b"last"));
    client.half_close();
    let reported = server.ask("/conformance/report/socket/2");
    assert!(
        reported.starts_with("text \"last\"\nclosed 1006 \"\" Lost"),
        "{reported}"
    );
    client.expect_end();
}

fn an_application_that_ends_without_a_close_is_1011(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/drop");
    assert_eq!(
        read_frame(&mut client),
        (FIN | TEXT, b"before the drop".to_vec())
    );
    assert_eq!(closed_with(&mut client), 1011);
    for path in ["/conformance/ws/error", "/conformance/ws/panic"] {
        assert_eq!(closed_with(&mut raw(&server, path)), 1011, "{path}");
    }
}

fn a_deliberate_abort_has_no_frame(subject: &Subject) {
    let server = subject.start();
    raw(&server, "/conformance/ws/abort").expect_gone();
}

fn frames_that_break_the_protocol_are_1002(subject: &Subject) {
    let server = subject.start();
    let unmasked = [FIN | TEXT, 2, b'h', b'i'].to_vec();
    let huge = [&[FIN | BINARY, 0xff][..], &[0xff; 8], &[0; 4]].concat();
    for (what, bytes) in [
        ("an unmasked frame" /* GHSA-rhh8-5xw9-c3gm */, unmasked),
        ("a reserved bit", frame(FIN | 0x40 | TEXT, b"x")),
        (
            "a reserved bit on a ping", /* bandit#651 */
            frame(FIN | 0x40 | PING, b"x"),
        ),
        ("a reserved opcode", frame(FIN | 0x3, b"x")),
        ("a reserved control opcode", frame(FIN | 0xb, b"x")),
        ("a fragmented ping", frame(PING, b"x")),
        ("a long ping", frame(FIN | PING, &[0; 126])),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"x")),
        (
            "a message in a message",
            [frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat(),
        ),
        (
            "a length with the top bit", /* CVE-2020-27813, CVE-2020-13935 */
            huge,
        ),
        ("a close of one byte", frame(FIN | CLOSE, b"x")),
        (
            "a close code that is never sent",
            frame(FIN | CLOSE, &1005_u16.to_be_bytes()),
        ),
        (
            "a close code below all",
            frame(FIN | CLOSE, &999_u16.to_be_bytes()),
        ),
    ] {
        for whole in [true, false] {
            let mut client = raw(&server, "/conformance/ws/echo");
            if whole {
                let _ = client.try_send(&bytes);
            } else {
                client.send_each_byte(&bytes);
            }
            assert_eq!(closed_with(&mut client), 1002, "{what}, whole: {whole}");
        }
    }
}

fn text_that_is_not_utf_8_is_1007(subject: &Subject) {
    let server = subject.start();
    for (what, bytes) in [
        ("a lone byte", frame(FIN | TEXT, b"\xff")),
        ("a surrogate", frame(FIN | TEXT, b"\xed\xa0\x80")),
        ("an overlong form", frame(FIN | TEXT, b"\xc0\xaf")),
        ("a cut-off character", frame(FIN | TEXT, b"\xe2\x82")),
        (
            "a fragment",
            [frame(TEXT, b"ok"), frame(FIN | CONTINUATION, b"\xff")].concat(),
        ),
        ("a close reason", frame(FIN | CLOSE, b"\x03\xe8\xff")),
    ] {
        let mut client = raw(&server, "/conformance/ws/echo");
        let _ = client.try_send(&bytes);
        assert_eq!(closed_with(&mut client), 1007, "{what}");
    }
}

fn messages_over_the_limit_are_1009(subject: &Subject) {
    let server = subject.start();
    // CVE-2022-35922: a declared length allocates nothing, and is refused before its bytes come.
    let declared = [
        &[FIN | BINARY, 0xff][..],
        &(1_u64 << 40).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    let mut client = raw(&server, "/conformance/ws/echo");
    client.send(declared);
    assert_eq!(closed_with(&mut client), 1009, "a declared length");

    // CVE-2026-42786: fragments without an end are counted together.
    let mut client = raw(&server, "/conformance/ws/echo");
    let fragment = frame(CONTINUATION, &vec![0; 1_000_000]);
    client.send(frame(BINARY, b"x"));
    while client.try_send(&fragment).is_ok() && client.unread().is_empty() {
        if client.poll_read(Duration::from_millis(1)) {
            break;
        }
    }
    let (first, payload) = read_frame(&mut client);
    assert_eq!(
        (first, &payload[..2]),
        (FIN | CLOSE, &1009_u16.to_be_bytes()[..]),
        "endless fragments"
    );
}

fn fragments_of_nothing_without_an_end_are_1009(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/echo");
    client.send(frame(BINARY, b""));
    // They add no byte to the message, so only their number can be bounded. Two millions are more than any message is cut into.
    let many = frame(CONTINUATION, b"").repeat(10_000);
    let answered = (0..200)
        .any(|_| client.try_send(&many).is_err() || client.poll_read(Duration::from_millis(1)));
    assert!(answered, "two million fragments of one message were taken");
    let (first, payload) = read_frame(&mut client);
    assert_eq!(
        (first, payload.get(..2)),
        (FIN | CLOSE, Some(&1009_u16.to_be_bytes()[..]))
    );
}

fn a_message_that_inflates_over_the_limit_is_1009(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let offer = "sec-websocket-extensions: permessage-deflate\r\n";
    client.send(handshake("/conformance/ws/echo", offer));
    let agreed = client.read_head();
    assert_eq!(agreed.status, 101);
    if agreed.field("sec-websocket-extensions").is_none() {
        // Compression is not a clause: a server without it cannot be harmed by it.
        return;
    }
    // CVE-2018-1000518, CVE-2021-21419, CVE-2026-39804: a frame of some 256 KiB becomes 256 MiB. What a full flush ends
    // refers to nothing before it, so that it can be repeated.
    let mut mebibyte = Vec::with_capacity(64 * 1024);
    Compress::new(Compression::best(), false)
        .compress_vec(&[0; 1 << 20], &mut mebibyte, FlushCompress::Full)
        .expect("there is room for it");
    let deflated = mebibyte.repeat(256);
    let _ = client.try_send(frame(FIN | 0x40 | BINARY, &deflated));
    assert_eq!(closed_with(&mut client), 1009);
}

fn a_message_in_very_many_fragments_costs_no_more(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/echo");
    let count = 10_000;
    client.send(frame(BINARY, b"x"));
    client.send(frame(CONTINUATION, b"x").repeat(count - 2));
    client.send(frame(FIN | CONTINUATION, b"x"));
    assert_eq!(read_frame(&mut client), (FIN | BINARY, vec![b'x'; count]));

    // CVE-2026-65623: each fragment counted all that came before it. A bound on their number is as good.
    let mut client = raw(&server, "/conformance/ws/echo");
    let count = 300_000;
    client.send(frame(BINARY, b"x"));
    let _ = client.try_send(frame(CONTINUATION, b"x").repeat(count - 2));
    let _ = client.try_send(frame(FIN | CONTINUATION, b"x"));
    let (first, payload) = read_frame(&mut client);
    let too_big = &1009_u16.to_be_bytes();
    assert!(
        (first, payload.len()) == (FIN | BINARY, count)
            || (first == FIN | CLOSE && payload.starts_with(too_big)),
        "a frame {first:#x} of {} bytes came",
        payload.len()
    );
}

fn offers_that_are_odd_harm_nobody(subject: &Subject) {
    let server = subject.start();
    for fields in [
        // CVE-2020-7663: an expression took exponential time for an open quote.
        format!(
            "sec-websocket-extensions: a; b=\"{}\r\n",
            "\\c".repeat(4000)
        ),
        // CVE-2021-32640: and another for spaces.
        format!("sec-websocket-protocol: a{}b\r\n", " ".repeat(7000)),
        "sec-websocket-extensions: permessage-deflate; server_max_window_bits=99\r\n".to_owned(),
        "sec-websocket-extensions: ,,;;=,permessage-deflate;;\r\n".to_owned(),
        "sec-websocket-protocol: \r\n".to_owned(),
    ] {
        let mut client = server.connect();
        client.send(handshake("/conformance/ws/echo", &fields));
        let head = client.read_head();
        let shown = &fields[..fields.len().min(60)];
        assert!(
            [101, 400].contains(&head.status),
            "{shown:?} is answered by {}",
            head.status
        );
        if head.status == 101 {
            client.send(frame(FIN | TEXT, b"hello"));
            assert_eq!(
                read_frame(&mut client),
                (FIN | TEXT, b"hello".to_vec()),
                "{shown:?}"
            );
        }
    }
}

/// Bytes of a message of `/ws/flood`, and with its frame's head.
const FLOOD: usize = 16 * 1024;
const FLOOD_FRAME: usize = FLOOD + 4;

/// Bytes that a server may hold in one direction, without what the kernels hold (SRV-5): far more than those of this
/// workspace say, since another may say more and a proxy before it holds some too; far less than what is sent.
const HELD: usize = 1024 * 1024;

fn a_client_that_does_not_read_stops_the_application(subject: &Subject) {
    let server = subject.start();
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(handshake("/conformance/ws/flood", ""));
    assert_eq!(client.read_head().status, 101);
    let sent: usize = server
        .ask("/conformance/report/flood/1")
        .parse()
        .expect("the peer reports a number");
    assert!(sent < 13 * 1024 * 1024, "{sent} bytes were accepted");
    if let Some(kernels) = Kernels::between(&server, &client) {
        let held = (sent / FLOOD * FLOOD_FRAME).saturating_sub(kernels.to_client());
        assert!(
            held <= HELD,
            "of {sent} bytes the server holds {held}, and {kernels:?}"
        );
    }
    let mut received = 0;
    loop {
        let (first, payload) = read_frame(&mut client);
        if first == FIN | TEXT {
            assert_eq!(payload, b"the end");
            break;
        }
        received += payload.len();
    }
    assert!(received >= sent, "{received} of {sent} bytes arrived");
}

fn an_application_that_does_not_receive_stops_the_client(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/deaf");
    assert_eq!(server.ask("/conformance/report/deaf/1"), "waiting");
    // One frame after the other, cut anywhere by the kernel: what is stuck is completed below.
    let message = frame(FIN | BINARY, &[0; 1016]);
    assert_eq!(message.len(), 1024);
    let sent = client.send_until_stuck(&message, 26 * 1024 * 1024, Duration::from_secs(1));
    assert!(sent < 13 * 1024 * 1024, "{sent} bytes were taken");
    if let Some(kernels) = Kernels::between(&server, &client) {
        let held = sent.saturating_sub(kernels.to_server());
        assert!(
            held <= HELD,
            "of {sent} bytes the server holds {held}, and {kernels:?}"
        );
    }
    let _ = server.ask("/conformance/open/deaf");
    client.send(&message[sent % message.len()..]);
    client.send(frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
    let expected = (sent / message.len() + 1) * 1016;
    assert_eq!(
        server.ask("/conformance/report/deaf/2"),
        format!("waiting\n{expected}"),
        "nothing is lost"
    );
    assert_eq!(closed_with(&mut client), 1000);
}

fn compression_frees_one_bit_of_data_frames_alone(subject: &Subject) {
    const RSV1: u8 = 0x40;
    let server = subject.start();
    let open = || {
        let mut client = server.connect();
        let offer = "sec-websocket-extensions: permessage-deflate\r\n";
        client.send(handshake("/conformance/ws/echo", offer));
        let agreed = client.read_head();
        assert_eq!(agreed.status, 101);
        agreed
            .field("sec-websocket-extensions")
            .is_some()
            .then_some(client)
    };
    for (what, bytes, code) in [
        // bandit#651, where the extension is agreed on.
        ("a compressed ping", frame(FIN | RSV1 | PING, b"x"), 1002),
        (
            "a compressed close",
            frame(FIN | RSV1 | CLOSE, &1000_u16.to_be_bytes()),
            1002,
        ),
        (
            "a compressed continuation",
            [frame(TEXT, b"x"), frame(FIN | RSV1 | CONTINUATION, b"x")].concat(),
            1002,
        ),
        ("another bit", frame(FIN | 0x20 | TEXT, b"x"), 1002),
        // RFC 7692 leaves the code to the server; RFC 6455 has it for data that does not fit its type.
        (
            "what does not inflate",
            frame(FIN | RSV1 | BINARY, &[0xff; 8]),
            1007,
        ),
    ] {
        let Some(mut client) = open() else {
            // Compression is not a clause.
            return;
        };
        let _ = client.try_send(&bytes);
        let told = closed_with(&mut client);
        assert!(
            told == code || (code == 1007 && told == 1002),
            "{what}: {told}"
        );
    }
}

fn nothing_is_answered_behind_a_close(subject: &Subject) {
    let server = subject.start();
    let mut client = raw(&server, "/conformance/ws/report");
    client.send(
        [
            frame(FIN | CLOSE, &1000_u16.to_be_bytes()),
            frame(FIN | PING, b"late"),
            frame(FIN | TEXT, b"late"),
            frame(FIN | CLOSE, &1001_u16.to_be_bytes()),
        ]
        .concat(),
    );
    assert_eq!(
        read_frame(&mut client),
        (FIN | CLOSE, 1000_u16.to_be_bytes().to_vec())
    );
    client.expect_end();
    let reported = server.ask("/conformance/report/socket/3");
    let told = "closed 1000 \"\" Remote";
    assert!(
        reported.starts_with(&format!("{told}\n{told}\n")),
        "{reported}"
    );
}

fn a_client_that_only_pings_and_does_not_read_is_not_read(subject: &Subject) {
    let server = subject.start();
    let mut client = Client::connect_with_receive_buffer(server.address(), 4096);
    client.send(handshake("/conformance/ws/echo", ""));
    assert_eq!(client.read_head().status, 101);
    // CVE-2020-35896 by another way: pongs must not pile up.
    let ping = frame(FIN | PING, &[7; 118]);
    assert_eq!(ping.len(), 124);
    let sent = client.send_until_stuck(&ping, 40 * 1024 * 1024, Duration::from_secs(1));
    assert!(sent < 26 * 1024 * 1024, "{sent} bytes were taken");
    if let Some(kernels) = Kernels::between(&server, &client) {
        // What was read was answered by frames that are four bytes shorter.
        let read = sent - kernels.to_server();
        let held = (read / 124 * 120).saturating_sub(kernels.to_client());
        assert!(held <= 2 * HELD, "of {sent} bytes the server holds {held}");
    }
    for _ in 0..sent / ping.len() {
        assert_eq!(read_frame(&mut client), (FIN | PONG, vec![7; 118]));
    }
}

fn an_upgrade_of_what_is_no_handshake_is_ignored(subject: &Subject) {
    let server = subject.start();
    let whole = handshake("/conformance/hello", "");
    for (what, request) in [
        ("another method", whole.replace("GET ", "PUT ")),
        ("HTTP/1.0", whole.replace("HTTP/1.1", "HTTP/1.0")),
        (
            "content",
            whole.replace("host: a\r\n", "host: a\r\ncontent-length: 2\r\n") + "hi",
        ),
        (
            "another protocol",
            whole.replace("upgrade: websocket", "upgrade: other"),
        ),
    ] {
        let response = ask(&server, &request);
        let answer = (response.status, response.text());
        assert_eq!(answer, (200, "Hello, world!"), "{what}");
    }
}

fn a_websocket_has_the_scope_of_its_request(subject: &Subject) {
    let server = subject.start();
    let mut socket = open(&server, "/conformance/ws/scope?a=%2F&b");
    let described = text(&mut socket);
    for line in [
        "method GET\n",
        "uri /conformance/ws/scope?a=%2F&b\n",
        "path /conformance/ws/scope\n",
        "query a=%2F&b\n",
        "version HTTP/1.1\n",
        "body empty\n",
    ] {
        assert!(described.contains(line), "{line} is not in {described}");
    }
    let described = described.to_lowercase();
    assert!(described.contains("field sec-websocket-version=13\n"));
    assert!(described.contains("field upgrade=websocket\n"));
    assert_eq!(text(&mut socket), "made at startup");
}

fn what_was_accepted_need_not_arrive(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send(handshake("/conformance/ws/unheard", ""));
    assert_eq!(client.read_head().status, 101);
    assert_eq!(server.ask("/conformance/report/unheard/1"), "Ok(())");
    client.reset();
    let _ = server.ask("/conformance/open/unheard");
    let told = server.ask("/conformance/report/unheard/3");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[1].starts_with("Gone("), "sending says it: {told}");
    assert!(lines[2].starts_with("Err("), "flushing says it: {told}");
}
