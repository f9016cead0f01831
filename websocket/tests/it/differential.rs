//! tungstenite at the other end of an in-memory stream: whatever it sends we read, and the other way round.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use bytes::{Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Message};
use proptest::prelude::*;
use tungstenite::{
    Message as Theirs, WebSocket,
    protocol::{
        Role as TheirRole,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};
use websocket::{Agreement, Event, Limits, Role, Session, State, Step};

/// A stream that never blocks: what was written waits to be taken, and what is not there yet is `WouldBlock`.
#[derive(Default)]
struct Pipe {
    to_us: Vec<u8>,
    to_them: VecDeque<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_them.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_them.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_us.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session of ours and a socket of theirs.
struct Pair {
    ours: Session,
    input: BytesMut,
    theirs: WebSocket<Pipe>,
}

impl Pair {
    fn new(role: Role) -> Self {
        let their_role = match role {
            Role::Server => TheirRole::Client,
            Role::Client { .. } => TheirRole::Server,
        };
        Self {
            ours: Session::new(role, &Agreement::default(), Limits::default()),
            input: BytesMut::new(),
            theirs: WebSocket::from_raw_socket(Pipe::default(), their_role, None),
        }
    }

    /// What we read of all that they wrote, in pieces of this size. Pings are answered.
    fn read(&mut self, piece: usize) -> Vec<Event> {
        let written = std::mem::take(&mut self.theirs.get_mut().to_us);
        let mut events = Vec::new();
        let mut out = BytesMut::new();
        for piece in written.chunks(piece) {
            self.input.extend_from_slice(piece);
            while let Step::Event(event) =
                self.ours.next_event(&mut self.input).expect("a valid peer")
            {
                if let Event::Ping(payload) = &event {
                    self.ours
                        .pong(payload.clone(), &mut out)
                        .expect("an open session");
                }
                events.push(event);
            }
        }
        self.write(&out);
        events
    }

    fn write(&mut self, bytes: &[u8]) {
        self.theirs.get_mut().to_them.extend(bytes);
    }

    /// All that they read.
    fn their_messages(&mut self) -> Vec<Theirs> {
        std::iter::from_fn(|| match self.theirs.read() {
            Ok(message) => Some(message),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        })
        .collect()
    }
}

#[derive(Clone, Debug)]
enum Action {
    /// They send a message in so many frames.
    TheirMessage(Message, usize),
    TheirPing(Bytes),
    OurMessage(Message),
    OurPing(Bytes),
}

fn message() -> impl Strategy<Value = Message> {
    let long = (
        any::<u8>(),
        prop_oneof![
            Just(125_usize),
            Just(126),
            Just(65_535),
            Just(65_536),
            Just(70_001)
        ],
    );
    prop_oneof![
        3 => "\\PC{0,200}".prop_map(Message::from),
        3 => prop::collection::vec(any::<u8>(), 0..500).prop_map(Message::from),
        1 => long.prop_map(|(byte, length)| Message::from(vec![byte; length])),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let ping = || prop::collection::vec(any::<u8>(), 0..=125).prop_map(Bytes::from);
    prop_oneof![
        3 => (message(), 1..5_usize).prop_map(|(message, frames)| Action::TheirMessage(message, frames)),
        1 => ping().prop_map(Action::TheirPing),
        3 => message().prop_map(Action::OurMessage),
        1 => ping().prop_map(Action::OurPing),
    ]
}

/// A message as so many frames of theirs.
fn fragments(message: &Message, frames: usize) -> Vec<Theirs> {
    let bytes = message.as_bytes();
    let size = bytes.len().div_ceil(frames).max(1);
    let mut pieces: Vec<&[u8]> = bytes.chunks(size).collect();
    pieces.resize(frames, b"");
    let opcode = |n| match (n, message) {
        (0, Message::Text(_)) => Data::Text,
        (0, Message::Binary(_)) => Data::Binary,
        _ => Data::Continue,
    };
    pieces
        .iter()
        .enumerate()
        .map(|(n, piece)| {
            let payload = Bytes::copy_from_slice(piece);
            Theirs::Frame(Frame::message(
                payload,
                OpCode::Data(opcode(n)),
                n + 1 == frames,
            ))
        })
        .collect()
}

fn as_theirs(message: &Message) -> Theirs {
    match message {
        Message::Text(text) => Theirs::text(text.to_string()),
        Message::Binary(bytes) => Theirs::Binary(bytes.clone()),
    }
}

fn converse(role: Role, actions: Vec<Action>, piece: usize) {
    let mut pair = Pair::new(role);
    for action in actions {
        let mut out = BytesMut::new();
        match action {
            Action::TheirMessage(message, frames) => {
                for frame in fragments(&message, frames) {
                    pair.theirs.write(frame).expect("it fits");
                }
                pair.theirs.flush().expect("it fits");
                assert_eq!(pair.read(piece), [Event::Message(message)]);
            }
            Action::TheirPing(payload) => {
                pair.theirs
                    .send(Theirs::Ping(payload.clone()))
                    .expect("it fits");
                assert_eq!(pair.read(piece), [Event::Ping(payload.clone())]);
                assert_eq!(pair.their_messages(), [Theirs::Pong(payload)]);
            }
            Action::OurMessage(message) => {
                pair.ours.send(&message, &mut out).expect("an open session");
                pair.write(&out);
                assert_eq!(pair.their_messages(), [as_theirs(&message)]);
            }
            Action::OurPing(payload) => {
                pair.ours
                    .ping(payload.clone(), &mut out)
                    .expect("an open session");
                pair.write(&out);
                assert_eq!(pair.their_messages(), [Theirs::Ping(payload.clone())]);
                pair.theirs.flush().expect("it fits");
                assert_eq!(pair.read(piece), [Event::Pong(payload)]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_server_of_ours_and_a_client_of_theirs(
        actions in prop::collection::vec(action(), 1..12),
        piece in prop_oneof![1..50_usize, Just(100_000)],
    ) {
        converse(Role::Server, actions, piece);
    }

    #[test]
    fn a_client_of_ours_and_a_server_of_theirs(
        seed: u64,
        actions in prop::collection::vec(action(), 1..12),
        piece in prop_oneof![1..50_usize, Just(100_000)],
    ) {
        converse(Role::Client { seed }, actions, piece);
    }
}

#[test]
fn they_close_and_we_answer() {
    let mut pair = Pair::new(Role::Server);
    let frame = tungstenite::protocol::CloseFrame {
        code: 4001.into(),
        reason: "enough".into(),
    };
    pair.theirs.close(Some(frame)).unwrap();
    let frame = CloseFrame::new(CloseCode::new(4001), "enough");
    assert_eq!(pair.read(3), [Event::Close(Some(frame.clone()))]);

    let mut out = BytesMut::new();
    pair.ours.close(Some(&frame), &mut out).unwrap();
    pair.write(&out);
    assert!(
        matches!(pair.theirs.read(), Ok(Theirs::Close(Some(frame))) if frame.reason == "enough")
    );
    assert!(matches!(
        pair.theirs.read(),
        Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::Io(_))
    ));
    assert_eq!(pair.ours.state(), State::Closed);
}

#[test]
fn we_close_and_they_answer() {
    let mut pair = Pair::new(Role::Server);
    let mut out = BytesMut::new();
    let frame = CloseFrame::new(CloseCode::RESTART, "come again");
    pair.ours.close(Some(&frame), &mut out).unwrap();
    pair.write(&out);
    assert!(
        matches!(pair.theirs.read(), Ok(Theirs::Close(Some(frame))) if u16::from(frame.code) == 1012)
    );
    pair.theirs
        .flush()
        .unwrap_or_else(|error| assert!(matches!(error, tungstenite::Error::ConnectionClosed)));
    assert_eq!(pair.read(1), [Event::Close(Some(frame))]);
    assert_eq!(pair.ours.state(), State::Closed);
}
