//! The [invariants](crate::invariants), with inputs at random: no bytes make a connection panic, however they are cut they mean the
//! same, nothing is accepted that another reader refuses, and nothing is written that is no reply.

use http1::{Connection, Limits, RequestHead};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};

use crate::invariants;
use crate::seeds::WIRES;
use crate::support::{Then, seen};

/// What requests are made of, right and wrong, so that random strings of them get past the first byte.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "POST http://a/ HTTP/1.0\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
    "Host: a\r\n",
    "Host: 127.0.0.1:8000\r\n",
    "Connection: keep-alive\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "x-a-name-that-is-rather-long: and a value that is longer than a lane or two\r\n",
    "x:\ty \t\r\n",
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    "x",
    "0",
    "5\r\nhello\r\n",
    "1;ext=\"y\"\r\nx\r\n",
    "0\r\n\r\n",
    "0\r\nx: y\r\n\r\n",
    "hello",
];

fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..8),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// What once was an attack, or a plain request, with some bytes changed.
fn mutant() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<Index>(),
        prop_oneof![any::<u8>().prop_map(|byte| vec![byte]), wire()],
    );
    (select(WIRES), vec(change, 0..4)).prop_map(|(seed, changes)| {
        let mut wire = seed.to_vec();
        for (place, with) in changes {
            let start = place.index(wire.len() + 1);
            let end = (start + with.len().min(2)).min(wire.len());
            wire.splice(start..end, with);
        }
        wire
    })
}

fn any_wire() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => wire(), 4 => mutant(), 1 => vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(wire in any_wire()) {
        invariants::cuts_change_nothing(&wire);
    }

    #[test]
    fn the_head_before_changes_nothing(wire in any_wire()) {
        invariants::the_head_before_changes_nothing(&wire);
    }

    #[test]
    fn three_times_is_three_times(wire in any_wire()) {
        invariants::three_times_is_three_times(&wire);
    }

    #[test]
    fn events_fit_their_head(wire in any_wire()) {
        invariants::events_fit_their_head(&wire);
    }

    #[test]
    fn no_laxer_than_httparse(wire in any_wire()) {
        invariants::no_laxer_than_httparse(&wire);
    }

    #[test]
    fn replies_read_back(choices in vec(any::<u8>(), 0..60)) {
        invariants::replies_read_back(&choices);
    }

    #[test]
    fn operations_in_any_order(choices in vec(any::<u8>(), 0..300)) {
        invariants::operations_in_any_order(&choices);
    }

    /// What is left in the input while more is asked for is bounded, whoever sends it.
    #[test]
    fn what_waits_in_the_input_is_bounded(wire in wire(), again in 1_usize..40) {
        let mut connection = Connection::new(Limits::default());
        let mut head = RequestHead::default();
        let mut input = bytes::BytesMut::new();
        for piece in wire.repeat(again).chunks(97) {
            input.extend_from_slice(piece);
            while let Ok(http1::Step::Event(_)) = connection.next_event(&mut input, &mut head) {}
            if !matches!(connection.next_event(&mut input, &mut head), Ok(http1::Step::NeedBytes)) {
                break;
            }
            assert!(input.len() < Limits::default().head_bytes);
        }
    }
}

/// What the fuzzer begins with.
#[test]
fn the_seeds_hold_too() {
    for wire in WIRES {
        invariants::cuts_change_nothing(wire);
        invariants::the_head_before_changes_nothing(wire);
        invariants::three_times_is_three_times(wire);
        invariants::events_fit_their_head(wire);
        invariants::no_laxer_than_httparse(wire);
    }
}

/// Lines that are plain are read in another way than those that are not, or that come in pieces.
#[test]
fn whatever_byte_stands_where_it_means_the_same_in_pieces() {
    let wire = b"GET /a?b=c HTTP/1.1\r\nHost: a.example:65535\r\nConnection: keep-alive\r\nupgrade-insecure-requests: 1\r\n\
        Accept: a/b;q=0.9, */*\r\nContent-Length: 0\r\nx: behind which is room\r\n\r\n";
    for place in 0..wire.len() {
        for byte in *b"\0\t\n\r\x1f !\",-./019:;?@AZ[_az{~\x7f\x80\xff" {
            let mut changed = wire.to_vec();
            changed[place] = byte;
            let whole = seen([&changed[..]], Limits::default(), Then::Wait);
            let pieces = seen(changed.chunks(1), Limits::default(), Then::Wait);
            assert_eq!(whole, pieces, "{}", changed.escape_ascii());
        }
    }
}
