//! Close frames and what follows them (RFC 6455 §5.5.1, §7).

use bytes::BytesMut;
use gateway_spec::{CloseCode, CloseFrame};
use websocket::{Event, NotSent, ProtocolError, State, Step};

use crate::support::{check, check_error, closed, frame, read, server, text};

#[test]
fn every_code_is_taken_or_refused_as_the_registry_says() {
    for code in 0..=u16::MAX {
        let wire = frame(0x88, &code.to_be_bytes());
        let expected = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => (vec![closed(code, "")], None),
            _ => (vec![], Some(ProtocolError::CloseCode)),
        };
        assert_eq!(read(&mut server(), [&wire[..]]), expected, "{code}");
    }
}

#[test]
fn a_payload_is_nothing_or_a_code_and_a_reason() {
    check(&frame(0x88, b""), &[Event::Close(None)]);
    check_error(&frame(0x88, b"\x03"), &[], ProtocolError::CloseTooShort);
    check(
        &frame(0x88, &[b"\x03\xe8", "né".as_bytes()].concat()),
        &[closed(1000, "né")],
    );
    let longest = "x".repeat(123);
    check(
        &frame(0x88, &[b"\x03\xe8", longest.as_bytes()].concat()),
        &[closed(1000, &longest)],
    );
    check_error(&frame(0x88, b"\x03\xe8\xff"), &[], ProtocolError::NotUtf8);
    check_error(&frame(0x88, b"\x03\xe8\xc3"), &[], ProtocolError::NotUtf8);
}

#[test]
fn nothing_is_read_after_the_peers_close_frame() {
    let wire = [
        frame(0x81, b"a"),
        frame(0x88, b""),
        frame(0x81, b"b"),
        vec![0xff; 100],
    ]
    .concat();
    check(&wire, &[text("a"), Event::Close(None)]);
}

#[test]
fn a_close_frame_in_the_middle_of_a_message_ends_it() {
    check(
        &[frame(0x01, b"a"), frame(0x88, b""), frame(0x80, b"b")].concat(),
        &[Event::Close(None)],
    );
}

#[test]
fn the_peers_close_frame_is_answered_once_and_nothing_else_is_sent() {
    let mut session = server();
    assert_eq!(
        read(&mut session, [&frame(0x88, b"\x03\xe9bye")[..]]),
        (vec![closed(1001, "bye")], None)
    );
    assert_eq!(session.state(), State::CloseReceived);

    let mut out = BytesMut::new();
    assert_eq!(session.send(&"late".into(), &mut out), Err(NotSent::Closed));
    assert_eq!(session.ping("".into(), &mut out), Err(NotSent::Closed));
    let echo = CloseFrame::new(CloseCode::GOING_AWAY, "bye");
    assert_eq!(session.close(Some(&echo), &mut out), Ok(()));
    assert_eq!(session.close(None, &mut out), Err(NotSent::Closed));
    assert_eq!(&out[..], b"\x88\x05\x03\xe9bye");
    assert_eq!(session.state(), State::Closed);
}

#[test]
fn after_our_close_frame_data_is_skipped_until_the_peers() {
    let mut session = server();
    let begun = [frame(0x81, b"before"), frame(0x01, b"be")].concat();
    assert_eq!(
        read(&mut session, [&begun[..]]),
        (vec![text("before")], None)
    );

    let mut out = BytesMut::new();
    session.close(None, &mut out).unwrap();
    assert_eq!(&out[..], [0x88, 0]);
    assert_eq!(session.state(), State::CloseSent);
    assert_eq!(session.send(&"late".into(), &mut out), Err(NotSent::Closed));

    let rest = [
        frame(0x80, b"gun"),
        frame(0x89, b""),
        frame(0x81, &[0xff; 300]),
        frame(0x88, b""),
    ]
    .concat();
    assert_eq!(
        read(&mut session, rest.chunks(7)),
        (vec![Event::Close(None)], None)
    );
    assert_eq!(session.state(), State::Closed);
}

#[test]
fn our_close_frame_may_come_in_the_middle_of_a_frame() {
    for opcode in [0x81, 0x01, 0x89] {
        let wire = frame(opcode, b"half of it is here");
        for at in 1..wire.len() {
            let mut session = server();
            let mut input = BytesMut::from(&wire[..at]);
            assert!(matches!(
                session.next_event(&mut input),
                Ok(Step::NeedBytes { .. })
            ));
            session.close(None, &mut BytesMut::new()).unwrap();
            input.extend_from_slice(&wire[at..]);
            input.extend_from_slice(&frame(0x88, b""));
            assert_eq!(
                session.next_event(&mut input),
                Ok(Step::Event(Event::Close(None)))
            );
        }
    }
}

#[test]
fn after_an_error_only_its_close_frame_is_left() {
    let mut session = server();
    let mut input = BytesMut::from(&[0x81, 0x05][..]);
    let error = session.next_event(&mut input).unwrap_err();
    assert_eq!(session.state(), State::Failed);
    assert_eq!(session.next_event(&mut input), Ok(Step::Closed));

    let mut out = BytesMut::new();
    assert_eq!(session.send(&"late".into(), &mut out), Err(NotSent::Closed));
    session
        .close(Some(&CloseFrame::from(error)), &mut out)
        .unwrap();
    assert_eq!(&out[4..], b"a frame of the client is not masked");
    assert_eq!(&out[2..4], 1002_u16.to_be_bytes());
    assert_eq!(session.state(), State::Closed);
}

#[test]
fn every_error_has_its_close_code() {
    for (error, code) in [
        (ProtocolError::Unmasked, 1002),
        (ProtocolError::LengthTopBit, 1002),
        (ProtocolError::CloseCode, 1002),
        (ProtocolError::NotUtf8, 1007),
        (ProtocolError::NotDeflate, 1007),
        (ProtocolError::FrameTooLarge, 1009),
        (ProtocolError::MessageTooLarge, 1009),
        (ProtocolError::TooManyFragments, 1009),
    ] {
        assert_eq!(error.code().get(), code, "{error}");
    }
}
