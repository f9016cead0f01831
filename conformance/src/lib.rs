//! The clauses of `gateway-spec`'s SPEC.md as tests over real sockets, the same for every server.
//!
//! [`cases()`] is the table: each [`Case`] has a name, the clauses that it holds a server to, and a function that gets a
//! server and talks to it. A server under test is a program that serves [`Peer`] and takes `--bind`; [`Subject`] says how
//! to start it, or where it runs:
//!
//! ```no_run
//! use conformance::Subject;
//!
//! let program = "target/debug/conformance";
//! let subject = Subject::new("server-raw", program, &["peer", "--server", "raw"]);
//! let report = conformance::run(&subject);
//! assert!(report.is_green(), "{report}");
//! ```
//!
//! # How to read a failure
//!
//! A failure names the case, the line of it that was not satisfied, what went over each of its connections, the server's
//! log, and the clauses in full. To run one case: `cargo test -p conformance --test it -- raw::framing::two_lengths`.
//!
//! # Where things are
//!
//! - [`Client`] is a raw socket; [`Response`] is read strictly, by hand.
//! - [`Subject`], [`Server`]: a child process, its signals, its log and its end.
//! - [`Peer`]: the application that the cases talk to.
//! - `cases/`: the cases, in the order of SPEC.md.
//! - [`Log`], [`corpus()`], [`pipelines()`]: two servers compared, without an opinion on what is right.
//! - [`Report`]: what came out, by clause; [`clauses()`]: what there is to hold to.
#![forbid(unsafe_code)]

mod case;
mod cases;
mod client;
mod core;
mod differential;
mod environment;
mod evidence;
mod http2_client;
mod kernel;
mod peer;
mod process;
mod report;
mod response;
mod server;
mod spec;

pub use case::{Case, Outcome};
pub use cases::cases;
pub use client::{Client, End, PATIENCE};
pub use differential::{Log, Recording, corpus, pipelines};
pub use environment::{LIMITS, TIMEOUTS, set_by_environment};
pub use evidence::Evidence;
pub use peer::{LIFESPAN, Peer};
pub use process::Process;
pub use report::Report;
pub use response::{Cut, Framing, Method, Response};
pub use server::{Options, Server, Signal, Subject};
pub use spec::{Clause, clauses};

/// Runs all cases on one server, one after the other.
#[must_use]
pub fn run(subject: &Subject) -> Report {
    let mut report = Report::default();
    for case in cases() {
        report.add(&case, case.run(subject));
    }
    report
}

/// How a running server says that it can be started once more, if it does: see [`Peer::started_by`].
///
/// # Panics
///
/// If it does not serve [`Peer`].
#[must_use]
pub fn start_command(server: std::net::SocketAddr) -> Vec<String> {
    let command = Subject::at(server).start().ask(peer::START);
    command.lines().map(str::to_owned).collect()
}
