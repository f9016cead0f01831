//! Which messages were accepted lately, so that one sent again is not said twice.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::message::Timestamp;
use crate::name::{Cid, UserId};
use crate::room::Receipt;

/// How long a message may be sent again: longer than any reconnect that a person waits for.
pub(crate) const WINDOW: Duration = Duration::from_secs(5 * 60);

/// How many receipts a room keeps at most: about 2 MB, and five minutes of 33 messages a second.
pub(crate) const RECEIPTS: usize = 10_000;

/// The receipts of the last five minutes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    receipts: HashMap<(UserId, Cid), Receipt>,
    order: VecDeque<(UserId, Cid)>,
}

impl Recent {
    /// The receipt of this user's message with this id, if it was accepted lately.
    pub(crate) fn find(&self, user: UserId, cid: &Cid) -> Option<Receipt> {
        // Cloning a `Cid` counts a reference, no more.
        self.receipts.get(&(user, cid.clone())).copied()
    }

    /// Remembers an accepted message, and forgets those that are too old or too many.
    pub(crate) fn note(&mut self, user: UserId, cid: Cid, receipt: Receipt, now: Timestamp) {
        let key = (user, cid);
        if self.receipts.insert(key.clone(), receipt).is_none() {
            self.order.push_back(key);
        }
        while let Some(oldest) = self.order.front() {
            let age = self
                .receipts
                .get(oldest)
                .map(|receipt| now.since(receipt.at));
            if self.order.len() <= RECEIPTS && age.is_some_and(|age| age <= WINDOW) {
                break;
            }
            self.receipts.remove(oldest);
            self.order.pop_front();
        }
    }
}
