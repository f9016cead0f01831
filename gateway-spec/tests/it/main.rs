//! The contract's own guarantees, by the chapters of SPEC.md.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod application;
mod body;
mod clauses;
mod compile_fail;
mod examples;
mod layer;
mod lifespan;
mod machines;
mod memory;
#[allow(
    dead_code,
    reason = "some machines of the model are driven in other packages"
)]
mod model;
mod response;
mod scope;
mod sizes;
mod support;
mod synchronous;
mod tunnel;
mod websocket;
