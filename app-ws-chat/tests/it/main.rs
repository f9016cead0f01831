//! The chat as a server sees it: whole connections, in memory, with a clock of their own.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod admin;
mod history;
mod moderation;
mod page;
mod room;
mod session;
mod socket;
mod support;
