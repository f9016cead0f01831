//! What a connection has to write: one write for all that one turn has brought.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// A part of a body from this size on is written from where it lies; below it, copying it behind the head is cheaper.
pub const BY_REFERENCE: usize = 4 * 1024;

/// Slices of one vectored write: as many as the parts of one full exchange.
const SLICES: usize = 16;

/// Bytes of memory for what is to be written that a connection keeps when all is written.
const KEPT: usize = 16 * 1024;

/// Bytes to be written: small ones gathered, large ones by reference.
#[derive(Debug, Default)]
pub struct Output {
    /// What comes before `tail`.
    front: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes of `tail` that are written already; only while `front` is empty.
    taken: usize,
    bytes: usize,
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
            std::mem::swap(&mut self.tail, memory);
        }
    }

    /// Appends by writing into memory.
    pub fn with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.bytes += self.tail.len() - before;
        result
    }

    /// Appends bytes, by reference where they are many.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            return self.with(|tail| tail.extend_from_slice(&bytes));
        }
        self.bytes += bytes.len();
        if self.tail.len() > self.taken {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(std::mem::take(&mut self.taken));
            self.front.push_back(tail);
        }
        self.front.push_back(bytes);
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
        let tail = &self.tail[self.taken..];
        let written = if self.front.is_empty() {
            stream.poll_write(task, tail)?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            let parts = self
                .front
                .iter()
                .map(|part| &part[..])
                .chain(std::iter::once(tail));
            for (slice, part) in slices.iter_mut().zip(parts) {
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

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while let Some(part) = self.front.front_mut() {
            if n < part.len() {
                part.advance(n);
                return;
            }
            n -= part.len();
            self.front.pop_front();
        }
        self.taken += n;
        if self.taken == self.tail.len() {
            self.tail.clear();
            self.tail.shrink_to(KEPT);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(output: &Output) -> Vec<u8> {
        let parts = output
            .front
            .iter()
            .map(|part| &part[..])
            .chain(std::iter::once(&output.tail[output.taken..]));
        parts.flatten().copied().collect()
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
            output.with(|tail| tail.extend_from_slice(b"end"));
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
