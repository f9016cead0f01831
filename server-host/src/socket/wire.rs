//! A WebSocket's connection from its handshake on: it reads, polls the application, writes.
//!
//! It is a task of its own, so that all that HTTP needed of the connection is given back.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use gateway_spec::Gone;
use websocket::line::{Came, End, INBOUND_BYTES, Input, Left, Line};
use websocket::{Keeper, Life, Missed, Standing, Timer, Watch};

use super::{timer_of, times};
use crate::call::SocketCall;
use crate::clock::Clock;
use crate::metrics::Counts;
use crate::{
    Context, Desk, Io, Output, Overdue, PeerState, Reading, Received, Shutdown, Watching, Written,
};

/// Turns of one poll: after so many the other connections of the worker have theirs.
const TURNS: usize = 16;

/// The connection of one WebSocket, as a task.
pub(crate) struct Wire {
    io: Io,
    line: Arc<Line<Output>>,
    call: SocketCall,
    keeper: Keeper<Deadline>,
    context: Context,
    phase: Phase,
    reads: Reads,
    /// Bytes that are waited for, at least.
    missing: usize,
    /// Grows with each read; it may wrap.
    heard: u32,
    /// The tick at which the keeper looked last and found all at ease; 0 is none.
    kept_at: u32,
    force: Force,
}

/// Whether the client is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// What was read before it was a socket's is to be told.
    First,
    Yes,
    /// The application leaves too much of what came.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// What comes is thrown away, until the client has seen our end; so many bytes of it.
    Lingering {
        left: u64,
    },
}

/// Whether the grace period is over, and the socket told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    No,
    Told,
}

/// Whether there may be more to do at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    Rest,
}

/// Whether the application may be polled.
enum Entered {
    Yes,
    /// The input is to be brought before.
    NotYet(Came),
    /// Nothing was read.
    Nothing,
}

/// The connection is over, and why.
struct Over(Gone);

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self(Gone::PeerReset)
    }
}

/// When the keeper wants to look again: a tick of the worker's clock, of which the context's alarm tells.
struct Deadline {
    clock: Arc<Clock>,
    counts: Arc<Counts>,
    /// 0 is never.
    at: u32,
}

impl Timer for Deadline {
    #[inline]
    fn set(&mut self, after: Option<Duration>) {
        self.at = after.map_or(0, |after| self.clock.deadline(after));
    }

    #[inline]
    fn poll(&mut self, _cx: &mut Task<'_>) -> Poll<()> {
        if self.at != 0 && self.clock.now() >= self.at {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn missed(&mut self, missed: Missed) {
        self.counts.ran_out(timer_of(missed));
    }
}

impl Wire {
    pub(crate) fn new(
        io: Io,
        line: Arc<Line<Output>>,
        watch: Watch,
        call: SocketCall,
        mut context: Context,
    ) -> Self {
        // The times of the request are not the socket's.
        context.expect_nothing();
        context.expect_no_write();
        let timer = Deadline {
            clock: Arc::clone(context.clock()),
            counts: Arc::clone(context.counts()),
            at: 0,
        };
        Self {
            reads: match io.input.is_empty() {
                true => Reads::Yes,
                false => Reads::First,
            },
            io,
            line,
            call,
            keeper: Keeper::new(watch, times(context.timeouts()), timer),
            context,
            phase: Phase::Open,
            missing: 0,
            heard: 0,
            kept_at: 0,
            force: Force::No,
        }
    }

    fn drive(&mut self, task: &mut Task<'_>) -> Result<Poll<()>, Over> {
        self.context.register(task.waker());
        self.look_at_shutdown();
        self.look_at_deadlines()?;
        self.io.wake();
        for _ in 0..TURNS {
            let next = match self.phase {
                Phase::Open => self.turn(task)?,
                Phase::Lingering { left } => self.linger(left, task)?,
            };
            if next == Next::Rest && self.rest(task)? == Next::Rest {
                return Ok(Poll::Pending);
            }
        }
        task.waker().wake_by_ref();
        Ok(Poll::Pending)
    }

    /// Reads, polls the application, takes what it has sent, and writes.
    #[inline]
    fn turn(&mut self, task: &mut Task<'_>) -> Result<Next, Over> {
        let could_read = self.reads;
        self.enter(task)?;
        let turn = self.call.poll(task);
        let (output, input) = (&mut self.io.output, &mut self.io.input);
        let before = output.len();
        let seen = self.line.leave(turn, output, input);
        self.call.sent(output.len() - before);
        (self.reads, self.missing) = match seen.input {
            Input::Wanted(missing) => (Reads::Yes, missing),
            Input::Unread(INBOUND_BYTES..) => (Reads::No, 0),
            Input::Unread(_) | Input::Over => (Reads::Yes, 0),
        };
        self.write(task)?;
        let is_clean = self.io.output.is_empty() && seen.left == Left::Nothing;
        self.keep(seen.standing, is_clean, task);
        if let Some(end) = seen.end {
            return self.end(end);
        }
        // Where the application has made room meanwhile, the socket was not asked yet.
        let reads_on =
            self.reads == Reads::Yes && (could_read != Reads::Yes || self.io.may_have_more());
        let writes_on = self.io.output.is_empty() && seen.left == Left::Some;
        Ok(if reads_on || writes_on {
            Next::Again
        } else {
            Next::Rest
        })
    }

    /// Reads, and lets the application find what came.
    #[inline]
    fn enter(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let came = match self.reads {
            Reads::Yes => {
                let mut desk = Desk::take();
                let read = self.io.try_read_to(&mut desk);
                let entered = read.map(|length| self.enter_by_copy(&mut desk, length, task));
                desk.give_back();
                match entered? {
                    Entered::Yes => return Ok(()),
                    Entered::NotYet(came) => came,
                    Entered::Nothing => self.read(task)?,
                }
            }
            Reads::First => self.note(self.io.input.len()),
            Reads::No => Came::Nothing,
        };
        self.line.enter(task.waker(), &mut self.io.input, came);
        Ok(())
    }

    /// Lets the application find what was read, if that is one message; what it is not, is input.
    #[inline]
    fn enter_by_copy(&mut self, desk: &mut Desk, length: usize, task: &Task<'_>) -> Entered {
        if length == 0 {
            return Entered::Nothing;
        }
        let came = self.note(length);
        let (bytes, copies) = desk.front(length);
        let taken = self.line.enter_by_copy(task.waker(), bytes, copies);
        if taken == length {
            return Entered::Yes;
        }
        self.io.keep(&bytes[taken..]);
        Entered::NotYet(came)
    }

    #[inline]
    fn read(&mut self, task: &mut Task<'_>) -> Result<Came, Over> {
        let before = self.io.input.len();
        match self.io.poll_read_message(task, self.missing)? {
            Received::Bytes => Ok(self.note(self.io.input.len() - before)),
            Received::End => {
                self.line.half_close();
                Ok(Came::Nothing)
            }
            Received::Nothing => Ok(Came::Nothing),
        }
    }

    #[inline]
    fn note(&mut self, bytes: usize) -> Came {
        self.call.received(bytes);
        self.heard = self.heard.wrapping_add(1);
        Came::Bytes
    }

    /// Writes what there is, and keeps the deadline for it.
    #[inline(always)]
    fn write(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        let before = self.io.output.len();
        let written = self.io.poll_write(task)?;
        if before > 0 {
            self.line.unsent(self.io.output.len());
            match written {
                Written::Bytes | Written::Nothing => {
                    self.io.output.give_back();
                    self.context.expect_no_write();
                }
                Written::Blocked => self.context.expect_write(before - self.io.output.len()),
            }
        }
        Ok(())
    }

    /// The same, apart from what each message runs through.
    #[cold]
    fn write_last(&mut self, task: &mut Task<'_>) -> Result<(), Over> {
        self.write(task)
    }

    /// Looks after a client that is silent. `is_clean` is whether it has all that was sent to it.
    #[inline]
    fn keep(&mut self, standing: Standing, is_clean: bool, task: &mut Task<'_>) {
        let is_read = self.reads == Reads::Yes && !self.io.read_ended();
        let now = self.context.clock().now();
        if now == self.kept_at && standing == Standing::Open && is_clean && is_read {
            return self.keeper.heard_more(self.heard);
        }
        let life = Life {
            heard: self.heard,
            is_read,
            has_all: is_clean,
        };
        // What it ends, a turn will see: the line wakes this task.
        let _ = self.keeper.turn(standing, || life, task);
        self.kept_at = match self.keeper.is_at_ease() {
            true => now,
            false => 0,
        };
        self.context.also_wake_at(self.keeper.timer().at);
    }

    /// Ends the connection after what is to be sent, or at once.
    fn end(&mut self, end: End) -> Result<Next, Over> {
        match end {
            End::CutOff => {
                self.io.reset_on_close();
                Err(Over(Gone::Aborted))
            }
            End::Closed => {
                self.leave(Gone::Finished);
                // A client that may still be sending is let finish for a while: a close now would make its system throw our
                // close frame away (RFC 9112 section 9.6).
                self.io.shut_down();
                // As much again as may be on its way from a fast uploader.
                let left = 64 * self.context.limits().discard_bytes;
                self.phase = Phase::Lingering { left };
                Ok(Next::Again)
            }
        }
    }

    fn linger(&mut self, left: u64, task: &mut Task<'_>) -> Result<Next, Over> {
        let received = self.io.poll_read(task)?;
        let left = left
            .checked_sub(self.io.input.len() as u64)
            .ok_or(Over(Gone::Finished))?;
        self.io.input.clear();
        self.phase = Phase::Lingering { left };
        self.write_last(task)?;
        if self.io.read_ended() && self.io.is_shut_down() {
            return Err(Over(Gone::Finished));
        }
        Ok(match received {
            Received::Bytes | Received::End => Next::Again,
            Received::Nothing => Next::Rest,
        })
    }

    /// Nothing more can be done now, unless the socket has something: says what is waited for.
    #[inline]
    fn rest(&mut self, task: &mut Task<'_>) -> Result<Next, Over> {
        match self.reads {
            Reads::No => self.io.give_back(),
            Reads::Yes | Reads::First if self.io.rest(task)? != Received::Nothing => {
                return Ok(Next::Again);
            }
            Reads::Yes | Reads::First => {}
        }
        if self.phase != Phase::Open {
            // Until then the client is waited for by what it takes.
            match self.io.is_shut_down() {
                true => self.context.expect(Reading::Linger),
                false => self.context.expect_nothing(),
            }
        } else if self.reads == Reads::No || self.io.read_ended() {
            self.context.watch(Watching::EveryTick);
            return self.look_at_peer(task);
        }
        self.context.watch(Watching::Events);
        Ok(Next::Rest)
    }

    /// A client that is not read may leave all the same.
    fn look_at_peer(&mut self, task: &mut Task<'_>) -> Result<Next, Over> {
        match self.io.peer_state(task) {
            // A half that ended is read to its end, once there is room.
            PeerState::Open | PeerState::HalfClosed => Ok(Next::Rest),
            PeerState::Broken => Err(Over(Gone::PeerReset)),
        }
    }

    fn look_at_shutdown(&mut self) {
        if self.force == Force::No && self.context.shutdown() == Shutdown::Forced {
            self.force = Force::Told;
            self.keeper.watch().shut_down();
            // One that had said goodbye waits no longer for an answer.
            self.keeper.watch().give_up();
        }
    }

    fn look_at_deadlines(&mut self) -> Result<(), Over> {
        match self.context.overdue() {
            None => Ok(()),
            Some(Overdue::Write) => {
                self.io.reset_on_close();
                Err(Over(Gone::WriteTimeout))
            }
            Some(Overdue::Read(_)) => Err(Over(Gone::Finished)),
        }
    }

    /// The application has nobody to speak with any more.
    fn leave(&mut self, gone: Gone) {
        let gone = match self.force {
            Force::No => gone,
            Force::Told => Gone::Shutdown,
        };
        self.line.set_gone(gone);
        self.call.end(gone);
    }
}

impl Future for Wire {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let me = &mut *self;
        match me.drive(task) {
            Ok(poll) => poll,
            Err(Over(gone)) => {
                me.leave(gone);
                me.io.input.clear();
                me.io.give_back();
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // One that ends in order has left; this is its task being dropped.
        self.line.set_gone(Gone::Shutdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runtime adds 96 bytes to a task, and allocates multiples of 128.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_sockets_task_is_one_of_512_bytes() {
        assert!(size_of::<Wire>() <= 512 - 96, "{}", size_of::<Wire>());
        assert!(
            size_of::<Line<Output>>() <= 328,
            "{}",
            size_of::<Line<Output>>()
        );
    }
}
