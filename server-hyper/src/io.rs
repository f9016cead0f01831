//! Moves bytes: hyper's end of a connection, and the connection's own.
//!
//! Hyper reads through [`HyperIo`] straight from the socket, and writes into [`Output`]. The socket gets that from the
//! connection's task after hyper had its turn: one write for all the answers that one read brought. A body is given to
//! hyper only as far as [`Io::room`] goes, so hyper never waits for a socket, and holds nothing back.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll};

use bytes::{Buf, Bytes, BytesMut};
use server_host::{Context, OUTBOUND_BYTES, PeerState, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A part of a body from this size on is written from where it lies; below it, copying it behind the head is cheaper.
const BY_REFERENCE: usize = 4 * 1024;

/// Slices of one vectored write: as many as the parts of one full exchange.
const SLICES: usize = 16;

/// Room that a read must find, at the least.
const READ_ROOM: usize = 4 * 1024;

/// Bytes of memory for what is to be written that a connection keeps when all is written.
const KEPT: usize = 16 * 1024;

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Io<S = Stream> {
    stream: S,
    /// What was read and is not hyper's yet. Empty, and without memory, while hyper reads.
    pub(crate) input: BytesMut,
    holds_buffer: bool,
    pub(crate) output: Output,
    read: ReadSide,
    write: WriteSide,
    /// Bytes of a body that hyper holds.
    in_hyper: usize,
    received: News,
    sent: News,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// To be shut down when the output is empty.
    Ending,
    ShutDown,
}

/// Whether bytes went their way since somebody asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    None,
    Bytes,
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

impl<S> Io<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            holds_buffer: false,
            output: Output::default(),
            read: ReadSide::Open,
            write: WriteSide::Open,
            in_hyper: 0,
            received: News::None,
            sent: News::None,
        }
    }

    pub(crate) fn read_ended(&self) -> bool {
        self.read != ReadSide::Open
    }

    /// Whether the connection broke while hyper read.
    pub(crate) fn read_failed(&self) -> bool {
        self.read == ReadSide::Failed
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.write == WriteSide::ShutDown
    }

    /// Gives the read buffer, with all that is in it, back to the worker.
    pub(crate) fn give_back(&mut self, context: &Context) {
        if self.holds_buffer {
            context.give_buffer(std::mem::take(&mut self.input));
            self.holds_buffer = false;
        }
    }

    /// Gives the read buffer back when hyper has taken all that was in it.
    pub(crate) fn give_back_if_used(&mut self, context: &Context) {
        if self.input.is_empty() {
            self.give_back(context);
        }
    }

    /// Ends the direction to the peer after what is to be sent.
    pub(crate) fn shut_down(&mut self) {
        if self.write == WriteSide::Open {
            self.write = WriteSide::Ending;
        }
    }

    /// Takes back what hyper has read and not used.
    pub(crate) fn put_back(&mut self, read: &[u8]) {
        let behind = self.input.split();
        self.input.extend_from_slice(read);
        self.input.extend_from_slice(&behind);
    }

    /// Bytes of a body that hyper may be given.
    pub(crate) fn room(&self) -> usize {
        OUTBOUND_BYTES.saturating_sub(self.unsent())
    }

    /// Bytes on their way to the socket.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() + self.in_hyper
    }

    /// Hyper was given so many bytes of a body.
    pub(crate) fn gave(&mut self, bytes: usize) {
        self.in_hyper += bytes;
    }

    /// Whether hyper has read since this was asked last.
    pub(crate) fn take_received(&mut self) -> News {
        std::mem::replace(&mut self.received, News::None)
    }

    /// Whether the socket has taken bytes since this was asked last.
    pub(crate) fn take_sent(&mut self) -> News {
        std::mem::replace(&mut self.sent, News::None)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// Reads once into the buffer.
    pub(crate) fn poll_read(
        &mut self,
        task: &mut Task<'_>,
        context: &Context,
    ) -> io::Result<Received> {
        if self.read != ReadSide::Open {
            return Ok(Received::Nothing);
        }
        if !self.holds_buffer {
            self.take_buffer(context);
        } else if self.input.capacity() - self.input.len() < READ_ROOM {
            self.input.reserve(READ_ROOM);
        }
        match pin!(self.stream.read_buf(&mut self.input)).poll(task)? {
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

    /// What was put back comes first.
    fn take_buffer(&mut self, context: &Context) {
        let first = std::mem::replace(&mut self.input, context.take_buffer());
        self.input.extend_from_slice(&first);
        self.holds_buffer = true;
    }

    /// Writes what there is, in one call where the socket takes it.
    pub(crate) fn poll_write(&mut self, task: &mut Task<'_>) -> io::Result<Written> {
        let mut written = Written::Nothing;
        while !self.output.is_empty() {
            match self
                .output
                .poll_write_to(Pin::new(&mut self.stream), task)?
            {
                Poll::Ready(()) => {
                    written = Written::Bytes;
                    self.sent = News::Bytes;
                }
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
}

impl Io {
    /// What the socket tells of a peer that is not read.
    pub(crate) fn peer_state(&self, task: &mut Task<'_>) -> PeerState {
        self.stream.peer_state(task)
    }

    pub(crate) fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

/// Something that hyper's parts and the connection's task share. Only that task locks it, so it never waits.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Hyper's end of the connection's bytes.
#[derive(Debug)]
pub(crate) struct HyperIo {
    io: Shared<Io>,
}

impl HyperIo {
    pub(crate) fn new(io: Shared<Io>) -> Self {
        Self { io }
    }
}

impl AsyncRead for HyperIo {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = &mut *self.io.lock();
        if !io.input.is_empty() {
            let length = io.input.len().min(into.remaining());
            into.put_slice(&io.input[..length]);
            io.input.advance(length);
            io.received = News::Bytes;
            return Poll::Ready(Ok(()));
        }
        // Answers that the peer does not take hold back its next request. The task asks hyper again when they are
        // written.
        if io.output.len() >= OUTBOUND_BYTES {
            return Poll::Pending;
        }
        let before = into.filled().len();
        match Pin::new(&mut io.stream).poll_read(task, into) {
            Poll::Ready(Ok(())) if into.filled().len() > before => io.received = News::Bytes,
            Poll::Ready(Ok(())) => io.read = ReadSide::Ended,
            Poll::Ready(Err(error)) => {
                io.read = ReadSide::Failed;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HyperIo {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = &mut *self.io.lock();
        if io.output.is_empty() && bytes.len() >= BY_REFERENCE {
            // What the socket takes at once need not be copied.
            if let Poll::Ready(written) = Pin::new(&mut io.stream).poll_write(task, bytes)? {
                io.sent = News::Bytes;
                io.in_hyper = bytes.len() - written;
                return Poll::Ready(Ok(written));
            }
        }
        // HTTP/1 bodies stop at `room`; this is for HTTP/2, which has its own windows.
        if io.output.len() >= OUTBOUND_BYTES {
            io.poll_write(task)?;
            if io.output.len() >= OUTBOUND_BYTES {
                return Poll::Pending;
            }
        }
        io.output.with(|out| out.extend_from_slice(bytes));
        // HTTP/1 writes all it has at once.
        io.in_hyper = 0;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _task: &mut Task<'_>) -> Poll<io::Result<()>> {
        // The socket is the task's to write.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
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
        stream: Pin<&mut impl AsyncWrite>,
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
        for step in [1, 7, BY_REFERENCE - 1, BY_REFERENCE, 3 * BY_REFERENCE] {
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
