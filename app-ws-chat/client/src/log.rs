//! What a client knows of a room's history: messages by offset, and where some are missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::frame::Message;

/// The messages of one epoch, in their order; each is there once, whatever comes twice.
#[derive(Debug, Default)]
pub struct Log {
    messages: BTreeMap<u64, Arc<Message>>,
    /// From the oldest to the newest.
    holes: Vec<Hole>,
    past: Past,
}

/// Messages that are missing between two that are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hole {
    /// The offset of the last message before it.
    pub after: u64,
    /// The offset of the first message behind it.
    pub before: u64,
    /// Whether it can still be filled.
    pub state: HoleState,
}

impl Hole {
    /// How many messages are missing.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.before - self.after - 1
    }
}

/// Whether a hole can be filled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HoleState {
    /// Nobody has said that the messages are gone.
    Open,
    /// The server does not keep them any more.
    Gone,
}

/// What is before the first message of a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Past {
    /// Perhaps more: the server was not asked.
    #[default]
    Unknown,
    /// More messages.
    More,
    /// Nothing that the server keeps.
    Start,
}

/// A line of a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a> {
    /// A message.
    Message(&'a Arc<Message>),
    /// Messages that are missing here.
    Hole(&'a Hole),
}

impl Log {
    /// The lines, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        self.messages.values().flat_map(|message| {
            self.hole_before(message.offset)
                .map(Entry::Hole)
                .into_iter()
                .chain([Entry::Message(message)])
        })
    }

    /// The messages from this offset on, the oldest first.
    pub fn since(&self, offset: u64) -> impl DoubleEndedIterator<Item = &Arc<Message>> {
        self.messages.range(offset..).map(|(_, message)| message)
    }

    /// How many messages are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no message is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The oldest offset that is here.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.messages.keys().next().copied()
    }

    /// What is before the first message.
    #[must_use]
    pub fn past(&self) -> Past {
        match self.first() {
            Some(1) => Past::Start,
            _ => self.past,
        }
    }

    /// What is missing right before the message at this offset.
    #[must_use]
    pub fn hole_before(&self, offset: u64) -> Option<&Hole> {
        self.holes.iter().find(|hole| hole.before == offset)
    }

    /// The newest hole that can still be filled.
    #[must_use]
    pub fn hole(&self) -> Option<&Hole> {
        self.holes
            .iter()
            .rev()
            .find(|hole| hole.state == HoleState::Open)
    }

    /// Adds a message that is newer than all that are here. If it does not follow the last one, there is a hole.
    pub(crate) fn append(&mut self, message: Arc<Message>, keep: usize) {
        if let Some((&after, _)) = self.messages.last_key_value()
            && after + 1 < message.offset
        {
            self.holes.push(Hole {
                after,
                before: message.offset,
                state: HoleState::Open,
            });
        }
        self.messages.insert(message.offset, message);
        while self.messages.len() > keep {
            self.messages.pop_first();
            self.past = Past::More;
        }
        let first = self.first().unwrap_or_default();
        self.holes.retain(|hole| hole.after >= first);
    }

    /// Adds the history before `before`, which is the far side of a hole or the first message. `more`: there is still
    /// older history than this.
    pub(crate) fn fill(&mut self, before: u64, messages: Vec<Message>, more: bool) {
        let hole = self.holes.iter().position(|hole| hole.before == before);
        let after = hole.map_or(0, |at| self.holes[at].after);
        let fitting = |m: &Message| after < m.offset && m.offset < before;
        let first = messages.first().map_or(before, |m| m.offset);
        for message in messages.into_iter().filter(fitting) {
            self.messages.insert(message.offset, Arc::new(message));
        }
        let Some(at) = hole else {
            self.past = if more { Past::More } else { Past::Start };
            return;
        };
        if first <= after + 1 {
            self.holes.remove(at);
            return;
        }
        // Without progress the server would be asked for ever.
        let stuck = !more || first >= before;
        let hole = &mut self.holes[at];
        hole.before = first.min(before);
        if stuck {
            hole.state = HoleState::Gone;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
