//! Several nodes on one Redis or on a cluster, which the tests start themselves.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that gets something else than it asked for has failed"
)]

mod bus;
mod cases;
#[path = "../process/client.rs"]
mod client;
mod cluster;
mod clustered;
mod engine;
mod ground;
#[path = "../model/model.rs"]
#[expect(dead_code, reason = "Redis forgets nothing here")]
mod model;
mod nodes;
mod presence;
#[path = "../process/program.rs"]
mod program;
mod relay;
mod silence;
mod tap;
