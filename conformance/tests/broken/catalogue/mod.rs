//! The catalogue: how servers get the clauses wrong, in the order of SPEC.md.
//!
//! A row names the clause, what such a server does, who has done it where that is known, and the case that must turn red.

mod app;
mod http;
mod lifespan;
mod middleware;
mod scope;
mod server;
mod synchronous;
mod websocket;

use gateway_spec::Headers;
use gateway_spec::types::{HeaderName, HeaderValue};

use crate::fault::Fault;

/// All rows.
pub(crate) fn faults() -> impl Iterator<Item = &'static Fault> {
    let chapters = [
        app::FAULTS,
        scope::FAULTS,
        http::FAULTS,
        websocket::FAULTS,
        lifespan::FAULTS,
        synchronous::FAULTS,
        server::FAULTS,
        middleware::FAULTS,
    ];
    chapters.into_iter().flatten()
}

/// Clauses that a case names and no row breaks, and why.
pub(crate) const WITHOUT: &[(&str, &str)] = &[(
    "MW-9",
    "what would have to be wrong is the contract's own exchange in memory, of which no server has another",
)];

/// Puts these bytes in the place of those, wherever they stand.
fn replace(bytes: &mut Vec<u8>, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) {
    let (from, to) = (from.as_ref(), to.as_ref());
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], from) {
        let from = at + found..at + found + from.len();
        at = from.start + to.len();
        bytes.splice(from, to.iter().copied());
    }
}

fn find(bytes: &[u8], what: impl AsRef<[u8]>) -> Option<usize> {
    let what = what.as_ref();
    bytes.windows(what.len()).position(|window| window == what)
}

/// The fields, each as this makes it; `None` leaves one out.
fn fields<'a>(
    headers: &'a Headers,
    mut change: impl FnMut(&'a str, &'a [u8]) -> Option<Vec<u8>>,
) -> Headers {
    let mut changed = Headers::new();
    for (name, value) in headers {
        if let Some(value) = change(name, value) {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(&value);
            changed.append(
                name.expect("it was a name"),
                value.expect("it is made of values"),
            );
        }
    }
    changed
}
