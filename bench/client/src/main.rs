//! The load client of the benchmarks: `bench-client --help`. What it finds out it prints as one line of JSON.
#![forbid(unsafe_code)]

mod check;
mod crowd;
mod http;
mod load;
mod target;
mod transfer;
mod websocket;

use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::target::Target;

/// Asks a server on the loopback interface for all it has.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Requests, each connection with so many outstanding
    Http {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        load: Load,
        #[arg(long, default_value = "/")]
        path: String,
        #[arg(long, value_enum, default_value_t = Fields::Host)]
        fields: Fields,
    },
    /// WebSocket messages, each connection with so many outstanding
    Websocket {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        load: Load,
        /// Bytes of a message
        #[arg(long, default_value_t = 20)]
        size: usize,
    },
    /// Whether the answers are those that all servers give
    Check {
        #[command(flatten)]
        target: Target,
        #[arg(long, value_enum, default_value_t = Routes::All)]
        routes: Routes,
    },
    /// One long body
    Transfer {
        #[command(flatten)]
        target: Target,
        #[arg(long, value_enum)]
        direction: Direction,
        #[arg(long, default_value_t = 1 << 30)]
        bytes: u64,
    },
    /// WebSockets that stay; then a message to everybody, and the server's farewell
    Crowd {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
}

#[derive(Debug, Args)]
struct Load {
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests or messages outstanding on each connection
    #[arg(long, default_value = "1")]
    depth: NonZeroUsize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// What a request says beside its target.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Fields {
    /// Host, as load generators send
    Host,
    /// The fifteen of a browser that has cookies for the page
    Browser,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Routes {
    /// All of HTTP's
    All,
    /// `/` and `/json`
    Few,
    /// `/` alone, whose answer may be anything of status 200
    Any,
    /// The WebSocket
    Websocket,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Direction {
    /// To the server: `POST /sink`
    Up,
    /// From the server: `GET /bytes/N`
    Down,
}

fn main() -> ExitCode {
    match run(Command::parse().verb) {
        Ok(found) => {
            println!("{found}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> io::Result<String> {
    match verb {
        Verb::Http {
            target,
            load,
            path,
            fields,
        } => http::load(target, &load, &target.request(&path, fields)),
        Verb::Websocket { target, load, size } => websocket::load(target, &load, size),
        Verb::Check { target, routes } => check::run(target, routes),
        Verb::Transfer {
            target,
            direction,
            bytes,
        } => transfer::run(target, direction, bytes),
        Verb::Crowd {
            target,
            connections,
        } => crowd::run(target, connections),
    }
}
