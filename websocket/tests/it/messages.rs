//! Fragments, control frames between them, and UTF-8 (RFC 6455 §5.4 to §5.6, §8.1).

use bytes::BytesMut;
use proptest::prelude::*;
use websocket::{Limits, NotSent, ProtocolError};

use crate::support::{
    binary, check, check_error, check_with, frame, limited, ping, pong, read, server, text,
};

#[test]
fn fragments_make_a_message() {
    check(
        &[
            frame(0x01, b"Hel"),
            frame(0x00, b""),
            frame(0x80, b"lo"),
            frame(0x82, b"!"),
        ]
        .concat(),
        &[text("Hello"), binary(b"!")],
    );
    check(&[frame(0x01, b""), frame(0x80, b"")].concat(), &[text("")]);
    check(
        &[frame(0x02, b"\xff"), frame(0x80, b"\xfe")].concat(),
        &[binary(b"\xff\xfe")],
    );
}

#[test]
fn control_frames_may_stand_between_fragments() {
    check(
        &[
            frame(0x01, b"Hel"),
            frame(0x89, b"?"),
            frame(0x00, b"l"),
            frame(0x8a, b""),
            frame(0x80, b"o"),
        ]
        .concat(),
        &[ping(b"?"), pong(b""), text("Hello")],
    );
}

#[test]
fn messages_do_not_nest() {
    check_error(
        &[frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        &[],
        ProtocolError::MessageInMessage,
    );
    check_error(
        &[frame(0x81, b"a"), frame(0x80, b"b")].concat(),
        &[text("a")],
        ProtocolError::NothingToContinue,
    );
}

#[test]
fn a_character_may_be_cut_by_fragments() {
    let crab = "🦀".as_bytes();
    for at in 0..=4 {
        check(
            &[frame(0x01, &crab[..at]), frame(0x80, &crab[at..])].concat(),
            &[text("🦀")],
        );
    }
}

#[test]
fn a_text_fails_at_the_first_byte_that_cannot_be() {
    for bad in [
        &b"\xff"[..],
        b"ok\x80",
        b"\xed\xa0",
        b"\xf4\x90",
        b"\xc0",
        b"\xe0\x80",
    ] {
        // The message has not ended, and never will.
        check_error(&frame(0x01, bad), &[], ProtocolError::NotUtf8);
        let whole = frame(0x81, &[bad, b"more of the same frame"].concat());
        check_error(&whole, &[], ProtocolError::NotUtf8);
        // Known at the bad byte itself, though the frame goes on.
        let end = 6 + bad.len();
        assert_eq!(read(&mut server(), [&whole[..end - 1]]), (vec![], None));
        assert_eq!(
            read(&mut server(), [&whole[..end]]),
            (vec![], Some(ProtocolError::NotUtf8))
        );
    }
    check_error(&frame(0x81, b"\xf0\x9f\xa6"), &[], ProtocolError::NotUtf8);
    check_error(
        &[frame(0x01, b"\xf0\x9f"), frame(0x80, b"")].concat(),
        &[],
        ProtocolError::NotUtf8,
    );
}

#[test]
fn each_limit_holds_at_its_number() {
    let limits = Limits::default()
        .with_frame_bytes(10)
        .with_wire_bytes(20)
        .with_message_bytes(15)
        .with_fragments(4);
    let session = limited(limits);
    let check = |wire: Vec<u8>, expected| check_with(&session, &wire, &expected);
    check(frame(0x82, &[0; 10]), (vec![binary(&[0; 10])], None));
    check(
        frame(0x82, &[0; 11]),
        (vec![], Some(ProtocolError::FrameTooLarge)),
    );
    check(
        [frame(0x02, &[0; 10]), frame(0x80, &[0; 5])].concat(),
        (vec![binary(&[0; 15])], None),
    );
    check(
        [frame(0x02, &[0; 10]), frame(0x80, &[0; 6])].concat(),
        (vec![], Some(ProtocolError::MessageTooLarge)),
    );
    let four = [frame(0x02, b""), frame(0x00, b""), frame(0x00, b"")].concat();
    check(
        [&four[..], &frame(0x80, b"")].concat(),
        (vec![binary(b"")], None),
    );
    check(
        [&four[..], &frame(0x00, b""), &frame(0x80, b"")].concat(),
        (vec![], Some(ProtocolError::TooManyFragments)),
    );

    let whole = limited(Limits::default().with_message_bytes(5));
    check_with(
        whole,
        &frame(0x81, b"Hello!"),
        &(vec![], Some(ProtocolError::MessageTooLarge)),
    );
}

#[test]
fn pings_and_pongs_are_written_as_they_are_given() {
    let mut session = server();
    let mut out = BytesMut::new();
    session.ping("?".into(), &mut out).unwrap();
    session.pong("!".into(), &mut out).unwrap();
    assert_eq!(&out[..], b"\x89\x01?\x8a\x01!");
    assert_eq!(
        session.ping(vec![0; 126].into(), &mut out),
        Err(NotSent::ControlTooLong)
    );
    assert_eq!(out.len(), 6);
}

/// A message as one or more frames, with pings between them.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "\\PC{0,100}".prop_map(String::into_bytes),
    ];
    let message = (0x01..=0x02_u8, prop::collection::vec(payload, 1..5));
    prop::collection::vec(message, 1..6).prop_map(|messages| {
        let mut wire = Vec::new();
        for (opcode, fragments) in messages {
            let last = fragments.len() - 1;
            for (n, fragment) in fragments.iter().enumerate() {
                let first = if n == 0 { opcode } else { 0 } | if n == last { 0x80 } else { 0 };
                wire.extend(frame(first, fragment));
                wire.extend(frame(0x89, b"between"));
            }
        }
        wire
    })
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_they_mean_the_same(
        wire in conversation(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]);
        prop_assert_eq!(read(&mut server(), pieces), read(&mut server(), [&wire[..]]));
    }

    #[test]
    fn no_bytes_make_a_session_panic(wire in prop::collection::vec(any::<u8>(), 0..200)) {
        let (events, error) = read(&mut server(), [&wire[..]]);
        prop_assert_eq!(read(&mut server(), wire.chunks(1)), (events, error));
    }
}
