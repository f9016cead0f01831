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

/// Parts by reference that there is room for when all is written.
const KEPT_PARTS: usize = SLICES;

thread_local! {
    /// What connections write with: nearly always one after another, so they share it, and those that have nothing to write hold none.
    static SPARE: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// Bytes to be written: small ones gathered, large ones by reference.
///
/// It has memory from the first of them on, until it is told to [give that back](Self::give_back).
#[derive(Debug, Default)]
pub struct Output {
    bytes: usize,
    buffers: Option<Box<Buffers>>,
}

/// Where they lie.
#[derive(Debug, Default)]
struct Buffers {
    small: Vec<u8>,
    /// Bytes of `small` that are written already.
    taken: usize,
    large: VecDeque<Large>,
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

    /// Gives the memory to whoever writes next on this thread, if nothing is to be written.
    #[inline]
    pub fn give_back(&mut self) {
        if self.is_empty()
            && let Some(buffers) = self.buffers.take()
        {
            // One that is replaced is given back to the allocator, and so are those of a thread that ends.
            let _ = SPARE.try_with(|spare| spare.set(Some(buffers)));
        }
    }

    /// Takes the thread's spare memory, if there is none yet.
    #[inline]
    fn buffers(&mut self) -> &mut Buffers {
        self.buffers.get_or_insert_with(|| {
            SPARE
                .try_with(Cell::take)
                .ok()
                .flatten()
                .unwrap_or_default()
        })
    }

    /// Appends by writing into memory.
    #[inline]
    pub fn with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let small = &mut self.buffers().small;
        let before = small.len();
        let result = write(small);
        let count = small.len() - before;
        self.bytes += count;
        result
    }

    /// Appends bytes, by reference where they are many.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < BY_REFERENCE {
            return self.with(|small| small.extend_from_slice(&bytes));
        }
        self.push_part(Part::Bytes(bytes));
    }

    /// Appends a part of a file, for a stream that [sends it](Stream::sends_files) from where it is.
    pub fn push_file(&mut self, region: FileRegion) {
        self.push_part(Part::File(region));
    }

    fn push_part(&mut self, part: Part) {
        self.bytes += part.len();
        let buffers = self.buffers();
        let at = buffers.small.len();
        buffers.large.push_back(Large { at, part });
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
        let Some(buffers) = &mut self.buffers else {
            return Err(io::ErrorKind::WriteZero.into());
        };
        let written = match buffers.large.front() {
            None => stream.poll_write(task, &buffers.small[buffers.taken..])?,
            Some(Large {
                at,
                part: Part::File(region),
            }) if *at == buffers.taken => send_file(stream, task, region)?,
            Some(_) => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = buffers.fill(&mut slices);
                stream.poll_write_vectored(task, &slices[..count])?
            }
        };
        match written {
            Poll::Ready(0) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(n) => {
                self.bytes -= n;
                match self.bytes {
                    0 => buffers.clear(),
                    _ => buffers.consume(n),
                }
                Ok(Poll::Ready(()))
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }
}

impl Buffers {
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

    /// All is written.
    #[inline]
    fn clear(&mut self) {
        self.taken = 0;
        self.small.clear();
        self.large.clear();
        if self.small.capacity() > KEPT || self.large.capacity() > KEPT_PARTS {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.small.shrink_to(KEPT);
        self.large.shrink_to(KEPT_PARTS);
    }

    /// So many bytes are written, and others are not.
    #[cold]
    fn consume(&mut self, mut n: usize) {
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
    }
}

impl Outbox for Output {
    #[inline]
    fn len(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn frame(&mut self, header: &[u8], payload: Bytes) {
        if payload.len() >= BY_REFERENCE {
            self.with(|small| small.extend_from_slice(header));
            return self.push(payload);
        }
        let count = header.len() + payload.len();
        let small = &mut self.buffers().small;
        small.reserve(count);
        small.extend_from_slice(header);
        small.extend_from_slice(&payload);
        self.bytes += count;
    }

    #[inline]
    fn short_frame(&mut self, header: [u8; 2], payload: &[u8]) {
        let count = header.len() + payload.len();
        let small = &mut self.buffers().small;
        small.reserve(count);
        // Of a length that is known, it is written without a call.
        small.extend_from_slice(&header);
        small.extend_from_slice(payload);
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
        let Some(buffers) = &output.buffers else {
            return contents;
        };
        let mut from = buffers.taken;
        for Large { at, part } in &buffers.large {
            contents.extend_from_slice(&buffers.small[from..*at]);
            from = *at;
            match part {
                Part::Bytes(bytes) => contents.extend_from_slice(bytes),
                Part::File(_) => panic!("there is no file"),
            }
        }
        contents.extend_from_slice(&buffers.small[from..]);
        contents
    }

    /// A socket that takes so many bytes at a time.
    struct Taking(usize);

    impl AsyncWrite for Taking {
        fn poll_write(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len().min(self.0)))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let whole = slices.iter().map(|slice| slice.len()).sum::<usize>();
            Poll::Ready(Ok(whole.min(self.0)))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Writes once, and says how much.
    fn write(output: &mut Output, most: usize) -> usize {
        let before = output.len();
        let mut task = Context::from_waker(std::task::Waker::noop());
        let written = output.poll_write_to(Pin::new(&mut Taking(most)), &mut task);
        assert!(written.expect("it does not fail").is_ready());
        before - output.len()
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
                at += write(&mut output, step);
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
        let buffers = output.buffers.as_ref().expect("there is something");
        let Part::Bytes(kept) = &buffers.large[0].part else {
            panic!("it was given bytes");
        };
        assert_eq!(kept.as_ptr(), large.as_ptr());
        let place = buffers.small.as_ptr();
        output.give_back();
        assert_eq!(contents(&output), whole, "it is not written yet");
        assert_eq!(write(&mut output, usize::MAX), whole.len());
        output.give_back();
        assert!(output.buffers.is_none());
        let mut other = Output::default();
        other.frame(b"ab", Bytes::new());
        let buffers = other.buffers.as_ref().expect("there is something");
        assert_eq!(buffers.small.as_ptr(), place);
        assert_eq!(contents(&other), b"ab");
    }

    #[test]
    fn no_more_memory_is_kept_than_is_usual() {
        let mut output = Output::default();
        output.with(|small| small.resize(2 * KEPT, b'x'));
        for _ in 0..2 * KEPT_PARTS {
            output.push(Bytes::from(vec![b'x'; BY_REFERENCE]));
        }
        while !output.is_empty() {
            write(&mut output, usize::MAX);
        }
        let buffers = output.buffers.as_ref().expect("it was not given back");
        assert!(buffers.small.capacity() <= KEPT);
        assert!(buffers.large.capacity() <= KEPT_PARTS);
    }
}
