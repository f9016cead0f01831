//! tungstenite as the other end of a session of ours, by an in-memory stream.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use bytes::{Bytes, BytesMut};
use gateway_spec::Message;
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
use websocket::{Agreement, Event, Limits, Role, Session, Step};

/// A stream that never blocks: what was written waits to be taken, and what is not there yet is `WouldBlock`.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
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
pub(crate) struct Pair {
    pub(crate) ours: Session,
    input: BytesMut,
    pub(crate) theirs: WebSocket<Pipe>,
}

impl Pair {
    pub(crate) fn new(role: Role) -> Self {
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
    pub(crate) fn read(&mut self, piece: usize) -> Vec<Event> {
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

    pub(crate) fn write(&mut self, bytes: &[u8]) {
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

/// What one of the two does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// They send a message in so many frames.
    TheirMessage(Message, usize),
    TheirPing(Bytes),
    OurMessage(Message),
    OurPing(Bytes),
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

/// Whatever one says, the other reads.
pub(crate) fn converse(role: Role, actions: Vec<Action>, piece: usize) {
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
