//! What a connection still has to send: bounded, never waited for by those who fill it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway_spec::Text;
use tokio::sync::Notify;

use crate::protocol::Bye;

/// Bytes that may wait for a reader: the last messages of a room in full, escaped, are half of it.
pub(crate) const WAITING_BYTES: usize = 1024 * 1024;

/// Frames that may wait for a reader: a room's whole ring. Small ones cost more than their bytes.
pub(crate) const WAITING_FRAMES: usize = 1024;

/// Volatile frames that may wait: what is older than so many is no longer so.
pub(crate) const WAITING_VOLATILE: usize = 64;

/// Below this the connection's requests are read on, so that the largest reply fits above it.
const LOW_BYTES: usize = 64 * 1024;
const LOW_FRAMES: usize = 256;

/// The outgoing frames of one connection. Many fill it, its session alone empties it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// A frame came, or the connection has to end.
    filled: Notify,
    /// A frame was taken.
    taken: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Text>,
    bytes: usize,
    volatile: VecDeque<Text>,
    /// Why the connection has to end: the reader was too slow, or somebody ended it. Then no more frames are taken.
    end: Option<Bye>,
}

/// How a frame is to be treated when the reader is slow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// It must arrive, or the connection must end.
    Reliable,
    /// It may give way to newer ones.
    Volatile,
}

impl Outbox {
    /// Adds a frame; never waits.
    pub(crate) fn push(&self, lane: Lane, frame: Text) {
        let mut queue = self.lock();
        match lane {
            _ if queue.end.is_some() => return,
            Lane::Volatile => {
                queue.volatile.push_back(frame);
                if queue.volatile.len() > WAITING_VOLATILE {
                    queue.volatile.pop_front();
                }
            }
            Lane::Reliable => {
                queue.bytes += frame.len();
                queue.frames.push_back(frame);
                if queue.bytes > WAITING_BYTES || queue.frames.len() > WAITING_FRAMES {
                    // What is missing now is read when the client comes again.
                    *queue = Queue {
                        end: Some(Bye::Slow),
                        ..Queue::default()
                    };
                }
            }
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Ends the connection, after what waits now.
    pub(crate) fn end(&self, bye: Bye) {
        self.lock().end.get_or_insert(bye);
        self.filled.notify_one();
    }

    /// Takes the frame to send next: reliable ones first.
    pub(crate) fn take(&self) -> Option<Text> {
        let mut queue = self.lock();
        let frame = match queue.frames.pop_front() {
            Some(frame) => {
                queue.bytes -= frame.len();
                if queue.frames.is_empty() {
                    // Most readers have read all most of the time, and there are many.
                    queue.frames = VecDeque::new();
                }
                Some(frame)
            }
            None => {
                let frame = queue.volatile.pop_front();
                if queue.volatile.is_empty() {
                    queue.volatile = VecDeque::new();
                }
                frame
            }
        };
        drop(queue);
        self.taken.notify_one();
        frame
    }

    /// Whether no frame waits.
    pub(crate) fn is_empty(&self) -> bool {
        let queue = self.lock();
        queue.frames.is_empty() && queue.volatile.is_empty()
    }

    /// Waits until there is a frame to take.
    ///
    /// # Errors
    ///
    /// Why the connection has to end, once and for ever.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn filled(&self) -> Result<(), Bye> {
        loop {
            {
                let queue = self.lock();
                if let Some(bye) = queue.end {
                    return Err(bye);
                }
                if !queue.frames.is_empty() || !queue.volatile.is_empty() {
                    return Ok(());
                }
            }
            self.filled.notified().await;
        }
    }

    /// Waits until the connection has to end, and says why.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn ended(&self) -> Bye {
        loop {
            if let Some(bye) = self.lock().end {
                return bye;
            }
            self.filled.notified().await;
        }
    }

    /// Waits until so little is waiting that the largest reply fits.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn low(&self) {
        while !self.is_low() {
            self.taken.notified().await;
        }
    }

    /// Whether so little is waiting that the largest reply fits.
    pub(crate) fn is_low(&self) -> bool {
        let queue = self.lock();
        queue.bytes <= LOW_BYTES && queue.frames.len() <= LOW_FRAMES
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Outbox, WAITING_BYTES, WAITING_FRAMES, WAITING_VOLATILE};
    use crate::protocol::Bye;

    fn taken(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.take())
            .map(|frame| frame.to_string())
            .collect()
    }

    #[tokio::test]
    async fn reliable_frames_go_first_and_in_order() {
        let outbox = Outbox::default();
        for (lane, text) in [
            (Lane::Volatile, "v"),
            (Lane::Reliable, "1"),
            (Lane::Reliable, "2"),
        ] {
            outbox.push(lane, text.into());
        }
        assert_eq!(outbox.filled().await, Ok(()));
        assert_eq!(taken(&outbox), ["1", "2", "v"]);
    }

    #[test]
    fn volatile_frames_give_way_to_newer_ones() {
        let outbox = Outbox::default();
        for number in 0..WAITING_VOLATILE + 2 {
            outbox.push(Lane::Volatile, number.to_string().into());
        }
        let taken = taken(&outbox);
        assert_eq!((taken.len(), taken[0].as_str()), (WAITING_VOLATILE, "2"));
    }

    #[tokio::test]
    async fn what_waits_when_the_connection_is_ended_is_still_sent_and_nothing_after_it() {
        let outbox = Outbox::default();
        outbox.push(Lane::Reliable, "1".into());
        outbox.end(Bye::Banned);
        outbox.end(Bye::Slow);
        outbox.push(Lane::Reliable, "2".into());
        assert_eq!(outbox.ended().await, Bye::Banned);
        assert_eq!(taken(&outbox), ["1"]);
    }

    #[tokio::test]
    async fn too_many_bytes_or_frames_overflow_and_free_everything() {
        let many = (WAITING_FRAMES, "x".to_owned());
        let large = (4, "x".repeat(WAITING_BYTES / 4));
        for (count, frame) in [many, large] {
            let outbox = Outbox::default();
            for _ in 0..count {
                outbox.push(Lane::Reliable, frame.clone().into());
            }
            assert_eq!(outbox.filled().await, Ok(()), "the bound itself still fits");
            assert!(!outbox.is_low());
            outbox.push(Lane::Reliable, "y".into());
            assert_eq!(outbox.filled().await, Err(Bye::Slow));
            assert_eq!(outbox.ended().await, Bye::Slow);
            outbox.push(Lane::Reliable, "z".into());
            assert_eq!(taken(&outbox), [""; 0]);
        }
    }
}
