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

mod accept;
mod access_log;
mod admin;
mod app;
mod arrival;
mod between;
mod bind;
mod buffers;
mod call;
mod clock;
mod console;
mod context;
mod cores;
mod crew;
mod crowd;
mod date;
mod descriptors;
mod desk;
mod error;
mod gate;
mod handoff;
pub mod http2;
mod io;
mod lines;
mod listen;
mod metrics;
mod notify;
mod observe;
mod opens;
mod operation;
mod output;
mod overview;
mod pace;
mod protocol;
mod proxy;
mod pulse;
mod recycle;
mod restart;
mod serve;
mod settings;
mod share;
mod signals;
mod socket;
mod stall;
mod stream;
mod tls;
mod worker;

pub use access_log::{LogFormat, LogTarget};
pub use between::{Fresh, NextRequest};
pub use bind::{BadBind, Bind, Place, Security};
pub use call::{Call, Served};
pub use clock::TICK;
pub use console::Console;
pub use context::{Context, Overdue, Reading, Requests, Resets, Shutdown, Watching};
pub use date::HttpDate;
pub use desk::Desk;
pub use error::ServeError;
pub use hosting::{
    BodyAllowed, CONNECTION_FIELDS, Exchange, Facts, INBOUND_BYTES, Informational, OUTBOUND_BYTES,
    Outgoing, Progress, ReplyLength, Sent, TrailersTaken, UpgradeAsked, Wanted, is_bodiless,
    is_connection_field, lists, may_be_trailer,
};
pub use io::{Io, Received, Written};
pub use metrics::OpenStream;
pub use output::{BY_REFERENCE, Output};
pub use protocol::Protocol;
pub use recycle::Recycling;
pub use serve::{Listening, check, serve};
pub use settings::{
    Accepting, BadNetwork, BadOwner, BadRootPath, ClientCertificates, ForwardedFields, Limits,
    Network, Owner, Proxies, ProxyProtocol, RootPath, SelfSigned, Settings, Timeouts, Tls,
    TlsVersion, UnixSockets,
};
pub use stream::{PeerState, Stream, is_of_file};
pub use tls::TlsError;
