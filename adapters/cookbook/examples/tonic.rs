//! The notice board as a gRPC service, and its pages, on one port of the server that the command line names.
//!
//! ```sh
//! cargo run -p cookbook --example tonic -- --server hyper
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use cookbook::axum::{Board, Settings};
use cookbook::on_gateway::{closing, grpc};
use cookbook::tonic::mixed;

fn main() -> ExitCode {
    let board = Board::new();
    let router = mixed(board.clone(), &Settings::default());
    gateway::run(grpc(router).with_lifespan(closing(board)))
}
