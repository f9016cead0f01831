//! Load for the chat: see `--help`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use chat_load::Plan;
use clap::Parser;

fn main() -> ExitCode {
    let done = Plan::parse().check().and_then(|load| load.run());
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            // Nobody is left to be told that nobody can be told.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    // The same of whoever closed stdout.
    let _ = write!(std::io::stdout(), "{report}");
    if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
