//! Wires to begin with: each kind of frame, right and wrong, as a client sends it.

use super::support::{frame, noise};

/// The first bytes of frames.
const FIRST: [u8; 14] = [
    0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a, 0xc1, 0x41, 0x83, 0x09, 0xf1,
];

pub(crate) fn wires() -> Vec<Vec<u8>> {
    let payloads: [&[u8]; 9] = [
        b"",
        b"Hello",
        b"\x03\xe8bye",
        b"\x03\xed",
        b"\x03",
        "f\u{fc}r \u{20ac}".as_bytes(),
        b"\xed\xa0\x80",
        // `Hello` deflated, as in RFC 7692 section 7.2.3.1.
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x00\x00\x00\xff\xff",
    ];
    let mut wires: Vec<Vec<u8>> = FIRST
        .iter()
        .flat_map(|&first| payloads.map(|payload| frame(first, payload)))
        .collect();
    wires.extend([
        [frame(0x01, b"Hel"), frame(0x89, b"!"), frame(0x80, b"lo")].concat(),
        [
            frame(0x41, b"\xf2\x48\xcd"),
            frame(0x80, b"\xc9\xc9\x07\x00"),
        ]
        .concat(),
        [frame(0x88, b"\x03\xe8"), frame(0x81, b"late")].concat(),
        frame(0x82, &noise(126)),
        frame(0x89, &noise(126)),
        // A length in a form that is too long, one of all bits, and a frame without a mask.
        vec![0x82, 0xfe, 0, 1, 0, 0, 0, 0, 7],
        vec![
            0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ],
        vec![0x81, 0x01, b'x'],
    ]);
    wires
}

/// Handshakes, a field a line.
pub(crate) const HANDSHAKES: &[&str] = &[
    "connection: Upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "connection: keep-alive, Upgrade\nupgrade: h2c, WebSocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-protocol: a, b\nsec-websocket-protocol: c",
    "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-extensions: permessage-deflate; client_max_window_bits=\"1\\0\"; server_no_context_takeover, x; y=z",
    "connection: upgrade\nupgrade: websocket\nsec-websocket-version: 8, 13\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZR==",
    "upgrade: websocket\nconnection: close\nsec-websocket-version: 13\nsec-websocket-key: short",
];
