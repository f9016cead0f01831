//! Starts the sample application on the server that the command line names.
//!
//! ```sh
//! cargo run -p app-router --example demo -- --server raw
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::run(app_router::demo::app())
}
