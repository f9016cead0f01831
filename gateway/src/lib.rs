//! What an application author depends on: the contract, re-exported, and the launcher.
//!
//! ```no_run
//! use gateway::{AppError, Connection, Done, application_fn};
//!
//! async fn hello(connection: Connection) -> Result<Done, AppError> {
//!     match connection {
//!         Connection::Http(http) => http.responder.respond("Hello, world!").await,
//!         other => other.refuse().await,
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     gateway::run(application_fn(hello))
//! }
//! ```
//!
//! The server is chosen when the program is started: `--server raw` (the default) or `--server hyper`.
#![forbid(unsafe_code)]

mod config;
mod launch;
mod panics;

pub use gateway_spec::*;
pub use launch::{run, run_from};
