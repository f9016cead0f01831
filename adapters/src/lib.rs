//! Other ways to write applications than as one async function: [synchronous](sync()) ones.
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
//! # When to use it
//!
//! For code that blocks: synchronous database drivers, file systems, computations of more than some 100 µs. Code that
//! only shuffles bytes is cheaper as an async application, and WebSockets need one.
//!
//! # What it costs
//!
//! Two context switches a request on an idle machine: to the thread of the [`Pool`] and back. No copy of the body in
//! either direction and no channel: the thread parks on the exchange itself.
#![forbid(unsafe_code)]

mod beside;
pub mod blocking;
mod completion;
pub mod cpu;
#[cfg(any(feature = "tokio-io", feature = "futures-io", feature = "tower"))]
pub mod io;
mod lifespan;
pub mod middleware;
mod pool;
mod sync;
#[cfg(feature = "tower")]
pub mod tower;

pub use lifespan::{ChildStates, Lifespans};
pub use pool::{Pool, PoolSettings, PoolStats};
pub use sync::{SyncAdapter, sync};
