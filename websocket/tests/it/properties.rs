//! The [invariants](crate::invariants), with inputs at random.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::{
    invariants,
    seeds::{HANDSHAKES, wires},
    support::frame,
};

/// Frames, right and wrong, and bytes that are none.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(wires()),
        2 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..130))
            .prop_map(|(first, payload)| frame(first, &payload)),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn handshake() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..4);
    (select(HANDSHAKES), changes).prop_map(|(seed, changes)| {
        let mut lines = seed.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(lines.len());
            lines[place] = byte;
        }
        lines
    })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(wire in wire()) {
        invariants::cuts_change_nothing(&wire);
    }

    #[test]
    fn no_laxer_than_tungstenite(wire in wire()) {
        invariants::no_laxer_than_tungstenite(&wire);
    }

    #[test]
    fn messages_go_both_ways(choices in bytes(40)) {
        invariants::messages_go_both_ways(&choices);
    }

    #[test]
    fn inflation_is_bounded(compressed in bytes(300)) {
        invariants::inflation_is_bounded(&compressed);
    }

    #[test]
    fn operations_in_any_order(choices in bytes(200)) {
        invariants::operations_in_any_order(&choices);
    }

    #[test]
    fn handshakes_are_judged_alike(lines in handshake()) {
        invariants::handshakes_are_judged_alike(&lines);
    }
}

/// What the fuzzer begins with.
#[test]
fn the_seeds_hold_too() {
    for wire in wires() {
        invariants::cuts_change_nothing(&wire);
        invariants::no_laxer_than_tungstenite(&wire);
        invariants::inflation_is_bounded(&wire);
    }
    for handshake in HANDSHAKES {
        invariants::handshakes_are_judged_alike(handshake.as_bytes());
    }
}

#[test]
fn a_close_code_that_tungstenite_does_not_know_is_no_laxness() {
    // 1014, masked by zeros.
    invariants::no_laxer_than_tungstenite(b"\x88\x82\0\0\0\0\x03\xf6");
}
