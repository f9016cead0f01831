//! Several nodes on one Redis or on a cluster, which the tests start themselves.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod bus;
#[path = "../process/client.rs"]
mod client;
mod cluster;
mod clustered;
mod engine;
mod nodes;
#[path = "../process/program.rs"]
#[expect(dead_code, reason = "nodes on Redis keep no file")]
mod program;
