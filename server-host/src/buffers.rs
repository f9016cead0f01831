//! Read buffers of a worker: a connection takes one when bytes come and gives it back when it has used them, so that
//! idle connections hold none.
//!
//! A worker is a thread, so its buffers are the thread's: taking one is a look at a list that nobody else has.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes of a buffer: a browser's head and a small body in one read.
const CAPACITY: usize = 16 * 1024;

/// Buffers that a worker keeps: 1 MiB. More are given back to the allocator.
const KEPT: usize = 64;

/// Bytes of a large buffer: a message of 64 KiB and what frames it.
const LARGE_CAPACITY: usize = 66 * 1024;

/// Large buffers that a worker keeps: one is in use at a time, but where messages are not whole yet.
const LARGE_KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static FREE_LARGE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// How large a buffer a connection needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    /// The last read filled a small one.
    Large,
}

impl Size {
    /// What the next read needs after one that brought so many bytes, and may have filled its room with them.
    #[inline]
    pub(crate) const fn after_a_read(bytes: usize, filled: bool) -> Self {
        if filled || bytes > CAPACITY {
            Self::Large
        } else {
            Self::Small
        }
    }

    /// Bytes that a buffer of this size has room for, at the least.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Small => CAPACITY,
            Self::Large => LARGE_CAPACITY,
        }
    }
}

/// An empty buffer of a size.
#[inline]
pub(crate) fn take_of(size: Size) -> BytesMut {
    match size {
        Size::Small => take(),
        Size::Large => take_large(),
    }
}

#[cold]
fn take_large() -> BytesMut {
    let free = FREE_LARGE.try_with(|free| free.borrow_mut().pop());
    free.ok()
        .flatten()
        .unwrap_or_else(|| BytesMut::with_capacity(LARGE_CAPACITY))
}

/// An empty buffer.
#[inline]
pub(crate) fn take() -> BytesMut {
    // A thread that ends has none, and needs none any more.
    let free = FREE.try_with(|free| free.borrow_mut().pop());
    match free {
        Ok(Some(buffer)) => buffer,
        Ok(None) | Err(_) => BytesMut::with_capacity(CAPACITY),
    }
}

/// Takes a buffer back, with whatever is in it.
#[inline]
pub(crate) fn give(mut buffer: BytesMut) {
    buffer.clear();
    // A slice of it may live in the application's hands: then the buffer is spent.
    if buffer.capacity() < CAPACITY && !buffer.try_reclaim(CAPACITY) {
        return;
    }
    if buffer.capacity() > 2 * CAPACITY {
        return give_large(buffer);
    }
    // One that is not kept is dropped when nothing is borrowed any more.
    let _spare = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < KEPT {
            free.push(buffer);
            return None;
        }
        Some(buffer)
    });
}

#[cold]
fn give_large(mut buffer: BytesMut) {
    let is_usual = buffer.try_reclaim(LARGE_CAPACITY) && buffer.capacity() < 2 * LARGE_CAPACITY;
    let _spare = FREE_LARGE.try_with(|free| {
        let mut free = free.borrow_mut();
        if is_usual && free.len() < LARGE_KEPT {
            free.push(buffer);
            return None;
        }
        Some(buffer)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_unless_a_part_of_it_is() {
        let mut buffer = take();
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"head");
        give(buffer);
        let mut buffer = take();
        assert_eq!((buffer.as_ptr(), buffer.len()), (place, 0));
        buffer.extend_from_slice(b"body");
        let part = buffer.split_to(2);
        give(buffer);
        assert_ne!(take().as_ptr(), place);
        assert_eq!(&part[..], b"bo");
    }

    #[test]
    fn a_read_that_fills_a_buffer_is_followed_by_a_larger_one_that_comes_back_too() {
        assert_eq!(Size::after_a_read(CAPACITY - 1, false), Size::Small);
        assert_eq!(Size::after_a_read(CAPACITY, true), Size::Large);
        let mut large = take_of(Size::Large);
        assert!(large.capacity() > 64 * 1024);
        let place = large.as_ptr();
        large.extend_from_slice(&[b'x'; 64 * 1024]);
        drop(large.split_to(64 * 1024));
        give(large);
        assert_eq!(take_of(Size::Large).as_ptr(), place);
        assert!(take_of(Size::Small).capacity() < 2 * CAPACITY);
    }

    #[test]
    fn no_more_are_kept_than_a_worker_may_have() {
        let buffers: Vec<_> = (0..=KEPT).map(|_| take()).collect();
        buffers.into_iter().for_each(give);
        assert_eq!(FREE.with_borrow(Vec::len), KEPT);
    }
}
