//! One route for each thing that a server and a router have to do, and a page to try them. The package `market` is a whole
//! service.
//!
//! ```sh
//! cargo run -p app-router --example demo -- --server raw
//! ```
#![forbid(unsafe_code)]

#[path = "demo/app.rs"]
mod app;

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    gateway::run(app::app(Duration::from_secs(1)))
}
