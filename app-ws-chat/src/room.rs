//! One room: members, ring, deliveries. Commands in, deliveries out; no channels, no clock, no
//! async.
//!
//! The hub keeps a room behind a lock and carries its deliveries out; the store keeps what is to
//! survive it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::message::{Epoch, Message, Offset, Person, Position, Timestamp};
use crate::name::{Nick, RoomName, UserId};
use crate::presence::{People, Presence};
use crate::protocol::Draft;
use crate::recent::Recent;
use crate::refusal::Refusal;
use crate::ring::Ring;

/// How many messages a newcomer is shown.
pub const LAST_MESSAGES: usize = 50;

/// How many missed messages are sent to somebody who comes back; who missed more has not read on,
/// and is shown the last ones.
pub const MISSED_MESSAGES: usize = 300;

/// One connection, whoever holds it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// What is known of a room before anybody is in it.
#[derive(Clone, Debug)]
pub struct Past {
    /// The life of its history.
    pub epoch: Epoch,
    /// Its last messages.
    pub ring: Ring,
}

/// A room and who is in it.
#[derive(Debug)]
pub struct Room {
    name: RoomName,
    epoch: Epoch,
    members: HashMap<ConnectionId, UserId>,
    people: People,
    ring: Ring,
    recent: Recent,
}

/// What a newcomer is told.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Welcome {
    /// The room, as it writes its name.
    pub room: RoomName,
    /// Who the newcomer is here; the nickname need not be the one wished for.
    pub me: Person,
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

/// News of a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Somebody said something.
    Said(Arc<Message>),
    /// Somebody came or left.
    Presence(Presence),
    /// Somebody is writing.
    Typing(Person),
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
    /// All but one, who knows already.
    Others(ConnectionId),
}

/// What became of a draft.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sent {
    /// It is a message now, to be delivered to everyone and kept.
    New(Arc<Message>),
    /// It was one already.
    Again(Receipt),
}

impl Sent {
    /// The answer to the sender.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        match self {
            Self::New(message) => Receipt {
                offset: message.offset,
                at: message.at,
            },
            Self::Again(receipt) => *receipt,
        }
    }
}

impl Room {
    /// A room with its past and nobody in it.
    #[must_use]
    pub fn new(name: RoomName, past: Past) -> Self {
        let newest = past
            .ring
            .iter()
            .next_back()
            .map_or(Timestamp(0), |message| message.at);
        let mut recent = Recent::default();
        for message in past.ring.iter() {
            recent.note(message, newest);
        }
        Self {
            name,
            epoch: past.epoch,
            members: HashMap::new(),
            people: People::default(),
            ring: past.ring,
            recent,
        }
    }

    /// Lets a connection in. `since` is what it has seen of this room before.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyHere`].
    pub fn join(
        &mut self,
        connection: ConnectionId,
        user: UserId,
        wish: &Nick,
        since: Option<&Position>,
    ) -> Result<(Welcome, Option<Delivery>), Refusal> {
        if self.members.contains_key(&connection) {
            return Err(Refusal::AlreadyHere);
        }
        self.members.insert(connection, user);
        let (me, told) = self.people.enter(user, wish);
        let missed = since
            .filter(|position| position.epoch == self.epoch)
            .and_then(|position| self.ring.after(position.offset, MISSED_MESSAGES));
        let welcome = Welcome {
            room: self.name.clone(),
            me,
            epoch: self.epoch.clone(),
            offset: self.ring.end(),
            recovered: missed.is_some(),
            messages: missed.unwrap_or_else(|| self.ring.last(LAST_MESSAGES)),
            presence: self.people.snapshot(),
        };
        let to = Audience::Others(connection);
        Ok((
            welcome,
            told.map(|presence| Delivery {
                to,
                notice: Notice::Presence(presence),
            }),
        ))
    }

    /// Lets a connection out; nothing if it is not in.
    pub fn leave(&mut self, connection: ConnectionId) -> Option<Delivery> {
        let user = self.members.remove(&connection)?;
        let presence = self.people.exit(user)?;
        Some(Delivery {
            to: Audience::Everyone,
            notice: Notice::Presence(presence),
        })
    }

    /// Makes a draft the next message, unless it is one already.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHere`].
    pub fn send(
        &mut self,
        from: ConnectionId,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Sent, Refusal> {
        let from = self.member(from)?;
        if let Some(receipt) = self.recent.find(from.user, &draft.cid) {
            return Ok(Sent::Again(receipt));
        }
        let message = Arc::new(Message {
            offset: self.ring.end().next(),
            from,
            at: now,
            text: draft.text,
            cid: draft.cid,
        });
        self.recent.note(&message, now);
        self.ring.insert(Arc::clone(&message));
        Ok(Sent::New(message))
    }

    /// Tells the others that a member is writing.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHere`].
    pub fn typing(&self, from: ConnectionId) -> Result<Delivery, Refusal> {
        let notice = Notice::Typing(self.member(from)?);
        Ok(Delivery {
            to: Audience::Others(from),
            notice,
        })
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &RoomName {
        &self.name
    }

    fn member(&self, connection: ConnectionId) -> Result<Person, Refusal> {
        let user = self.members.get(&connection).ok_or(Refusal::NotHere)?;
        self.people.person(*user).ok_or(Refusal::NotHere)
    }
}

#[cfg(test)]
mod tests;
