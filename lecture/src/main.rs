//! The lecture's experiment: the page, or a timeline in the terminal. See `--help`.
#![forbid(unsafe_code)]

mod command;
mod ground;

use std::ffi::OsString;
use std::process::ExitCode;
use std::{env, io};

use clap::{Parser, Subcommand};
use lecture::Laboratory;

/// The lecture's experiment, live: blocking and awaiting, pools and workers, as a server's own timeline.
///
/// Without a command, or with the launcher's flags alone (lecture --server hyper), it serves the page.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Serve the page; the flags are the launcher's
    #[command(disable_help_flag = true)]
    Serve {
        /// --server raw|hyper, --workers N, --bind ADDR and so on; --help shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Make an experiment, and draw it here
    Run(command::Flags),
    /// Be the server of a run: what this program starts for each
    #[command(hide = true, disable_help_flag = true)]
    Subject {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match part() {
        Part::Serve { flags } => serve(flags),
        Part::Run(flags) => command::run(&flags),
        Part::Subject { flags } => subject(flags),
    }
}

/// The command; `serve` if the first argument is a flag of the launcher's, or none.
fn part() -> Part {
    let first = env::args_os().nth(1);
    let is_own = first.is_some_and(|first| {
        let flags = ["-h", "--help", "-V", "--version"];
        !first.to_string_lossy().starts_with('-') || flags.iter().any(|flag| first == *flag)
    });
    if is_own {
        return Arguments::parse().part;
    }
    Part::Serve {
        flags: env::args_os().skip(1).collect(),
    }
}

fn serve(flags: Vec<OsString>) -> ExitCode {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return complain(&error),
    };
    let ground = ground::of(&program, &flags);
    let page = lecture::page(Laboratory::new(program, ground));
    gateway::run_from(page, named("lecture serve", flags))
}

fn subject(flags: Vec<OsString>) -> ExitCode {
    if let Err(error) = lecture::attach() {
        return complain(&error);
    }
    gateway::run_from(lecture::subject(), named("lecture subject", flags))
}

fn named(name: &str, flags: Vec<OsString>) -> impl Iterator<Item = OsString> {
    [name.into()].into_iter().chain(flags)
}

fn complain(error: &io::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
