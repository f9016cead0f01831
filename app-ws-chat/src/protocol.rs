//! `chat.v1`: client text to commands, replies and notices to server text. PROTOCOL.md is the rule.
//!
//! One JSON object a frame. Nothing here knows rooms or sockets.

mod reader;
mod writer;

use std::time::Duration;

use serde::Serialize;

use crate::message::{Offset, Position, Text};
use crate::moderation::{Bar, Listing, Order};
use crate::name::{Cid, Nick, RoomName, UserKey};
use crate::refusal::Refusal;
use crate::room::{Notice, Page, Receipt, Welcome};

pub(crate) use reader::parse_order;

/// The name to offer in `Sec-WebSocket-Protocol`. Another version would have another name.
pub const SUBPROTOCOL: &str = "chat.v1";

/// The longest client frame, in bytes: a message of [`TEXT_BYTES`](crate::message::TEXT_BYTES) with every byte escaped
/// as `\u0000` is 24 KiB.
pub const FRAME_BYTES: usize = 64 * 1024;

/// The client's number of a request, repeated in its reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The largest number that JavaScript gives back unchanged.
    const MAX: u64 = (1 << 53) - 1;
}

/// What a client says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientFrame {
    /// Something that is answered, with `ok` or `err`.
    Request(RequestId, Command),
    /// The user is writing in this room; volatile, so there is no answer.
    Typing(RoomName),
    /// The answer to a ping.
    Pong,
}

/// What a client asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Enter a room.
    Join(Join),
    /// Say something in a room.
    Send(RoomName, Draft),
    /// Show older messages: the room, an offset (else the end), and how many.
    History(RoomName, Option<Offset>, usize),
    /// Leave a room.
    Leave(RoomName),
    /// Say that the link is alive.
    Ping,
    /// Moderate.
    Moderate(RoomName, Order),
    /// Show what moderators have decided.
    Listing(RoomName),
}

/// A wish to enter a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Join {
    /// The room.
    pub room: RoomName,
    /// The nickname wished for.
    pub nick: Nick,
    /// Who the client is; without it, somebody new.
    pub key: Option<UserKey>,
    /// What the client has seen already.
    pub since: Option<Position>,
    /// What makes the client a moderator.
    pub token: Option<Token>,
}

/// What moderators have in common. Nobody reads it: it is compared, and not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(pub(crate) Box<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A message before a room has accepted it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// The client's id of it.
    pub cid: Cid,
    /// What is said.
    pub text: Text,
}

/// Why a frame is no [`ClientFrame`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadFrame {
    /// Not a JSON object: this peer does not speak the protocol, and is sent away.
    NotAnObject,
    /// An object that asks for something impossible: it is told so, and may go on.
    Refused(Option<RequestId>, Refusal),
}

/// What the server says.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// The reply to a `join`.
    Joined(RequestId, &'a Welcome),
    /// The reply to a `send`.
    Sent(RequestId, Receipt),
    /// The reply to a `history`.
    Paged(RequestId, &'a Page),
    /// The reply to a `leave`, a `ping`, a `mod`.
    Done(RequestId),
    /// The reply to a `mod` that asks what is in force.
    Listed(RequestId, &'a Listing),
    /// The reply to a request that is refused, with its number if that could be read.
    Refused(Option<RequestId>, Refusal),
    /// News of a room.
    Notice(&'a RoomName, &'a Notice),
    /// The receiver is no longer in a room.
    Out(Out<'a>),
    /// Say `pong`.
    Ping,
    /// The connection closes now.
    Bye(Bye),
}

/// Why somebody is no longer in a room.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// The room.
    pub room: &'a RoomName,
    /// A kick or a ban.
    pub why: Bar,
    /// When they may come back; `None`: not by themselves.
    pub after: Option<Duration>,
    /// What the moderator said.
    pub reason: &'a str,
}

/// Why the server ends a connection: a `bye` frame, then a close frame of the same code.
///
/// Codes 4000 to 4499 ask the client to come back, codes 4500 to 4999 and 1009 not to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bye {
    /// The server shuts down, or moves.
    Drain {
        /// When to come back; random, so that not all do at once.
        after: Duration,
    },
    /// The client did not read as fast as its rooms spoke.
    Slow,
    /// The node has lost its place in a room.
    Lost {
        /// When to come back; random, because it concerns a whole room.
        after: Duration,
    },
    /// No answer to a ping.
    Silent,
    /// The client kept on sending although it was told to wait.
    Flooding {
        /// When to come back.
        after: Duration,
    },
    /// The user is banned from all rooms.
    Banned,
    /// The client does not speak `chat.v1`.
    Protocol,
    /// A frame above [`FRAME_BYTES`].
    TooBig,
}

/// The clients of a lost room come back within this time.
const RESUME_WITHIN: Duration = Duration::from_secs(2);

impl Bye {
    /// For one of a room that is lost.
    pub(crate) fn lost() -> Self {
        let after = RESUME_WITHIN.mul_f64(fastrand::f64());
        Self::Lost { after }
    }

    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Drain { .. } => 4001,
            Self::Slow => 4008,
            Self::Lost { .. } => 4009,
            Self::Silent => 4010,
            Self::Flooding { .. } => 4029,
            Self::Banned => 4501,
            Self::Protocol => 4502,
            // The WebSocket's own code, because a server with a lower limit closes with it before the chat can.
            Self::TooBig => 1009,
        }
    }

    /// The close reason, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Drain { .. } => "the server restarts",
            Self::Slow => "too slow to keep up",
            Self::Lost { .. } => "the server has lost its place in a room",
            Self::Silent => "no answer to a ping",
            Self::Flooding { .. } => "too many messages",
            Self::Banned => "you have been banned",
            Self::Protocol => "not a chat.v1 frame",
            Self::TooBig => "a frame of more than 64 KiB",
        }
    }

    /// When the client should come back; `None`: it should not.
    #[must_use]
    pub const fn reconnect_after(self) -> Option<Duration> {
        match self {
            Self::Drain { after } | Self::Lost { after } | Self::Flooding { after } => Some(after),
            Self::Slow | Self::Silent => Some(Duration::ZERO),
            Self::Banned | Self::Protocol | Self::TooBig => None,
        }
    }
}

#[cfg(test)]
mod tests;
