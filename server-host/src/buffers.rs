//! Read buffers of a worker: a connection takes one when bytes come and gives it back when it has used them, so that
//! idle connections hold none.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;

/// Bytes of a buffer: a browser's head and a small body in one read.
const CAPACITY: usize = 16 * 1024;

/// Buffers that a worker keeps: 1 MiB. More are given back to the allocator.
const KEPT: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    pub(crate) fn take(&self) -> BytesMut {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        free.unwrap_or_else(|| BytesMut::with_capacity(CAPACITY))
    }

    pub(crate) fn give(&self, mut buffer: BytesMut) {
        buffer.clear();
        // A slice of it may live in the application's hands: then the buffer is spent.
        if !buffer.try_reclaim(CAPACITY) {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(buffer);
        }
    }
}
