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

#[cfg(test)]
mod tests {
    use super::{RECEIPTS, Recent, WINDOW};
    use crate::message::{Offset, Timestamp};
    use crate::name::{Cid, UserId};
    use crate::room::Receipt;

    const ADA: UserId = UserId::passing(1);

    fn cid(number: usize) -> Cid {
        Cid::parse(&number.to_string()).unwrap()
    }

    fn note(recent: &mut Recent, number: usize, at: u64) {
        let receipt = Receipt {
            offset: Offset(number as u64),
            at: Timestamp(at),
        };
        recent.note(ADA, cid(number), receipt, Timestamp(at));
    }

    #[test]
    fn a_receipt_is_kept_for_its_time() {
        let window = WINDOW.as_millis() as u64;
        let mut recent = Recent::default();
        note(&mut recent, 1, 0);
        note(&mut recent, 2, window);
        assert_eq!(recent.find(ADA, &cid(1)).unwrap().offset, Offset(1));
        assert_eq!(recent.find(UserId::passing(2), &cid(1)), None);
        note(&mut recent, 3, window + 1);
        assert_eq!(recent.find(ADA, &cid(1)), None);
        assert!(recent.find(ADA, &cid(2)).is_some());
    }

    #[test]
    fn the_oldest_receipts_give_way_when_there_are_too_many() {
        let mut recent = Recent::default();
        for number in 0..=RECEIPTS {
            note(&mut recent, number, 0);
        }
        assert_eq!(recent.receipts.len(), RECEIPTS);
        assert_eq!(recent.find(ADA, &cid(0)), None);
        assert!(recent.find(ADA, &cid(1)).is_some());
    }
}
