//! The socket over an exchange in memory, driven along the table of the contract's own model.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, Accept, Capabilities, CloseCode, CloseFrame, ConnectionInfo, Disconnect, Events, Gone,
    Http, HttpReceive, HttpScope, HttpSend, Message, Response, Scope, SendError, WebSocket,
    WebSocketReceive, WebSocketSend, WebSocketTransport,
};
use http::{HeaderName, HeaderValue, header};
use websocket::{
    Agreement, Event as Frame, Limits, Role, Session, Settings, Step, Upgrade, Watch, upgrade,
};

#[allow(dead_code, reason = "other machines of the model have other drivers")]
#[path = "../../../gateway-spec/tests/it/model.rs"]
mod model;

use model::Subject;
use model::websocket::{ENDED, EVENTS, Event, State, TABLE, is_legal};

#[test]
fn a_socket_does_what_the_table_says() {
    let steps = model::walk(
        &TABLE,
        State::Handshake,
        EVENTS,
        Driven::new,
        |driven, state, given| {
            assert!(is_legal(given), "{given}");
            let expected = usize::from(ENDED.contains(&state));
            assert_eq!(given.matches('D').count(), expected, "{given}");
            assert_eq!(
                driven.cause(),
                ENDED.contains(&state).then(|| format!("{state:?}"))
            );
        },
    );
    assert!(steps > 20_000, "{steps}");
}

/// A server's socket, the client at its other end, and all that is between.
struct Driven {
    transport: Arc<dyn WebSocketTransport>,
    watch: Watch,
    /// Kept, since dropping it would abort.
    _socket: WebSocket,
    plain: Option<Http>,
    events: Events,
    client: Session,
    from_server: BytesMut,
    disconnect: Option<Disconnect>,
    client_sees: Sees,
}

/// What the client can still see.
#[derive(Clone, Copy, PartialEq)]
enum Sees {
    Answer,
    Frames,
    Nothing,
}

impl Driven {
    fn new() -> Self {
        let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
        let mut scope = HttpScope::new(info);
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            let value = HeaderValue::from_static(value);
            scope.headers.append(HeaderName::from_static(name), value);
        }
        let (http, events) = Http::in_memory(Scope::new(scope));
        let Upgrade::WebSocket(socket, watch) = upgrade(http, &Settings::default()) else {
            panic!("a valid handshake");
        };
        let mut transport = None;
        let socket = socket.map_transport(|inner| Arc::clone(transport.insert(inner)));
        let client = Role::Client { seed: 7 };
        Self {
            transport: transport.expect("it was shown"),
            watch,
            _socket: socket,
            plain: None,
            events,
            client: Session::new(client, &Agreement::default(), Limits::default()),
            from_server: BytesMut::new(),
            disconnect: None,
            client_sees: Sees::Answer,
        }
    }

    fn cause(&self) -> Option<String> {
        let disconnect = self.disconnect.as_ref()?;
        Some(format!("{:?}", disconnect.cause))
    }

    fn deliver(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.events.deliver(HttpReceive::Body { bytes, more: true });
    }

    /// Frames of a client that has the answer, and does not keep count of what it may send.
    fn client_sends(&self, write: impl FnOnce(&mut Session, &mut BytesMut)) {
        if self.client_sees == Sees::Frames {
            let mut out = BytesMut::new();
            let role = Role::Client { seed: 9 };
            let mut session = Session::new(role, &Agreement::default(), Limits::default());
            write(&mut session, &mut out);
            self.deliver(out.freeze());
        }
    }

    fn received(&mut self) -> String {
        let mut given = String::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.transport.poll_receive(&mut cx) {
            assert!(given.len() < 10, "{given} without an end");
            given += match event {
                WebSocketReceive::Message(_) => "M",
                WebSocketReceive::Ping(_) => "P",
                WebSocketReceive::Pong(_) => "O",
                WebSocketReceive::Disconnect(end) => match &self.disconnect {
                    Some(before) => {
                        assert_eq!(&end, before, "the same, whoever asks again (WS-12)");
                        break;
                    }
                    None => {
                        self.disconnect = Some(end);
                        "D"
                    }
                },
                other => panic!("{other:?}"),
            };
        }
        given
    }

    fn seen(&mut self) -> String {
        let mut given = String::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.events.poll_sent(&mut cx) {
            if self.client_sees == Sees::Nothing {
                break;
            }
            match event {
                Some(HttpSend::Upgrade { .. }) => {
                    self.client_sees = Sees::Frames;
                    given += "u";
                }
                Some(HttpSend::Start { more: false, .. }) => {
                    self.client_sees = Sees::Nothing;
                    given += "w";
                }
                Some(HttpSend::Body { bytes, more: true }) => {
                    self.from_server.extend_from_slice(&bytes);
                    given += &self.frames();
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    given += match (self.events.aborted(), self.client_sees) {
                        (Some(Abort::Dropped), Sees::Answer) => "",
                        (Some(_), _) => "a",
                        (None, _) => "c",
                    };
                    self.client_sees = Sees::Nothing;
                    break;
                }
            }
        }
        given
    }

    fn frames(&mut self) -> String {
        let mut given = String::new();
        while let Step::Event(event) = self
            .client
            .next_event(&mut self.from_server)
            .expect("a server that keeps the rules")
        {
            given += match event {
                Frame::Message(_) => "m",
                Frame::Ping(_) => "p",
                Frame::Pong(_) => "o",
                Frame::Close(_) => "k",
            };
        }
        given
    }
}

impl Subject<Event> for Driven {
    fn apply(&mut self, event: Event) -> Result<(), SendError> {
        let close = CloseFrame::new(CloseCode::NORMAL, "");
        let sent = match event {
            Event::Accept => WebSocketSend::Accept(Accept::new()),
            Event::AcceptOther => WebSocketSend::Accept(Accept::new().subprotocol("other")),
            Event::AcceptOwned => {
                let value = HeaderValue::from_static("x");
                WebSocketSend::Accept(Accept::new().header(header::SEC_WEBSOCKET_ACCEPT, value))
            }
            Event::Deny => WebSocketSend::Deny(Response::text("no")),
            Event::Message => WebSocketSend::Message(Message::from("hi")),
            Event::Ping => WebSocketSend::Ping("hi".into()),
            Event::LongPing => WebSocketSend::Ping(vec![0; 126].into()),
            Event::Pong => WebSocketSend::Pong("hi".into()),
            Event::Close => WebSocketSend::Close(close),
            other => {
                self.happens(other, &close);
                return Ok(());
            }
        };
        self.transport.send(sent)
    }

    fn given(&mut self) -> String {
        let received = self.received();
        received + &self.seen()
    }
}

impl Driven {
    fn happens(&mut self, event: Event, close: &CloseFrame) {
        match event {
            Event::TakeHttp => {
                if let Some(http) = self.transport.take_http() {
                    self.plain = Some(http);
                }
            }
            Event::Abort => self.transport.abort(Abort::Deliberate),
            Event::Drop => self.transport.abort(Abort::Dropped),
            Event::ClientMessage => self.client_sends(|session, out| {
                session.send(&"hi".into(), out).unwrap();
            }),
            Event::ClientPing => self.client_sends(|session, out| {
                session.ping("hi".into(), out).unwrap();
            }),
            Event::ClientPong => self.client_sends(|session, out| {
                session.pong("hi".into(), out).unwrap();
            }),
            Event::ClientCloses => self.client_sends(|session, out| {
                session.close(Some(close), out).unwrap();
            }),
            // A reserved opcode.
            Event::ClientBreaks => self.client_sends(|_, out| {
                out.extend_from_slice(&[0x83, 0x80, 0, 0, 0, 0]);
            }),
            Event::ClientHalfCloses => {
                if self.client_sees == Sees::Frames {
                    self.events.disconnect(Gone::HalfClosed);
                }
            }
            Event::ClientLeaves => {
                self.events.disconnect(Gone::PeerReset);
                self.client_sees = Sees::Nothing;
            }
            Event::TimesOut => self.watch.time_out(),
            Event::ShutsDown => self.watch.shut_down(),
            other => panic!("{other:?} is sent"),
        }
    }
}
