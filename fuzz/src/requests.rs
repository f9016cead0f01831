//! http1's invariants and seeds, from beside its tests.
#![allow(dead_code, reason = "tests use more of these files")]

#[path = "../../server-raw/http1/tests/it/invariants.rs"]
pub(crate) mod invariants;
#[path = "../../server-raw/http1/tests/it/seeds.rs"]
mod seeds;
#[path = "../../server-raw/http1/tests/it/support.rs"]
mod support;

pub(crate) fn wires() -> Vec<Vec<u8>> {
    seeds::WIRES.iter().map(|wire| wire.to_vec()).collect()
}
