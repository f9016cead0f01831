//! Moderation, pure: who is kept out of a room, who is silent in it, how fast it may go. A [`Ruling`] is what was
//! decided; [`Rules`] are what all rulings together come to.

mod rules;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::Timestamp;
use crate::name::{Nick, RoomName, UserId};

pub use rules::{Entry, Listing, Rules};

/// How long a kick keeps somebody out if nothing else is said: time to think.
pub const KICK: Duration = Duration::from_secs(60);

/// The shortest and the longest time of a kick, a ban or a mute; longer is for ever.
pub const SHORTEST_MS: u64 = 1_000;
/// See [`SHORTEST_MS`]: a year.
pub const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// The slowest slow mode: once an hour.
pub const SLOWEST_MS: u64 = 60 * 60 * 1_000;

/// The longest reason, in characters: a line.
pub const REASON_CHARS: usize = 200;

/// Bans of one room, and mutes: more than anybody oversees, and 2 MB at most.
pub const SANCTIONS: usize = 10_000;

/// What a moderator can do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Out of the room, and back after a while.
    Kick,
    /// Out of the room, and not back.
    Ban,
    /// May come back.
    Unban,
    /// Reads, but does not say.
    Mute,
    /// May speak again.
    Unmute,
    /// Each user may say something once in so long.
    Slow,
}

impl Act {
    /// What the protocol calls it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "kick" => Self::Kick,
            "ban" => Self::Ban,
            "unban" => Self::Unban,
            "mute" => Self::Mute,
            "unmute" => Self::Unmute,
            "slow" => Self::Slow,
            _ => return None,
        })
    }

    /// Whether it is something that a moderator is safe from.
    #[must_use]
    pub const fn is_against_somebody(self) -> bool {
        matches!(self, Self::Kick | Self::Ban | Self::Mute)
    }
}

/// What a moderator asks for, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// What to do.
    pub act: Act,
    /// To whom; nobody for [`Act::Slow`] alone.
    pub user: Option<UserId>,
    /// For how long, in milliseconds; for a slow mode its pace.
    pub time: Option<u64>,
    /// Why, for people.
    pub reason: Box<str>,
}

/// What was decided: told to the room, and written to the audit log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ruling {
    /// When.
    pub ts: Timestamp,
    /// Where; without it in all rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// What.
    pub act: Act,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What they were called, if they were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<Nick>,
    /// For how long, in milliseconds; for a slow mode its pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Who did it: a nickname, or `host`.
    pub by: Box<str>,
    /// The moderator's user id, if it was done in a room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user: Option<UserId>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Box<str>,
}

impl Ruling {
    /// When it ends; `None`: never.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self.act {
            Act::Kick => Some(self.ts.plus(self.ms.unwrap_or(KICK.as_millis() as u64))),
            _ => self.ms.map(|ms| self.ts.plus(ms)),
        }
    }
}

/// Why somebody is kept out of a room.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bar {
    /// For a while.
    Kicked,
    /// Until it is lifted or over.
    Banned,
}

/// What somebody is under, and since when and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sanction {
    /// What they were called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<Nick>,
    /// When it ends; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who did it.
    pub by: Box<str>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Box<str>,
    /// The kind of a ban; a mute has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Bar>,
}

impl Sanction {
    fn of(ruling: &Ruling) -> Self {
        Self {
            nick: ruling.nick.clone(),
            until: ruling.until(),
            by: ruling.by.clone(),
            reason: ruling.reason.clone(),
            why: match ruling.act {
                Act::Kick => Some(Bar::Kicked),
                Act::Ban => Some(Bar::Banned),
                _ => None,
            },
        }
    }

    /// How long it still lasts: `None` if it is over, `Some(None)` if for ever.
    fn left(&self, now: Timestamp) -> Option<Option<Duration>> {
        match self.until {
            None => Some(None),
            Some(until) if until > now => Some(Some(until.since(now))),
            Some(_) => None,
        }
    }
}

/// What a ruling does to the sanctions of its room: the one change that a store has to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// This sanction is in force now.
    Set(Kind, UserId, Sanction),
    /// It no longer is.
    Lift(Kind, UserId),
    /// The pace of the slow mode, in milliseconds.
    Pace(u64),
    /// Nothing: a ruling without a user, which no moderator can make.
    Nothing,
}

/// The two kinds of sanctions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Out of the room.
    Ban,
    /// Silent in it.
    Mute,
}

impl Ruling {
    /// The one change that it makes.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.act, self.user) {
            (Act::Slow, _) => Change::Pace(self.ms.unwrap_or(0)),
            (Act::Kick | Act::Ban, Some(user)) => Change::Set(Kind::Ban, user, Sanction::of(self)),
            (Act::Mute, Some(user)) => Change::Set(Kind::Mute, user, Sanction::of(self)),
            (Act::Unban, Some(user)) => Change::Lift(Kind::Ban, user),
            (Act::Unmute, Some(user)) => Change::Lift(Kind::Mute, user),
            (_, None) => Change::Nothing,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kicked => "kicked",
            Self::Banned => "banned",
        })
    }
}
