//! An HTTP/2 connection: accepts its streams, each of which is a task of its own, and keeps the deadlines of the whole.
//!
//! Frames, windows and header compression are the `h2` crate's. What a stream does with its exchange is
//! [`stream`]'s.

mod body;
mod part;
mod reply;
mod request;
mod socket;
mod stream;

use std::task::{Context as Task, Poll, Waker};

use gateway_spec::Gone;
use h2::server::{Builder, Connection, Handshake};
use server_host::http2::{Course, Streams, connection_window};
use server_host::{
    Context, INBOUND_BYTES, Io, OUTBOUND_BYTES, Overdue, Reading, Requests, Shutdown,
};

use crate::connection::TURNS;
use part::Part;
use socket::{SharedSocket, Written};
use stream::{Home, Stream, StreamTask};

/// Streams that are begun at a time: what a browser asks for at once.
const BATCH: usize = 16;

/// One connection, as a task.
pub(crate) struct Http2 {
    phase: Phase,
    socket: SharedSocket,
    streams: Streams,
    context: Context,
}

enum Phase {
    /// Until `h2` has read the preface, which lies there.
    Opening(Handshake<SharedSocket, Part>),
    /// Frames.
    Open(Connection<SharedSocket, Part>),
    /// Thrown away, until the peer has seen our end.
    Lingering { left: u64 },
}

/// The connection is over.
struct Over(Gone);

impl Http2 {
    /// A connection whose preface was read.
    pub(crate) fn new(io: Io, mut context: Context) -> Self {
        // What HPACK gives is put together by name.
        context.set_capabilities(context.capabilities().with_wire_order(false));
        let (stream, first) = io.into_parts();
        let socket = SharedSocket::new(stream, first);
        Self {
            phase: Phase::Opening(builder(&context).handshake(socket.clone())),
            socket,
            streams: Streams::new(),
            context,
        }
    }

    pub(crate) fn poll(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match self.drive(task) {
            Ok(poll) => poll,
            Err(Over(gone)) => {
                self.streams.end(gone);
                // Without it, streams that wait for their windows learn that it is over.
                self.phase = Phase::Lingering { left: 0 };
                Poll::Ready(())
            }
        }
    }

    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        let course = self.streams.begin_turn(task.waker(), &mut self.context);
        self.look_at_shutdown();
        self.look_at_deadlines()?;
        self.follow(course);
        for _ in 0..TURNS {
            if self.advance(task)?.is_pending() {
                self.set_deadlines()?;
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// One step of the protocol; pending when there is none left.
    fn advance(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        match &mut self.phase {
            Phase::Opening(handshake) => match std::pin::Pin::new(handshake).poll(task) {
                Poll::Ready(Ok(connection)) => self.phase = Phase::Open(connection),
                Poll::Ready(Err(_)) => self.linger(),
                Poll::Pending => return Ok(Poll::Pending),
            },
            Phase::Open(connection) => {
                let home = Home {
                    context: &self.context,
                    streams: &self.streams,
                };
                let (begun, accepted) = accept(connection, home, task);
                let count = begun.len();
                let has_begun = count > 0;
                give_first_turns(begun, home);
                for _ in 0..count {
                    if self.context.count_request() == Requests::Last {
                        connection.graceful_shutdown();
                    }
                }
                if has_begun && self.streams.is_to_end() {
                    connection.graceful_shutdown();
                }
                match accepted {
                    Poll::Ready(Accepted::Batch) => {}
                    Poll::Ready(Accepted::Last) => self.linger(),
                    // What the streams have answered is still to be written.
                    Poll::Pending if has_begun => {}
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
            Phase::Lingering { left } => {
                let read = self
                    .socket
                    .discard(task)
                    .map_err(|_| Over(Gone::PeerReset))?;
                match read {
                    Poll::Ready(0) => return Err(Over(Gone::Finished)),
                    Poll::Ready(length) => {
                        let after = left.checked_sub(length as u64);
                        *left = after.ok_or(Over(Gone::Finished))?;
                    }
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
        }
        Ok(Poll::Ready(()))
    }

    /// `h2` has said its last, and why. A peer that may still be sending is let finish for a while: a close now would
    /// make its system throw away what was said.
    fn linger(&mut self) {
        self.streams.end(Gone::PeerReset);
        self.phase = Phase::Lingering {
            left: 64 * self.context.limits().discard_bytes,
        };
    }

    fn look_at_shutdown(&mut self) {
        if self.context.shutdown() != Shutdown::No {
            self.go_away();
        }
    }

    /// Lets open streams finish and takes no new ones.
    fn go_away(&mut self) {
        if let Phase::Open(connection) = &mut self.phase {
            connection.graceful_shutdown();
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => {}
            Some(Overdue::Write) => {
                self.socket.reset_on_close();
                return Err(Over(Gone::WriteTimeout));
            }
            Some(Overdue::Read(Reading::Idle)) => {
                self.go_away();
                self.context.expect(Reading::Linger);
            }
            Some(Overdue::Read(_)) => return Err(Over(Gone::Finished)),
        }
        Ok(())
    }

    /// What the streams have come to.
    fn follow(&mut self, course: Course) {
        match course {
            Course::GoesOn => {}
            Course::Ends => self.go_away(),
            Course::Broken => {
                if let Phase::Open(connection) = &mut self.phase {
                    connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                }
            }
        }
    }

    /// Nothing more can be done now: says what is waited for, and how long.
    fn set_deadlines(&mut self) -> Result<(), Over> {
        match self.socket.written() {
            Written::All => self.context.expect_no_write(),
            Written::Some(bytes) => self.context.expect_write(bytes),
        }
        if let Phase::Lingering { .. } = self.phase {
            self.context.expect(Reading::Linger);
            return Ok(());
        }
        self.streams.set_deadlines(&mut self.context);
        if self.context.shutdown() == Shutdown::Forced && self.streams.is_idle() {
            // All is said; the peer may not know how to leave.
            return Err(Over(Gone::Shutdown));
        }
        Ok(())
    }
}

/// What came of accepting streams.
enum Accepted {
    /// So many that they are to have their turns before others.
    Batch,
    /// There will be none any more.
    Last,
}

/// The streams that the peer has begun: several at a time, since their answers are written together, and code that is run over and over
/// stays in the processor.
fn accept(
    connection: &mut Connection<SharedSocket, Part>,
    home: Home<'_>,
    task: &mut Task<'_>,
) -> (Vec<Stream>, Poll<Accepted>) {
    let mut begun = Vec::new();
    while begun.len() < BATCH {
        match connection.poll_accept(task) {
            Poll::Ready(Some(Ok((request, respond)))) => {
                if begun.is_empty() {
                    begun.reserve(BATCH);
                    home.streams.begin();
                }
                begun.push(Stream::new(request, respond, home));
            }
            Poll::Ready(Some(Err(_)) | None) => return (begun, Poll::Ready(Accepted::Last)),
            Poll::Pending => return (begun, Poll::Pending),
        }
    }
    (begun, Poll::Ready(Accepted::Batch))
}

/// Those that wait for something then become tasks.
fn give_first_turns(mut begun: Vec<Stream>, home: Home<'_>) {
    // A task looks at everything again, so nobody has to be woken before.
    let mut task = Task::from_waker(Waker::noop());
    begun.retain_mut(|stream| stream.run(home, &mut task).is_pending());
    for stream in begun {
        tokio::spawn(StreamTask::new(stream, home));
    }
}

/// `h2`, with what the operator allows.
fn builder(context: &Context) -> Builder {
    let limits = context.limits();
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .initial_window_size(INBOUND_BYTES as u32)
        .initial_connection_window_size(connection_window(limits))
        .max_send_buffer_size(OUTBOUND_BYTES)
        .max_pending_accept_reset_streams(limits.unseen_resets)
        .max_local_error_reset_streams(Some(limits.error_resets))
        .enable_connect_protocol();
    builder
}
