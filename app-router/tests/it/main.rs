//! The router as its users see it: through the client in the process, with no server and no socket.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may; clippy knows functions marked as tests only"
)]

mod support;

mod routing;

mod handlers;

mod extractors;

mod queries;

mod fields;

mod bodies;

mod multipart;

mod bounds;

mod alternatives;

mod refusals;

mod depends;

mod security;

mod after;

mod failing_after;

mod answers;

mod nesting;

mod middleware;

#[cfg(feature = "templates")]
mod templates;

mod openapi;

mod schemas;

mod blocking;

mod events;

mod websocket;

mod mounts;

mod lifespans;

mod demo;

mod compile_fail;

mod readme;
