//! A WebSocket.

use std::sync::atomic::Ordering;
use std::task::Poll;

use gateway_spec::types::StatusCode;
use gateway_spec::{
    Abort, Accept, AppError, Application, Connection, Gone, Message, Response, SendError,
    WebSocketReceive, WebSocketSend,
};

use super::{find, replace};
use crate::fault::{Fault, How};
use crate::relay::{self, Room, Wire};
use crate::socket::{FAITHFUL, Socket};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "WS-1",
        what: "the answer to the handshake proves nothing",
        red: "websocket::the_answer_to_the_handshake_proves_it",
        how: How::Wire(Wire {
            down: |bytes| {
                replace(
                    bytes,
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                )
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-1",
        what: "each version of the protocol is taken for the one that is spoken",
        red: "websocket::a_handshake_that_is_not_valid_is_refused",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "version: 8", "version: 13"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-2",
        what: "the fields of the handshake are kept from the application",
        red: "websocket::a_websocket_has_the_scope_of_its_request",
        how: How::Handshake(|websocket| {
            websocket
                .scope
                .edit()
                .headers
                .remove("sec-websocket-version");
        }),
    },
    Fault {
        clause: "WS-3",
        what: "the handshake is answered before the application is asked",
        red: "websocket::a_handshake_is_answered_when_the_application_does",
        how: How::Socket(Socket {
            begin: |layer| {
                let accepted = layer.inner.send(WebSocketSend::Accept(Accept::new()));
                accepted.expect("nothing was answered yet");
            },
            send: |layer, event| match event {
                WebSocketSend::Accept(_) => Ok(()),
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-4",
        what: "only the first field with subprotocols is read",
        red: "websocket::subprotocols_are_offered_in_order",
        how: How::Handshake(|websocket| websocket.subprotocols.truncate(2)),
    },
    Fault {
        clause: "WS-5",
        what: "what was not offered is left out of the acceptance in silence",
        red: "websocket::an_acceptance_that_was_not_offered_is_refused",
        how: How::Socket(Socket {
            send: |layer, event| match event {
                WebSocketSend::Accept(_) => layer.inner.send(WebSocketSend::Accept(Accept::new())),
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-6",
        what: "the plain exchange is not given back",
        red: "websocket::the_plain_exchange_comes_back",
        how: How::Socket(Socket {
            take_http: |_| None,
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-7",
        what: "text is delivered as bytes",
        red: "websocket::messages_keep_their_kind_and_their_order",
        how: How::Socket(Socket {
            received: |_, event| match event {
                WebSocketReceive::Message(Message::Text(text)) => {
                    let bytes = text.as_bytes().to_vec();
                    WebSocketReceive::Message(Message::Binary(bytes.into()))
                }
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-8",
        what: "a ping that is too long is cut",
        red: "websocket::the_application_s_pings_reach_the_client",
        how: How::Socket(Socket {
            send: |layer, event| match event {
                WebSocketSend::Ping(mut payload) => {
                    payload.truncate(125);
                    layer.inner.send(WebSocketSend::Ping(payload))
                }
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-9",
        what: "pings are shown and left to the application to answer",
        red: "websocket::pings_are_answered_and_shown",
        how: How::Wire(Wire {
            down: |bytes| {
                // A pong of the server is its first byte, a length, and the payload.
                if let [0x8a, length, ..] = bytes[..] {
                    bytes.drain(..2 + usize::from(length));
                }
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-9",
        what: "a ping is shown as a pong",
        red: "websocket::pings_are_answered_and_shown",
        how: How::Socket(Socket {
            received: |_, event| match event {
                WebSocketReceive::Ping(payload) => WebSocketReceive::Pong(payload),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-10",
        what: "a close frame says a code that must not be sent",
        red: "websocket::the_application_closes",
        how: How::Wire(Wire {
            down: |bytes| {
                if let Some(reason) = find(bytes, "as asked") {
                    bytes[reason - 2..reason].copy_from_slice(&1006_u16.to_be_bytes());
                }
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-11",
        what: "what is sent after the end succeeds in silence (ASGI before 2.4)",
        red: "websocket::the_client_s_close_is_told_once",
        how: How::Socket(Socket {
            ready: |layer, cx| layer.inner.poll_ready(cx).map(|_| Ok(())),
            send: |layer, event| match layer.inner.send(event) {
                Err(SendError::Gone(_)) => Ok(()),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-12",
        what: "who asks for the end again is told of another",
        red: "websocket::the_client_s_close_is_told_once",
        how: How::Socket(Socket {
            received: |layer, event| match event {
                WebSocketReceive::Disconnect(mut end) => {
                    if layer.before.swap(true, Ordering::SeqCst) {
                        end.code = 1006;
                    }
                    WebSocketReceive::Disconnect(end)
                }
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-13",
        what: "a close without a code is a normal one",
        red: "websocket::a_close_without_a_code_is_1005",
        how: How::Socket(Socket {
            received: |_, event| match event {
                WebSocketReceive::Disconnect(mut end) => {
                    if end.code == 1005 {
                        end.code = 1000;
                    }
                    WebSocketReceive::Disconnect(end)
                }
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-14",
        what: "a socket that the application dropped is cut off without a frame",
        red: "websocket::an_application_that_ends_without_a_close_is_1011",
        how: How::Socket(Socket {
            abort: |layer, _| layer.inner.abort(Abort::Deliberate),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-15",
        what: "each denial is an empty 403 (ASGI without its extension)",
        red: "websocket::a_denial_is_an_ordinary_response",
        how: How::Socket(Socket {
            send: |layer, event| match event {
                WebSocketSend::Deny(_) => {
                    let forbidden = Response::new("").with_status(StatusCode::FORBIDDEN);
                    layer.inner.send(WebSocketSend::Deny(forbidden))
                }
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-16",
        what: "a message may be as long as it says (rust-websocket, CVE-2022-35922)",
        red: "websocket::messages_over_the_limit_are_1009",
        how: How::Settings(|settings| {
            let limits = &mut settings.websocket.limits;
            (limits.frame_bytes, limits.message_bytes) = (usize::MAX, usize::MAX);
            limits.wire_bytes = usize::MAX;
        }),
    },
    Fault {
        clause: "WS-16",
        what: "what is compressed counts by its compressed size (bandit, websockets, eventlet: CVE-2026-39804, CVE-2018-1000518, CVE-2021-21419)",
        red: "websocket::a_message_that_inflates_over_the_limit_is_1009",
        how: How::Settings(|settings| settings.websocket.limits.message_bytes = 512 * 1024 * 1024),
    },
    Fault {
        clause: "WS-16",
        what: "a frame without a mask is taken (bandit, GHSA-rhh8-5xw9-c3gm)",
        red: "websocket::frames_that_break_the_protocol_are_1002",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, b"\x81\x02hi", b"\x81\x82\0\0\0\0hi"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-17",
        what: "the client is read whether or not the application receives",
        red: "websocket::an_application_that_does_not_receive_stops_the_client",
        how: How::Wire(Wire {
            room: Room::Endless,
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "WS-17",
        what: "there is always credit (ws-rs, CVE-2020-35896)",
        red: "websocket::a_client_that_does_not_read_stops_the_application",
        how: How::Socket(Socket {
            ready: |_, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-18",
        what: "sockets are cut as soon as the server drains (uvicorn#1140)",
        red: "shutdown::a_websocket_says_goodbye",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::WebSocket(websocket) = connection else {
                    return peer.call(connection).await;
                };
                let draining = websocket.scope.drain();
                tokio::select! {
                    biased;
                    _ = draining => Err(AppError::from(Gone::Shutdown)),
                    called = peer.call(Connection::WebSocket(websocket)) => called,
                }
            })
        }),
    },
    Fault {
        clause: "WS-19",
        what: "a socket is closed without a close frame",
        red: "websocket::the_application_closes",
        how: How::Socket(Socket {
            send: |layer, event| match event {
                WebSocketSend::Close(_) => {
                    layer.inner.abort(Abort::Deliberate);
                    Ok(())
                }
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "WS-20",
        what: "flushing to a client that left succeeds",
        red: "websocket::what_was_accepted_need_not_arrive",
        how: How::Socket(Socket {
            flush: |_, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
];
