//! What a connection has to write: one write for all that one turn has brought.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use gateway_spec::FileRegion;
use tokio::io::AsyncWrite;

use crate::Stream;

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
    front: VecDeque<Part>,
    tail: Vec<u8>,
    /// Bytes of `tail` that are written already; only while `front` is empty.
    taken: usize,
    bytes: usize,
}

#[derive(Debug)]
enum Part {
    Bytes(Bytes),
    /// Where the kernel sends it from; not empty.
    File(FileRegion),
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
        self.close_tail();
        self.front.push_back(Part::Bytes(bytes));
    }

    /// Appends a part of a file, for a stream that [sends it](Stream::sends_files) from where it is.
    pub fn push_file(&mut self, region: FileRegion) {
        self.bytes += usize::try_from(region.length).expect("a part fits in memory");
        self.close_tail();
        self.front.push_back(Part::File(region));
    }

    fn close_tail(&mut self) {
        if self.tail.len() > self.taken {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(std::mem::take(&mut self.taken));
            self.front.push_back(Part::Bytes(tail));
        }
    }

    /// Writes once, as much as the socket takes; there must be something to write, and no part of a file.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    #[inline]
    pub fn poll_write_to(
        &mut self,
        stream: Pin<&mut impl AsyncWrite>,
        task: &mut Context<'_>,
    ) -> io::Result<Poll<()>> {
        self.poll_with(stream, task, |_, _, _| {
            Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
        })
    }

    /// The same, to a stream that [sends parts of files](Stream::sends_files).
    ///
    /// # Errors
    ///
    /// If the connection is broken, or a [file](crate::is_of_file) is.
    #[inline]
    pub fn poll_send_to(
        &mut self,
        stream: Pin<&mut Stream>,
        task: &mut Context<'_>,
    ) -> io::Result<Poll<()>> {
        self.poll_with(stream, task, |stream, task, region| {
            stream.get_mut().poll_send_file(task, region)
        })
    }

    #[inline]
    fn poll_with<'a, S: AsyncWrite>(
        &mut self,
        stream: Pin<&'a mut S>,
        task: &mut Context<'_>,
        send_file: impl FnOnce(Pin<&'a mut S>, &mut Context<'_>, &FileRegion) -> Poll<io::Result<usize>>,
    ) -> io::Result<Poll<()>> {
        let tail = &self.tail[self.taken..];
        let written = match self.front.front() {
            None => stream.poll_write(task, tail)?,
            Some(Part::File(region)) => send_file(stream, task, region)?,
            Some(Part::Bytes(_)) => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.fill(&mut slices);
                stream.poll_write_vectored(task, &slices[..count])?
            }
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

    /// Gathers what comes before the next part of a file.
    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let mut count = 0;
        for part in &self.front {
            match part {
                Part::Bytes(bytes) if count < SLICES => slices[count] = IoSlice::new(bytes),
                _ => return count,
            }
            count += 1;
        }
        if count < SLICES {
            slices[count] = IoSlice::new(&self.tail[self.taken..]);
            count += 1;
        }
        count
    }

    fn consume(&mut self, mut n: usize) {
        self.bytes -= n;
        while let Some(part) = self.front.front_mut() {
            let length = part.len();
            if n < length {
                part.advance(n);
                return;
            }
            n -= length;
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

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            // It was counted when it was pushed.
            Self::File(region) => usize::try_from(region.length).unwrap_or(usize::MAX),
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(n),
            Self::File(region) => {
                region.offset += n as u64;
                region.length -= n as u64;
            }
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
            .map(|part| match part {
                Part::Bytes(bytes) => &bytes[..],
                Part::File(_) => panic!("there is no file"),
            })
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
