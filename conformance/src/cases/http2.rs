//! HTTP/2 (RFC 9113) and WebSockets over it (RFC 8441).
//!
//! Streams that keep to the rules are the `h2` crate's; what no client would send is sent frame by frame.

mod floods;
mod frames;
mod opening;
mod requests;
mod streams;
mod websocket;

use std::time::Duration;

use crate::case::Case;
use crate::http2_client::Frames;
use crate::server::{Options, Server, Subject};

/// Where the peer's routes lie.
const ROUTES: &str = "/conformance";

/// What a server may hold for an exchange in one direction: far over any bound that a server states, and far below what
/// shows that there is none.
const SERVER: usize = 1024 * 1024;

pub(super) fn cases() -> Vec<Case> {
    let chapters = [
        ("opening", opening::cases()),
        ("frames", frames::cases()),
        ("requests", requests::cases()),
        ("streams", streams::cases()),
        ("floods", floods::cases()),
        ("websocket", websocket::cases()),
    ];
    let within = |(chapter, cases): (&str, Vec<Case>)| -> Vec<Case> {
        cases.into_iter().map(|case| case.within(chapter)).collect()
    };
    chapters.into_iter().flat_map(within).collect()
}

/// The path of one of the peer's routes.
fn route(path: &str) -> String {
    format!("{ROUTES}{path}")
}

/// Asks the peer over a connection of its own.
#[track_caller]
fn ask(server: &Server, path: &str) -> String {
    server.ask(&route(path))
}

#[track_caller]
fn frames(server: &Server) -> Frames {
    Frames::connect(server.address())
}

/// Short times, so that their ends can be waited for.
fn impatient(subject: &Subject) -> Server {
    let times = "head=400,idle=600,body=500,write=500,linger=300";
    subject.start_with(Options::new().environment(crate::TIMEOUTS, times))
}

/// A server takes no more when it took nothing for so long.
const QUIET: Duration = Duration::from_millis(500);
