//! Files and coded bodies on both servers, over sockets: `adapters::files`, and `compress` and `decompress` of its middleware.
//!
//! What they answer is tested in their package, in the process. Here is what only a server can show: how a file reaches the wire,
//! from memory and from the disk, whole, in parts and cut short; that events arrive one by one though they are coded; and that
//! curl makes of it what it should.
//!
//! - `app.rs`: what is served. The servers are this program too, started as children: `serve raw`.
//! - `tests.rs`, `coded.rs`: what clients see of it; `curl.rs`: one that others wrote.
#![forbid(unsafe_code)]

mod app;
mod coded;
mod curl;
mod tests;
mod tree;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use conformance::Subject;
use libtest_mimic::{Arguments, Trial};

/// A name, and what is done with a server of either kind.
type Test = (&'static str, fn(&Subject));

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
        let tests = [tests::TESTS, coded::TESTS, curl::TESTS].concat();
        tests.into_iter().map(move |(name, test)| {
            Trial::test(format!("{server}::{name}"), move || {
                let program = env::current_exe().expect("this program is a file");
                test(&Subject::new(server, program, &["serve", server]));
                Ok(())
            })
        })
    });
    on_each.collect()
}
