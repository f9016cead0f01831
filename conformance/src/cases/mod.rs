//! The cases, in the order of SPEC.md.

mod head;
mod framing;
mod body;
mod keep_alive;
mod response;
mod expect;
mod upgrade;
mod websocket;
mod lifespan;
mod disconnect;
mod faults;
mod backpressure;
mod timers;
mod shutdown;
mod access_log;

use crate::case::Case;

/// Writes a chapter's table: each case is a function, followed by the clauses that it is for.
macro_rules! cases {
    ($($function:ident: $($clause:literal),+;)*) => {
        pub(super) fn cases() -> Vec<$crate::Case> {
            vec![$($crate::Case::new(stringify!($function), &[$($clause),+], $function)),*]
        }
    };
}
use cases;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let chapters: [(&str, Vec<Case>); 15] = [
        ("head", head::cases()),
        ("framing", framing::cases()),
        ("body", body::cases()),
        ("keep_alive", keep_alive::cases()),
        ("response", response::cases()),
        ("expect", expect::cases()),
        ("upgrade", upgrade::cases()),
        ("websocket", websocket::cases()),
        ("lifespan", lifespan::cases()),
        ("disconnect", disconnect::cases()),
        ("faults", faults::cases()),
        ("backpressure", backpressure::cases()),
        ("timers", timers::cases()),
        ("shutdown", shutdown::cases()),
        ("access_log", access_log::cases()),
    ];
    let within = |(chapter, cases): (&str, Vec<Case>)| -> Vec<Case> {
        cases.into_iter().map(|case| case.within(chapter)).collect()
    };
    chapters.into_iter().flat_map(within).collect()
}
