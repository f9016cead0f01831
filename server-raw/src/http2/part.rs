//! A part of a response on its way through `h2`, which counts what the socket has not taken of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::{Buf, Bytes};

/// Bytes of a stream that `h2` holds, as the stream looks at them. Made when they first matter: nobody asks for those of a
/// stream that ends with its first part.
#[derive(Debug, Default)]
pub(super) struct Meter(Option<Arc<Gauge>>);

#[derive(Debug, Default)]
struct Gauge {
    held: AtomicUsize,
    written: AtomicUsize,
    stream: Mutex<Option<Waker>>,
}

impl Meter {
    /// A part, whose bytes are held from now on.
    pub(super) fn part(&mut self, bytes: Bytes) -> Part {
        let gauge = self.gauge();
        gauge.held.fetch_add(bytes.len(), Ordering::Relaxed);
        let gauge = Some(Arc::clone(gauge));
        Part { bytes, gauge }
    }

    /// Bytes that were given to `h2` and are not written.
    pub(super) fn held(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |gauge| gauge.held.load(Ordering::Relaxed))
    }

    /// Bytes that were written since this was asked last.
    pub(super) fn take_written(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |gauge| gauge.written.swap(0, Ordering::Relaxed))
    }

    /// Names the task to wake when bytes are written.
    pub(super) fn register(&mut self, waker: &Waker) {
        let mut kept = self.gauge().waker();
        match &*kept {
            Some(kept) if kept.will_wake(waker) => {}
            _ => *kept = Some(waker.clone()),
        }
    }

    fn gauge(&mut self) -> &Arc<Gauge> {
        self.0.get_or_insert_default()
    }
}

impl Gauge {
    fn released(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.written.fetch_add(bytes, Ordering::Relaxed);
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a response.
#[derive(Debug)]
pub(crate) struct Part {
    bytes: Bytes,
    /// None if nobody asks.
    gauge: Option<Arc<Gauge>>,
}

impl Part {
    /// The part that a stream ends with, of which it does not wait to hear.
    pub(super) const fn last(bytes: Bytes) -> Self {
        Self { bytes, gauge: None }
    }

    fn released(&self, bytes: usize) {
        if let Some(gauge) = &self.gauge {
            gauge.released(bytes);
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
        self.released(count);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.released(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_told_once() {
        let mut meter = Meter::default();
        let mut part = meter.part(Bytes::from_static(b"abcdef"));
        assert_eq!(meter.take_written(), 0, "it was only given");
        part.advance(2);
        // More is given than was written: the peer took some all the same.
        let _other = meter.part(Bytes::from_static(b"ghi"));
        assert_eq!(meter.take_written(), 2);
        assert_eq!(meter.take_written(), 0);
    }

    #[test]
    fn what_is_written_or_dropped_is_not_held() {
        let mut meter = Meter::default();
        let mut part = meter.part(Bytes::from_static(b"abcdef"));
        let other = meter.part(Bytes::from_static(b"ghi"));
        assert_eq!(meter.held(), 9);
        part.advance(2);
        assert_eq!((part.chunk(), meter.held()), (&b"cdef"[..], 7));
        drop(part);
        assert_eq!(meter.held(), 3);
        drop(other);
        assert_eq!(meter.held(), 0);
    }
}
