//! The kit as a command: `conformance peer` serves the application of the cases, `conformance check` runs the cases.
#![forbid(unsafe_code)]

mod check;
mod peer;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The clauses of SPEC.md as tests over real sockets.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Serve the application of the cases; the flags are the launcher's
    #[command(disable_help_flag = true)]
    Peer {
        /// --server raw|hyper, --bind ADDR and so on; --help shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Run the cases on a server that serves this application
    Check(check::Flags),
}

fn main() -> ExitCode {
    match Arguments::parse().part {
        Part::Peer { flags } => peer::serve(flags),
        Part::Check(flags) => check::run(&flags),
    }
}
