//! Moves a WebSocket's bytes: a read buffer as large as what comes, that an idle socket does not hold, and one write for all that is to be
//! sent.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use crate::buffers::{self, Size};
use crate::{Output, PeerState, Stream};

/// Room that a read must find, at the least.
const READ_ROOM: usize = 4 * 1024;

/// Room that is made at a time for a message whose length the client has declared: it is no reason to reserve all of it.
const MOST_ROOM: usize = 64 * 1024;

/// The two directions of a socket's connection.
#[derive(Debug)]
pub(crate) struct Io {
    stream: Stream,
    /// What the line has not: nothing, or the beginning of a message that it waits for more of.
    pub(super) input: BytesMut,
    pub(super) output: Output,
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
    /// What was read before is to be told.
    HasRead,
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
pub(super) enum Received {
    Bytes,
    /// The client has ended its direction; told once.
    End,
    Nothing,
}

impl Io {
    pub(crate) fn new(stream: Stream, input: BytesMut, output: Output) -> Self {
        Self {
            stream,
            system: match input.is_empty() {
                true => System::MayHave,
                false => System::HasRead,
            },
            input,
            output,
            size: Size::Small,
            read: ReadSide::Open,
            write: WriteSide::Open,
        }
    }

    pub(super) fn read_ended(&self) -> bool {
        self.read == ReadSide::Ended
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.write == WriteSide::ShutDown
    }

    /// Reads once behind the input, unless the read before has emptied the socket: [`rest`](Self::rest) waits for more. `missing` is how
    /// many bytes are waited for, at least.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        task: &mut Task<'_>,
        missing: usize,
    ) -> io::Result<Received> {
        match (self.read, self.system) {
            (ReadSide::Open, System::MayHave) => {}
            (ReadSide::Open, System::HasRead) => {
                self.system = System::MayHave;
                return Ok(Received::Bytes);
            }
            _ => return Ok(Received::Nothing),
        }
        self.make_room(missing);
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
                self.size = Size::after_a_read(length, room);
                Ok(Received::Bytes)
            }
            Poll::Pending => {
                self.system = System::Watched;
                Ok(Received::Nothing)
            }
        }
    }

    #[inline]
    fn make_room(&mut self, missing: usize) {
        if self.input.capacity() == 0 {
            self.input = buffers::take_of(self.size);
        } else {
            let wanted = missing.clamp(READ_ROOM, MOST_ROOM);
            if self.input.capacity() - self.input.len() < wanted {
                self.input.reserve(wanted);
            }
        }
    }

    /// Nothing more can be done now: gives the buffer back if it is empty, and has the task woken when the socket has
    /// something. Whether it has already.
    #[inline]
    pub(super) fn rest(&mut self, task: &mut Task<'_>) -> io::Result<Received> {
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

    /// The task was woken, and it may be by the socket.
    #[inline]
    pub(super) fn wake(&mut self) {
        if self.system != System::HasRead {
            self.system = System::MayHave;
        }
    }

    /// Whether another read may bring something at once.
    #[inline]
    pub(super) fn may_have_more(&self) -> bool {
        (self.read, self.system) == (ReadSide::Open, System::MayHave)
    }

    /// Gives the read buffer back to the worker, if nothing is in it.
    #[inline]
    pub(super) fn give_back(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 0 {
            buffers::give(std::mem::take(&mut self.input));
        }
    }

    /// Writes what there is, in one call where the socket takes it; whether all is written.
    #[inline]
    pub(super) fn poll_write(&mut self, task: &mut Task<'_>) -> io::Result<Poll<()>> {
        while !self.output.is_empty() {
            let stream = Pin::new(&mut self.stream);
            if self.output.poll_write_to(stream, task)?.is_pending() {
                return Ok(Poll::Pending);
            }
        }
        if self.write == WriteSide::Ending
            && Pin::new(&mut self.stream).poll_shutdown(task)?.is_ready()
        {
            self.write = WriteSide::ShutDown;
        }
        Ok(Poll::Ready(()))
    }

    /// Ends the direction to the client after what is to be sent.
    pub(super) fn shut_down(&mut self) {
        if self.write == WriteSide::Open {
            self.write = WriteSide::Ending;
        }
    }

    /// What the socket tells of a client that is not read.
    pub(super) fn peer_state(&self, task: &mut Task<'_>) -> PeerState {
        self.stream.peer_state(task)
    }

    pub(super) fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}
