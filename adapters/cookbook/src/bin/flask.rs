//! The guest book of `cookbook::flask`, on the server that the command line names; `GUESTS` says in which file it is kept.
//!
//! ```sh
//! cargo run -p cookbook --bin flask -- --server hyper
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

use cookbook::flask::GuestBook;

fn main() -> ExitCode {
    let path = std::env::var_os("GUESTS").unwrap_or_else(|| "guests.jsonl".into());
    gateway::run(adapters::sync(GuestBook::at(path)))
}
