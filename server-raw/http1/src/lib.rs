//! HTTP/1.1 for a server, without I/O (RFC 9112).
#![forbid(unsafe_code)]

mod body_reader;
mod body_writer;
mod connection;
mod error;
mod event;
mod field_lines;
mod framing;
mod head;
mod limits;
mod reply_head;
mod scan;
mod state;
mod target;
mod trailers;

pub use connection::Connection;
pub use error::{PeerError, UsageError};
pub use event::{AfterReply, Event, Payload, Step};
pub use framing::{BodyFraming, ReplyBody};
pub use head::{Expectation, RequestHead, Trailers, Upgrade};
pub use limits::Limits;
pub use reply_head::write_closing_reply;
