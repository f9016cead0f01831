//! The middleware of `adapters` on both servers, over sockets: one stack of all of it, as its front page recommends.
//!
//! What each wrapper does alone is tested in its package, in the process. Here is what only a server can show: what reaches the
//! wire, what becomes of the connection, and that leaving clients are noticed through all layers.
//!
//! - `app.rs`: the application and its stack. The servers are this program too, started as children: `serve raw`.
//! - `tests.rs`: what clients see of it.
#![forbid(unsafe_code)]

mod app;
mod tests;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use conformance::Subject;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "serve" => app::serve(rest),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

/// Each test on each server.
fn trials() -> Vec<Trial> {
    let on_each = ["raw", "hyper"].into_iter().flat_map(|server| {
        let tests = tests::TESTS.iter();
        tests.map(move |(name, test)| {
            Trial::test(format!("{server}::{name}"), move || {
                test(&subject(server));
                Ok(())
            })
        })
    });
    on_each.collect()
}

fn subject(server: &str) -> Subject {
    let program = env::current_exe().expect("this program is a file");
    Subject::new(server, program, &["serve", server])
}
