//! One room as a client knows it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::frame::{Message, Person, Position, Presence, Refusal};
use crate::log::Log;

/// How long somebody counts as writing after they said so.
const TYPING: Duration = Duration::from_secs(4);

/// Where a client stands with a room that it wants to be in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Not asked yet on this connection.
    Away,
    /// Asked to enter.
    Entering,
    /// In.
    Here,
    /// Refused for now; asks again by itself at this time.
    Later(Instant),
    /// Kept out; who wants to try again says so.
    Out(Refusal),
}

/// Something that is to be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// Its id, the same however often it is sent.
    pub cid: Box<str>,
    /// The text.
    pub text: Box<str>,
    /// How far it has got.
    pub progress: Progress,
}

/// How far something that is to be said has got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Not sent.
    Waiting,
    /// Sent on this connection, and not answered.
    Sent {
        /// Whether it was in doubt before.
        again: bool,
    },
    /// Sent on a connection that broke before the answer: whether it is kept is unknown.
    InDoubt,
}

/// A room that a client wants to be in.
#[derive(Debug)]
pub struct Room {
    pub(crate) name: Arc<str>,
    pub(crate) standing: Standing,
    pub(crate) token: Option<Box<str>>,
    pub(crate) me: Option<Person>,
    pub(crate) epoch: Option<Arc<str>>,
    pub(crate) last: u64,
    pub(crate) mark: Option<Position>,
    pub(crate) log: Log,
    pub(crate) slow: Duration,
    pub(crate) late: bool,
    pub(crate) drafts: VecDeque<Draft>,
    /// Nothing is said before.
    pub(crate) hold: Option<Instant>,
    /// Where the history is being asked for.
    pub(crate) asking: Option<u64>,
    /// No history is asked for before.
    pub(crate) history_hold: Option<Instant>,
    pub(crate) typed: Option<Instant>,
    people: BTreeMap<Arc<str>, Person>,
    count: u64,
    named: bool,
    typing: BTreeMap<Arc<str>, (Arc<str>, Instant)>,
}

impl Room {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            standing: Standing::Away,
            token: None,
            me: None,
            epoch: None,
            last: 0,
            mark: None,
            log: Log::default(),
            slow: Duration::ZERO,
            late: false,
            drafts: VecDeque::new(),
            hold: None,
            asking: None,
            history_hold: None,
            typed: None,
            people: BTreeMap::new(),
            count: 0,
            named: false,
            typing: BTreeMap::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where we stand with it.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Who we are in it, once we were in.
    #[must_use]
    pub const fn me(&self) -> Option<&Person> {
        self.me.as_ref()
    }

    /// What was said.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// What is still to be said, or not known to be kept: the next first.
    pub fn drafts(&self) -> impl ExactSizeIterator<Item = &Draft> {
        self.drafts.iter()
    }

    /// The newest place that is known; nothing before the first time in.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let epoch = self.epoch.clone()?;
        let offset = self.last;
        Some(Position { epoch, offset })
    }

    /// The last place that was read; nothing before the first time in.
    #[must_use]
    pub const fn mark(&self) -> Option<&Position> {
        self.mark.as_ref()
    }

    /// How many messages of others came after it.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let Some(mark) = &self.mark else { return 0 };
        let unknown = match self.log.first() {
            Some(first) => first.saturating_sub(mark.offset + 1),
            None => self.last.saturating_sub(mark.offset),
        };
        let known = self.log.since(mark.offset + 1);
        unknown + known.filter(|m| !self.is_mine(m)).count() as u64
    }

    /// Whether we said it.
    #[must_use]
    pub fn is_mine(&self, message: &Message) -> bool {
        self.me
            .as_ref()
            .is_some_and(|me| me.user == message.from.user)
    }

    /// How many users are here.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Who is here, if the room is not too crowded for names.
    #[must_use]
    pub fn people(&self) -> Option<impl ExactSizeIterator<Item = &Person>> {
        self.named.then(|| self.people.values())
    }

    /// The nicknames of those who are writing.
    pub fn writers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.typing.values().map(|(nick, _)| nick)
    }

    /// How long each user has to wait between two messages; zero: not at all.
    #[must_use]
    pub const fn slow(&self) -> Duration {
        self.slow
    }

    /// Whether the server is cut off from the room, so that what is said there comes late.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.late
    }

    /// The connection is gone, and with it all that was only true on it.
    pub(crate) fn disconnect(&mut self) {
        if matches!(self.standing, Standing::Entering | Standing::Here) {
            self.standing = Standing::Away;
        }
        for draft in &mut self.drafts {
            if matches!(draft.progress, Progress::Sent { .. }) {
                draft.progress = Progress::InDoubt;
            }
        }
        self.hold = None;
        self.asking = None;
        self.history_hold = None;
        self.typed = None;
        self.late = false;
        self.typing.clear();
    }

    /// The message is there, so it need not be said again.
    pub(crate) fn settle(&mut self, cid: &str) -> Option<Draft> {
        let at = self.drafts.iter().position(|draft| &*draft.cid == cid)?;
        self.drafts.remove(at)
    }

    /// The draft that may be sent now.
    pub(crate) fn sendable(&mut self, now: Instant) -> Option<&mut Draft> {
        let held = self.hold.is_some_and(|until| now < until);
        if self.standing != Standing::Here || held {
            return None;
        }
        // It may be in the hole: then it is there already, and the server may have forgotten its id.
        let hole = self.log.hole().is_some();
        // One at a time, so that a refusal in between cannot change their order.
        self.drafts
            .front_mut()
            .filter(|draft| match draft.progress {
                Progress::Waiting => true,
                Progress::Sent { .. } => false,
                Progress::InDoubt => !hole,
            })
    }

    /// Before which offset history is missing.
    pub(crate) fn hole_to_ask_for(&self, now: Instant) -> Option<u64> {
        let held = self.history_hold.is_some_and(|until| now < until);
        if self.standing != Standing::Here || self.asking.is_some() || held {
            return None;
        }
        self.log.hole().map(|hole| hole.before)
    }

    /// Takes news of who is here. Gives how many there are by our own account, if that is another number.
    pub(crate) fn presence(&mut self, presence: &Presence) -> Option<u64> {
        self.count = presence.count;
        let told = |person: &Person| (person.user.clone(), person.clone());
        self.named = match presence {
            Presence {
                full: Some(full), ..
            } => {
                self.people = full.iter().map(told).collect();
                true
            }
            Presence {
                join: None,
                leave: None,
                ..
            } => {
                self.people.clear();
                false
            }
            Presence { join, leave, .. } => {
                self.people.extend(join.iter().map(told));
                if let Some(person) = leave {
                    self.people.remove(&person.user);
                    self.typing.remove(&person.user);
                }
                true
            }
        };
        let known = self.people.len() as u64;
        (self.named && known != self.count).then_some(known)
    }

    pub(crate) fn writes(&mut self, person: Person, now: Instant) {
        if self.me.as_ref().is_none_or(|me| me.user != person.user) {
            let until = now + TYPING;
            self.typing.insert(person.user, (person.nick, until));
        }
    }

    pub(crate) fn wrote(&mut self, user: &str) {
        self.typing.remove(user);
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        self.typing.retain(|_, (_, until)| now < *until);
        for hold in [&mut self.hold, &mut self.history_hold] {
            *hold = hold.filter(|until| now < *until);
        }
        if matches!(self.standing, Standing::Later(until) if until <= now) {
            self.standing = Standing::Away;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let later = match self.standing {
            Standing::Later(until) => Some(until),
            Standing::Away | Standing::Entering | Standing::Here | Standing::Out(_) => None,
        };
        let typing = self.typing.values().map(|(_, until)| *until);
        let holds = [later, self.hold, self.history_hold];
        typing.chain(holds.into_iter().flatten()).min()
    }
}
