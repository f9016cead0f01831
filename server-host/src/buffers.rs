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

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
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
    fn no_more_are_kept_than_a_worker_may_have() {
        let buffers: Vec<_> = (0..=KEPT).map(|_| take()).collect();
        buffers.into_iter().for_each(give);
        assert_eq!(FREE.with_borrow(Vec::len), KEPT);
    }
}
