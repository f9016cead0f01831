//! The chat as a program of its own, and what of it survives being killed.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod client;
mod kill;
mod program;
