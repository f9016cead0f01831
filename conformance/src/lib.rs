//! The clauses of `gateway-spec`'s SPEC.md as tests over real sockets, the same for every server.
//!
//! [`cases()`] is the table: each [`Case`] has a name, the clauses that it holds a server to, and a function that starts a
//! server and talks to it. A server under test is a program that serves [`Peer`] and takes `--bind`; [`Subject`] says how
//! to start it:
//!
//! ```no_run
//! use conformance::Subject;
//!
//! let subject = Subject::new("server-raw", "target/debug/conformance-peer", &["--server", "raw"]);
//! let report = conformance::run(&subject);
//! assert!(report.failures.is_empty(), "{report}");
//! ```
//!
//! # How to read a failure
//!
//! A failure names the case and its clauses, the line of the case that was not satisfied, what went over each of the case's
//! connections, and the server's log. To run one case: `cargo test -p conformance --test it -- raw::framing::two_lengths`.
//!
//! # Where things are
//!
//! - [`Client`] is a raw socket; [`Response`] is read strictly, by hand.
//! - [`Subject`], [`Server`]: a child process, its signals, its log and its end.
//! - [`Peer`]: the application that the cases talk to.
//! - `cases/`: the cases, in the order of SPEC.md.
//! - [`KNOWN`]: where a server differs and is known to; an entry that no longer holds is a failure.
#![forbid(unsafe_code)]

mod case;
mod cases;
mod client;
mod evidence;
mod known;
mod peer;
mod response;
mod server;

pub use case::{Case, Failure, Report};
pub use cases::cases;
pub use client::{Client, End, PATIENCE};
pub use known::{Difference, KNOWN};
pub use peer::{LIFESPAN, Peer};
pub use response::{Cut, Framing, Method, Response};
/// The variable of the environment that sets a server's times, in milliseconds: `head=400,idle=600,body=500,write=500,
/// linger=200`, in any order, without spaces.
pub const TIMEOUTS: &str = "PEER_TIMEOUTS";

pub use server::{Options, Server, Signal, Subject};

/// Runs all cases on one server, one after the other.
#[must_use]
pub fn run(subject: &Subject) -> Report {
    let outcomes = cases().into_iter().map(|case| case.check(subject));
    Report::of(outcomes)
}
