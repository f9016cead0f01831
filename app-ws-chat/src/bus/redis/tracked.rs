//! One room as a node of several follows it, pure: what was read of it, what is heard since, and who of this node sits there.
//!
//! Messages have their offsets, and the changes of who is here and what is ruled have numbers of their own; what is read says
//! how far both had come. So whatever is heard is either known already, or the next, or says that something was missed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::steps::{State, Touched};
use super::wire::Heard;
use crate::bus::{Event, Listener, Stay};
use crate::message::{Epoch, Message, Offset, Present, Rank};
use crate::moderation::Rules;
use crate::name::{Nick, UserId};

/// How long the news may be away before those who are here are told that what is said comes late.
pub(super) const LATE_AFTER: Duration = Duration::from_secs(2);

/// Events that are kept while a room is read: seconds of a busy room. With more it is lost.
const MEANWHILE: usize = 4_096;

/// A room that this node listens to.
pub(super) struct Tracked {
    pub(super) listener: Arc<dyn Listener>,
    /// What was read, and heard since. `None` while the room is read for the first time.
    known: Option<Known>,
    seats: HashMap<UserId, Sitting>,
    /// Since when it cannot be followed.
    behind: Option<Instant>,
    /// Whether the listener was told that what is said comes late.
    late: bool,
    /// Counts the readings, of which the last one counts.
    reading: u64,
    /// What was heard while the room is read.
    meanwhile: Vec<Heard>,
    /// The connection for the news was another one before the room was read for the first time, or another opening has taken the
    /// place of this one.
    broken: bool,
    /// Those who are let in when the listener has heard of it, in the order of the changes.
    at_the_door: VecDeque<AtTheDoor>,
    due: Due,
}

struct Known {
    epoch: Epoch,
    end: Offset,
    changes: u64,
    rules: Rules,
}

/// A user of this node with a seat in Redis.
#[derive(Clone, Debug)]
pub(super) struct Sitting {
    pub(super) nick: Nick,
    pub(super) rank: Rank,
    /// For which stay it was taken.
    pub(super) stay: Option<Stay>,
    /// As of which change.
    pub(super) at: u64,
}

/// Somebody who has a seat as of this change.
#[derive(Debug)]
pub(super) struct AtTheDoor {
    pub(super) at: u64,
    pub(super) who: Present,
    pub(super) asked: oneshot::Sender<Present>,
}

/// What has to be done outside of the lock.
#[derive(Default)]
pub(super) struct Due {
    pub(super) let_in: Vec<AtTheDoor>,
    /// Who is here and has lost the seat.
    pub(super) unseated: Vec<UserId>,
}

/// What a room has missed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missed {
    Nothing,
    /// What can be read.
    Something,
    /// Its history is another one, or what was missed cannot be made good.
    Everything,
}

impl Tracked {
    pub(super) fn new(listener: Arc<dyn Listener>) -> Self {
        Self {
            listener,
            known: None,
            seats: HashMap::new(),
            behind: None,
            late: false,
            reading: 0,
            meanwhile: Vec::new(),
            broken: false,
            at_the_door: VecDeque::new(),
            due: Due::default(),
        }
    }

    /// Takes what has to be done outside of the lock.
    pub(super) fn due(&mut self) -> Due {
        std::mem::take(&mut self.due)
    }

    /// Takes what was read first, and what was heard meanwhile. `None`: something between may be missing.
    pub(super) fn begin(&mut self, state: &State) -> Option<Missed> {
        if self.broken {
            return None;
        }
        self.known = Some(Known {
            epoch: state.opened.epoch.clone(),
            end: state.opened.ring.end(),
            changes: state.changes,
            rules: state.opened.rules.clone(),
        });
        Some(self.hear_meanwhile())
    }

    /// The room is opened anew, for the same listener perhaps: it hears nothing of this one any more, which may know of older things
    /// than the next one has read.
    pub(super) fn give_way(&mut self) {
        self.broken = true;
        self.known = None;
    }

    /// Takes an event of the room's channel.
    pub(super) fn hear(&mut self, heard: Heard) -> Missed {
        match heard {
            Heard::Typing(who) => self.listener.hear(Event::Typing(who)),
            _ if self.known.is_some() && self.behind.is_none() => return self.take(heard),
            _ if self.meanwhile.len() >= MEANWHILE => return Missed::Everything,
            heard => self.meanwhile.push(heard),
        }
        Missed::Nothing
    }

    fn hear_meanwhile(&mut self) -> Missed {
        for heard in std::mem::take(&mut self.meanwhile) {
            match self.take(heard) {
                Missed::Nothing => {}
                missed => return missed,
            }
        }
        Missed::Nothing
    }

    fn take(&mut self, heard: Heard) -> Missed {
        match heard {
            Heard::Said(epoch, message) => self.take_message(&epoch, message),
            Heard::Changed(at, event) => self.take_change(at, event),
            Heard::Typing(_) | Heard::Ruled(_) => Missed::Nothing,
        }
    }

    fn take_message(&mut self, epoch: &Epoch, message: Arc<Message>) -> Missed {
        match &mut self.known {
            None => return Missed::Nothing,
            Some(known) if known.epoch != *epoch => return Missed::Everything,
            // It was read before it was heard.
            Some(known) if message.offset <= known.end => return Missed::Nothing,
            Some(known) if message.offset != known.end.next() => return Missed::Something,
            Some(known) => known.end = message.offset,
        }
        self.listener.hear(Event::Said(message));
        Missed::Nothing
    }

    fn take_change(&mut self, at: u64, event: Event) -> Missed {
        match &mut self.known {
            None => return Missed::Nothing,
            Some(known) if at <= known.changes => return Missed::Nothing,
            Some(known) if at != known.changes + 1 => return Missed::Something,
            Some(known) => {
                known.changes = at;
                if let Event::Ruled(ruling) = &event {
                    known.rules.apply(ruling.change());
                }
            }
        }
        let left = match event {
            Event::Left(user) => Some(user),
            _ => None,
        };
        self.listener.hear(event);
        if let Some(user) = left {
            self.has_lost_the_seat(user, at);
        }
        self.let_in();
        Missed::Nothing
    }

    /// Expelled, or taken away by mistake: who is here still has to sit down again.
    fn has_lost_the_seat(&mut self, user: UserId, at: u64) {
        // One that was taken since is another one.
        if self.seats.get(&user).is_none_or(|sitting| sitting.at > at) {
            return;
        }
        match self.listener.stay(user) {
            Some(_) => self.due.unseated.push(user),
            None => drop(self.seats.remove(&user)),
        }
    }

    fn let_in(&mut self) {
        let heard = self.known.as_ref().map_or(0, |known| known.changes);
        // Nobody waits behind somebody who has gone.
        let goes = |first: &mut AtTheDoor| first.at <= heard || first.asked.is_closed();
        while let Some(first) = self.at_the_door.pop_front_if(goes) {
            self.due.let_in.push(first);
        }
    }

    /// Somebody has a seat in Redis. Who asked for it is let in when the listener has heard of them: no sooner, since it may hear of
    /// older things first.
    pub(super) fn seat(&mut self, user: UserId, mut sitting: Sitting, door: Option<AtTheDoor>) {
        if let Some(before) = self.seats.get(&user)
            && before.stay == sitting.stay
            && before.rank == Rank::Moderator
        {
            // Another connection of theirs is a moderator's.
            sitting.rank = before.rank;
        }
        self.seats.insert(user, sitting);
        self.at_the_door.extend(door);
        self.let_in();
    }

    /// How somebody sits here, or sat.
    pub(super) fn sitting(&self, user: UserId) -> Option<&Sitting> {
        self.seats.get(&user)
    }

    /// Gives up the seat of somebody who has left. Whether there was reason: not if they are back, and have it for their present stay.
    pub(super) fn give_up_seat(&mut self, user: UserId) -> bool {
        let stay = self.listener.stay(user);
        let taken_for = self.seats.get(&user).and_then(|sitting| sitting.stay);
        if stay.is_some() && stay == taken_for {
            return false;
        }
        self.seats.remove(&user);
        true
    }

    /// Who of this node has a seat, and is here; and who has one and is not, because their going found no place.
    pub(super) fn seated(&self) -> (Vec<UserId>, Vec<UserId>) {
        let users = self.seats.keys().copied();
        users.partition(|user| self.listener.stay(*user).is_some())
    }

    /// The connection for the news is gone since `now`, or longer. Gives since when.
    pub(super) fn fall_behind(&mut self, now: Instant) -> Option<Instant> {
        // What is being opened has its own bounds.
        self.known.as_ref()?;
        let since = *self.behind.get_or_insert(now);
        self.tell_if_late(now - since >= LATE_AFTER);
        Some(since)
    }

    fn tell_if_late(&mut self, late: bool) {
        if self.late != late {
            self.late = late;
            self.listener.hear(Event::Late(late));
        }
    }

    /// Whether Redis has counted further than was heard.
    pub(super) fn is_behind(&self, touched: &Touched) -> bool {
        self.known.as_ref().is_some_and(|known| {
            known.epoch.as_str() != touched.epoch
                || known.end < touched.top
                || known.changes < touched.changes
        })
    }

    /// Begins to read what may have been missed; gives the number of the reading. `None`: the room has not been read yet.
    pub(super) fn begin_to_follow(&mut self, now: Instant) -> Option<u64> {
        if self.known.is_none() {
            self.broken = true;
            return None;
        }
        self.behind.get_or_insert(now);
        self.meanwhile.clear();
        self.reading += 1;
        Some(self.reading)
    }

    /// Whether this is the last reading that was begun.
    pub(super) const fn is_reading(&self, reading: u64) -> bool {
        self.reading == reading
    }

    /// Takes what was read after something may have been missed, and then what was heard meanwhile.
    pub(super) fn follow(&mut self, state: &State) -> Missed {
        let Some(known) = self.known.as_mut() else {
            return Missed::Nothing;
        };
        let opened = &state.opened;
        if known.epoch != opened.epoch || known.rules != opened.rules {
            // Other rules may have put somebody out.
            return Missed::Everything;
        }
        if known.end > state.top {
            // Redis has lost messages that were heard, and uses their offsets again.
            return Missed::Everything;
        }
        if known.end < state.top {
            let Some(missed) = opened.ring.after(known.end, usize::MAX) else {
                return Missed::Everything;
            };
            for message in missed {
                known.end = message.offset;
                self.listener.hear(Event::Said(message));
            }
        }
        known.changes = state.changes;
        self.behind = None;
        self.tell_if_late(false);
        self.listener.hear(Event::Here(opened.here.clone()));
        let here: HashSet<UserId> = opened.here.iter().map(|one| one.person.user).collect();
        let (seated, _) = self.seated();
        let unseated = seated.into_iter().filter(|user| !here.contains(user));
        self.due.unseated.extend(unseated);
        let missed = self.hear_meanwhile();
        self.let_in();
        missed
    }
}

#[cfg(test)]
mod tests;
