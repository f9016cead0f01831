//! Hosts an application for any server: all of a server but its wire.
//!
//! Binding and accepting, workers, the lifespan, exchanges, limits, deadlines, the drain, panics and the access log
//! are written here once. A server implements [`Protocol`] for one connection and calls [`serve()`]; so two servers
//! differ in the wire and in nothing else.
//!
//! # A request's life
//!
//! A worker accepts a connection and spawns the [`Protocol`]'s task for it, with a [`Context`]. The wire
//! reads a head, fills the scope of its [`Call`] and begins it. The call polls the application, which talks to the
//! [`Exchange`]; the wire brings it the body and takes [`Outgoing`] from it. When the response is written the wire
//! ends the call, which logs it and is ready for the next.
#![forbid(unsafe_code)]

mod access_log;
mod app;
mod buffers;
mod call;
mod clock;
mod connection_fields;
mod context;
mod date;
mod error;
mod exchange;
pub mod http2;
mod lifespan;
mod listener;
// The contract's own tables, along which the machines here are driven.
#[cfg(test)]
#[allow(dead_code, reason = "the WebSocket's table is driven in its package")]
#[path = "../../gateway-spec/tests/it/model.rs"]
mod model;
mod output;
mod protocol;
mod serve;
mod settings;
mod socket;
mod stream;
mod worker;

pub use call::Call;
pub use clock::TICK;
pub use connection_fields::{CONNECTION_FIELDS, lists};
pub use context::{Context, Overdue, Reading, Resets, Shutdown, Watching};
pub use date::HttpDate;
pub use error::ServeError;
pub use exchange::{
    BodyAllowed, Exchange, Facts, INBOUND_BYTES, Informational, OUTBOUND_BYTES, Outgoing, Progress,
    ReplyLength, Sent, TrailersTaken, UpgradeAsked, Wanted, is_bodiless, may_be_trailer,
};
pub use output::{BY_REFERENCE, Output};
pub use protocol::Protocol;
pub use serve::{Listening, serve};
pub use settings::{AccessLogging, Limits, Settings, Timeouts};
pub use stream::{PeerState, Stream};

use bytes::Bytes;
use gateway_spec::{ResponseHead, types::StatusCode};

/// The answer that a server gives itself: the status in words, as text.
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
