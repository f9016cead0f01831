//! Moves bytes: hyper's end of a connection, and the connection's own.
//!
//! Hyper reads through [`HyperIo`] straight from the socket, as far as its [`Gate`] lets it, and writes into [`Output`]. The socket gets that from the
//! connection's task after hyper had its turn: one write for all the answers that one read brought. An answer that is the only one goes to
//! the socket from where hyper has it. A body is given to hyper only as far as [`Io::room`] goes, so hyper never waits for a socket, and holds
//! nothing back.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::{Buf, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use server_host::{BY_REFERENCE, Context, OUTBOUND_BYTES, Output, PeerState, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::gate::Gate;
use crate::service::Serving;

/// Room that a read must find, at the least.
pub(crate) const READ_ROOM: usize = 4 * 1024;

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Io<S = Stream> {
    pub(crate) stream: S,
    /// What was read and is not hyper's yet. Empty, and without memory, while hyper reads.
    pub(crate) input: BytesMut,
    pub(crate) holds_buffer: bool,
    /// Hyper wanted to read, and was not let: it is asked again once there is room for its answers.
    held_back: bool,
    pub(crate) output: Output,
    pub(crate) gate: Gate,
    pub(crate) read: ReadSide,
    /// The last read took all that had come: the next one waits first, and asks the socket then.
    pub(crate) is_drained: bool,
    write: WriteSide,
    /// Bytes of a body that hyper holds.
    in_hyper: usize,
    pub(crate) received: News,
    /// Bytes that the socket has taken since somebody asked last.
    sent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadSide {
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
            held_back: false,
            output: Output::default(),
            gate: Gate::Open,
            read: ReadSide::Open,
            is_drained: false,
            write: WriteSide::Open,
            in_hyper: 0,
            received: News::None,
            sent: 0,
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

    /// What the peer does not take holds back what it asks for next.
    pub(crate) fn holds_back(&mut self) -> bool {
        self.held_back = self.output.len() >= OUTBOUND_BYTES;
        self.held_back
    }

    /// Whether a read was held back that could go on now; says so once.
    pub(crate) fn lets_go_on(&mut self) -> bool {
        let goes_on = self.held_back && self.output.len() < OUTBOUND_BYTES;
        self.held_back &= !goes_on;
        goes_on
    }

    /// Gives the read buffer, with all that is in it, back to the worker.
    pub(crate) fn give_back(&mut self, context: &Context) {
        if self.holds_buffer {
            context.give_buffer(&mut self.input);
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

    /// Bytes that the socket has taken since this was asked last.
    pub(crate) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
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

    /// Reads for hyper what nobody checks.
    pub(crate) fn poll_unchecked(
        &mut self,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.input.is_empty() {
            let length = self.input.len().min(into.remaining());
            into.put_slice(&self.input[..length]);
            self.input.advance(length);
            self.received = News::Bytes;
            return Poll::Ready(Ok(()));
        }
        if self.holds_back() {
            return Poll::Pending;
        }
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(task, into) {
            Poll::Ready(Ok(())) if into.filled().len() > before => self.received = News::Bytes,
            Poll::Ready(Ok(())) => self.read = ReadSide::Ended,
            Poll::Ready(Err(error)) => {
                self.read = ReadSide::Failed;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
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
            let before = self.output.len();
            match self
                .output
                .poll_write_to(Pin::new(&mut self.stream), task)?
            {
                Poll::Ready(()) => {
                    written = Written::Bytes;
                    self.sent += before - self.output.len();
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

    pub(crate) fn has_unread(&self) -> bool {
        self.stream.has_unread()
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
        self.0.lock()
    }

    /// What is shared, if nobody else has it any more.
    pub(crate) fn into_inner(self) -> Option<T> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Hyper's end of the connection's bytes.
pub(crate) struct HyperIo {
    io: Shared<Io>,
    /// Which has the places that heads are read into.
    serving: Shared<Serving>,
}

impl HyperIo {
    pub(crate) fn new(io: Shared<Io>, serving: Shared<Serving>) -> Self {
        Self { io, serving }
    }
}

impl AsyncRead for HyperIo {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = &mut *self.io.lock();
        if io.gate.is_checking() {
            io.poll_checked(&self.serving, task, into)
        } else {
            io.poll_unchecked(task, into)
        }
    }
}

impl AsyncWrite for HyperIo {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = &mut *self.io.lock();
        let is_all = io.input.is_empty() && io.gate.is_checking();
        if io.output.is_empty() && (is_all || bytes.len() >= BY_REFERENCE) {
            // What nothing follows, or is much, need not be copied. If it fails, the task finds out when it writes.
            let written = Pin::new(&mut io.stream).poll_write(task, bytes);
            if let Poll::Ready(Ok(written)) = written {
                io.sent += written;
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
