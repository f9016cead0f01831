//! Other ways to write applications than as one async function, and to call them: [synchronous](sync()) ones, callers that
//! [block](blocking), [computations](cpu) beside them.
//!
//! A [`SyncApplication`](gateway_spec::SyncApplication) is code that may block its thread: it reads the request as
//! [`std::io::Read`], writes the response as [`std::io::Write`], and uses any database driver there is. [`sync()`] makes
//! an [`Application`](gateway_spec::Application) of it, which runs on every server. What WSGI is to ASGI, and what
//! `a2wsgi` and `asgiref` do there.
//!
//! ```
//! use std::io::{Read, Write};
//! use gateway_spec::{AppError, Done, ResponseHead, SyncApplication, SyncHttp};
//! use http::StatusCode;
//!
//! struct Shout;
//!
//! impl SyncApplication for Shout {
//!     fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
//!         let SyncHttp { mut body, responder, .. } = http;
//!         let mut text = String::new();
//!         body.read_to_string(&mut text)?;
//!         let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
//!         writer.write_all(text.to_uppercase().as_bytes())?;
//!         writer.finish()
//!     }
//! }
//!
//! let app = adapters::sync(Shout);
//! # fn assert(_: impl gateway_spec::Application) {}
//! # assert(app);
//! ```
//!
//! The other way round, [`blocking`] calls an asynchronous application from threads, and mounts it in a synchronous framework.
//!
//! # Which thread for which work
//!
//! A worker's thread serves all of its connections, so nothing may hold it for longer than some 100 µs (APP-7).
//!
//! | the work | where it belongs | its threads | when there is too much |
//! |---|---|---|---|
//! | moves bytes, waits for sockets, channels, timers | an async application, as it is | the workers | backpressure |
//! | requests of code that blocks: a database driver, files, a WSGI-like framework | [`sync()`] | many and waiting: a [`Pool`] of some each core, or as many as the database takes connections | queued with a bound, then 503 |
//! | a computation within an async handler: hashing, images, compression | [`cpu::run_cpu`] | one a core, always at work | queued with a bound, then 503 |
//! | one blocking call within an async handler: a file, a name look-up | `tokio::task::spawn_blocking` | tokio's, 512 by default | queued without a bound |
//!
//! Computations in the synchronous pool would have its many threads fight for few cores; blocking calls in the pool for computations would
//! leave cores idle while they wait. Either in `spawn_blocking` works until there is too much of it: its queue has no end, does not
//! notice clients that left, and says no to nobody. WebSockets need an async application.
//!
//! # What the synchronous pool costs
//!
//! Two context switches a request on an idle machine: to the thread of the [`Pool`] and back (`bench/README.md` has the count). No copy of
//! the body in either direction and no channel: the thread parks on the exchange itself.
#![forbid(unsafe_code)]

mod beside;
pub mod blocking;
#[cfg(any(feature = "compression", feature = "files"))]
mod coding;
mod completion;
pub mod cpu;
#[cfg(feature = "files")]
pub mod files;
#[cfg(any(feature = "tokio-io", feature = "futures-io", feature = "tower"))]
pub mod io;
mod lifespan;
pub mod middleware;
mod pool;
mod sync;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(any(feature = "compression", feature = "files"))]
pub use coding::ContentCoding;
pub use lifespan::{ChildStates, Lifespans};
pub use pool::{Pool, PoolSettings, PoolStats};
pub use sync::{SyncAdapter, sync};
