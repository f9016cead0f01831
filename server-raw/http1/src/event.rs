//! The words spoken with whoever moves the bytes.

use bytes::Bytes;
use http::HeaderMap;

/// What [`next_event`](crate::Connection::next_event) found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next fact.
    Event(Event),
    /// Read from the peer, then ask again.
    NeedBytes,
    /// The request was read to its end, and its exchange is not over: finish the reply, then
    /// [`start_next`](crate::Connection::start_next). What the peer sent ahead stays in the input.
    Paused,
    /// No request comes any more: the peer left between requests, the last exchange is over, or the connection became a
    /// tunnel and what is left in the input belongs to it.
    Closed,
}

/// A fact about a request (ASGI: the scope of a connection, and `http.request`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The head was read. If its framing is [`Empty`](crate::BodyFraming::Empty), the request ends here and no `End` follows.
    Head,
    /// A part of the body, never empty: a slice of the input, not a copy.
    Data(Bytes),
    /// The fields behind a chunked body, at most once and never empty.
    Trailers(HeaderMap),
    /// The body is complete.
    End,
}

/// What to do with the connection when the reply is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterReply {
    /// [`start_next`](crate::Connection::start_next).
    KeepOpen,
    /// First take the rest of the request's body from [`next_event`](crate::Connection::next_event), as much as you care to;
    /// or close.
    Drain,
    /// Close. A peer that may still be sending should be let finish for a while, or it may not see the reply (RFC 9112
    /// section 9.6).
    Close,
}

/// What [`send_data_frame`](crate::Connection::send_data_frame) leaves for the caller to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the data is the caller's to write"]
pub enum Payload {
    /// Write the data, and then these bytes.
    Write {
        /// The end of a chunk, or nothing.
        suffix: &'static [u8],
    },
    /// Write nothing: this reply has no body.
    Skip,
}
