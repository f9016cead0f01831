//! What hosting an application comes to before there is a wire: exchanges, calls, lifespans.
//!
//! `server-host` builds servers on it. Whoever calls an application in the process has the same rules from here, by [`local`]:
//! an application cannot tell the two apart.
//!
//! - [`Exchange`]: one request and its reply, what may be sent when, and who is woken.
//! - [`local`]: an exchange whose client is in the process too.
//! - [`lifespan`]: starts the application, and stops it.
//! - [`poll_confined`], [`report`], [`Exchange::settle`]: what becomes of panics, errors and forgotten answers.
//! - [`printable()`]: what others say, as a line of a log may show it.
#![forbid(unsafe_code)]

mod call;
mod connection_fields;
mod exchange;
pub mod lifespan;
pub mod local;
// The contract's own tables, along which the machines here are driven.
#[cfg(test)]
#[allow(dead_code, reason = "the WebSocket's table is driven in its package")]
#[path = "../../gateway-spec/tests/it/model.rs"]
mod model;
mod printable;

pub use call::{
    confine, drop_confined, is_panic, panic_text, panicked, poll_confined, report, report_of,
};
pub use connection_fields::{CONNECTION_FIELDS, is_connection_field, lists};
pub use exchange::{
    BodyAllowed, Exchange, Facts, INBOUND_BYTES, Informational, Life, OUTBOUND_BYTES, Outgoing,
    Progress, ReplyLength, Sent, TrailersTaken, Turn, UpgradeAsked, Verdict, Wanted, is_bodiless,
    may_be_trailer,
};
pub use printable::{Printable, printable};
