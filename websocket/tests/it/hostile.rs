//! Inputs that broke other servers: each is named by its advisory.

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};
use http::{Method, Version};
use websocket::{
    HandshakeError, Limits, ProtocolError, Role, Session, Step, deflate::Settings, handshake,
};

use crate::support::{KEY, agreement, check_error, deflating, frame, limited, read, server};

/// A bomb of a thousand to one: CVE-2026-39804, CVE-2018-1000518, CVE-2021-21419.
#[test]
fn a_bomb_is_stopped_while_it_inflates() {
    let mut compress = Compress::new(Compression::best(), false);
    let mut bomb = Vec::with_capacity(1 << 16);
    let zeros = vec![0; 6 << 20];
    compress
        .compress_vec(&zeros, &mut bomb, FlushCompress::Sync)
        .unwrap();
    assert!(bomb.len() < 10_000);

    let agreement = agreement("permessage-deflate", &Settings::default());
    let limits = Limits::default().with_message_bytes(1 << 20);
    let mut session = Session::new(Role::Server, &agreement, limits);
    let expected = (vec![], Some(ProtocolError::MessageTooLarge));
    assert_eq!(read(&mut session, [&frame(0xc2, &bomb)[..]]), expected);
}

/// Streams that end again and again inside one message, each of which resets the inflater.
#[test]
fn final_blocks_without_end_are_a_message_like_any() {
    let blocks = [0x03, 0x00].repeat(50_000);
    let (events, error) = read(
        &mut deflating(),
        [&frame(0xc2, &[&blocks[..], &[0x00]].concat())[..]],
    );
    assert_eq!((events.len(), error), (1, None));
}

/// Endless continuations, empty ones too: CVE-2026-42786.
#[test]
fn endless_fragments_meet_a_limit() {
    let mut empty = frame(0x01, b"");
    empty.extend(frame(0x00, b"").repeat(131_072));
    assert_eq!(
        read(&mut server(), [&empty[..]]),
        (vec![], Some(ProtocolError::TooManyFragments))
    );

    let mut large = frame(0x02, &[0; 1000]);
    large.extend(frame(0x00, &[0; 1000]).repeat(100));
    let session = limited(Limits::default().with_message_bytes(50_000));
    assert_eq!(
        read(&mut session(), [&large[..]]),
        (vec![], Some(ProtocolError::MessageTooLarge))
    );
}

/// A message of very many fragments costs time in proportion: CVE-2026-65623.
#[test]
fn a_million_fragments_are_not_a_million_times_the_work() {
    let limits = Limits::default().with_fragments(1_000_000);
    let mut wire = frame(0x02, b"x");
    wire.extend(frame(0x00, b"x").repeat(299_998));
    wire.extend(frame(0x80, b"x"));
    let (events, error) = read(&mut limited(limits)(), [&wire[..]]);
    assert_eq!(
        (events, error),
        (vec![crate::support::binary(&[b'x'; 300_000])], None)
    );
}

/// A declared length is a claim: CVE-2022-35922.
#[test]
fn nothing_is_reserved_for_a_declared_length() {
    let wire = [&[0x82, 0xff, 0x7f][..], &[0xff; 7], &KEY].concat();
    check_error(&wire, &[], ProtocolError::FrameTooLarge);

    // Within the limits it is waited for, but the buffer is the caller's.
    let wire = [&[0x82, 0xff, 0, 0, 0, 0, 0x00, 0xff, 0xff, 0xff][..], &KEY].concat();
    for first in [0x82, 0x02] {
        let mut input = BytesMut::from(&wire[..]);
        input[0] = first;
        let capacity = input.capacity();
        assert_eq!(
            server().next_event(&mut input),
            Ok(Step::NeedBytes {
                missing: 0x00ff_ffff
            })
        );
        assert!(input.capacity() <= capacity);
    }
}

/// The top bit of a 64-bit length: CVE-2020-27813, CVE-2020-13935.
#[test]
fn a_length_that_would_be_negative_is_refused() {
    let wire = [&[0x82, 0xff][..], &[0xff; 8], &KEY].concat();
    check_error(&wire, &[], ProtocolError::LengthTopBit);
    // Sums of lengths do not overflow either.
    let session = limited(
        Limits::default()
            .with_frame_bytes(usize::MAX)
            .with_wire_bytes(usize::MAX),
    );
    let wire = [
        &frame(0x02, b"x")[..],
        &[0x00, 0xff, 0x7f],
        &[0xff; 7],
        &KEY,
    ]
    .concat();
    assert_eq!(
        read(&mut session(), [&wire[..]]),
        (vec![], Some(ProtocolError::MessageTooLarge))
    );
}

/// GHSA-rhh8-5xw9-c3gm.
#[test]
fn an_unmasked_frame_is_refused() {
    check_error(&[0x82, 0x00], &[], ProtocolError::Unmasked);
    assert_eq!(ProtocolError::Unmasked.code().get(), 1002);
}

/// bandit #651.
#[test]
fn a_control_frame_is_not_compressed() {
    let mut session: Session = deflating();
    assert_eq!(
        read(&mut session, [&frame(0xc9, b"")[..]]),
        (vec![], Some(ProtocolError::ReservedBits))
    );
}

fn request(name: &str, value: &str) -> Result<(), HandshakeError> {
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        (name, value),
    ];
    let headers = headers.map(|(name, value)| (name, value.as_bytes()));
    handshake::request(&Method::GET, Version::HTTP_11, headers).map(drop)
}

/// A quoted string that never ends: CVE-2020-7663. A megabyte, so that anything worse than linear would be felt.
#[test]
fn an_unclosed_quote_is_read_once() {
    let value = format!("a; b=\"{}", "\\c".repeat(500_000));
    assert_eq!(
        request("sec-websocket-extensions", &value),
        Err(HandshakeError::Extensions)
    );
}

/// Very long runs of spaces: CVE-2021-32640.
#[test]
fn long_runs_of_spaces_are_read_once() {
    let spaces = " ".repeat(1_000_000);
    assert_eq!(
        request("sec-websocket-protocol", &format!("b{spaces}x")),
        Err(HandshakeError::Subprotocols)
    );
    assert_eq!(
        request("sec-websocket-protocol", &format!("b{spaces},{spaces}x")),
        Ok(())
    );
    assert_eq!(
        request(
            "sec-websocket-extensions",
            &format!("b{spaces}; x{spaces}={spaces}\"y\"{spaces}")
        ),
        Ok(())
    );
    assert_eq!(request("connection", &format!("a{spaces}b")), Ok(()));
}

#[test]
fn a_client_cannot_offer_subprotocols_without_end() {
    let many: Vec<String> = (0..64).map(|n| format!("p{n}")).collect();
    assert_eq!(request("sec-websocket-protocol", &many.join(",")), Ok(()));
    let more = format!("{},one-more", many.join(","));
    assert_eq!(
        request("sec-websocket-protocol", &more),
        Err(HandshakeError::Subprotocols)
    );
}
