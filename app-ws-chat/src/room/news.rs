//! What members of a room are told, and what they are answered.

use std::sync::Arc;

use serde::Serialize;

use super::ConnectionId;
use crate::message::{Epoch, Message, Offset, Person, Present, Timestamp};
use crate::moderation::Ruling;
use crate::name::{RoomName, UserId};
use crate::presence::Presence;

/// What a newcomer is told.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Welcome {
    /// The room, as it writes its name.
    pub room: RoomName,
    /// Who the newcomer is here; the nickname need not be the one wished for.
    pub me: Present,
    /// The life of the room's history.
    pub epoch: Epoch,
    /// The last offset of the room, also if it has no message to show.
    pub offset: Offset,
    /// Whether `messages` follow on what the newcomer has seen without a gap.
    pub recovered: bool,
    /// The missed messages, or the last ones.
    pub messages: Vec<Arc<Message>>,
    /// Who is here, the newcomer included.
    pub presence: Presence,
    /// The pace of the slow mode, in milliseconds; 0: there is none.
    pub slow_ms: u64,
    /// Whether what others say may come late.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// That a message was accepted, and where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Receipt {
    /// Its place in the room.
    #[serde(rename = "o")]
    pub offset: Offset,
    /// When it was accepted.
    #[serde(rename = "ts")]
    pub at: Timestamp,
}

impl Receipt {
    /// The receipt of a message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self {
            offset: message.offset,
            at: message.at,
        }
    }
}

/// Older messages of a room.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Page {
    /// The life of the room's history.
    pub epoch: Epoch,
    /// The messages, the oldest first.
    pub messages: Vec<Arc<Message>>,
    /// Whether there are still older ones.
    pub more: bool,
}

/// News of a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Somebody said something.
    Said(Arc<Message>),
    /// Somebody came or left.
    Presence(Presence),
    /// Somebody is writing.
    Typing(Person),
    /// A moderator has decided something.
    Ruled(Arc<Ruling>),
    /// What others say may come late, or no longer does.
    Late(bool),
}

/// A notice and those whom it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Who gets it.
    pub to: Audience,
    /// What they get.
    pub notice: Notice,
}

/// Those in a room whom a notice is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// All.
    Everyone,
    /// All but one user, who knows already.
    Others(UserId),
}

/// What a node does about an event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reaction {
    /// Nothing.
    None,
    /// Tells the members.
    Tell(Delivery),
    /// Tells the members, and then these go; the ruling says why.
    TellAndExpel(Delivery, Vec<ConnectionId>),
    /// All go, because nobody knows what happened: they come again and learn it.
    Resume,
}

impl Reaction {
    pub(super) fn presence(told: Option<Presence>) -> Self {
        told.map_or(Self::None, |presence| {
            Self::to_all(Notice::Presence(presence))
        })
    }

    pub(super) const fn to_all(notice: Notice) -> Self {
        let to = Audience::Everyone;
        Self::Tell(Delivery { to, notice })
    }
}

/// Whether a user's last connection leaves this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The bus has to hear of it.
    Over,
    /// One of several, or none.
    Within,
}
