//! Moves a connection's bytes: a read buffer that idle connections do not hold, and one write for all that is to be sent.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use crate::buffers::{self, Size};
use crate::{Desk, Output, PeerState, Stream};

/// Room that a read must find, at the least.
const READ_ROOM: usize = 4 * 1024;

/// Room that is made at a time for a message whose length the client has declared: it is no reason to reserve all of it.
const MOST_ROOM: usize = 64 * 1024;

/// The two directions of a connection whose server reads and writes by itself.
#[derive(Debug)]
pub struct Io {
    stream: Stream,
    /// What was read and not used. Empty, and without memory, while the connection is idle.
    pub input: BytesMut,
    /// What is to be written.
    pub output: Output,
    /// Whether the worker has lent a buffer, though all of it may have been taken out of `input`.
    borrowed: bool,
    size: Size,
    read: ReadSide,
    system: System,
    write: WriteSide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
}

/// What is known of the system's own buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
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
pub enum Received {
    /// Bytes.
    Bytes,
    /// The peer has ended its direction; told once.
    End,
    /// Nothing, for now or for ever.
    Nothing,
}

/// What a write has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All that there was.
    Bytes,
    /// The peer does not take what is left.
    Blocked,
    /// There was nothing.
    Nothing,
}

impl Io {
    /// A connection of which nothing was read.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Output::default(),
            borrowed: false,
            size: Size::Short,
            read: ReadSide::Open,
            system: System::MayHave,
            write: WriteSide::Open,
        }
    }

    /// A connection of which something was read, or which has something to write.
    #[must_use]
    pub fn with_parts(stream: Stream, input: BytesMut, output: Output) -> Self {
        Self {
            input,
            output,
            // Even without room, it may share memory with what was taken out of it.
            borrowed: true,
            ..Self::new(stream)
        }
    }

    /// The socket, and what was read from it.
    #[must_use]
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }

    /// Whether the peer has ended its direction.
    #[must_use]
    #[inline]
    pub fn read_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    /// Whether our direction has ended, after all that was to be sent.
    #[must_use]
    #[inline]
    pub fn is_shut_down(&self) -> bool {
        self.write == WriteSide::ShutDown
    }

    /// Reads once behind the input, unless the read before has emptied the socket: [`rest`](Self::rest) waits for more.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    #[inline]
    pub fn poll_read(&mut self, task: &mut Task<'_>) -> io::Result<Received> {
        if self.size == Size::Large {
            self.size = Size::Small;
        }
        let before = self.input.len();
        let received = self.read(task, READ_ROOM)?;
        self.size = Size::after_a_usual_read(self.input.len() - before);
        Ok(received)
    }

    /// The same for messages that may be long: `missing` is how many bytes are waited for, at least, and the next buffer is as large as
    /// what came is.
    #[inline]
    pub(crate) fn poll_read_message(
        &mut self,
        task: &mut Task<'_>,
        missing: usize,
    ) -> io::Result<Received> {
        let before = self.input.len();
        let received = self.read(task, missing.clamp(READ_ROOM, MOST_ROOM))?;
        if received == Received::Bytes {
            let filled = self.system == System::MayHave;
            self.size = Size::after_a_read(self.input.len() - before, filled);
        }
        Ok(received)
    }

    /// Reads once to a desk, where the input is empty and what came last was short: how many bytes came, of which those that are not used at once are to be
    /// [kept](Self::keep). Where it is 0, [`poll_read`](Self::poll_read) says what there is.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    #[inline]
    pub fn try_read_to(&mut self, desk: &mut Desk) -> io::Result<usize> {
        if !self.may_have_more() || self.size != Size::Short || !self.input.is_empty() {
            return Ok(0);
        }
        let Some(socket) = self.stream.bare() else {
            return Ok(0);
        };
        match socket.try_receive(desk) {
            Ok(length) => {
                let filled = length == desk.len();
                if length > 0 && !filled {
                    self.system = System::Empty;
                }
                self.size = Size::after_a_read(length, filled);
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Keeps what was read elsewhere, behind the input.
    #[inline]
    pub fn keep(&mut self, bytes: &[u8]) {
        if self.input.capacity() - self.input.len() < bytes.len() {
            self.make_room(bytes.len());
        }
        self.input.extend_from_slice(bytes);
    }

    #[inline]
    fn read(&mut self, task: &mut Task<'_>, wanted: usize) -> io::Result<Received> {
        if !self.may_have_more() {
            return Ok(Received::Nothing);
        }
        if self.input.capacity() - self.input.len() < wanted {
            self.make_room(wanted);
        }
        let room = self.input.capacity() - self.input.len();
        match self.stream.poll_read_into(task, &mut self.input)? {
            Poll::Ready(0) => {
                self.read = ReadSide::Ended;
                Ok(Received::End)
            }
            Poll::Ready(length) => {
                if length < room {
                    self.system = System::Empty;
                }
                Ok(Received::Bytes)
            }
            Poll::Pending => {
                self.system = System::Watched;
                Ok(Received::Nothing)
            }
        }
    }

    #[inline]
    fn make_room(&mut self, wanted: usize) {
        if self.input.capacity() == 0 && !self.borrowed {
            buffers::lend_of(self.size, &mut self.input);
            self.borrowed = true;
        } else {
            self.make_more_room(wanted);
        }
    }

    #[cold]
    fn make_more_room(&mut self, wanted: usize) {
        self.borrowed = true;
        if !self.input.is_empty() {
            self.input.reserve(wanted);
        } else if !self.input.try_reclaim(self.size.bytes()) {
            // What was read is in somebody's hands, and the memory is theirs.
            self.input = BytesMut::new();
            buffers::lend_of(self.size, &mut self.input);
        }
    }

    /// Nothing more can be done now: gives the buffer back if it is empty, and has the task woken when the socket has
    /// something. Whether it has already.
    ///
    /// # Errors
    ///
    /// If the runtime shuts down.
    #[inline]
    pub fn rest(&mut self, task: &mut Task<'_>) -> io::Result<Received> {
        self.give_back();
        if self.read == ReadSide::Ended || self.system == System::Watched {
            return Ok(Received::Nothing);
        }
        if self.stream.poll_readable(task)?.is_pending() {
            self.system = System::Watched;
            return Ok(Received::Nothing);
        }
        self.system = System::MayHave;
        Ok(Received::Bytes)
    }

    /// Takes so many bytes out of the input, which were used.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub fn take(&mut self, bytes: usize) {
        if bytes == self.input.len() {
            // Nearly always; and the buffer is as large again as it was.
            self.input.clear();
        } else {
            self.input.advance(bytes);
        }
    }

    /// The task was woken, and it may be by the socket.
    #[inline]
    pub fn wake(&mut self) {
        self.system = System::MayHave;
    }

    /// Whether another read may bring something at once.
    #[must_use]
    #[inline]
    pub fn may_have_more(&self) -> bool {
        (self.read, self.system) == (ReadSide::Open, System::MayHave)
    }

    /// Gives the read buffer back to the worker, if nothing is in it.
    #[inline]
    pub fn give_back(&mut self) {
        if self.input.is_empty() && (self.borrowed || self.input.capacity() > 0) {
            buffers::give(&mut self.input);
            self.borrowed = false;
        }
    }

    /// Writes what there is, in one call where the socket takes it.
    ///
    /// # Errors
    ///
    /// If the connection is broken, or a [file](crate::is_of_file) is.
    #[inline]
    pub fn poll_write(&mut self, task: &mut Task<'_>) -> io::Result<Written> {
        let mut written = Written::Nothing;
        while !self.output.is_empty() {
            let stream = Pin::new(&mut self.stream);
            match self.output.poll_send_to(stream, task)? {
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
    #[must_use]
    #[inline]
    pub fn sends_files(&self) -> bool {
        self.stream.sends_files()
    }

    /// Ends the direction to the peer after what is to be sent.
    pub fn shut_down(&mut self) {
        if self.write == WriteSide::Open {
            self.write = WriteSide::Ending;
        }
    }

    /// What the socket tells of a peer that is not read.
    pub fn peer_state(&self, task: &mut Task<'_>) -> PeerState {
        self.stream.peer_state(task)
    }

    /// Whether the client has sent something that was not read, as [`Stream::has_unread`] says.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.stream.has_unread()
    }

    /// Makes the close of the connection one that the peer can see is not clean.
    pub fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

#[cfg(test)]
mod tests;
