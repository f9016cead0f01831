//! What a connection has to write: one write for all that one turn has brought.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use gateway_spec::FileRegion;
use tokio::io::AsyncWrite;
use websocket::Outbox;

use crate::Stream;

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

/// What is written from where it lies.
#[derive(Debug)]
struct Large {
    /// How many of the small bytes come before.
    at: usize,
    part: Part,
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
        let (at, part) = (self.small.len(), Part::Bytes(bytes));
        self.large.push_back(Large { at, part });
    }

    /// Appends a part of a file, for a stream that [sends it](Stream::sends_files) from where it is.
    pub fn push_file(&mut self, region: FileRegion) {
        self.bytes += usize::try_from(region.length).expect("a part fits in memory");
        let (at, part) = (self.small.len(), Part::File(region));
        self.large.push_back(Large { at, part });
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
        let written = match self.large.front() {
            None => stream.poll_write(task, &self.small[self.taken..])?,
            Some(Large {
                at,
                part: Part::File(region),
            }) if *at == self.taken => send_file(stream, task, region)?,
            Some(_) => {
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
        let mut add = |part: &'a [u8]| {
            if !part.is_empty() && count < SLICES {
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        };
        let mut from = self.taken;
        for Large { at, part } in &self.large {
            add(&self.small[from..*at]);
            from = *at;
            match part {
                Part::Bytes(bytes) => add(bytes),
                Part::File(_) => return count,
            }
        }
        add(&self.small[from..]);
        count
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
            let length = large.part.len();
            if n < length {
                large.part.advance(n);
                return;
            }
            n -= length;
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
        let mut contents = Vec::new();
        let mut from = output.taken;
        for Large { at, part } in &output.large {
            contents.extend_from_slice(&output.small[from..*at]);
            from = *at;
            match part {
                Part::Bytes(bytes) => contents.extend_from_slice(bytes),
                Part::File(_) => panic!("there is no file"),
            }
        }
        contents.extend_from_slice(&output.small[from..]);
        contents
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

    #[test]
    fn frames_are_gathered_and_their_memory_goes_round() {
        let mut output = Output::default();
        let large = Bytes::from(vec![b'x'; BY_REFERENCE]);
        let mut whole = Vec::new();
        for (header, payload) in [
            (&b"ab"[..], Bytes::from_static(b"short")),
            (b"abcd", large.clone()),
            (b"ab", Bytes::new()),
        ] {
            whole.extend_from_slice(header);
            whole.extend_from_slice(&payload);
            output.frame(header, payload);
        }
        assert_eq!(contents(&output), whole);
        let Part::Bytes(kept) = &output.large[0].part else {
            panic!("it was given bytes");
        };
        assert_eq!(kept.as_ptr(), large.as_ptr());
        output.consume(whole.len());
        assert!(output.is_empty());
        let place = output.small.as_ptr();
        output.give_back();
        assert_eq!(output.small.capacity(), 0);
        let mut other = Output::default();
        other.frame(b"ab", Bytes::new());
        assert_eq!(other.small.as_ptr(), place);
    }
}
