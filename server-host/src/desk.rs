//! Memory to read into where all that comes is taken out of it at once.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::BytesMut;

/// Bytes of it: as a read buffer's.
const BYTES: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Option<Desk>> = const { Cell::new(None) };
}

/// Memory that all of a thread's connections read into, one after the other: what came is looked at here, and what is to stay is copied.
///
/// For a short request, or message, that costs less than a buffer of its own, which is lent, shared and given back. And since it is initialised,
/// one system call reads into it without what a C library does around it.
///
/// # Examples
///
/// ```
/// use server_host::Desk;
///
/// let mut desk = Desk::take();
/// desk[..5].copy_from_slice(b"bytes");
/// assert_eq!(&desk[..5], b"bytes");
/// desk.give_back();
/// ```
pub struct Desk(Box<Parts>);

struct Parts {
    bytes: [u8; BYTES],
    /// What copies of parts are shares of.
    copies: BytesMut,
}

impl Desk {
    /// Takes the thread's, or a new one where somebody has it. What is in it is what others have read.
    #[must_use = "give it back"]
    #[inline]
    pub fn take() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        spare.unwrap_or_else(Self::new)
    }

    #[cold]
    fn new() -> Self {
        Self(Box::new(Parts {
            bytes: [0; BYTES],
            copies: BytesMut::new(),
        }))
    }

    /// So many of its bytes, and memory for copies of them.
    #[inline]
    pub(crate) fn front(&mut self, length: usize) -> (&[u8], &mut BytesMut) {
        let Parts { bytes, copies } = &mut *self.0;
        (&bytes[..length], copies)
    }

    /// Gives it to whoever reads next on this thread. One that is dropped instead is made anew then.
    #[inline]
    pub fn give_back(self) {
        // A thread that ends needs none any more.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }
}

impl Deref for Desk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl DerefMut for Desk {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl fmt::Debug for Desk {
    // Not what others have read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_goes_round_and_nobody_has_anothers() {
        let desk = Desk::take();
        let place = desk.as_ptr();
        let other = Desk::take();
        assert_ne!(other.as_ptr(), place);
        desk.give_back();
        let again = Desk::take();
        assert_eq!(again.as_ptr(), place);
        assert_eq!(format!("{again:?}"), "Desk { .. }");
    }
}
