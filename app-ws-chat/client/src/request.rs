//! What a client says in `chat.v1`. PROTOCOL.md of the chat is the rule.

use serde::Serialize;

use crate::frame::Position;

/// What a moderator wants done.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "act", rename_all = "lowercase")]
pub enum Act {
    /// Out of the room, and not in again for a while.
    Kick {
        /// Whom.
        user: Box<str>,
        /// For how long, in milliseconds; else a minute.
        #[serde(skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// Why, for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Out of the room, and not in again.
    Ban {
        /// Whom.
        user: Box<str>,
        /// For how long, in milliseconds; else for ever.
        #[serde(skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// Why, for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Lifts a kick or a ban.
    Unban {
        /// Whose.
        user: Box<str>,
    },
    /// May read, but not say.
    Mute {
        /// Who.
        user: Box<str>,
        /// For how long, in milliseconds; else for ever.
        #[serde(skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// Why, for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Lifts a mute.
    Unmute {
        /// Whose.
        user: Box<str>,
    },
    /// Each user may say something once in so long.
    Slow {
        /// In milliseconds; 0: off.
        every_ms: u64,
    },
    /// Who is kept out or muted.
    List,
}

/// What a client says.
#[derive(Debug, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(crate) enum ClientFrame<'a> {
    Join {
        id: u64,
        room: &'a str,
        nick: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<&'a str>,
    },
    Send {
        id: u64,
        room: &'a str,
        cid: &'a str,
        text: &'a str,
    },
    History {
        id: u64,
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        limit: u64,
    },
    Leave {
        id: u64,
        room: &'a str,
    },
    Ping {
        id: u64,
    },
    Mod {
        id: u64,
        room: &'a str,
        #[serde(flatten)]
        act: &'a Act,
    },
    Typing {
        room: &'a str,
    },
    Pong {},
}

impl ClientFrame<'_> {
    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always serialise")
    }
}
