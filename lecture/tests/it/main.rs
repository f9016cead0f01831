//! The experiments on both servers, the page and the command: this program's own, as it is built.
//!
//! What is asserted is the order and the overlap of the servers' times, never how long something took.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may; clippy knows functions marked as tests only"
)]

mod page;

mod runs;

mod terminal;
