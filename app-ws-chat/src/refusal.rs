//! Why a request is refused, and what its sender may do about it.

use std::fmt;
use std::time::Duration;

use crate::message::TextError;
use crate::moderation::Bar;
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
    /// Kept out of the room.
    Barred {
        /// By a kick or by a ban.
        why: Bar,
        /// For how long; `None`: until it is lifted.
        left: Option<Duration>,
    },
    /// Reads, but may not say.
    Muted {
        /// For how long; `None`: until it is lifted.
        left: Option<Duration>,
    },
    /// Not the moderators' token.
    Token,
    /// Moderators alone may do that.
    ModeratorsOnly,
    /// Not against a moderator.
    Moderator,
    /// There is no such user in the room.
    Nobody,
    /// Faster than the limit.
    TooFast {
        /// When the same request would be accepted.
        retry_after: Duration,
    },
    /// Sooner than the room's slow mode allows.
    SlowMode {
        /// When the same request would be accepted.
        retry_after: Duration,
    },
    /// The server holds as many rooms as it can, or a room as many bans.
    Full,
    /// The room's history cannot be read or written now.
    Store,
}

impl Refusal {
    /// The code of the `err` reply; HTTP's numbers, because everybody knows them.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.row().0
    }

    /// The same for programs, more exactly.
    #[must_use]
    pub const fn why(self) -> &'static str {
        self.row().1
    }

    /// When the very same request may succeed; `None`: never.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        self.row().2
    }

    /// PROTOCOL.md's table of codes.
    const fn row(self) -> (u16, &'static str, Option<Duration>) {
        match self {
            Self::UnknownKind
            | Self::Field(_)
            | Self::Name(..)
            | Self::Text(TextError::Empty | TextError::Control) => (400, "malformed", None),
            Self::TooManyRooms => (403, "rooms", None),
            Self::Barred {
                why: Bar::Kicked,
                left,
            } => (403, "kicked", left),
            Self::Barred {
                why: Bar::Banned,
                left,
            } => (403, "banned", left),
            Self::Muted { left } => (403, "muted", left),
            Self::Token => (403, "token", None),
            Self::ModeratorsOnly => (403, "moderators-only", None),
            Self::Moderator => (403, "moderator", None),
            Self::NotHere => (404, "not-here", None),
            Self::Nobody => (404, "nobody", None),
            Self::AlreadyHere => (409, "already-here", None),
            Self::OtherKey => (409, "other-key", None),
            Self::Text(TextError::TooLong) => (413, "too-long", None),
            Self::TooFast { retry_after } => (429, "rate", Some(retry_after)),
            Self::SlowMode { retry_after } => (429, "slow-mode", Some(retry_after)),
            Self::Full => (503, "full", Some(Duration::from_secs(30))),
            Self::Store => (503, "unavailable", Some(Duration::from_secs(2))),
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
            Self::Barred { why, .. } => write!(f, "you have been {why}"),
            Self::Muted { .. } => f.write_str("you have been muted"),
            Self::Token => f.write_str("that is not the moderators' token"),
            Self::ModeratorsOnly => f.write_str("only moderators may do that"),
            Self::Moderator => f.write_str("that is a moderator"),
            Self::Nobody => f.write_str("that user is not in this room"),
            Self::TooFast { .. } => f.write_str("too fast"),
            Self::SlowMode { .. } => f.write_str("this room is in slow mode"),
            Self::Full => f.write_str("there is no place for another one"),
            Self::Store => f.write_str("the history of this room is not available now"),
        }
    }
}

impl std::error::Error for Refusal {}
