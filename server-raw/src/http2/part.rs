//! A part of a response on its way through `h2`, which counts what the socket has not taken of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use bytes::{Buf, Bytes};

/// Bytes of a stream that `h2` holds.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    held: AtomicUsize,
    written: AtomicUsize,
    stream: Mutex<Option<Waker>>,
}

impl Gauge {
    /// Bytes that were given to `h2` and are not written.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Bytes that were written since this was asked last.
    pub(super) fn take_written(&self) -> usize {
        self.written.swap(0, Ordering::Relaxed)
    }

    /// Names the task to wake when bytes are written.
    pub(super) fn register(&self, waker: &Waker) {
        let mut kept = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(kept) if kept.will_wake(waker) => {}
            _ => *kept = Some(waker.clone()),
        }
    }

    fn released(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.written.fetch_add(bytes, Ordering::Relaxed);
        let waker = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A part of a response.
#[derive(Debug)]
pub(crate) struct Part {
    bytes: Bytes,
    gauge: Arc<Gauge>,
}

impl Part {
    pub(super) fn new(bytes: Bytes, gauge: &Arc<Gauge>) -> Self {
        gauge.held.fetch_add(bytes.len(), Ordering::Relaxed);
        Self {
            bytes,
            gauge: Arc::clone(gauge),
        }
    }
}

impl Buf for Part {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.gauge.released(count);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.gauge.released(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_told_once() {
        let gauge = Arc::new(Gauge::default());
        let mut part = Part::new(Bytes::from_static(b"abcdef"), &gauge);
        assert_eq!(gauge.take_written(), 0, "it was only given");
        part.advance(2);
        // More is given than was written: the peer took some all the same.
        let _other = Part::new(Bytes::from_static(b"ghi"), &gauge);
        assert_eq!(gauge.take_written(), 2);
        assert_eq!(gauge.take_written(), 0);
    }

    #[test]
    fn what_is_written_or_dropped_is_not_held() {
        let gauge = Arc::new(Gauge::default());
        let mut part = Part::new(Bytes::from_static(b"abcdef"), &gauge);
        let other = Part::new(Bytes::from_static(b"ghi"), &gauge);
        assert_eq!(gauge.held(), 9);
        part.advance(2);
        assert_eq!((part.chunk(), gauge.held()), (&b"cdef"[..], 7));
        drop(part);
        assert_eq!(gauge.held(), 3);
        drop(other);
        assert_eq!(gauge.held(), 0);
    }
}
