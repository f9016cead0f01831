//! `cookbook::pipes` on the server that the command line names; its proxy leads to the address in `ORIGIN`.
//!
//! ```sh
//! ORIGIN=127.0.0.1:5432 cargo run -p cookbook --bin pipes -- --server hyper
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let origin = std::env::var("ORIGIN").ok();
    match origin.and_then(|origin| origin.parse().ok()) {
        Some(origin) => gateway::run(cookbook::pipes::app(origin)),
        None => {
            eprintln!("ORIGIN is an address such as 127.0.0.1:5432");
            ExitCode::from(2)
        }
    }
}
