//! tungstenite at the other end: whatever it sends we read, and the other way round.

use bytes::{Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Message};
use proptest::prelude::*;
use tungstenite::Message as Theirs;
use websocket::{Event, Role, State};

use crate::peer::{Action, Pair, converse};

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
