//! The terminal on a screen in memory; and both programs, the terminal and the load, with the chat that they are for.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod load;
mod screen;
mod seat;
mod secure;
mod served;
mod talk;
mod terminal;
