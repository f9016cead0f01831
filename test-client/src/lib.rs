//! An HTTP and WebSocket client in the process: a test of an application needs no server, no socket and no thread.
//!
//! ```
//! use gateway_spec::{AppError, Connection, Done, application_fn};
//! use test_client::{Broken, TestClient};
//!
//! async fn hello(connection: Connection) -> Result<Done, AppError> {
//!     match connection {
//!         Connection::Http(http) => http.responder.respond("Hello, world!").await,
//!         other => other.refuse().await,
//!     }
//! }
//!
//! # test_client::run(async {
//! let client = TestClient::new(application_fn(hello));
//! let reply = client.get("/hello").header("accept", "*/*").send().await?;
//! assert_eq!((reply.status.as_u16(), reply.text()), (200, "Hello, world!"));
//! assert!(reply.outcome().await.is_done());
//! # Ok::<(), Broken>(()) }).unwrap();
//! ```
//!
//! # Where to read
//!
//! - [`TestClient`]: the application, its state and its lifespan.
//! - [`Request`], [`Reply`], [`Exchange`]: one request whole, or step by step.
//! - [`EventReader`]: server-sent events.
//! - [`Handshake`], [`Socket`]: a WebSocket.
//! - [`Peer`]: clients that are slow, stop, or leave at a given byte.
//! - [`Outcome`]: what the application's call came to.
//!
//! # What is as on a server, and what is not
//!
//! The application has the transport's events and nothing else, so it cannot tell. In the process as on every server:
//!
//! - the order of events (HTTP-20), declared lengths (HTTP-24), heads and trailers that cannot be sent (HTTP-22, HTTP-27, HTTP-28),
//!   answers without a body (SRV-6), upgrades (HTTP-30, HTTP-31), informational responses (HTTP-19), fields that are the server's (HTTP-23),
//!   `Expect: 100-continue` (SRV-8), files (HTTP-25);
//! - the call in a task of its own, to its end, whatever the client does (SRV-1); what it forgets, fails at or panics over is answered in its
//!   place, or cut off (SRV-7, SRV-12);
//! - bounds of 64 KiB and one event each way (SRV-5), so that a slow client shows as waiting writes and a slow application as waiting
//!   [`Exchange::send`]s;
//! - WebSockets by the `websocket` package over frames, with its limits, its compression and its closing; the lifespan and its state.
//!
//! Only a server does, and the conformance kit tests: reading and writing wire formats, and refusing what is malformed; its own fields (`date`,
//! `server`, what frames a body); deadlines (bodies, writes, pings), limits on heads and bodies, 503 when it is full; several requests on one connection
//! and their order; logs; the forced end of a grace period. [`Exchange::fail`] and [`Exchange::leave`] play what the application would see of them.
//!
//! # Time and runtime
//!
//! A server polls applications inside a tokio runtime (SRV-11), so this client needs one entered: by `#[tokio::test]`, by [`run`](run()), or
//! by a guard of `Runtime::enter` under another executor; its futures themselves can be polled by any. All time is tokio's, because the
//! application's is: under a paused clock both stand still together, and an hour passes in no time. A clock of our own, moved by hand,
//! would leave the application's timers behind.
#![forbid(unsafe_code)]

mod call;
mod client;
mod events;
mod exchange;
mod lifespan;
mod outcome;
mod peer;
mod reply;
mod request;
mod rules;
mod run;
mod socket;
mod upload;
mod wire;

pub use client::TestClient;
pub use events::{EventReader, ServerEvent};
pub use exchange::{Exchange, Left};
pub use outcome::Outcome;
pub use peer::Peer;
pub use reply::{Broken, Reply, Why};
pub use request::Request;
pub use rules::Answerer;
pub use run::run;
pub use socket::{Closed, Handshake, NotConnected, Received, Socket};

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
