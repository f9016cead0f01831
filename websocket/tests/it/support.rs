//! Frames by hand, and `check`, through which the tables of this suite go.

use bytes::{BufMut, Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Message};
use websocket::{
    Agreement, Event, Limits, ProtocolError, Role, Session, Step, deflate,
    frame::{FrameHeader, Opcode},
    mask,
};

/// What a byte string means: the events, and the error that ends them, if one does.
pub(crate) type Meaning = (Vec<Event>, Option<ProtocolError>);

/// A key with four different bytes.
pub(crate) const KEY: mask::Key = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame with any first byte, and its length in the shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = FrameHeader::new(Opcode::Continuation, payload.len() as u64);
    header.mask = Some(KEY);
    let mut wire = BytesMut::new();
    header.write(&mut wire);
    wire[0] = first;
    let start = wire.len();
    wire.put_slice(payload);
    mask::apply(KEY, 0, &mut wire[start..]);
    wire.to_vec()
}

pub(crate) fn text(text: &str) -> Event {
    Event::Message(Message::from(text.to_owned()))
}

pub(crate) fn binary(bytes: &[u8]) -> Event {
    Event::Message(Message::from(bytes.to_vec()))
}

pub(crate) fn ping(bytes: &'static [u8]) -> Event {
    Event::Ping(Bytes::from_static(bytes))
}

pub(crate) fn pong(bytes: &'static [u8]) -> Event {
    Event::Pong(Bytes::from_static(bytes))
}

pub(crate) fn closed(code: u16, reason: &str) -> Event {
    let code = CloseCode::try_from(code).expect("a code that may be sent");
    Event::Close(Some(CloseFrame::new(code, reason.to_owned())))
}

pub(crate) fn server() -> Session {
    Session::new(Role::Server, &Agreement::default(), Limits::default())
}

pub(crate) fn limited(limits: Limits) -> impl Fn() -> Session {
    move || Session::new(Role::Server, &Agreement::default(), limits)
}

/// What a client that offers `offer` and a server with `settings` agree to.
pub(crate) fn agreement(offer: &str, settings: &deflate::Settings) -> Agreement {
    let headers: [(&str, &[u8]); 2] = [
        ("sec-websocket-version", b"13"),
        ("sec-websocket-extensions", offer.as_bytes()),
    ];
    let offer = websocket::handshake::connect(headers).expect("a valid handshake");
    offer
        .accept(None, Some(settings))
        .expect("no subprotocol")
        .agreement
}

/// A server's session with permessage-deflate as by default.
pub(crate) fn deflating() -> Session {
    let agreement = agreement("permessage-deflate", &deflate::Settings::default());
    assert!(agreement.deflate.is_some());
    Session::new(Role::Server, &agreement, Limits::default())
}

/// Bytes that no compressor makes smaller (a linear generator's high bits).
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// Reads all of `pieces`, as they arrive.
pub(crate) fn read<'a>(
    session: &mut Session,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Meaning {
    let mut events = Vec::new();
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match session.next_event(&mut input) {
                Ok(Step::Event(event)) => events.push(event),
                Ok(Step::NeedBytes { missing }) => {
                    assert!(missing > 0);
                    break;
                }
                Ok(Step::Closed) => {
                    assert!(input.is_empty());
                    break;
                }
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// Checks what a server reads in `wire`: in one piece, a byte at a time, and cut in two at (nearly) every place.
#[track_caller]
pub(crate) fn check_with(session: impl Fn() -> Session, wire: &[u8], expected: &Meaning) {
    assert_eq!(&read(&mut session(), [wire]), expected, "in one piece");
    assert_eq!(
        &read(&mut session(), wire.chunks(1)),
        expected,
        "a byte at a time"
    );
    for at in (0..wire.len()).step_by(wire.len() / 200 + 1) {
        let (head, tail) = wire.split_at(at);
        assert_eq!(&read(&mut session(), [head, tail]), expected, "cut at {at}");
    }
}

#[track_caller]
pub(crate) fn check(wire: &[u8], events: &[Event]) {
    check_with(server, wire, &(events.to_vec(), None));
}

#[track_caller]
pub(crate) fn check_error(wire: &[u8], events: &[Event], error: ProtocolError) {
    check_with(server, wire, &(events.to_vec(), Some(error)));
}
