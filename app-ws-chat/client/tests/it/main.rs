//! The client as data: what it is told, what it sends, what it tells.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod faults;
mod history;
mod link;
mod model;
mod rooms;
mod sending;
mod support;
