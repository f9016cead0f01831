//! The client against small applications, each made to show one thing.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may; clippy knows functions marked as tests only"
)]

mod apps;

mod http;

mod rules;

mod peers;

mod sockets;

mod lifespans;
