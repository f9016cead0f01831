//! Values as JSON, written into memory that one answer of a thread has after the other.

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;

thread_local! {
    /// Room for the next text: as much as the longest of the last ones took.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Longer texts are handed over as they are: to copy them would cost more than memory of their own, and no thread should keep so
/// much room for what may come once.
const COPIED: usize = 16 * 1024;

/// The text of a value.
pub(super) fn written(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    // Taken, not borrowed: a value may write another one while it is written.
    let mut text = ROOM.try_with(Cell::take).unwrap_or_default();
    text.clear();
    let result = serde_json::to_writer(&mut text, value);
    if text.len() > COPIED {
        return result.map(|()| text.into());
    }
    let copy = Bytes::copy_from_slice(&text);
    // A thread that ends keeps none.
    let _ = ROOM.try_with(|room| room.set(text));
    result.map(|()| copy)
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
        assert_eq!(ROOM.take().capacity(), 0);
        // What failed in its middle leaves nothing behind.
        let map = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(written(&map).is_err());
        assert_eq!(written(&7).unwrap(), "7");
    }
}
