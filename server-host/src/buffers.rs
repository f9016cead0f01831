//! Read buffers of a worker: a connection takes one when bytes come and gives it back when it has used them, so that
//! idle connections hold none.
//!
//! A worker is a thread, so its buffers are the thread's: taking one is a look at a list that nobody else has.

use std::cell::RefCell;
use std::mem;

use bytes::BytesMut;

/// Bytes of a buffer: a browser's head and a small body in one read.
const CAPACITY: usize = 16 * 1024;

/// Buffers that a worker keeps: 1 MiB. More are given back to the allocator.
const KEPT: usize = 64;

/// Bytes of a read that costs less to copy than a buffer does.
const SHORT: usize = 2 * 1024;

/// Bytes of a large buffer: a message of 64 KiB and what frames it.
const LARGE_CAPACITY: usize = 66 * 1024;

/// Large buffers that a worker keeps: one is in use at a time, but where messages are not whole yet.
const LARGE_KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Pool> = const { RefCell::new(Pool::new(KEPT)) };
    static FREE_LARGE: RefCell<Pool> = const { RefCell::new(Pool::new(LARGE_KEPT)) };
}

/// Buffers that nobody uses. They change places with the empty ones of connections, which costs less than to make one and drop one each time.
struct Pool {
    /// Those without memory are behind those with it.
    places: Vec<BytesMut>,
    free: usize,
    most: usize,
}

impl Pool {
    const fn new(most: usize) -> Self {
        Self {
            places: Vec::new(),
            free: 0,
            most,
        }
    }

    /// Puts one in the place of `buffer`, which has no memory; whether there was one.
    #[inline]
    fn lend(&mut self, buffer: &mut BytesMut) -> bool {
        let last = self.free.wrapping_sub(1);
        let Some(place) = self.places.get_mut(last) else {
            return false;
        };
        mem::swap(place, buffer);
        self.free = last;
        true
    }

    /// Takes one back, if there is room for it; whether there was.
    #[inline]
    fn take_back(&mut self, buffer: &mut BytesMut) -> bool {
        if let Some(place) = self.places.get_mut(self.free) {
            mem::swap(place, buffer);
        } else if self.free < self.most {
            self.places.push(mem::take(buffer));
        } else {
            return false;
        }
        self.free += 1;
        true
    }
}

/// How large a buffer a connection needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// None, for a connection that reads to a [desk](crate::Desk) first; a small one for what it keeps.
    Short,
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
        } else if bytes > SHORT {
            Self::Small
        } else {
            Self::Short
        }
    }

    /// The same for a connection that never needs a large one.
    #[inline]
    pub(crate) const fn after_a_usual_read(bytes: usize) -> Self {
        if bytes > SHORT {
            Self::Small
        } else {
            Self::Short
        }
    }

    /// Bytes that a buffer of this size has room for, at the least.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Short | Self::Small => CAPACITY,
            Self::Large => LARGE_CAPACITY,
        }
    }
}

/// Makes `buffer` an empty one of a size. What it was before is given up.
#[inline]
pub(crate) fn lend_of(size: Size, buffer: &mut BytesMut) {
    match size {
        Size::Short | Size::Small => lend(buffer),
        Size::Large => lend_large(buffer),
    }
}

#[cold]
fn lend_large(buffer: &mut BytesMut) {
    *buffer = BytesMut::new();
    let lent = FREE_LARGE.try_with(|free| free.borrow_mut().lend(buffer));
    if lent != Ok(true) {
        *buffer = BytesMut::with_capacity(LARGE_CAPACITY);
    }
}

/// Makes `buffer`, which has no memory, an empty one.
#[inline]
pub(crate) fn lend(buffer: &mut BytesMut) {
    debug_assert_eq!(buffer.capacity(), 0, "it would be kept from others");
    // A thread that ends has none, and needs none any more.
    let lent = FREE.try_with(|free| free.borrow_mut().lend(buffer));
    if lent != Ok(true) {
        *buffer = BytesMut::with_capacity(CAPACITY);
    }
}

/// Takes a buffer back, with whatever is in it; an empty one without memory is left.
#[inline]
pub(crate) fn give(buffer: &mut BytesMut) {
    buffer.clear();
    // A slice of it may live in the application's hands: then the buffer is spent.
    let is_whole = buffer.capacity() >= CAPACITY || buffer.try_reclaim(CAPACITY);
    if !is_whole || buffer.capacity() > 2 * CAPACITY {
        return give_unusual(buffer);
    }
    let kept = FREE.try_with(|free| free.borrow_mut().take_back(buffer));
    if kept != Ok(true) {
        *buffer = BytesMut::new();
    }
}

#[cold]
fn give_unusual(buffer: &mut BytesMut) {
    let is_large = buffer.try_reclaim(LARGE_CAPACITY) && buffer.capacity() < 2 * LARGE_CAPACITY;
    let kept =
        is_large && FREE_LARGE.try_with(|free| free.borrow_mut().take_back(buffer)) == Ok(true);
    if !kept {
        // Without memory, a spent one may still share that of others.
        *buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_of(size: Size) -> BytesMut {
        let mut buffer = BytesMut::new();
        lend_of(size, &mut buffer);
        buffer
    }

    fn take() -> BytesMut {
        take_of(Size::Small)
    }

    #[test]
    fn a_buffer_is_used_again_unless_a_part_of_it_is() {
        let mut buffer = take();
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"head");
        give(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        let mut buffer = take();
        assert_eq!((buffer.as_ptr(), buffer.len()), (place, 0));
        buffer.extend_from_slice(b"body");
        let part = buffer.split_to(2);
        give(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
        assert_ne!(take().as_ptr(), place);
        assert_eq!(&part[..], b"bo");
    }

    #[test]
    fn one_whose_parts_are_dropped_comes_back_and_leaves_nothing_behind() {
        let mut buffer = take();
        let place = buffer.as_ptr();
        buffer.resize(CAPACITY, b'x');
        drop(buffer.split_to(CAPACITY));
        assert_eq!(buffer.capacity(), 0);
        give(&mut buffer);
        assert_eq!(take().as_ptr(), place);
        assert!(!buffer.try_reclaim(1), "it has no share in any memory");
    }

    #[test]
    fn a_read_that_fills_a_buffer_is_followed_by_a_larger_one_that_comes_back_too() {
        assert_eq!(Size::after_a_read(SHORT, false), Size::Short);
        assert_eq!(Size::after_a_read(CAPACITY - 1, false), Size::Small);
        assert_eq!(Size::after_a_read(CAPACITY, true), Size::Large);
        let mut large = take_of(Size::Large);
        assert!(large.capacity() > 64 * 1024);
        let place = large.as_ptr();
        large.extend_from_slice(&[b'x'; 64 * 1024]);
        drop(large.split_to(64 * 1024));
        give(&mut large);
        assert_eq!(large.capacity(), 0);
        assert_eq!(take_of(Size::Large).as_ptr(), place);
        assert!(take_of(Size::Small).capacity() < 2 * CAPACITY);
    }

    #[test]
    fn no_more_are_kept_than_a_worker_may_have() {
        let mut buffers: Vec<_> = (0..=KEPT).map(|_| take()).collect();
        buffers.iter_mut().for_each(give);
        assert_eq!(FREE.with_borrow(|free| free.free), KEPT);
        assert!(buffers.iter().all(|buffer| buffer.capacity() == 0));
        // What they left in its places is nothing.
        let lent: Vec<_> = (0..=KEPT).map(|_| take()).collect();
        assert!(FREE.with_borrow(|free| free.places.iter().all(|place| place.capacity() == 0)));
        assert!(lent.iter().all(|buffer| buffer.capacity() == CAPACITY));
    }
}
