//! Values as JSON, written into memory that one answer of a thread has after the other.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use serde::Serialize;

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

/// Where a thread writes.
#[derive(Default)]
struct Room {
    /// The next text, which grows while it is written; as much as the longest of the last ones took.
    text: Vec<u8>,
    /// What was written lies in here until it was sent, one text behind the other: memory of its own for each would cost more than
    /// all that is done with it.
    block: BytesMut,
}

/// Longer texts are handed over as they are: to copy them would cost more than memory of their own, and no thread should keep so
/// much room for what may come once.
const COPIED: usize = 16 * 1024;

/// Bytes of a block: what one answer to a slow client holds, however short it is.
const BLOCK: usize = 4 * 1024;

/// Longer texts have memory of their own, as few of them fit into a block.
const SHARING: usize = BLOCK / 8;

/// The text of a value.
pub(super) fn written(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    // Taken, not borrowed: a value may write another one while it is written.
    let room = ROOM.try_with(Cell::take).unwrap_or_default();
    let mut room = room.unwrap_or_default();
    room.text.clear();
    let result = serde_json::to_writer(&mut room.text, value);
    let text = room.take();
    // A thread that ends keeps none.
    let _ = ROOM.try_with(|place| place.set(Some(room)));
    result.map(|()| text)
}

impl Room {
    /// What was written.
    #[inline]
    fn take(&mut self) -> Bytes {
        let length = self.text.len();
        if length > COPIED {
            return std::mem::take(&mut self.text).into();
        }
        if length > SHARING {
            return Bytes::copy_from_slice(&self.text);
        }
        // Its memory comes back once all that was written into it is sent.
        if self.block.capacity() < length && !self.block.try_reclaim(length) {
            self.block = BytesMut::with_capacity(BLOCK);
        }
        self.block.extend_from_slice(&self.text);
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_not_mix_and_room_is_bounded() {
        struct Nested;

        impl Serialize for Nested {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let inner = written(&[1, 2]).unwrap();
                serializer.collect_str(&format_args!("{inner:?}"))
            }
        }

        assert_eq!(written(&("a", Nested)).unwrap(), r#"["a","b\"[1,2]\""]"#);
        assert_eq!(written(&7).unwrap(), "7");
        let long = "x".repeat(COPIED);
        assert_eq!(written(&long).unwrap().len(), COPIED + 2);
        assert_eq!(ROOM.take().map(|room| room.text.capacity()), Some(0));
        // What failed in its middle leaves nothing behind.
        let map = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(written(&map).is_err());
        assert_eq!(written(&7).unwrap(), "7");
    }

    #[test]
    fn short_texts_share_memory_that_is_used_again() {
        let texts = || {
            let texts: Vec<Bytes> = (0..100).map(|n| written(&n).unwrap()).collect();
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(*text, n.to_string());
            }
            texts
        };
        let first = texts();
        let (begin, last) = (first[0].as_ptr(), first[99].as_ptr());
        assert_eq!(last as usize - begin as usize, 188, "one behind the other");
        drop(first);
        // As often as a block is used up, it is begun anew.
        let mut begun = 0;
        for _ in 0..BLOCK {
            let text = written(&7).unwrap();
            begun += usize::from(text.as_ptr() == begin);
        }
        assert_eq!(begun, 1);
        // One that is still held is not written over, and its block not waited for.
        let held = written(&"held").unwrap();
        for _ in 0..BLOCK {
            assert_eq!(written(&7).unwrap(), "7");
        }
        assert_eq!(held, "\"held\"");
        let long = "x".repeat(SHARING);
        assert_eq!(written(&long).unwrap().len(), SHARING + 2);
    }
}
