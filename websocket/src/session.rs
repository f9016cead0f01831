//! One socket after its handshake: bytes in, events out; messages in, bytes out.
//!
//! Rules between frames are here (RFC 6455 §5.4), those of one frame in [`frame`](crate::frame), and the order of closing in
//! [`State`].

use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use gateway_spec::{CloseFrame, Message, Text};

use crate::{
    close,
    deflate::{
        self, Direction,
        context::{Receiving, Sending},
    },
    error::{NotSent, ProtocolError},
    frame::{Frame, FrameHeader, Masking, Opcode, Rsv1},
    handshake::Agreement,
    limits::Limits,
    mask::{self, Key},
    message::{self, Kind, Partial},
    prepared::Prepared,
    state::{Input, State},
};

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes masked frames, sends plain ones.
    Server,
    /// Takes plain frames, sends masked ones.
    ///
    /// The keys follow from the seed. That serves tests and clients in the same process; on a network, keys must be such that
    /// nobody can foretell them (RFC 6455 §10.3), and these are not.
    Client {
        /// Where the sequence of keys starts.
        seed: u64,
    },
}

/// What [`Session::next_event`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something happened. Ask again: the input may hold more.
    Event(Event),
    /// Read more from the peer into the same buffer, then ask again.
    NeedBytes {
        /// At least this many bytes (never none) until the next step, as far as is known. A hint for the size of a read; the
        /// peer declared it, so it is no reason to reserve all of it.
        missing: usize,
    },
    /// Nothing more is read from this peer.
    Closed,
}

/// What [`Session::next_whole`] found.
pub(crate) enum Whole {
    Message(Message),
    Broken(ProtocolError),
    /// The input is empty, and no frame has begun.
    Nothing,
    /// Something for [`Session::next_event`].
    Other,
}

/// The bytes of a short frame before its payload: two, and the key.
const SHORT_HEADER: usize = 6;

/// The longest payload with a header like that.
const MAX_SHORT: usize = 125;

/// The longest payload that is copied out of what was read: of less than this, a copy costs less than a share in a read buffer.
const MAX_COPIED: usize = 1024;

/// Bytes that copies have their shares of. Who keeps one keeps so much: a quarter of a read buffer, for all that came meanwhile.
const COPIES: usize = 4 * 1024;

/// The second byte of a header, without the mask's bit, that has the length in the two bytes behind it.
const LONGER: u8 = 126;

/// The first byte of a frame that is a whole message.
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;

/// What the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// A ping, which wants [`Session::pong`] with the same bytes.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The peer closes, and wants [`Session::close`] if we have not sent that yet. `None`: without a code.
    Close(Option<CloseFrame>),
}

/// The protocol of one socket, without its bytes' ways in and out, and without a clock.
///
/// In: [`next_event`](Self::next_event), until it says [`Step::NeedBytes`]. Out: [`send`](Self::send), [`send_prepared`](Self::send_prepared),
/// [`ping`](Self::ping), [`pong`](Self::pong), [`close`](Self::close), each of which appends whole frames to `out`. Frames must reach the peer in the order in which they
/// were made. How it stands: [`state`](Self::state).
///
/// Between messages, and while no compression context is kept, a session owns nothing on the heap but its agreement.
///
/// ```
/// use bytes::BytesMut;
/// use websocket::{Agreement, Event, Limits, Role, Session, Step};
///
/// let mut server = Session::new(Role::Server, &Agreement::default(), Limits::default());
/// let mut client = Session::new(Role::Client { seed: 1 }, &Agreement::default(), Limits::default());
///
/// let mut wire = BytesMut::new();
/// client.send(&"hello".into(), &mut wire)?;
/// assert_eq!(server.next_event(&mut wire)?, Step::Event(Event::Message("hello".into())));
/// assert_eq!(server.next_event(&mut wire)?, Step::NeedBytes { missing: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    side: Side,
    limits: Limits,
    /// The longest payload of a short frame that may be a message.
    short_bytes: u8,
    /// The longest payload of a frame that is copied if it is a message.
    copied_bytes: u16,
    state: State,
    reading: Reading,
    // Boxed, as is `compression`: most sockets have neither at most times.
    partial: Option<Box<Partial>>,
    compression: Option<Box<Compression>>,
}

impl Session {
    /// A session right after its handshake.
    pub fn new(role: Role, agreement: &Agreement, limits: Limits) -> Self {
        let compression = agreement
            .deflate
            .map(|agreed| Box::new(Compression::new(role, &agreed)));
        let side = match role {
            Role::Server => Side::Server,
            Role::Client { seed } => Side::Client(Box::new(Keys(seed))),
        };
        let within = |most| {
            [limits.frame_bytes, limits.wire_bytes, limits.message_bytes]
                .into_iter()
                .fold(most, usize::min)
        };
        Self {
            side,
            short_bytes: within(MAX_SHORT) as u8,
            copied_bytes: within(MAX_COPIED) as u16,
            limits,
            state: State::Open,
            reading: Reading::Header,
            partial: None,
            compression,
        }
    }

    /// Takes the next event from the front of `input`, which must be the same buffer at every call, with new bytes at its end.
    ///
    /// The payload of a message in one uncompressed frame, of a ping and of a pong is unmasked in place and handed out as a slice
    /// of `input`: no copy, but whoever keeps it keeps the allocation. Other payloads are copied, or inflated, as they arrive.
    ///
    /// # Errors
    ///
    /// The peer broke a rule, reported once and as soon as the first wrong byte is there. Answer with [`close`](Self::close) and
    /// `CloseFrame::from(error)`. Afterwards, and after the peer's close frame, the step is [`Step::Closed`] and `input` is emptied:
    /// what follows a close frame means nothing (RFC 6455 §5.5.1).
    pub fn next_event(&mut self, input: &mut BytesMut) -> Result<Step, ProtocolError> {
        if self.state.on(Input::Receive).is_none() {
            input.clear();
            return Ok(Step::Closed);
        }
        let step = self.advance(input);
        let ended = match &step {
            Ok(Step::Event(Event::Close(_))) => Input::ReceiveClose,
            Ok(_) => return step,
            Err(_) => Input::Fail,
        };
        self.state = self.state.on(ended).unwrap_or(State::Closed);
        self.reading = Reading::Header;
        self.partial = None;
        step
    }

    /// As [`next_event`](Self::next_event), for what nearly always comes: a message that is one short frame, plain and whole, from a client.
    /// What else there is, is left as it is.
    #[inline(always)]
    pub(crate) fn next_whole(&mut self, input: &mut BytesMut) -> Whole {
        let (State::Open, Reading::Header, Side::Server) = (self.state, &self.reading, &self.side)
        else {
            return Whole::Other;
        };
        let Some(&[first, second, a, b, c, d]) = input.first_chunk() else {
            return match input.is_empty() {
                true => Whole::Nothing,
                false => Whole::Other,
            };
        };
        // 126 and 127 stand for longer ones, and without the highest bit there is no mask.
        let length = second ^ 0x80;
        let size = SHORT_HEADER + usize::from(length);
        let kind = match first {
            WHOLE_BINARY => Kind::Binary,
            WHOLE_TEXT => Kind::TEXT,
            _ => return Whole::Other,
        };
        if length > self.short_bytes || size > input.len() || self.partial.is_some() {
            return Whole::Other;
        }
        mask::apply_short([a, b, c, d], &mut input[SHORT_HEADER..size]);
        let mut frame = input.split_to(size).freeze();
        frame.advance(SHORT_HEADER);
        match kind.message(frame) {
            Ok(message) => Whole::Message(message),
            Err(error) => {
                self.state = self.state.on(Input::Fail).unwrap_or(State::Closed);
                Whole::Broken(error)
            }
        }
    }

    /// The message at the front of bytes that stay somebody else's, as a copy that has a share of `copies`, and how many bytes its frame has: where no
    /// frame has begun, and that is whole, plain, from a client and not long. Of anything else nothing is taken, and nothing changes.
    #[inline]
    pub(crate) fn copy_whole(
        &self,
        bytes: &[u8],
        copies: &mut BytesMut,
    ) -> Option<(Message, usize)> {
        let (State::Open, Reading::Header, Side::Server, None) =
            (self.state, &self.reading, &self.side, &self.partial)
        else {
            return None;
        };
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        // Without the highest bit there is no mask, and the length would be above all of these.
        let (length, rest) = match second ^ 0x80 {
            LONGER => {
                let (length, rest) = rest.split_first_chunk()?;
                match usize::from(u16::from_be_bytes(*length)) {
                    0..=MAX_SHORT => return None,
                    length => (length, rest),
                }
            }
            length if usize::from(length) <= MAX_SHORT => (usize::from(length), rest),
            _ => return None,
        };
        if length > usize::from(self.copied_bytes) || !matches!(first, WHOLE_TEXT | WHOLE_BINARY) {
            return None;
        }
        let (&key, rest) = rest.split_first_chunk()?;
        let payload = rest.get(..length)?;
        if copies.capacity() < length {
            // Used again, if all shares of it are given up.
            copies.reserve(COPIES);
        }
        copies.extend_from_slice(payload);
        if length <= MAX_SHORT {
            mask::apply_short(key, copies);
        } else {
            mask::apply(key, 0, copies);
        }
        let payload = copies.split().freeze();
        let message = match first {
            WHOLE_BINARY => Message::Binary(payload),
            // A text that is none is refused as any other.
            _ => Message::Text(Text::try_from(payload).ok()?),
        };
        Some((message, bytes.len() - rest.len() + length))
    }

    /// The header of this message's frame, if that is short, plain and unmasked, and may be sent.
    #[inline]
    pub(crate) fn short_header(&self, message: &Message) -> Option<[u8; 2]> {
        let (State::Open, Side::Server, None) = (self.state, &self.side, &self.compression) else {
            return None;
        };
        let first = match message {
            Message::Text(_) => WHOLE_TEXT,
            Message::Binary(_) => WHOLE_BINARY,
        };
        let length = message.as_bytes().len();
        (length <= MAX_SHORT).then_some([first, length as u8])
    }

    /// Whether nothing of a frame was read, and more may come.
    #[inline]
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!((self.state, &self.reading), (State::Open, Reading::Header))
    }

    /// Appends a message to `out`, compressed if that was agreed and the message is long enough.
    ///
    /// # Errors
    ///
    /// [`NotSent::Closed`] if a close frame was sent or received.
    pub fn send(&mut self, message: &Message, out: &mut BytesMut) -> Result<(), NotSent> {
        self.encode(message)?.write(out);
        Ok(())
    }

    /// As [`send`](Self::send), but gives out the frame itself, whose payload (for a server, and if not compressed) is the message's own.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn encode(&mut self, message: &Message) -> Result<Frame, NotSent> {
        self.seal(message.clone())
    }

    /// As [`encode`](Self::encode), of a message that nobody else needs.
    #[inline]
    pub(crate) fn seal(&mut self, message: Message) -> Result<Frame, NotSent> {
        self.may_send()?;
        let opcode = message::opcode(&message);
        let plain = message::into_payload(message);
        let frame = match &mut self.compression {
            None => Frame::new(opcode, plain),
            Some(compression) => compression.frame(opcode, plain),
        };
        Ok(self.side.seal(frame))
    }

    /// The bytes of a message that goes to many sessions, made once for all of them. See [`Prepared`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<Bytes, NotSent> {
        self.may_send()?;
        if let Side::Client(_) = self.side {
            // Every frame of a client has a key of its own.
            return Ok(self.encode(prepared.message())?.to_bytes());
        }
        Ok(match &mut self.compression {
            None => prepared.plain(),
            Some(compression) => compression.prepared(prepared),
        })
    }

    /// Appends a ping to `out`.
    ///
    /// # Errors
    ///
    /// [`NotSent::Closed`], and [`NotSent::ControlTooLong`] over 125 bytes.
    pub fn ping(&mut self, payload: Bytes, out: &mut BytesMut) -> Result<(), NotSent> {
        self.control(Opcode::Ping, payload)?.write(out);
        Ok(())
    }

    /// Appends a pong to `out`. The answer to a ping has the ping's bytes.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: Bytes, out: &mut BytesMut) -> Result<(), NotSent> {
        self.control(Opcode::Pong, payload)?.write(out);
        Ok(())
    }

    /// Appends a close frame to `out`: to begin closing, to answer the peer's (usually with what it said), or to say what it did
    /// wrong. `None` is a close frame without a code.
    ///
    /// # Errors
    ///
    /// [`NotSent::Closed`] if one was sent already.
    pub fn close(&mut self, frame: Option<&CloseFrame>, out: &mut BytesMut) -> Result<(), NotSent> {
        self.closing(frame)?.write(out);
        Ok(())
    }

    /// As [`close`](Self::close), but gives out the frame.
    pub(crate) fn closing(&mut self, frame: Option<&CloseFrame>) -> Result<Frame, NotSent> {
        self.state = self.state.on(Input::SendClose).ok_or(NotSent::Closed)?;
        // Data that still comes is skipped, so what was begun will never be a message.
        self.partial = None;
        if let Reading::Message(payload, _) | Reading::Part(payload, _) = self.reading {
            self.reading = Reading::Unwanted(payload);
        }
        let frame = Frame::new(Opcode::Close, close::payload(frame));
        Ok(self.side.seal(frame))
    }

    /// Where the session stands.
    pub fn state(&self) -> State {
        self.state
    }

    fn may_send(&self) -> Result<(), NotSent> {
        self.state.on(Input::Send).map(drop).ok_or(NotSent::Closed)
    }

    /// A ping or a pong.
    pub(crate) fn control(&mut self, opcode: Opcode, payload: Bytes) -> Result<Frame, NotSent> {
        self.may_send()?;
        if payload.len() > FrameHeader::MAX_CONTROL_BYTES {
            return Err(NotSent::ControlTooLong);
        }
        Ok(self.side.seal(Frame::new(opcode, payload)))
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Step, ProtocolError> {
        loop {
            let event = match &mut self.reading {
                Reading::Header => {
                    match FrameHeader::parse(input, self.side.masking(), self.rsv1())? {
                        None => {
                            return Ok(Step::NeedBytes {
                                missing: 2_usize.saturating_sub(input.len()).max(1),
                            });
                        }
                        Some((header, size)) => {
                            input.advance(size);
                            self.reading = self.begin(&header)?;
                            continue;
                        }
                    }
                }
                Reading::Message(payload, kind) => {
                    let new = payload.unmask(input);
                    // A message that comes in one piece is checked but once, when it is made.
                    if new.len() < payload.length {
                        kind.check(new)?;
                    }
                    match payload.split(input) {
                        None => return Ok(payload.missing(input)),
                        Some(bytes) => Some(Event::Message(kind.message(bytes)?)),
                    }
                }
                Reading::Control(payload, opcode) => {
                    payload.unmask(input);
                    match payload.split(input) {
                        None => return Ok(payload.missing(input)),
                        Some(bytes) => Some(control(*opcode, bytes)?),
                    }
                }
                Reading::Part(payload, fragment) => {
                    let partial = self.partial.as_mut().expect("a fragment is of a message");
                    let bytes = payload.unmask(input);
                    if !bytes.is_empty() {
                        partial.push(bytes, &self.limits)?;
                    }
                    match (payload.skip(input), *fragment) {
                        (Skip::More, _) => return Ok(payload.missing(input)),
                        (Skip::Done, Fragment::More) => None,
                        (Skip::Done, Fragment::Last) => Some(Event::Message(self.finish()?)),
                    }
                }
                Reading::Unwanted(payload) => {
                    payload.ignore(input);
                    match payload.skip(input) {
                        Skip::More => return Ok(payload.missing(input)),
                        Skip::Done => None,
                    }
                }
            };
            self.reading = Reading::Header;
            match event {
                // RFC 6455 §5.5.1: nothing but the peer's close frame matters once ours is sent.
                Some(event) if self.state == State::Open || matches!(event, Event::Close(_)) => {
                    return Ok(Step::Event(event));
                }
                Some(_) | None => {}
            }
        }
    }

    /// What to do with the payload that follows this header.
    fn begin(&mut self, header: &FrameHeader) -> Result<Reading, ProtocolError> {
        let length = usize::try_from(header.length)
            .ok()
            .filter(|&length| length <= self.limits.frame_bytes);
        let limits = &self.limits;
        let payload = |length| Payload {
            mask: header.mask,
            length,
            unmasked: 0,
        };
        if header.opcode.is_control() {
            // At most 125, whatever the limit.
            return Ok(Reading::Control(
                payload(header.length as usize),
                header.opcode,
            ));
        }
        if self.state == State::CloseSent {
            return Ok(Reading::Unwanted(payload(
                length.ok_or(ProtocolError::FrameTooLarge)?,
            )));
        }
        let kind = match (header.opcode, &self.partial) {
            (Opcode::Text, None) => Some(Kind::TEXT),
            (Opcode::Binary, None) => Some(Kind::Binary),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(ProtocolError::MessageInMessage);
            }
            (_, None) => return Err(ProtocolError::NothingToContinue),
            (_, Some(_)) => None,
        };
        let length = length.ok_or(ProtocolError::FrameTooLarge)?;
        if let Some(kind) = kind {
            if header.fin && !header.compressed {
                if length > limits.wire_bytes.min(limits.message_bytes) {
                    return Err(ProtocolError::MessageTooLarge);
                }
                return Ok(Reading::Message(payload(length), kind));
            }
            let partial = match &mut self.compression {
                Some(compression) if header.compressed => {
                    Partial::compressed(kind, compression.receiving.take())
                }
                _ => Partial::plain(kind),
            };
            self.partial = Some(Box::new(partial));
        }
        if let Some(partial) = &mut self.partial {
            partial.begin_frame(length, limits)?;
        }
        Ok(Reading::Part(
            payload(length),
            if header.fin {
                Fragment::Last
            } else {
                Fragment::More
            },
        ))
    }

    /// Ends the message that was made from parts.
    fn finish(&mut self) -> Result<Message, ProtocolError> {
        let partial = self.partial.take().expect("a fragment is of a message");
        let (message, inflater) = partial.finish(&self.limits)?;
        if let (Some(inflater), Some(compression)) = (inflater, &mut self.compression) {
            compression.receiving.put(inflater);
        }
        Ok(message)
    }

    fn rsv1(&self) -> Rsv1 {
        match self.compression {
            None => Rsv1::Reserved,
            Some(_) => Rsv1::Compressed,
        }
    }
}

/// The event of a control frame.
fn control(opcode: Opcode, payload: Bytes) -> Result<Event, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(close::parse(&payload)?),
    })
}

/// The role, with what it needs to remember.
#[derive(Debug)]
enum Side {
    Server,
    // Boxed: most sessions are servers.
    Client(Box<Keys>),
}

impl Side {
    fn masking(&self) -> Masking {
        match self {
            Self::Server => Masking::Required,
            Self::Client(_) => Masking::Refused,
        }
    }

    #[inline]
    fn seal(&mut self, frame: Frame) -> Frame {
        match self {
            Self::Server => frame,
            Self::Client(keys) => frame.masked(keys.next_key()),
        }
    }
}

/// A sequence of masking keys (SplitMix64).
#[derive(Debug)]
struct Keys(u64);

impl Keys {
    fn next_key(&mut self) -> Key {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) as u32).to_ne_bytes()
    }
}

/// What is being read.
#[derive(Debug)]
enum Reading {
    Header,
    /// A message in one uncompressed frame: it stays in the input until it is whole.
    Message(Payload, Kind),
    Control(Payload, Opcode),
    /// A piece of `partial`: it leaves the input as it comes.
    Part(Payload, Fragment),
    /// Data after our close frame.
    Unwanted(Payload),
}

#[derive(Clone, Copy, Debug)]
enum Fragment {
    More,
    Last,
}

/// The payload of the frame at the front of the input.
#[derive(Clone, Copy, Debug)]
struct Payload {
    mask: Option<Key>,
    /// Bytes that are still to leave the input.
    length: usize,
    /// How many of them, at the front of the input, are unmasked already.
    unmasked: usize,
}

enum Skip {
    More,
    Done,
}

impl Payload {
    /// Unmasks what has newly arrived, and returns it.
    fn unmask<'a>(&mut self, input: &'a mut BytesMut) -> &'a [u8] {
        let arrived = self.length.min(input.len());
        let new = &mut input[self.unmasked..arrived];
        if let Some(key) = &mut self.mask {
            mask::apply(*key, 0, new);
            // The key as it stands at the next byte, wherever the input is cut meanwhile.
            key.rotate_left(new.len() % 4);
        }
        self.unmasked = arrived;
        new
    }

    /// Passes over what has arrived.
    fn ignore(&mut self, input: &BytesMut) {
        self.unmasked = self.length.min(input.len());
    }

    /// Takes the whole payload, once it is there.
    fn split(&self, input: &mut BytesMut) -> Option<Bytes> {
        (self.unmasked == self.length).then(|| input.split_to(self.length).freeze())
    }

    /// Drops from the input what was unmasked.
    fn skip(&mut self, input: &mut BytesMut) -> Skip {
        let done = mem::take(&mut self.unmasked);
        input.advance(done);
        self.length -= done;
        if self.length == 0 {
            Skip::Done
        } else {
            Skip::More
        }
    }

    fn missing(&self, input: &BytesMut) -> Step {
        Step::NeedBytes {
            missing: self.length - input.len(),
        }
    }
}

/// permessage-deflate, from our point of view.
#[derive(Debug)]
struct Compression {
    receiving: Receiving,
    sending: Sending,
    window: deflate::WindowBits,
    level: u8,
    minimum_bytes: usize,
}

impl Compression {
    fn new(role: Role, agreed: &deflate::Agreed) -> Self {
        let (ours, theirs): (Direction, Direction) = match role {
            Role::Server => (agreed.server, agreed.client),
            Role::Client { .. } => (agreed.client, agreed.server),
        };
        Self {
            receiving: Receiving::new(theirs.context),
            sending: Sending::new(ours.context),
            window: ours.window,
            level: agreed.level,
            // An empty message has nothing to deflate.
            minimum_bytes: agreed.minimum_bytes.max(1),
        }
    }

    /// The frame of a message, compressed if that makes it smaller.
    fn frame(&mut self, opcode: Opcode, plain: Bytes) -> Frame {
        match self.deflate(&plain) {
            None => Frame::new(opcode, plain),
            Some(deflated) => {
                let mut frame = Frame::new(opcode, deflated);
                frame.header.compressed = true;
                frame
            }
        }
    }

    /// The payload of a compressed message, or `None` if it goes as it is.
    fn deflate(&mut self, plain: &Bytes) -> Option<Bytes> {
        if plain.len() < self.minimum_bytes {
            return None;
        }
        self.sending.deflate(plain, self.window, self.level)
    }

    fn prepared(&mut self, prepared: &Prepared) -> Bytes {
        if prepared.message().as_bytes().len() < self.minimum_bytes {
            return prepared.plain();
        }
        match prepared.deflated(self.window, self.level) {
            None => prepared.plain(),
            Some(deflated) => {
                self.sending.forget();
                deflated
            }
        }
    }
}
