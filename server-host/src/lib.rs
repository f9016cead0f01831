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
mod context;
mod date;
mod error;
pub mod http2;
mod listener;
mod output;
mod protocol;
mod serve;
mod settings;
mod socket;
mod stream;
mod worker;

pub use call::Call;
pub use clock::TICK;
pub use context::{Context, Overdue, Reading, Resets, Shutdown, Watching};
pub use date::HttpDate;
pub use error::ServeError;
pub use hosting::{
    BodyAllowed, CONNECTION_FIELDS, Exchange, Facts, INBOUND_BYTES, Informational, OUTBOUND_BYTES,
    Outgoing, Progress, ReplyLength, Sent, TrailersTaken, UpgradeAsked, Wanted, is_bodiless,
    is_connection_field, lists, may_be_trailer,
};
pub use output::{BY_REFERENCE, Output};
pub use protocol::Protocol;
pub use serve::{Listening, serve};
pub use settings::{AccessLogging, Limits, Settings, Timeouts};
pub use stream::{PeerState, Stream, is_of_file};
