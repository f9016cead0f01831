//! websocket's invariants and seeds, from beside its tests.
#![allow(dead_code, reason = "tests use more of these files")]

#[path = "../../websocket/tests/it/invariants.rs"]
pub(crate) mod invariants;
#[path = "../../websocket/tests/it/peer.rs"]
mod peer;
#[path = "../../websocket/tests/it/seeds.rs"]
pub(crate) mod seeds;
#[path = "../../websocket/tests/it/support.rs"]
mod support;

pub(crate) fn handshakes() -> Vec<Vec<u8>> {
    let bytes = |lines: &&str| lines.as_bytes().to_vec();
    seeds::HANDSHAKES.iter().map(bytes).collect()
}
