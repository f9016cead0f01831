//! The adapters, over exchanges in memory: with a scripted peer, and real threads.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

mod blocking;
mod cpu;
mod exchange;
mod lifespan;
mod queue;
mod stress;
mod wrapped;
