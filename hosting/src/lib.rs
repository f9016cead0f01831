//! What hosting an application comes to before there is a wire: exchanges, lifespans, panics.
//!
//! `server-host` builds servers on it. Whoever calls an application in the process, as the `adapters` do, has the same
//! rules from here: an application cannot tell the two apart.
#![forbid(unsafe_code)]

mod exchange;
pub mod lifespan;
// The contract's own tables, along which the machines here are driven.
#[cfg(test)]
#[allow(dead_code, reason = "the WebSocket's table is driven in its package")]
#[path = "../../gateway-spec/tests/it/model.rs"]
mod model;
mod panic;

pub use exchange::{
    BodyAllowed, Exchange, Facts, INBOUND_BYTES, Informational, Life, OUTBOUND_BYTES, Outgoing,
    Progress, ReplyLength, Sent, TrailersTaken, Turn, UpgradeAsked, Verdict, Wanted, is_bodiless,
    may_be_trailer,
};
pub use panic::panic_text;

use bytes::Bytes;
use gateway_spec::{ResponseHead, types::StatusCode};

/// The answer that a host gives itself: the status in words, as text.
#[must_use]
pub fn error_page(status: StatusCode) -> (ResponseHead, Bytes) {
    let text = format!(
        "{} {}\n",
        status.as_str(),
        status.canonical_reason().unwrap_or("Unknown")
    );
    let response = gateway_spec::Response::from(text).with_status(status);
    (response.head, response.body)
}
