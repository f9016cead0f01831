//! The notice board of `cookbook::axum`, on the server that the command line names.
//!
//! ```sh
//! cargo run -p cookbook --example axum -- --server hyper
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use adapters::tower::from_service;
use cookbook::axum::{Board, Settings, app};
use cookbook::on_gateway::closing;

fn main() -> ExitCode {
    let board = Board::new();
    let router = app(board.clone(), &Settings::default());
    gateway::run(from_service(router).with_lifespan(closing(board)))
}
