//! One room on one node, pure: events and commands in, deliveries out. No channels, no clock, no async.
//!
//! The [`Bus`](crate::bus::Bus) says what happens, in one order for all nodes; the room says what its members hear of it. The hub keeps it behind a
//! lock and carries its deliveries out.

mod news;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bus::{Event, Opened, Stay};
use crate::message::{Epoch, Person, Position, Present, Rank, Timestamp};
use crate::moderation::{Act, Order, Rules, Ruling};
use crate::name::{Cid, RoomName, UserId};
use crate::presence::People;
use crate::refusal::Refusal;
use crate::ring::Ring;

pub use news::{Audience, Delivery, Notice, Page, Reaction, Receipt, Step, Welcome};

/// How many messages a newcomer is shown.
pub const LAST_MESSAGES: usize = 50;

/// How many missed messages are sent to somebody who comes back; who missed more has not read on,
/// and is shown the last ones.
pub const MISSED_MESSAGES: usize = 300;

/// One connection, whoever holds it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// A room and who is in it.
#[derive(Debug)]
pub struct Room {
    name: RoomName,
    epoch: Epoch,
    members: HashMap<ConnectionId, Member>,
    /// The users of this node's members, also of those on their way in.
    users: HashMap<UserId, Staying>,
    stays: u64,
    people: People,
    ring: Ring,
    rules: Rules,
    late: bool,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    user: UserId,
    rank: Rank,
}

#[derive(Clone, Copy, Debug)]
struct Staying {
    stay: Stay,
    connections: usize,
}

impl Room {
    /// A room as the bus has found it, with nobody of this node in it.
    #[must_use]
    pub fn new(name: RoomName, opened: Opened) -> Self {
        let mut people = People::default();
        people.replace(&opened.here);
        Self {
            name,
            epoch: opened.epoch,
            members: HashMap::new(),
            users: HashMap::new(),
            stays: 0,
            people,
            ring: opened.ring,
            rules: opened.rules,
            late: false,
        }
    }

    /// A connection of `user` is on its way in. It has to [`join`](Self::join), or to be
    /// [called off](Self::call_off).
    ///
    /// # Errors
    ///
    /// [`Refusal::Barred`].
    pub fn expect(&mut self, user: UserId, now: Timestamp) -> Result<(), Refusal> {
        self.rules.admits(user, now)?;
        let staying = self.users.entry(user).or_insert_with(|| {
            self.stays += 1;
            Staying {
                stay: Stay(self.stays),
                connections: 0,
            }
        });
        staying.connections += 1;
        Ok(())
    }

    /// A connection that was expected does not come, or one that was here has gone.
    pub fn call_off(&mut self, user: UserId) -> Step {
        match self.users.get_mut(&user) {
            Some(staying) if staying.connections > 1 => {
                staying.connections -= 1;
                Step::Within
            }
            Some(_) => {
                self.users.remove(&user);
                Step::Over
            }
            None => Step::Within,
        }
    }

    /// Lets an expected connection in, whose user the bus has announced. `since` is what it has seen of this room before.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyHere`]; [`Refusal::Barred`], if that was decided meanwhile; [`Refusal::Store`] for a user who has lost
    /// their place meanwhile.
    pub fn join(
        &mut self,
        connection: ConnectionId,
        user: UserId,
        rank: Rank,
        since: Option<&Position>,
        now: Timestamp,
    ) -> Result<Welcome, Refusal> {
        self.rules.admits(user, now)?;
        if self.members.contains_key(&connection) {
            return Err(Refusal::AlreadyHere);
        }
        let me = self.people.find(user).ok_or(Refusal::Store)?;
        self.members.insert(connection, Member { user, rank });
        let missed = since
            .filter(|position| position.epoch == self.epoch)
            .and_then(|position| self.ring.after(position.offset, MISSED_MESSAGES));
        Ok(Welcome {
            room: self.name.clone(),
            me,
            epoch: self.epoch.clone(),
            offset: self.ring.end(),
            recovered: missed.is_some(),
            messages: missed.unwrap_or_else(|| self.ring.last(LAST_MESSAGES)),
            presence: self.people.snapshot(),
            slow_ms: u64::try_from(self.rules.pace().as_millis()).unwrap_or(u64::MAX),
            late: self.late,
        })
    }

    /// Lets a connection out; `None` if it is not in.
    pub fn leave(&mut self, connection: ConnectionId) -> Option<(UserId, Step)> {
        let Member { user, .. } = self.members.remove(&connection)?;
        Some((user, self.call_off(user)))
    }

    /// Who speaks, and how long they have to wait between two messages.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHere`], [`Refusal::Muted`]; [`Refusal::Store`] for a member whom the list of who is here has lost.
    pub fn speaker(
        &self,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Result<(Person, Duration), Refusal> {
        let member = self.member(connection)?;
        let person = self.person(member.user)?;
        match member.rank {
            Rank::Moderator => Ok((person, Duration::ZERO)),
            Rank::Guest => {
                self.rules.hears(member.user, now)?;
                Ok((person, self.rules.pace()))
            }
        }
    }

    /// Whether somebody has seen more of this room than it knows: on a node that hears better.
    #[must_use]
    pub fn is_behind(&self, seen: &Position) -> bool {
        seen.epoch == self.epoch && seen.offset > self.ring.end()
    }

    /// What a member said under this id, if it is at hand.
    #[must_use]
    pub fn said(&self, connection: ConnectionId, cid: &Cid) -> Option<Receipt> {
        let user = self.members.get(&connection)?.user;
        let mut latest = self.ring.iter().rev();
        let message = latest.find(|one| one.from.user == user && one.cid == *cid)?;
        Some(Receipt::of(message))
    }

    /// A member who may moderate here.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotHere`], [`Refusal::ModeratorsOnly`]; [`Refusal::Store`] for a member whom the list of who is here has lost.
    pub fn moderator(&self, connection: ConnectionId) -> Result<Person, Refusal> {
        let member = self.member(connection)?;
        match member.rank {
            Rank::Moderator => self.person(member.user),
            Rank::Guest => Err(Refusal::ModeratorsOnly),
        }
    }

    /// Makes a ruling of an order, by a moderator or by the host.
    ///
    /// # Errors
    ///
    /// [`Refusal::Nobody`], [`Refusal::Moderator`], [`Refusal::Full`].
    pub fn decide(
        &mut self,
        order: Order,
        by: Box<str>,
        by_user: Option<UserId>,
        now: Timestamp,
    ) -> Result<Ruling, Refusal> {
        let target = order.user.and_then(|user| self.people.find(user));
        if order.act.is_against_somebody() {
            if target
                .as_ref()
                .is_some_and(|one| one.rank == Rank::Moderator)
            {
                return Err(Refusal::Moderator);
            }
            self.rules.has_room(now)?;
        }
        if order.act == Act::Kick && target.is_none() {
            return Err(Refusal::Nobody);
        }
        // Who is pardoned is seldom here.
        let before = || self.rules.nick_of(order.user?).cloned();
        let nick = target.map(|one| one.person.nick).or_else(before);
        Ok(Ruling {
            ts: now,
            room: Some(self.name.clone()),
            act: order.act,
            user: order.user,
            nick,
            ms: order.time,
            by,
            by_user,
            reason: order.reason,
        })
    }

    /// What is in force.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes news from the bus; says what the members hear of it.
    pub fn hear(&mut self, event: Event) -> Reaction {
        match event {
            Event::Said(message) if message.offset == self.ring.end().next() => {
                self.ring.insert(Arc::clone(&message));
                Reaction::to_all(Notice::Said(message))
            }
            // It was in the past that the room was opened with.
            Event::Said(message) if message.offset <= self.ring.end() => Reaction::None,
            Event::Said(_) | Event::Lost => Reaction::Resume,
            Event::Came(present) => Reaction::presence(self.people.arrive(&present)),
            Event::Left(user) => Reaction::presence(self.people.depart(user)),
            Event::Here(present) => Reaction::presence(self.people.replace(&present)),
            Event::Typing(from) => Reaction::Tell(Delivery {
                to: Audience::Others(from.user),
                notice: Notice::Typing(from),
            }),
            Event::Ruled(ruling) => self.obey(ruling),
            Event::Rules(rules) => {
                self.rules = *rules;
                Reaction::None
            }
            Event::Late(late) if late == self.late => Reaction::None,
            Event::Late(late) => {
                self.late = late;
                Reaction::to_all(Notice::Late(late))
            }
        }
    }

    fn obey(&mut self, ruling: Arc<Ruling>) -> Reaction {
        self.rules.apply(ruling.change());
        let expelled = match ruling.act {
            Act::Kick | Act::Ban => ruling.user,
            Act::Unban | Act::Mute | Act::Unmute | Act::Slow => None,
        };
        let delivery = Delivery {
            to: Audience::Everyone,
            notice: Notice::Ruled(ruling),
        };
        let Some(user) = expelled else {
            return Reaction::Tell(delivery);
        };
        let theirs = self.members.iter().filter(|(_, one)| one.user == user);
        let theirs: Vec<_> = theirs.map(|(&connection, _)| connection).collect();
        for connection in &theirs {
            self.members.remove(connection);
            self.call_off(user);
        }
        Reaction::TellAndExpel(delivery, theirs)
    }

    /// Since when a connection of this user is in, or on its way in.
    #[must_use]
    pub fn stay(&self, user: UserId) -> Option<Stay> {
        self.users.get(&user).map(|staying| staying.stay)
    }

    /// Whether this connection is in.
    #[must_use]
    pub fn has(&self, connection: ConnectionId) -> bool {
        self.members.contains_key(&connection)
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &RoomName {
        &self.name
    }

    /// The life of its history.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How many users are here, on all nodes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.people.count()
    }

    /// Who is here, on all nodes.
    #[must_use]
    pub fn people(&self) -> Vec<Present> {
        self.people.list()
    }

    fn member(&self, connection: ConnectionId) -> Result<Member, Refusal> {
        let member = self.members.get(&connection).copied();
        member.ok_or(Refusal::NotHere)
    }

    /// What the house knows of a member. It may have lost them for a moment, as when their node's signs of life came too late: that they are
    /// not here would send them in again, where they are already.
    fn person(&self, user: UserId) -> Result<Person, Refusal> {
        let present = self.people.find(user).ok_or(Refusal::Store)?;
        Ok(present.person)
    }
}

#[cfg(test)]
mod tests;
