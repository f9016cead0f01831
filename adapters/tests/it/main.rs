//! The adapters in the process: over exchanges in memory with scripted peers and real threads, by the test client, and on sockets.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

mod blocking;
mod cpu;
mod exchange;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "tower")]
mod from_service;
#[cfg(feature = "tower")]
mod into_service;
#[cfg(all(feature = "tokio-io", feature = "futures-io"))]
mod io;
mod lifespan;
mod lifespans;
mod middleware;
mod queue;
mod stress;
mod wrapped;
