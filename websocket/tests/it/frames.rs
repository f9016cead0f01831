//! One frame (RFC 6455 §5.2, §5.3), and the examples of §5.7.

use bytes::BytesMut;
use websocket::{
    Agreement, Limits, ProtocolError, Role, Session,
    frame::{FrameHeader, Masking, Opcode, Rsv1},
};

use crate::support::{binary, check, check_error, frame, ping, pong, read, server, text};

#[test]
fn the_masked_examples_of_the_rfc() {
    check(
        &[
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ],
        &[text("Hello")],
    );
    check(
        &[
            0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ],
        &[pong(b"Hello")],
    );
}

#[test]
fn the_unmasked_examples_of_the_rfc() {
    let client = || {
        Session::new(
            Role::Client { seed: 7 },
            &Agreement::default(),
            Limits::default(),
        )
    };
    let long = vec![0xab; 65_536];
    let medium = vec![0xcd; 256];
    let rows: [(&[u8], &[u8], _); 5] = [
        (&[0x81, 0x05], b"Hello", text("Hello")),
        (
            &[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02],
            b"lo",
            text("Hello"),
        ),
        (&[0x89, 0x05], b"Hello", ping(b"Hello")),
        (&[0x82, 0x7e, 0x01, 0x00], &medium, binary(&medium)),
        (&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], &long, binary(&long)),
    ];
    for (header, payload, event) in rows {
        let wire = [header, payload].concat();
        assert_eq!(
            read(&mut client(), [&wire[..]]),
            (vec![event.clone()], None)
        );
        assert_eq!(read(&mut client(), wire.chunks(1)), (vec![event], None));
    }
}

#[test]
fn what_a_server_writes_has_the_shortest_length_and_no_mask() {
    for (length, header) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = BytesMut::new();
        let payload = vec![b'x'; length];
        server().send(&payload.clone().into(), &mut out).unwrap();
        assert_eq!(out, [header, &payload].concat());
    }
}

#[test]
fn every_header_reads_back_as_it_was_written() {
    let opcodes = [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ];
    for opcode in opcodes {
        for length in [
            0,
            1,
            125,
            126,
            127,
            255,
            256,
            65_535,
            65_536,
            1 << 32,
            (1 << 63) - 1,
        ] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut header = FrameHeader::new(opcode, length);
                header.mask = mask;
                header.compressed = matches!(opcode, Opcode::Text | Opcode::Binary);
                let mut wire = BytesMut::new();
                header.write(&mut wire);
                let masking = if mask.is_some() {
                    Masking::Required
                } else {
                    Masking::Refused
                };
                let expected = if opcode.is_control() && length > 125 {
                    Err(ProtocolError::ControlTooLong)
                } else {
                    Ok(Some((header, wire.len())))
                };
                assert_eq!(
                    FrameHeader::parse(&wire, masking, Rsv1::Compressed),
                    expected
                );
                if expected.is_ok() {
                    for end in 0..wire.len() {
                        assert_eq!(
                            FrameHeader::parse(&wire[..end], masking, Rsv1::Compressed),
                            Ok(None)
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_must_mask_and_a_server_must_not() {
    check_error(&[0x81, 0x05], &[], ProtocolError::Unmasked);
    let mut client = Session::new(
        Role::Client { seed: 7 },
        &Agreement::default(),
        Limits::default(),
    );
    assert_eq!(
        read(&mut client, [&[0x81, 0x85][..]]),
        (vec![], Some(ProtocolError::Masked))
    );
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for first in 0..=255_u8 {
        let reserved = first & 0x70 != 0;
        let error = match first & 0x0f {
            3..=7 | 11..=15 => ProtocolError::ReservedOpcode,
            _ if reserved => ProtocolError::ReservedBits,
            8..=10 if first & 0x80 == 0 => ProtocolError::FragmentedControl,
            0 => ProtocolError::NothingToContinue,
            _ => continue,
        };
        check_error(&frame(first, b""), &[], error);
    }
}

#[test]
fn a_length_has_its_shortest_form() {
    let key = [0; 4];
    for (length, error) in [
        (&[0xfe, 0, 125][..], ProtocolError::LengthNotMinimal),
        (
            &[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            ProtocolError::LengthNotMinimal,
        ),
        (
            &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            ProtocolError::LengthTopBit,
        ),
        (&[0xff, 0xff], ProtocolError::LengthTopBit),
    ] {
        check_error(&[&[0x82], length, &key].concat(), &[], error);
    }
}

#[test]
fn control_frames_are_short() {
    let longest: &'static [u8] = &[b'p'; 125];
    check(&frame(0x89, longest), &[ping(longest)]);
    check_error(
        &frame(0x89, &[b'p'; 126]),
        &[],
        ProtocolError::ControlTooLong,
    );
    check_error(
        &frame(0x88, &[b'p'; 70_000]),
        &[],
        ProtocolError::ControlTooLong,
    );
}

#[test]
fn a_whole_message_is_a_slice_of_the_input() {
    let mut input = BytesMut::from(&frame(0x82, b"some bytes")[..]);
    let payload = input[6..].as_ptr();
    let Ok(websocket::Step::Event(websocket::Event::Message(message))) =
        server().next_event(&mut input)
    else {
        panic!("no message");
    };
    assert_eq!(message.as_bytes().as_ptr(), payload);
    assert_eq!(message.as_bytes(), b"some bytes");
}

#[test]
fn what_is_missing_is_known_once_the_header_is_there() {
    let wire = frame(0x82, &[0; 1000]);
    let mut input = BytesMut::from(&wire[..108]);
    assert_eq!(
        server().next_event(&mut input),
        Ok(websocket::Step::NeedBytes { missing: 900 })
    );
}
