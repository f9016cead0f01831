//! What a room's clients agree on: one message at each offset, the same for everybody.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use chat_client::Message;

/// One room's messages, by offset, as a hash of each.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Option<u64>>>);

/// Whether a message is what the others were told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Agreement {
    Same,
    Different,
}

impl Ledger {
    /// A client was told a message.
    pub(crate) fn told(&self, message: &Message) -> Agreement {
        let mut hasher = DefaultHasher::new();
        (&message.cid, &message.text, &message.from.user).hash(&mut hasher);
        let told = hasher.finish();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(&mut known, message.offset);
        match *place.get_or_insert(told) == told {
            true => Agreement::Same,
            false => Agreement::Different,
        }
    }

    /// The server keeps something at this offset.
    pub(crate) fn kept(&self, offset: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place(&mut known, offset);
    }

    /// The newest offset that anybody was told of.
    pub(crate) fn newest(&self) -> u64 {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() as u64
    }
}

/// A run's rooms are new, so offsets are no more than what it said.
fn place(known: &mut Vec<Option<u64>>, offset: u64) -> &mut Option<u64> {
    let place = usize::try_from(offset.saturating_sub(1)).unwrap_or(usize::MAX);
    if known.len() <= place {
        known.resize(place + 1, None);
    }
    &mut known[place]
}
