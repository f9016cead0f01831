//! The adapters in the process: over exchanges in memory with scripted peers and real threads, and by the test client.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

mod exchange;
#[cfg(feature = "tower")]
mod from_service;
#[cfg(all(feature = "tokio-io", feature = "futures-io"))]
mod io;
mod lifespan;
mod lifespans;
mod queue;
mod stress;
