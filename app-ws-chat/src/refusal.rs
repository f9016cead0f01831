//! Why a request is refused, and what its sender may do about it.

use std::fmt;
use std::time::Duration;

use crate::message::TextError;
use crate::name::NameError;

/// Why a request is refused: an `err` reply, after which the connection goes on. Exhaustive, sorted by what the client
/// can do: ask differently, ask later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// A frame of a kind that this version does not know.
    UnknownKind,
    /// A field that this kind of frame needs is missing or of the wrong type.
    Field(&'static str),
    /// A name or an id that breaks a rule.
    Name(&'static str, NameError),
    /// A text that cannot be sent.
    Text(TextError),
    /// The connection is not in that room.
    NotHere,
    /// The connection is in that room already.
    AlreadyHere,
    /// The connection has joined another room under another key.
    OtherKey,
    /// The connection is in as many rooms as one may be in.
    TooManyRooms,
    /// Faster than the limit.
    TooFast {
        /// When the same request would be accepted.
        retry_after: Duration,
    },
    /// The server holds as many rooms as it can.
    Full,
    /// The room's history cannot be read or written now.
    Store,
}

impl Refusal {
    /// The code of the `err` reply; HTTP's numbers, because everybody knows them.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::UnknownKind | Self::Field(_) | Self::Name(..) => 400,
            Self::Text(TextError::TooLong) => 413,
            Self::Text(TextError::Empty | TextError::Control) => 400,
            Self::NotHere => 404,
            Self::AlreadyHere | Self::OtherKey => 409,
            Self::TooManyRooms => 403,
            Self::TooFast { .. } => 429,
            Self::Full | Self::Store => 503,
        }
    }

    /// When the very same request may succeed; `None`: never.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooFast { retry_after } => Some(retry_after),
            Self::Full => Some(Duration::from_secs(30)),
            Self::Store => Some(Duration::from_secs(2)),
            Self::UnknownKind
            | Self::Field(_)
            | Self::Name(..)
            | Self::Text(_)
            | Self::NotHere
            | Self::AlreadyHere
            | Self::OtherKey
            | Self::TooManyRooms => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind => f.write_str("unknown kind of frame"),
            Self::Field(field) => write!(f, "the field '{field}' is missing or malformed"),
            Self::Name(what, error) => write!(f, "the {what} {error}"),
            Self::Text(error) => write!(f, "{error}"),
            Self::NotHere => f.write_str("you are not in this room"),
            Self::AlreadyHere => f.write_str("this connection is already in this room"),
            Self::OtherKey => f.write_str("this connection belongs to another user key"),
            Self::TooManyRooms => f.write_str("too many rooms on one connection"),
            Self::TooFast { .. } => f.write_str("too fast"),
            Self::Full => f.write_str("the server has no place for another room"),
            Self::Store => f.write_str("the history of this room is not available now"),
        }
    }
}

impl std::error::Error for Refusal {}
