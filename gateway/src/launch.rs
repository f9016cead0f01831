//! From the command line to a running server, and to an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use gateway_spec::Application;
use server_host::{Listening, ServeError};
use server_hyper::Hyper;
use server_raw::Raw;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config, Effective, ServerChoice, Wish};

/// Serves an application until SIGINT or SIGTERM: the whole `main` of a program.
///
/// How is said by the command line, by variables of the environment that begin with `GATEWAY_`, and by a file, in that
/// order of strength. `--help` lists all that there is; `--check` says what is in force.
///
/// For each listener it prints a line to stdout, such as
/// `listening on http://127.0.0.1:8000 (server-raw, 2 workers)`; logs go to stderr, filtered by `RUST_LOG`.
///
/// The exit code is 0 after a shutdown in order, 1 when the application or a listener could not be started or the
/// lifespan failed, 2 for a wrong configuration or a certificate that does not hold, and 130 when a second signal cut the shutdown short.
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
    let arguments = arguments.into_iter().map(Into::into);
    match config::read(arguments, std::env::vars_os()) {
        Ok(Wish::Serve(effective)) => serve(app, &effective),
        Ok(Wish::Say(text)) => {
            // Whoever closed stdout does not want to know.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn serve(app: impl Application, effective: &Effective) -> ExitCode {
    let Effective { config, values } = effective;
    log_to_stderr(config);
    for (name, value, origin) in values {
        tracing::debug!("{name} = {value} ({origin})");
    }
    let settings = config.settings();
    let served = match config.server {
        ServerChoice::Raw => server_host::serve(Raw, app, settings, announce),
        ServerChoice::Hyper => server_host::serve(Hyper, app, settings, announce),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            match error {
                ServeError::Forced => ExitCode::from(130),
                ServeError::Settings(_) | ServeError::Tls(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// One line in one piece: another process may write there too.
fn complain(error: &dyn std::error::Error) {
    let line = format!("error: {error}\n");
    // Nobody is left to be told that nobody can be told.
    let _ = std::io::stderr().write_all(line.as_bytes());
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

fn log_to_stderr(config: &Config) {
    let filter = match &config.log.0 {
        // It was parsed before.
        Some(filter) => EnvFilter::new(filter),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    // An application that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
