//! From the command line to a running server, and to an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use gateway_spec::Application;
use server_host::{Listening, ServeError};
use server_hyper::Hyper;
use server_raw::Raw;
use tracing_subscriber::EnvFilter;

use crate::flags::{Flags, ServerChoice};

/// Serves an application as the command line says, until SIGINT or SIGTERM: the whole `main` of a program.
///
/// For each listener it prints a line to stdout, such as
/// `listening on http://127.0.0.1:8000 (server-raw, 2 workers)`; logs go to stderr, filtered by `RUST_LOG`.
///
/// The exit code is 0 after a shutdown in order, 1 when the application or a listener could not be started or the
/// lifespan failed, 2 for a wrong flag, and 130 when a second signal cut the shutdown short.
///
/// # Examples
///
/// ```no_run
/// # use gateway::{Connection, application_fn};
/// fn main() -> std::process::ExitCode {
///     gateway::run(application_fn(|connection: Connection| connection.refuse()))
/// }
/// ```
pub fn run(app: impl Application) -> ExitCode {
    run_from(app, std::env::args_os())
}

/// [`run`] for a program that has subcommands or flags of its own: the first argument is the program's name in help and
/// errors, the others are the launcher's flags.
///
/// # Examples
///
/// ```no_run
/// # use gateway::{Connection, application_fn};
/// # let app = application_fn(|connection: Connection| connection.refuse());
/// # let _: std::process::ExitCode =
/// gateway::run_from(app, ["tool serve", "--server", "hyper"])
/// # ;
/// ```
pub fn run_from(
    app: impl Application,
    arguments: impl IntoIterator<Item: Into<OsString> + Clone>,
) -> ExitCode {
    let flags = match Flags::try_parse_from(arguments) {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version are such "errors" too, with a code of 0. Nobody is left to be told of a closed stream.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    log_to_stderr();
    let settings = flags.settings();
    let served = match flags.server {
        ServerChoice::Raw => server_host::serve(Raw, app, settings, announce),
        ServerChoice::Hyper => server_host::serve(Hyper, app, settings, announce),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                ServeError::Forced => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn announce(listening: Listening) {
    let (server, workers) = (listening.server, listening.workers);
    let plural = if workers == 1 { "" } else { "s" };
    // Whoever closed stdout does not want to know.
    let _ = writeln!(
        std::io::stdout(),
        "listening on {listening} ({server}, {workers} worker{plural})"
    );
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // An application that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
