//! Moves bytes: a read buffer that idle connections do not hold, and one write for all that is to be sent.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::BytesMut;
use server_host::{Context, Output, PeerState, Stream};
use tokio::io::AsyncWrite;

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
    socket: Socket,
    write: WriteSide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
}

/// What is known of the system's own buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    /// There may be something to read.
    MayHave,
    /// The last read took all that there was.
    Empty,
    /// Nothing, and the task is woken when that changes.
    Watched,
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
            socket: Socket::MayHave,
            write: WriteSide::Open,
        }
    }

    /// The socket, and what was read from it.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }

    /// As [`into_parts`](Self::into_parts), with what is not written yet.
    pub(crate) fn into_all(mut self, context: &Context) -> (Stream, BytesMut, Output) {
        if self.input.is_empty() {
            self.give_back(context);
        }
        (self.stream, self.input, self.output)
    }

    pub(crate) fn read_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.write == WriteSide::ShutDown
    }

    /// Reads once into the buffer, unless the read before has emptied the socket: [`rest`](Self::rest) waits for more.
    #[inline]
    pub(crate) fn poll_read(
        &mut self,
        task: &mut Task<'_>,
        context: &Context,
    ) -> io::Result<Received> {
        if (self.read, self.socket) != (ReadSide::Open, Socket::MayHave) {
            return Ok(Received::Nothing);
        }
        if !self.holds_buffer {
            self.input = context.take_buffer();
            self.holds_buffer = true;
        } else if self.input.capacity() - self.input.len() < READ_ROOM {
            self.input.reserve(READ_ROOM);
        }
        let room = self.input.capacity() - self.input.len();
        match self.stream.poll_read_into(task, &mut self.input)? {
            Poll::Ready(0) => {
                self.read = ReadSide::Ended;
                Ok(Received::End)
            }
            Poll::Ready(length) => {
                if length < room {
                    self.socket = Socket::Empty;
                }
                Ok(Received::Bytes)
            }
            Poll::Pending => {
                self.socket = Socket::Watched;
                Ok(Received::Nothing)
            }
        }
    }

    /// Nothing more can be done now: gives the buffer back if it is empty, and has the task woken when the socket has
    /// something. Whether it has already.
    #[inline]
    pub(crate) fn rest(&mut self, task: &mut Task<'_>, context: &Context) -> io::Result<Received> {
        if self.input.is_empty() {
            self.give_back(context);
        }
        if self.read == ReadSide::Ended || self.socket == Socket::Watched {
            return Ok(Received::Nothing);
        }
        if self.stream.poll_readable(task)?.is_pending() {
            self.socket = Socket::Watched;
            return Ok(Received::Nothing);
        }
        self.socket = Socket::MayHave;
        Ok(Received::Bytes)
    }

    /// The task was woken, and it may be by the socket.
    #[inline]
    pub(crate) fn wake(&mut self) {
        self.socket = Socket::MayHave;
    }

    /// Whether another read may bring something at once.
    #[inline]
    pub(crate) fn may_have_more(&self) -> bool {
        (self.read, self.socket) == (ReadSide::Open, Socket::MayHave)
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
            match self.output.poll_send_to(Pin::new(&mut self.stream), task)? {
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

    /// Whether the kernel can send parts of files by itself.
    #[inline]
    pub(crate) fn sends_files(&self) -> bool {
        self.stream.sends_files()
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

    pub(crate) fn has_unread(&self) -> bool {
        self.stream.has_unread()
    }

    pub(crate) fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}
