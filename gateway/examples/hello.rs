//! The smallest application: `cargo run --example hello -- --server hyper`.
#![forbid(unsafe_code)]

use gateway::{AppError, Connection, Done, application_fn};

async fn hello(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond("Hello, world!").await,
        other => other.refuse().await,
    }
}

fn main() -> std::process::ExitCode {
    gateway::run(application_fn(hello))
}
