//! permessage-deflate (RFC 7692): what is agreed, the examples of §7.2.3, and flate2 as the other side.

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use websocket::{
    Agreement, Event, Limits, ProtocolError, Role, Session, Step,
    deflate::{Context, Direction, Settings, WindowBits},
    frame::{FrameHeader, Masking, Rsv1},
    handshake,
};

use crate::support::{agreement, check_with, deflating, frame, noise, ping, read, text};

/// The server's answer to an offer, if it is one of permessage-deflate.
fn answer(offer: &str, settings: &Settings) -> Option<String> {
    let headers: [(&str, &[u8]); 2] = [
        ("sec-websocket-version", b"13"),
        ("sec-websocket-extensions", offer.as_bytes()),
    ];
    let acceptance = handshake::connect(headers)
        .unwrap()
        .accept(None, Some(settings))
        .unwrap();
    let (_, value) = acceptance
        .headers
        .into_iter()
        .find(|(name, _)| name == "sec-websocket-extensions")?;
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn offers_and_their_answers() {
    let plain = Settings::default();
    for (offer, expected) in [
        ("permessage-deflate", Some("permessage-deflate")),
        (
            "permessage-deflate; client_max_window_bits",
            Some("permessage-deflate"),
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            Some("permessage-deflate"),
        ),
        (
            "permessage-deflate; server_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover"),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            "permessage-deflate; server_max_window_bits=\"1\\0\"",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            "permessage-deflate; server_max_window_bits=15",
            Some("permessage-deflate"),
        ),
        (
            "x-webkit-deflate-frame, permessage-deflate",
            Some("permessage-deflate"),
        ),
        // The first that can be done is taken.
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9, permessage-deflate",
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        ("", None),
        ("other", None),
        ("Permessage-Deflate", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=09", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; client_no_context_takeover=1", None),
        (
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            None,
        ),
        ("permessage-deflate; unknown", None),
    ] {
        assert_eq!(answer(offer, &plain).as_deref(), expected, "{offer}");
    }
}

#[test]
fn our_own_wishes_join_the_clients() {
    let frugal = Settings::default()
        .with_sending(Context::Fresh)
        .with_receiving(Context::Fresh)
        .with_window(WindowBits::new(12).unwrap());
    for (offer, expected) in [
        (
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
        ),
    ] {
        assert_eq!(answer(offer, &frugal).as_deref(), Some(expected));
    }
    let deflate = agreement("permessage-deflate", &frugal).deflate.unwrap();
    assert_eq!(
        deflate.server,
        Direction {
            context: Context::Fresh,
            window: WindowBits::new(12).unwrap()
        }
    );
    assert_eq!(
        deflate.client,
        Direction {
            context: Context::Fresh,
            window: WindowBits::MAX
        }
    );
}

#[test]
fn windows_are_nine_to_fifteen_bits() {
    let valid: Vec<u8> = (0..=255)
        .filter(|&bits| WindowBits::new(bits).is_some())
        .collect();
    assert_eq!(valid, (9..=15).collect::<Vec<_>>());
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for (wire, expected) in [
        (frame(0xc1, &hello), vec![text("Hello")]),
        (
            [frame(0x41, &hello[..3]), frame(0x80, &hello[3..])].concat(),
            vec![text("Hello")],
        ),
        (
            [frame(0xc1, &hello), frame(0xc1, &hello)].concat(),
            vec![text("Hello"), text("Hello")],
        ),
        // The second refers to the first, in the window that both share.
        (
            [
                frame(0xc1, &hello),
                frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            ]
            .concat(),
            vec![text("Hello"), text("Hello")],
        ),
        // A block without compression.
        (
            frame(0xc1, b"\x00\x05\x00\xfa\xffHello\x00"),
            vec![text("Hello")],
        ),
        // A block with BFINAL.
        (
            frame(0xc1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
            vec![text("Hello")],
        ),
        // Two of them, and another message after them.
        (
            [
                frame(0xc1, &[&last[..], &last, &[0x00]].concat()),
                frame(0xc1, &hello),
            ]
            .concat(),
            vec![text("HelloHello"), text("Hello")],
        ),
        // Two blocks in one message.
        (
            frame(
                0xc1,
                &[
                    0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
                ],
            ),
            vec![text("Hello")],
        ),
        (frame(0xc1, &[0x00]), vec![text("")]),
        // Not compressed, though it was agreed.
        (frame(0x81, b"Hello"), vec![text("Hello")]),
        (
            [
                frame(0x41, &hello[..3]),
                frame(0x89, b"?"),
                frame(0x00, b""),
                frame(0x80, &hello[3..]),
            ]
            .concat(),
            vec![ping(b"?"), text("Hello")],
        ),
    ] {
        check_with(deflating, &wire, &(expected, None));
    }
}

#[test]
fn what_the_peer_can_do_wrong() {
    for (wire, error) in [
        (frame(0xc9, b""), ProtocolError::ReservedBits),
        (
            [frame(0x41, b""), frame(0xc0, b"")].concat(),
            ProtocolError::ReservedBits,
        ),
        (frame(0xc1, &[0x07]), ProtocolError::NotDeflate),
        (frame(0xc2, &[0xff; 20]), ProtocolError::NotDeflate),
        (
            frame(0xc1, b"\x00\x01\x00\xfe\xff\xff\x00"),
            ProtocolError::NotUtf8,
        ),
        (
            frame(0xc1, b"\x00\x01\x00\xfe\xff\xc3\x00"),
            ProtocolError::NotUtf8,
        ),
        // Its reference reaches back to before the first message.
        (
            frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            ProtocolError::NotDeflate,
        ),
    ] {
        check_with(deflating, &wire, &(vec![], Some(error)));
    }
    // Without an agreement the bit means nothing.
    assert_eq!(
        read(&mut crate::support::server(), [&frame(0xc1, b"")[..]]),
        (vec![], Some(ProtocolError::ReservedBits))
    );
}

/// One compressed message, as flate2 makes it.
fn deflate(compress: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1000);
    compress
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .unwrap();
    assert!(out.len() < out.capacity() && out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// The payload and the RSV1 bit of the one frame in `wire`.
fn payload(wire: &[u8]) -> (&[u8], bool) {
    let (header, size) = FrameHeader::parse(wire, Masking::Refused, Rsv1::Compressed)
        .unwrap()
        .unwrap();
    (&wire[size..], header.compressed)
}

/// Letters that compress, but not to nothing.
fn prose(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"etaoin shrdlu"[(*state >> 28) as usize % 13]
    };
    std::iter::repeat_with(|| step(&mut state))
        .take(length)
        .collect()
}

#[test]
fn every_window_and_context_can_be_read_by_zlib() {
    for bits in 9..=15_u8 {
        for context in [Context::Kept, Context::Fresh] {
            let settings = Settings::default()
                .with_sending(context)
                .with_window(WindowBits::new(bits).unwrap());
            let agreement = agreement("permessage-deflate", &settings);
            let mut session = Session::new(Role::Server, &agreement, Limits::default());
            // As small as was agreed: a reference from farther away would fail.
            let mut peer = Decompress::new_with_window_bits(false, bits);
            for (seed, length) in [(1, 100), (2, 5000), (1, 200), (3, 100_000), (1, 300)] {
                let message = prose(seed, length);
                let mut wire = BytesMut::new();
                session.send(&message.clone().into(), &mut wire).unwrap();
                let (payload, compressed) = payload(&wire);
                assert!(compressed && payload.len() < length);
                if context == Context::Fresh {
                    peer = Decompress::new_with_window_bits(false, bits);
                }
                let mut inflated = Vec::with_capacity(length + 1);
                let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
                peer.decompress_vec(&payload, &mut inflated, FlushDecompress::Sync)
                    .unwrap();
                assert!(
                    inflated == message,
                    "{bits} bits, {context:?}, {length} bytes"
                );
            }
        }
    }
}

#[test]
fn a_kept_context_makes_the_second_of_two_alike_smaller() {
    let message = prose(1, 1000);
    let sizes = |context| {
        let agreement = agreement(
            "permessage-deflate",
            &Settings::default().with_sending(context),
        );
        let mut session = Session::new(Role::Server, &agreement, Limits::default());
        [0; 2].map(|_| {
            session
                .encode(&message.clone().into())
                .unwrap()
                .payload()
                .len()
        })
    };
    let [first, second] = sizes(Context::Kept);
    assert!(second < first / 10, "{first}, then {second}");
    let [first, second] = sizes(Context::Fresh);
    assert_eq!(first, second);
}

#[test]
fn short_and_incompressible_messages_go_as_they_are() {
    let fresh = agreement(
        "permessage-deflate",
        &Settings::default().with_sending(Context::Fresh),
    );
    let kept = agreement(
        "permessage-deflate",
        &Settings::default().with_minimum_bytes(0),
    );
    let noise = noise(1000);
    let compressed = |agreement: &Agreement, message: &[u8]| {
        let mut session = Session::new(Role::Server, agreement, Limits::default());
        session
            .encode(&message.to_vec().into())
            .unwrap()
            .header()
            .compressed
    };
    assert!(!compressed(&fresh, &prose(1, 63)));
    assert!(!compressed(&fresh, &[b'a'; 63]));
    assert!(compressed(&fresh, &[b'a'; 64]));
    assert!(!compressed(&fresh, &noise));
    // In a kept context it would be history that the peer has not.
    assert!(compressed(&kept, &noise));
    assert!(compressed(&kept, b"a"));
    assert!(!compressed(&kept, b""));
}

/// Contexts are lent from session to session, and a reference to what another client sent would read it.
#[test]
fn nothing_is_seen_of_what_another_session_received() {
    let settings = Settings::default().with_receiving(Context::Fresh);
    let agreement = agreement("permessage-deflate", &settings);
    let session = || Session::new(Role::Server, &agreement, Limits::default());
    let hello = frame(0xc1, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    let reference = frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00]);

    let mut first = session();
    assert_eq!(read(&mut first, [&hello[..]]), (vec![text("Hello")], None));
    let refused = (vec![], Some(ProtocolError::NotDeflate));
    assert_eq!(read(&mut session(), [&reference[..]]), refused);

    assert_eq!(read(&mut first, [&hello[..]]), (vec![text("Hello")], None));
    assert_eq!(read(&mut first, [&reference[..]]), refused);
}

#[test]
fn a_message_that_goes_to_many_is_compressed_once() {
    let agreement = agreement(
        "permessage-deflate",
        &Settings::default().with_sending(Context::Fresh),
    );
    let session = || Session::new(Role::Server, &agreement, Limits::default());
    let (first, second) = (prose(1, 1000), prose(2, 1000));
    let messages =
        [&first, &second, &first].map(|message| gateway_spec::Message::from(message.clone()));
    // A clone goes to each session, as a broadcast does it.
    let payload = |n: usize| {
        session()
            .encode(&messages[n].clone())
            .unwrap()
            .payload()
            .clone()
    };
    let [one, two, like_one, again] = [0, 1, 2, 0].map(payload);
    assert_eq!(one.as_ptr(), again.as_ptr());
    assert_ne!(one, two);
    // The same bytes elsewhere are another message.
    assert_eq!(one, like_one);
    assert_ne!(one.as_ptr(), like_one.as_ptr());
}

#[test]
fn the_limit_holds_while_inflating() {
    let zeros = vec![0; 100_000];
    let bomb = deflate(&mut Compress::new(Compression::best(), false), &zeros);
    let session = |limit| {
        move || {
            let agreement = agreement("permessage-deflate", &Settings::default());
            Session::new(
                Role::Server,
                &agreement,
                Limits::default().with_message_bytes(limit),
            )
        }
    };
    let fits = vec![crate::support::binary(&zeros)];
    check_with(session(100_000), &frame(0xc2, &bomb), &(fits, None));
    check_with(
        session(99_999),
        &frame(0xc2, &bomb),
        &(vec![], Some(ProtocolError::MessageTooLarge)),
    );
    check_with(
        session(0),
        &frame(0xc2, &[0]),
        &(vec![crate::support::binary(b"")], None),
    );
}

#[test]
fn one_threads_contexts_serve_many_sessions() {
    let settings = Settings::default()
        .with_sending(Context::Fresh)
        .with_receiving(Context::Fresh);
    let agreement = agreement("permessage-deflate", &settings);
    let mut servers: Vec<_> = (0..3)
        .map(|_| Session::new(Role::Server, &agreement, Limits::default()))
        .collect();
    let mut clients: Vec<_> = (0..3)
        .map(|seed| Session::new(Role::Client { seed }, &agreement, Limits::default()))
        .collect();
    for round in 0..4 {
        let messages: Vec<_> = (0..3)
            .map(|n| gateway_spec::Message::from(prose(round * 3 + n, 500)))
            .collect();
        // Half a message for each, so that several inflaters are out at once.
        let rests: Vec<_> = servers
            .iter_mut()
            .zip(&mut clients)
            .zip(&messages)
            .map(|((server, client), message)| {
                let mut wire = BytesMut::new();
                server.send(message, &mut wire).unwrap();
                let rest = wire.split_off(wire.len() / 2);
                let step = client.next_event(&mut wire);
                assert!(matches!(step, Ok(Step::NeedBytes { .. })));
                rest
            })
            .collect();
        for ((client, mut rest), message) in clients.iter_mut().zip(rests).zip(messages) {
            let event = Event::Message(message);
            assert_eq!(client.next_event(&mut rest), Ok(Step::Event(event)));
        }
    }
}

proptest! {
    #[test]
    fn our_client_and_our_server_understand_each_other(
        messages in prop::collection::vec((any::<u32>(), 0..3000_usize, any::<bool>()), 1..8),
        sending in prop_oneof![Just(Context::Kept), Just(Context::Fresh)],
        receiving in prop_oneof![Just(Context::Kept), Just(Context::Fresh)],
        bits in 9..=15_u8,
    ) {
        let settings = Settings::default()
            .with_sending(sending)
            .with_receiving(receiving)
            .with_window(WindowBits::new(bits).unwrap());
        let agreement = agreement("permessage-deflate", &settings);
        let mut server = Session::new(Role::Server, &agreement, Limits::default());
        let mut client = Session::new(Role::Client { seed: 3 }, &agreement, Limits::default());
        for (seed, length, to_client) in messages {
            let message = gateway_spec::Message::from(String::from_utf8(prose(seed, length)).unwrap());
            let (from, to) = if to_client { (&mut server, &mut client) } else { (&mut client, &mut server) };
            let mut wire = BytesMut::new();
            from.send(&message, &mut wire).unwrap();
            prop_assert_eq!(to.next_event(&mut wire), Ok(Step::Event(Event::Message(message))));
        }
    }

    #[test]
    fn what_zlib_makes_is_read_however_it_is_cut(
        messages in prop::collection::vec((any::<u32>(), 0..3000_usize), 1..5),
        piece in 1..100_usize,
    ) {
        let mut compress = Compress::new(Compression::default(), false);
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (seed, length) in messages {
            let message = prose(seed, length);
            // zlib does not flush twice; an empty message has a form of its own.
            let payload = if length == 0 { vec![0] } else { deflate(&mut compress, &message) };
            let (head, tail) = payload.split_at(payload.len() / 2);
            wire.extend([frame(0x42, head), frame(0x80, tail)].concat());
            expected.push(crate::support::binary(&message));
        }
        prop_assert_eq!(read(&mut deflating(), wire.chunks(piece)), (expected, None));
    }

    #[test]
    fn no_compressed_bytes_make_a_session_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let wire = frame(0xc1, &payload);
        prop_assert_eq!(read(&mut deflating(), wire.chunks(1)), read(&mut deflating(), [&wire[..]]));
    }
}
