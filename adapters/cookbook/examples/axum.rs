//! The notice board of `cookbook::axum`, on the server that the command line names.
//!
//! ```sh
//! cargo run -p cookbook --example axum -- --server hyper
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use adapters::tower::from_service;
use cookbook::axum::{Board, Settings, app};
use gateway::{Application, Connection, State, application_fn};

fn main() -> ExitCode {
    let board = Board::new();
    let router = app(board.clone(), &Settings::default());
    gateway::run(from_service(router).with_lifespan(closing(board)))
}

/// Tells the board when the server begins to stop: what `with_graceful_shutdown` is for in `axum_serve.rs`.
fn closing(board: Board) -> impl Application {
    application_fn(move |connection| {
        let board = board.clone();
        async move {
            let Connection::Lifespan(lifespan) = connection else {
                return connection.refuse().await;
            };
            let drain = lifespan.scope.drain();
            let running = lifespan.started(State::new());
            drain.await;
            board.close();
            running.shutdown_requested().await;
            Ok(running.stopped())
        }
    })
}
