//! Moves bytes: a read buffer that idle connections do not hold, and one write for all that is to be sent.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::{Buf, Bytes, BytesMut};
use server_host::{Context, PeerState, Stream};
use tokio::io::AsyncWrite;

/// A part of a body from this size on is written from where it lies; below it, copying it behind the head is cheaper.
const BY_REFERENCE: usize = 4 * 1024;

/// Slices of one vectored write: as many as the parts of one full exchange.
const SLICES: usize = 16;

/// Room that a read must find, at the least.
const READ_ROOM: usize = 4 * 1024;

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Io {
    stream: Stream,
    /// Empty, and without memory, while the connection is idle.
    pub(crate) input: BytesMut,
    holds_buffer: bool,
    pub(crate) output: Output,
    read: ReadSide,
    write: WriteSide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// To be shut down when the output is empty.
    Ending,
    ShutDown,
}

/// What a read has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes,
    /// The peer has ended its direction; told once.
    End,
    Nothing,
}

/// What a write has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Bytes,
    /// The peer does not take what is left.
    Blocked,
    Nothing,
}

impl Io {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            holds_buffer: false,
            output: Output::default(),
            read: ReadSide::Open,
            write: WriteSide::Open,
        }
    }

    pub(crate) fn read_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.write == WriteSide::ShutDown
    }

    /// Reads once into the buffer.
    pub(crate) fn poll_read(
        &mut self,
        task: &mut Task<'_>,
        context: &Context,
    ) -> io::Result<Received> {
        if self.read == ReadSide::Ended {
            return Ok(Received::Nothing);
        }
        if !self.holds_buffer {
            self.input = context.take_buffer();
            self.holds_buffer = true;
        } else if self.input.capacity() - self.input.len() < READ_ROOM {
            self.input.reserve(READ_ROOM);
        }
        match self.stream.poll_read_into(task, &mut self.input)? {
            Poll::Ready(0) => {
                self.read = ReadSide::Ended;
                Ok(Received::End)
            }
            Poll::Ready(_) => Ok(Received::Bytes),
            Poll::Pending => {
                if self.input.is_empty() {
                    self.give_back(context);
                }
                Ok(Received::Nothing)
            }
        }
    }

    /// Gives the read buffer, with all that is in it, back to the worker.
    pub(crate) fn give_back(&mut self, context: &Context) {
        if self.holds_buffer {
            context.give_buffer(std::mem::take(&mut self.input));
            self.holds_buffer = false;
        }
    }

    /// Writes what there is, in one call where the socket takes it.
    pub(crate) fn poll_write(&mut self, task: &mut Task<'_>) -> io::Result<Written> {
        let mut written = Written::Nothing;
        while !self.output.is_empty() {
            match self
                .output
                .poll_write_to(Pin::new(&mut self.stream), task)?
            {
                Poll::Ready(()) => written = Written::Bytes,
                Poll::Pending => return Ok(Written::Blocked),
            }
        }
        if self.write == WriteSide::Ending
            && Pin::new(&mut self.stream).poll_shutdown(task)?.is_ready()
        {
            self.write = WriteSide::ShutDown;
        }
        Ok(written)
    }

    /// Ends the direction to the peer after what is to be sent.
    pub(crate) fn shut_down(&mut self) {
        if self.write == WriteSide::Open {
            self.write = WriteSide::Ending;
        }
    }

    /// What the socket tells of a peer that is not read.
    pub(crate) fn peer_state(&self, task: &mut Task<'_>) -> PeerState {
        self.stream.peer_state(task)
    }

    pub(crate) fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

/// Bytes to be written: small ones gathered, large ones by reference.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// What comes before `tail`.
    front: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes of `tail` that are written already; only while `front` is empty.
    taken: usize,
    bytes: usize,
}

impl Output {
    /// Bytes that are still to be written.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends by writing into memory.
    pub(crate) fn with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.bytes += self.tail.len() - before;
        result
    }

    /// Appends bytes, by reference where they are many.
    pub(crate) fn push(&mut self, bytes: Bytes) {
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

    fn poll_write_to(
        &mut self,
        stream: Pin<&mut Stream>,
        task: &mut Task<'_>,
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
