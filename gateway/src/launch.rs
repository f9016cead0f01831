//! From the command line to a running server, and to an exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use gateway_spec::Application;
use server_host::{Console, Listening, ServeError};
use server_hyper::Hyper;
use server_raw::Raw;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config, Effective, ServerChoice, Wish};
use crate::panics;

/// Serves an application until SIGINT or SIGTERM: the whole `main` of a program.
///
/// How is said by the command line, by variables of the environment that begin with `GATEWAY_`, and by a file, in that
/// order of strength. `--help` lists all that there is; `--check` says what is in force.
///
/// For each listener it prints a line to stdout, such as
/// `listening on http://127.0.0.1:8000 (server-raw, 2 workers)`; logs go to stderr, filtered by `RUST_LOG`, a line for each event.
/// Both by [`Console`]: a reader that has stopped holds nobody up. An application that has set up `tracing` before keeps that; the
/// same goes for a panic hook. What is logged after this has returned is waited for, a second at most.
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
    let console = match Console::stderr() {
        Ok(console) => console,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: no thread for the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = arguments.into_iter().map(Into::into);
    let code = match config::read(arguments, std::env::vars_os()) {
        Ok(Wish::Serve(effective)) => serve(app, &effective, &console),
        Ok(Wish::Say(text)) => {
            // Whoever closed stdout does not want to know.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            console.line(format_args!("error: {error}"));
            ExitCode::from(2)
        }
    };
    // Whoever has stopped to read is not waited for.
    console.finish();
    code
}

fn serve(app: impl Application, effective: &Effective, console: &Console) -> ExitCode {
    let Effective { config, values } = effective;
    log_to(console, config);
    for (name, value, origin) in values {
        tracing::debug!("{name} = {value} ({origin})");
    }
    let mut settings = config.settings();
    settings.events = Some(console.clone());
    // Its last copy goes when all is said.
    let output = Console::stdout();
    let announce = move |listening| {
        if let Ok(output) = &output {
            announce(&listening, output);
        }
    };
    let served = match config.server {
        ServerChoice::Raw => server_host::serve(Raw, app, settings, announce),
        ServerChoice::Hyper => server_host::serve(Hyper, app, settings, announce),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console.line(format_args!("error: {error}"));
            match error {
                ServeError::Forced => ExitCode::from(130),
                ServeError::Settings(_) | ServeError::Tls(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn announce(listening: &Listening, output: &Console) {
    let (server, workers) = (listening.server, listening.workers);
    let plural = if workers == 1 { "" } else { "s" };
    output.line(format_args!(
        "listening on {listening} ({server}, {workers} worker{plural})"
    ));
}

/// Has events and panics go to the console.
fn log_to(console: &Console, config: &Config) {
    let (filter, complaint) = match &config.log.0 {
        // It was parsed before.
        Some(filter) => (EnvFilter::new(filter), None),
        None => by_environment(std::env::var_os(EnvFilter::DEFAULT_ENV)),
    };
    let writer = console.clone();
    let set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .try_init();
    // An application that has set up its own logging keeps it.
    if set.is_ok() {
        panics::log_to(console);
        if let Some(complaint) = complaint {
            tracing::warn!("{complaint}");
        }
    }
}

/// The filter that `RUST_LOG` gives, and what is wrong with it.
fn by_environment(given: Option<OsString>) -> (EnvFilter, Option<String>) {
    let given = given.filter(|given| !given.is_empty());
    let Some(given) = given else {
        return (EnvFilter::new(ORDINARY), None);
    };
    let parsed = given.to_str().map(|text| EnvFilter::builder().parse(text));
    let why = match parsed {
        Some(Ok(filter)) => return (filter, None),
        Some(Err(error)) => error.to_string(),
        None => String::from("it is no UTF-8"),
    };
    let complaint = format!(
        "RUST_LOG: {given:?} is no filter: {why}; logged is {ORDINARY}. Write a level, such as info, or info,server_host=debug"
    );
    (EnvFilter::new(ORDINARY), Some(complaint))
}

/// What is logged if nobody says.
const ORDINARY: &str = "info";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_said_and_one_that_is_empty_is_not_given() {
        let by = |text: &str| {
            let (filter, complaint) = by_environment(Some(text.into()));
            (filter.to_string(), complaint)
        };
        assert_eq!(by("debug"), (String::from("debug"), None));
        assert_eq!(by(""), (String::from("info"), None));
        let (filter, complaint) = by("info,server_host=lots");
        assert_eq!(filter, "info");
        let complaint = complaint.expect("it is none");
        assert!(
            complaint.starts_with("RUST_LOG: \"info,server_host=lots\" is no filter: "),
            "{complaint}"
        );
        let (filter, complaint) = by_environment(None);
        assert_eq!(
            (filter.to_string(), complaint),
            (String::from("info"), None)
        );
    }
}
