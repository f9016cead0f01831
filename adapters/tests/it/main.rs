//! The adapters over exchanges in memory, with scripted peers and real threads.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

mod exchange;
mod lifespan;
mod lifespans;
mod middleware;
mod queue;
mod stress;
