//! What the task of an HTTP/2 connection and those of its streams tell each other.

use std::sync::Arc;
use std::task::Waker;

use gateway_spec::Gone;
use parking_lot::{Mutex, MutexGuard};

use crate::{Context, INBOUND_BYTES, Limits, Reading, Resets, Shutdown};

/// The streams of a connection, for its task and for theirs; a copy is of the same connection.
///
/// The connection's task [begins a turn](Self::begin_turn), and ends it by [`set_deadlines`](Self::set_deadlines): what the streams tell
/// meanwhile wakes nobody, as the task looks at all of it before it rests. The tasks are of one worker, so nobody waits for the lock.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Streams that are tasks.
    open: usize,
    /// Whether the connection's task is at work, and looks at all of this before it rests.
    at_work: bool,
    idle: Idle,
    /// Streams that the peer has cancelled since the connection looked last.
    resets: u32,
    end: End,
    /// Why the connection is over.
    gone: Option<Gone>,
    /// The connection's task.
    connection: Option<Waker>,
}

/// Since when nothing is asked for, where no stream is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Idle {
    /// Since now: streams were served.
    Begins,
    /// For a while.
    GoesOn,
}

/// Whether an application asked for the connection's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotAsked,
    Asked,
}

/// What the streams come to for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    GoesOn,
    /// It takes no more streams: an application asked for its end (HTTP-23), or it has had as many as it may have.
    Ends,
    /// The peer cancels more streams than anybody has a reason to: it ends at once.
    Broken,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams {
    /// Of a connection without any.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            open: 0,
            at_work: false,
            idle: Idle::Begins,
            resets: 0,
            end: End::NotAsked,
            gone: None,
            connection: None,
        })))
    }

    // The connection's task.

    /// The connection's task, of this waker, is at work: what the streams have told so far.
    pub fn begin_turn(&self, waker: &Waker, context: &mut Context) -> Course {
        let (resets, end, unused) = {
            let mut state = self.lock();
            state.at_work = true;
            let unused = match &state.connection {
                Some(kept) if kept.will_wake(waker) => None,
                _ => state.connection.replace(waker.clone()),
            };
            (std::mem::take(&mut state.resets), state.end, unused)
        };
        drop(unused);
        if resets > 0 && context.note_resets(resets) == Resets::Excessive {
            return Course::Broken;
        }
        match end {
            End::NotAsked => Course::GoesOn,
            End::Asked => Course::Ends,
        }
    }

    /// Whether the connection's end was asked for in this turn too: who says so before the answers are written tells the peer
    /// together with them, and before it asks for more.
    #[must_use]
    pub fn is_to_end(&self) -> bool {
        self.lock().end == End::Asked
    }

    /// Its turn is over: says what is waited for, and how long.
    pub fn set_deadlines(&self, context: &mut Context) {
        let (open, idle) = {
            let mut state = self.lock();
            state.at_work = false;
            let idle = std::mem::replace(&mut state.idle, Idle::GoesOn);
            (state.open, idle)
        };
        match (open, idle) {
            // A peer that was told to leave has its time, whether it knows how to or not.
            (0, _) if context.shutdown() != Shutdown::No => context.expect(Reading::Linger),
            (0, Idle::Begins) => context.expect_anew(Reading::Idle),
            // As one that was idle for too long.
            (0, Idle::GoesOn) if context.waits_for(Reading::Linger) => {}
            (0, Idle::GoesOn) => context.expect(Reading::Idle),
            _ => context.expect_nothing(),
        }
    }

    /// Whether none is a task.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lock().open == 0
    }

    /// The connection is over: its streams will see that they are, and this is why. The first reason counts.
    pub fn end(&self, gone: Gone) {
        self.lock().gone.get_or_insert(gone);
    }

    // The streams.

    /// One begins, or several at once.
    pub fn begin(&self) {
        self.lock().idle = Idle::Begins;
    }

    /// One became a task.
    pub fn open(&self) {
        self.lock().open += 1;
    }

    /// One that was a task has ended.
    pub fn close(&self) {
        let mut state = self.lock();
        state.open -= 1;
        if state.open > 0 {
            return;
        }
        state.idle = Idle::Begins;
        if !state.at_work {
            wake(state);
        }
    }

    /// One was cancelled by the peer.
    pub fn note_reset(&self) {
        let mut state = self.lock();
        state.resets += 1;
        wake(state);
    }

    /// The connection is to end after the answers to what it was asked: an application has said so (HTTP-23), or it has had its last request.
    pub fn ask_for_end(&self) {
        let mut state = self.lock();
        state.end = End::Asked;
        wake(state);
    }

    /// Why one is over that was not at its end.
    #[must_use]
    pub fn gone(&self) -> Gone {
        self.lock().gone.unwrap_or(Gone::StreamReset)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// Wakes the connection's task, without the lock.
fn wake(state: MutexGuard<'_, State>) {
    let connection = state.connection.clone();
    drop(state);
    if let Some(connection) = connection {
        connection.wake();
    }
}

/// The window of a connection whose streams have windows of [`INBOUND_BYTES`]: streams whose applications do not read hold back no others.
#[must_use]
pub fn connection_window(limits: &Limits) -> u32 {
    let all_windows = u64::from(limits.streams.max(1)) * INBOUND_BYTES as u64;
    u32::try_from(all_windows).map_or(LARGEST_WINDOW, |all| all.min(LARGEST_WINDOW))
}

/// RFC 9113 section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connections_window_has_room_for_each_stream_and_is_one() {
        let of = |streams| {
            connection_window(&Limits {
                streams,
                ..Limits::default()
            })
        };
        assert_eq!(of(0), INBOUND_BYTES as u32);
        assert_eq!(of(100), 100 * INBOUND_BYTES as u32);
        assert_eq!(of(u32::MAX), LARGEST_WINDOW);
    }
}
