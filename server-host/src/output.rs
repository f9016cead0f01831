//! What a connection has to write: one write for all that one turn has brought.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use websocket::Outbox;

/// A part of a body from this size on is written from where it lies; below it, copying it behind the head is cheaper.
pub const BY_REFERENCE: usize = 4 * 1024;

/// Slices of one vectored write: as many as the parts of one full exchange.
const SLICES: usize = 16;

/// Bytes of memory for what is to be written that is kept when all is written.
const KEPT: usize = 16 * 1024;

thread_local! {
    /// What WebSockets write with: one after another, so they share it, and idle ones hold none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Bytes to be written: small ones gathered, large ones by reference.
#[derive(Debug, Default)]
pub struct Output {
    small: Vec<u8>,
    /// Bytes of `small` that are written already.
    taken: usize,
    large: VecDeque<Large>,
    bytes: usize,
}

/// Bytes that are written from where they lie.
#[derive(Debug)]
struct Large {
    /// How many of the small bytes come before.
    at: usize,
    bytes: Bytes,
}

impl Output {
    /// Bytes that are still to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Exchanges the memory for small things, if nothing is to be written: for the worker's, which an idle connection does not need.
    #[inline]
    pub fn exchange_memory(&mut self, memory: &mut Vec<u8>) {
        if self.is_empty() {
            std::mem::swap(&mut self.small, memory);
        }
    }

    /// Appends by writing into memory.
    pub fn with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.small.len();
        let result = write(&mut self.small);
        self.bytes += self.small.len() - before;
        result
    }

    /// Appends bytes, by reference where they are many.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            return self.with(|small| small.extend_from_slice(&bytes));
        }
        self.bytes += bytes.len();
        let at = self.small.len();
        self.large.push_back(Large { at, bytes });
    }

    /// Writes once, as much as the socket takes; there must be something to write.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn poll_write_to(
        &mut self,
        stream: Pin<&mut impl AsyncWrite>,
        task: &mut Context<'_>,
    ) -> io::Result<Poll<()>> {
        let written = if self.large.is_empty() {
            stream.poll_write(task, &self.small[self.taken..])?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(self.parts()) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            stream.poll_write_vectored(task, &slices[..count])?
        };
        match written {
            Poll::Ready(0) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(n) => {
                self.consume(n);
                Ok(Poll::Ready(()))
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// All that is to be written, in order.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.taken;
        let before = self.large.iter().flat_map(move |large| {
            let small = &self.small[from..large.at];
            from = large.at;
            [small, &large.bytes]
        });
        let last = self.large.back().map_or(self.taken, |large| large.at);
        let behind = std::iter::once(&self.small[last..]);
        before.chain(behind).filter(|part| !part.is_empty())
    }

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while let Some(large) = self.large.front_mut() {
            let small = large.at - self.taken;
            if n < small {
                break;
            }
            n -= small;
            self.taken = large.at;
            if n < large.bytes.len() {
                large.bytes.advance(n);
                return;
            }
            n -= large.bytes.len();
            self.large.pop_front();
        }
        self.taken += n;
        if self.bytes == 0 {
            self.taken = 0;
            self.small.clear();
            self.small.shrink_to(KEPT);
        }
    }

    /// Takes the worker's spare memory, if it has none of its own.
    #[inline]
    fn make_room(&mut self) {
        if self.small.capacity() == 0 {
            // A thread that ends has none.
            self.small = SPARE.try_with(Cell::take).unwrap_or_default();
        }
    }

    /// Nothing is to be written: gives the memory to whoever writes next on this thread.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        // One that is replaced is given back to the allocator.
        let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.small)));
        if self.large.capacity() > 0 {
            self.large = VecDeque::new();
        }
    }
}

impl Outbox for Output {
    #[inline]
    fn len(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn frame(&mut self, header: &[u8], payload: Bytes) {
        self.make_room();
        if payload.len() >= BY_REFERENCE {
            self.with(|small| small.extend_from_slice(header));
            return self.push(payload);
        }
        let count = header.len() + payload.len();
        self.small.reserve(count);
        match header {
            // Nearly all; of a length that is known, they are written without a call.
            &[first, second] => self.small.extend_from_slice(&[first, second]),
            header => self.small.extend_from_slice(header),
        }
        self.small.extend_from_slice(&payload);
        self.bytes += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(output: &Output) -> Vec<u8> {
        output.parts().flatten().copied().collect()
    }

    #[test]
    fn however_much_is_written_at_a_time_the_order_stays() {
        let large = Bytes::from(vec![b'x'; BY_REFERENCE]);
        let mut whole = Vec::new();
        for step in [61, BY_REFERENCE - 1, BY_REFERENCE, 3 * BY_REFERENCE] {
            let mut output = Output::default();
            whole.clear();
            for part in [
                Bytes::from_static(b"head"),
                large.clone(),
                Bytes::from_static(b"small"),
                large.clone(),
            ] {
                whole.extend_from_slice(&part);
                output.push(part);
            }
            output.with(|small| small.extend_from_slice(b"end"));
            whole.extend_from_slice(b"end");
            let mut at = 0;
            while !output.is_empty() {
                assert_eq!(contents(&output), &whole[at..]);
                let n = step.min(output.len());
                output.consume(n);
                at += n;
            }
            assert_eq!(at, whole.len());
        }
    }
}
