//! An application that prints nothing of its own, and whose texts are what an attacker would have it say.

use std::ffi::OsString;
use std::process::ExitCode;

use conformance::Subject;
use gateway_spec::types::StatusCode;
use gateway_spec::{AppError, Connection, Done, Http, application_fn};

/// The argument by which this program is the server.
pub(crate) const SERVE: &str = "serve";

/// A text that ends its line and begins another, and that a terminal would obey.
pub(crate) const FORGED: &str =
    "a text\r\n2026-11-30T12:00:00Z ERROR forged\u{1b}[2K\u{9b}31m\u{2028}\u{202e}";

/// The variable of the environment that has the application fail to start, with that text.
pub(crate) const FAILS: &str = "APP_FAILS";

/// The server of the same name, with this application.
pub(crate) fn subject(like: &Subject) -> Subject {
    let program = std::env::current_exe().expect("this program is a file");
    Subject::new(like.name(), program, &[SERVE, "--server", like.name()])
}

/// Serves it by the launcher, as these flags have it.
pub(crate) fn serve(flags: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = std::iter::once("app".into()).chain(flags);
    gateway::run_from(application_fn(call), arguments)
}

async fn call(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => answer(http).await,
        Connection::Lifespan(_) if std::env::var_os(FAILS).is_some() => {
            Err(AppError::message(FORGED))
        }
        other => other.refuse().await,
    }
}

async fn answer(http: Http) -> Result<Done, AppError> {
    let Http {
        scope, responder, ..
    } = http;
    let segments: Vec<&str> = scope.path().split('/').skip(1).collect();
    match segments[..] {
        ["hello"] => responder.respond("Hello, world!").await,
        ["label"] => {
            scope.label.set(FORGED);
            responder.respond("labelled").await
        }
        ["event", bytes] => {
            tracing::info!("{}", "x".repeat(bytes.parse()?));
            responder.respond("logged").await
        }
        ["fail"] => Err(AppError::message(FORGED)),
        ["panic"] => panic!("{FORGED}"),
        ["abort"] => {
            let mut writer = responder.start(StatusCode::OK).await?;
            writer.write("partial").await?;
            Ok(writer.abort())
        }
        _ => responder.respond(StatusCode::NOT_FOUND).await,
    }
}
