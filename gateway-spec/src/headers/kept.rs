//! The fields of a head that a server keeps.

use std::fmt;
use std::sync::Arc;

use super::block::{Block, Field};

/// The fields of a head as a server keeps them that parses its own wire, to give them to each scope that has them
/// ([`Headers::set_block`](crate::Headers::set_block)) and to see whether the next head has the same: 8 bytes beside a connection, where
/// [`Headers`](crate::Headers) have room for fields of their own.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Field, FieldBlock};
///
/// let mut block = FieldBlock::new();
/// assert_eq!(block.bytes(), None);
/// let mut fields = Vec::from_iter(Field::new(0..4, 6..7));
/// block.refill_validated(b"Host: a\r\n", &mut fields);
/// assert_eq!(block.bytes(), Some(&b"Host: a\r\n"[..]));
/// ```
#[derive(Clone, Default)]
pub struct FieldBlock(Option<Arc<Block>>);

impl FieldBlock {
    /// No head's, and no allocation.
    #[inline]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Replaces all fields by those of another head, reusing the memory unless some [`Headers`](crate::Headers) have it, as
    /// [`Headers::refill_validated`](crate::Headers::refill_validated) does, whose rules these are.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Field, FieldBlock};
    ///
    /// let mut block = FieldBlock::new();
    /// let mut fields = Vec::from_iter(Field::new(0..4, 6..7));
    /// block.refill_validated(b"Host: a\r\n", &mut fields);
    /// assert!(fields.is_empty());
    /// ```
    pub fn refill_validated(&mut self, bytes: &[u8], fields: &mut Vec<Field>) {
        if let Some(block) = &mut self.0 {
            if block.is(bytes, fields) {
                return fields.clear();
            }
            if let Some(block) = Arc::get_mut(block) {
                return block.refill_validated(bytes, fields);
            }
        }
        let mut block = Block::default();
        block.refill_validated(bytes, fields);
        self.0 = Some(Arc::new(block));
    }

    /// The bytes that it was filled with, if it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::FieldBlock;
    ///
    /// let mut block = FieldBlock::new();
    /// block.refill_validated(b"\r\n", &mut Vec::new());
    /// assert_eq!(block.bytes(), Some(&b"\r\n"[..]));
    /// ```
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref().map(Block::bytes)
    }

    #[inline]
    pub(super) const fn shared(&self) -> Option<&Arc<Block>> {
        self.0.as_ref()
    }
}

impl fmt::Debug for FieldBlock {
    /// Prints no field: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.as_ref().map_or(0, |block| block.len());
        f.debug_struct("FieldBlock")
            .field("fields", &fields)
            .finish_non_exhaustive()
    }
}
