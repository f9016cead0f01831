//! The framework (`app-router`) on both servers, over sockets.
//!
//! What a router does is tested in its package, in the process. Here is what only a server can show: what reaches the wire, what
//! becomes of the connection, who is served meanwhile, and what happens to a request's work when its client leaves or the server
//! stops.
//!
//! - `app.rs`: the application. The servers are this program too, started as children: `serve --server raw`.
//! - `notes.rs`: what the application notes down, and the gates that it waits at.
//! - a module for each chapter: what clients see.
#![forbid(unsafe_code)]

mod afterwards;
mod app;
mod notes;
mod protection;
mod requests;
mod sockets;
mod streams;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use conformance::{Client, Response, Server, Subject};
use libtest_mimic::{Arguments, Trial};

/// A name, and what is done with a server of either kind.
type Test = (&'static str, fn(&Subject));

/// Writes a chapter's table: each test is a function.
macro_rules! chapter {
    ($($function:ident),+ $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((stringify!($function), $function)),+];
    };
}
use chapter;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "serve") {
        return serve(arguments);
    }
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

/// Serves the application by the launcher, as these flags have it.
fn serve(flags: impl Iterator<Item = OsString>) -> ExitCode {
    let app = app::app().expect("the routes do not conflict");
    gateway::run_from(app, std::iter::once("framework".into()).chain(flags))
}

/// Each test on each server.
fn trials() -> Vec<Trial> {
    let chapters = [
        ("requests", requests::TESTS),
        ("streams", streams::TESTS),
        ("afterwards", afterwards::TESTS),
        ("sockets", sockets::TESTS),
        ("protection", protection::TESTS),
    ];
    let program = env::current_exe().expect("this program is a file");
    let mut trials = Vec::new();
    for server in ["raw", "hyper"] {
        for (chapter, tests) in chapters {
            for (name, test) in tests {
                let subject = Subject::new(server, &program, &["serve", "--server", server]);
                let name = format!("{server}::{chapter}::{name}");
                trials.push(Trial::test(name, move || {
                    test(&subject);
                    Ok(())
                }));
            }
        }
    }
    trials
}

/// A request without a body, with more fields, and its answer.
#[track_caller]
fn asked(client: &mut Client, method: &str, path: &str, fields: &str) -> Response {
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\n{fields}\r\n"
    ));
    client.read_response()
}

/// The head of a request whose body has this length.
fn posting(path: &str, content_type: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// A request with a body of this type, and its answer.
#[track_caller]
fn posted(client: &mut Client, path: &str, content_type: &str, body: &str) -> Response {
    client.send(posting(path, content_type, body.len()) + body);
    client.read_response()
}

/// Waits until this was noted as often, and gives all that was.
#[track_caller]
fn noted(server: &Server, count: usize) -> String {
    server.ask(&format!("/notes/{count}"))
}

/// Opens a gate.
#[track_caller]
fn open(server: &Server, gate: &str) {
    assert_eq!(server.ask(&format!("/open/{gate}")), "open");
}
