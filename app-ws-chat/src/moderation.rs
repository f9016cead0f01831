//! Moderation, pure: who is kept out of a room, who is silent in it, how fast it may go. A [`Ruling`] is what was
//! decided; [`Rules`] are what all rulings together come to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::Timestamp;
use crate::name::{Nick, RoomName, UserId};
use crate::refusal::Refusal;

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

/// What is in force in a room, or in all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    bans: BTreeMap<UserId, Sanction>,
    mutes: BTreeMap<UserId, Sanction>,
    pace_ms: u64,
}

impl Rules {
    /// Makes a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Set(kind, user, sanction) => drop(self.of(kind).insert(user, sanction)),
            Change::Lift(kind, user) => drop(self.of(kind).remove(&user)),
            Change::Pace(ms) => self.pace_ms = ms,
            Change::Nothing => {}
        }
    }

    /// Takes over what other rules have.
    pub(crate) fn absorb(&mut self, newer: Self) {
        self.bans.extend(newer.bans);
        self.mutes.extend(newer.mutes);
    }

    /// Whether one more sanction has a place, after those that are over have gone.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`].
    pub fn has_room(&mut self, now: Timestamp) -> Result<(), Refusal> {
        for kind in [Kind::Ban, Kind::Mute] {
            let sanctions = self.of(kind);
            if sanctions.len() >= SANCTIONS {
                sanctions.retain(|_, sanction| sanction.left(now).is_some());
            }
            if sanctions.len() >= SANCTIONS {
                return Err(Refusal::Full);
            }
        }
        Ok(())
    }

    /// Whether this user may come in.
    ///
    /// # Errors
    ///
    /// [`Refusal::Barred`].
    pub fn admits(&self, user: UserId, now: Timestamp) -> Result<(), Refusal> {
        let Some(sanction) = self.bans.get(&user) else {
            return Ok(());
        };
        match sanction.left(now) {
            None => Ok(()),
            Some(left) => Err(Refusal::Barred {
                why: sanction.why.unwrap_or(Bar::Banned),
                left,
            }),
        }
    }

    /// Whether this user may say something.
    ///
    /// # Errors
    ///
    /// [`Refusal::Muted`].
    pub fn hears(&self, user: UserId, now: Timestamp) -> Result<(), Refusal> {
        let sanction = self.mutes.get(&user);
        match sanction.and_then(|sanction| sanction.left(now)) {
            None => Ok(()),
            Some(left) => Err(Refusal::Muted { left }),
        }
    }

    /// How long each user has to wait between two messages; zero: not at all.
    #[must_use]
    pub const fn pace(&self) -> Duration {
        Duration::from_millis(self.pace_ms)
    }

    /// What is in force now, for a moderator.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Listing {
        let list = |sanctions: &BTreeMap<UserId, Sanction>| {
            let now = sanctions.iter().filter(|(_, s)| s.left(now).is_some());
            now.map(|(&user, sanction)| Entry {
                user,
                sanction: sanction.clone(),
            })
            .take(LISTED)
            .collect()
        };
        Listing {
            bans: list(&self.bans),
            mutes: list(&self.mutes),
            slow_ms: self.pace_ms,
        }
    }

    const fn of(&mut self, kind: Kind) -> &mut BTreeMap<UserId, Sanction> {
        match kind {
            Kind::Ban => &mut self.bans,
            Kind::Mute => &mut self.mutes,
        }
    }
}

/// Sanctions of a kind in a list: with the longest reasons half of what may wait for a reader.
const LISTED: usize = 500;

/// The sanctions of a room, for a moderator.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Listing {
    /// Who is kept out.
    pub bans: Vec<Entry>,
    /// Who is silent.
    pub mutes: Vec<Entry>,
    /// The pace of the slow mode.
    pub slow_ms: u64,
}

/// One of a [`Listing`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Whom it is against.
    pub user: UserId,
    /// What it is.
    #[serde(flatten)]
    pub sanction: Sanction,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kicked => "kicked",
            Self::Banned => "banned",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Bar, Rules, Ruling};
    use crate::message::Timestamp;
    use crate::name::UserId;
    use crate::refusal::Refusal;

    fn ruling(act: Act, user: u64, ms: Option<u64>, at: u64) -> Ruling {
        Ruling {
            ts: Timestamp(at),
            room: None,
            act,
            user: Some(UserId::passing(user)),
            nick: None,
            ms,
            by: "Bea".into(),
            by_user: None,
            reason: "".into(),
        }
    }

    #[test]
    fn sanctions_hold_until_they_are_over_or_lifted() {
        let mut rules = Rules::default();
        let ban = |why, left: Option<u64>| {
            Err(Refusal::Barred {
                why,
                left: left.map(std::time::Duration::from_millis),
            })
        };
        let user = UserId::passing(1);
        // What is ruled at which time, and then: when is asked, and what is said.
        let rows = [
            (Act::Kick, None, 0, 59_999, ban(Bar::Kicked, Some(1))),
            (Act::Kick, None, 0, 60_000, Ok(())),
            (Act::Kick, Some(5_000), 0, 4_000, ban(Bar::Kicked, Some(1_000))),
            (Act::Ban, Some(1_000), 0, 1_000, Ok(())),
            (Act::Ban, None, 0, u64::MAX, ban(Bar::Banned, None)),
            (Act::Mute, None, 0, 1, ban(Bar::Banned, None)),
            (Act::Unban, None, 0, 1, Ok(())),
        ];
        for (row, (act, ms, at, asked, expected)) in rows.into_iter().enumerate() {
            rules.apply(ruling(act, 1, ms, at).change());
            assert_eq!(rules.admits(user, Timestamp(asked)), expected, "row {row}");
            assert_eq!(rules.admits(UserId::passing(2), Timestamp(0)), Ok(()));
        }
        let muted = rules.hears(user, Timestamp(1));
        assert_eq!(muted, Err(Refusal::Muted { left: None }));
        rules.apply(ruling(Act::Unmute, 1, None, 2).change());
        assert_eq!(rules.hears(user, Timestamp(3)), Ok(()));
        rules.apply(ruling(Act::Slow, 1, Some(5_000), 2).change());
        assert_eq!(rules.pace().as_secs(), 5);
    }

    #[test]
    fn a_list_has_what_is_in_force() {
        let mut rules = Rules::default();
        for (user, ms) in [(1, Some(1_000)), (2, None)] {
            rules.apply(ruling(Act::Ban, user, ms, 0).change());
        }
        let users = |at| -> Vec<_> {
            let bans = rules.list(Timestamp(at)).bans;
            bans.into_iter().map(|entry| entry.user).collect()
        };
        assert_eq!(users(999), [UserId::passing(1), UserId::passing(2)]);
        assert_eq!(users(1_000), [UserId::passing(2)]);
    }
}
