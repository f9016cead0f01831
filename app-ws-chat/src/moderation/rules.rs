//! What all rulings together come to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Bar, Change, Kind, SANCTIONS, Sanction};
use crate::message::Timestamp;
use crate::name::{Nick, UserId};
use crate::refusal::Refusal;

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

    /// What somebody was called who is under a sanction.
    #[must_use]
    pub fn nick_of(&self, user: UserId) -> Option<&Nick> {
        let sanction = self.bans.get(&user).or_else(|| self.mutes.get(&user));
        sanction.and_then(|sanction| sanction.nick.as_ref())
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

#[cfg(test)]
mod tests {
    use super::Rules;
    use crate::message::Timestamp;
    use crate::moderation::{Act, Bar, Ruling, SANCTIONS};
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
            (
                Act::Kick,
                Some(5_000),
                0,
                4_000,
                ban(Bar::Kicked, Some(1_000)),
            ),
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

    #[test]
    fn sanctions_have_a_bound_and_those_that_are_over_make_room() {
        for act in [Act::Ban, Act::Mute] {
            let mut rules = Rules::default();
            for user in 1..SANCTIONS as u64 {
                rules.apply(ruling(act, user, None, 0).change());
            }
            assert_eq!(rules.has_room(Timestamp(0)), Ok(()));
            rules.apply(ruling(act, 0, Some(1_000), 0).change());
            assert_eq!(rules.has_room(Timestamp(999)), Err(Refusal::Full));
            assert_eq!(rules.has_room(Timestamp(1_000)), Ok(()));
        }
    }
}
