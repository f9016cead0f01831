//! The last messages of a room, in order and within bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::{Message, Offset};

/// How many messages a room keeps at hand.
pub const RING_MESSAGES: usize = 1_000;

/// How many bytes of messages a room keeps at hand; of the longest ones that is 60. With the bounds
/// on rooms this bounds all history in memory, to a gigabyte for 4,096 rooms.
pub const RING_BYTES: usize = 256 * 1024;

/// The last messages of a room, and how far it has counted.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
}

impl Ring {
    /// Puts a message in its place, and drops the oldest ones that no longer fit.
    pub fn insert(&mut self, message: Arc<Message>) {
        let later = self.messages.iter().rev();
        let later = later
            .take_while(|other| other.offset > message.offset)
            .count();
        self.bytes += message.weight();
        self.messages.insert(self.messages.len() - later, message);
        while self.messages.len() > RING_MESSAGES || self.bytes > RING_BYTES {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= oldest.weight();
        }
    }

    /// The last offset; 0 if there was never a message.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.messages
            .back()
            .map(|last| last.offset)
            .unwrap_or_default()
    }

    /// The last messages, at most `count`, the oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<Arc<Message>> {
        let skipped = self.messages.len().saturating_sub(count);
        self.messages.iter().skip(skipped).cloned().collect()
    }

    /// Every message after `seen`, if all of them are at hand and they are at most `count`.
    #[must_use]
    pub fn after(&self, seen: Offset, count: usize) -> Option<Vec<Arc<Message>>> {
        let missing = self.end().0.checked_sub(seen.0)?;
        let missing = usize::try_from(missing)
            .ok()
            .filter(|&missing| missing <= count)?;
        let messages = self.last(missing);
        // A store may have lost messages and left a gap: then the last ones reach further back.
        let complete = messages.len() == missing
            && messages
                .first()
                .is_none_or(|first| first.offset == seen.next());
        complete.then_some(messages)
    }

    /// The messages, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Message>> {
        self.messages.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{RING_BYTES, RING_MESSAGES, Ring};
    use crate::message::{Message, Offset, Person, TEXT_BYTES, Text, Timestamp};
    use crate::name::{Cid, Nick, UserId};

    fn message(offset: u64, text: &str) -> Arc<Message> {
        let from = Person {
            user: UserId::passing(1),
            nick: Nick::parse("Ada").unwrap(),
        };
        let text = Text::parse(text).unwrap();
        let cid = Cid::parse(&format!("c{offset}")).unwrap();
        Arc::new(Message {
            offset: Offset(offset),
            from,
            at: Timestamp(offset),
            text,
            cid,
        })
    }

    fn ring(offsets: impl IntoIterator<Item = u64>) -> Ring {
        offsets
            .into_iter()
            .fold(Ring::default(), |mut ring, offset| {
                ring.insert(message(offset, "x"));
                ring
            })
    }

    fn offsets(ring: &Ring) -> Vec<u64> {
        ring.iter().map(|message| message.offset.0).collect()
    }

    #[test]
    fn messages_stand_in_the_order_of_their_offsets() {
        assert_eq!(offsets(&ring([2, 1, 4, 3])), [1, 2, 3, 4]);
    }

    #[test]
    fn the_oldest_give_way_when_there_are_too_many_or_too_long_ones() {
        let many = ring(1..=RING_MESSAGES as u64 + 5);
        assert_eq!(
            (offsets(&many).len(), offsets(&many)[0]),
            (RING_MESSAGES, 6)
        );

        let mut long = Ring::default();
        for offset in 1..=100 {
            long.insert(message(offset, &"x".repeat(TEXT_BYTES)));
        }
        let held: usize = long.iter().map(|message| message.weight()).sum();
        let next = message(101, &"x".repeat(TEXT_BYTES)).weight();
        assert!(
            held <= RING_BYTES && held + next > RING_BYTES,
            "{held} bytes held"
        );
        assert_eq!(long.end(), Offset(100));
    }

    #[test]
    fn what_was_missed_is_whole_or_nothing() {
        let check = |ring: &Ring, seen, count, expected: Option<&[u64]>| {
            let missed = ring.after(Offset(seen), count);
            let missed = missed.map(|m| m.iter().map(|m| m.offset.0).collect::<Vec<_>>());
            assert_eq!(missed.as_deref(), expected, "seen {seen}, at most {count}");
        };
        let whole = ring(1..=9);
        check(&whole, 9, 3, Some(&[]));
        check(&whole, 6, 3, Some(&[7, 8, 9]));
        check(&whole, 5, 3, None);
        check(&whole, 10, 3, None);
        check(&whole, 0, 9, Some(&[1, 2, 3, 4, 5, 6, 7, 8, 9]));
        let late = ring(5..=9);
        check(&late, 4, 9, Some(&[5, 6, 7, 8, 9]));
        check(&late, 3, 9, None);
        let gap = ring([5, 6, 8, 9]);
        check(&gap, 7, 9, Some(&[8, 9]));
        check(&gap, 6, 9, None);
        check(&gap, 5, 9, None);
        check(&Ring::default(), 0, 9, Some(&[]));
        check(&Ring::default(), 1, 9, None);
    }
}
