//! The same answer twice: at `/sync` from a thread of the synchronous pool, at any other path from the worker itself.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;

use gateway::{Application, Connection, SyncHttp, application_fn, sync_application_fn};

fn main() -> ExitCode {
    let sync = Arc::new(adapters::sync(sync_application_fn(|http: SyncHttp| {
        http.responder.respond("Hello, world!")
    })));
    gateway::run(application_fn(move |connection: Connection| {
        let sync = Arc::clone(&sync);
        async move {
            match connection {
                Connection::Http(http) if http.scope.path() == "/sync" => {
                    sync.call(Connection::Http(http)).await
                }
                Connection::Http(http) => http.responder.respond("Hello, world!").await,
                other => other.refuse().await,
            }
        }
    }))
}
