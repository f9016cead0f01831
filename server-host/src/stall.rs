//! Finds code of the application that holds a worker: everybody else on that worker waits for it.
//!
//! A worker stores a mark before and after each poll of a call, and looks whether it was reported meanwhile: two stores
//! and a load, and no clock. A watchdog looks at the marks a few times in each threshold. One that it sees again has been
//! polled for as long. What it can name is the label, which the application's own setting shows it; the worker names the
//! rest when it is let go.
//!
//! What holds a worker outside of a call, such as a task that the application spawned, is seen by a task of the worker's that
//! does not answer.

mod record;
mod watchdog;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gateway_spec::{HttpScope, Label, LabelBoard};
use tokio::sync::Notify;

pub(crate) use record::Stalls;
pub(crate) use watchdog::Watchdog;

/// What a worker is at.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// The mark of the poll under way, with [`POLLED`]; or that of the last one.
    now: AtomicU64,
    /// The mark of a poll that lasts too long, until somebody has said how long it was.
    reported: AtomicU64,
    held: Mutex<Option<Instant>>,
    places: Mutex<Places>,
    /// What the watchdog asked last, and what the worker answered last.
    asked: AtomicU32,
    answered: AtomicU32,
    heart: Notify,
}

/// A poll is under way.
const POLLED: u64 = 1 << 63;

/// Between the marks of two polls of one place: below it is the place's number.
const POLL: u64 = 1 << 32;

/// Places for calls, by number.
#[derive(Debug, Default)]
struct Places {
    last: u32,
    places: HashMap<u32, LabelBoard>,
}

/// A place for calls, as the watchdog sees it: its number, and how often it was polled.
#[derive(Debug)]
pub(crate) struct Mark {
    turns: Arc<Turns>,
    mark: u64,
    /// `None` where no label can be set.
    board: Option<LabelBoard>,
}

impl Turns {
    /// A mark for a new place for calls.
    pub(crate) fn mark(self: &Arc<Self>) -> Mark {
        let board = LabelBoard::default();
        let mut places = self.places();
        places.last = places.last.wrapping_add(1);
        let number = places.last;
        places.places.insert(number, board.clone());
        drop(places);
        Mark {
            turns: Arc::clone(self),
            mark: number.into(),
            board: Some(board),
        }
    }

    /// Answers the watchdog, for as long as it is polled.
    pub(crate) async fn beat(&self) {
        loop {
            self.heart.notified().await;
            let asked = self.asked.load(Ordering::Relaxed);
            self.answered.store(asked, Ordering::Relaxed);
        }
    }

    /// Since when the poll under way is known to last too long, if it does.
    pub(crate) fn held_since(&self) -> Option<Instant> {
        *self.held()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Option<Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The label of the call in a place, as it can be seen from outside.
    fn label(&self, mark: u64) -> Option<String> {
        let number = mark as u32;
        let board = self.places().places.get(&number).cloned();
        board.and_then(|board| board.get())
    }

    /// Takes the report of this poll back; since when it was seen, for the one who comes first.
    fn take_report(&self, mark: u64) -> Option<Instant> {
        let taken = self
            .reported
            .compare_exchange(mark, 0, Ordering::Relaxed, Ordering::Relaxed);
        taken.ok().and_then(|_| self.held().take())
    }
}

impl Mark {
    /// A label that the watchdog sees.
    pub(crate) fn label(&self) -> Label {
        self.board
            .as_ref()
            .map_or_else(Label::default, LabelBoard::label)
    }

    /// The label that is shown.
    pub(crate) fn shown(&self) -> Option<String> {
        self.board.as_ref().and_then(LabelBoard::get)
    }

    /// The call under way is the last one of its place, and a long one: keeps nothing for a label where none was set and nobody has one
    /// to set any more.
    pub(crate) fn settle(&mut self) {
        let Some(board) = self.board.take() else {
            return;
        };
        let number = self.mark as u32;
        let listed = self.turns.places().places.remove(&number);
        drop(listed);
        if !board.is_blank() {
            self.turns.places().places.insert(number, board.clone());
            self.board = Some(board);
        }
    }

    /// A poll begins.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.mark = self.mark.wrapping_add(POLL) & !POLLED;
        self.turns.now.store(self.mark | POLLED, Ordering::Relaxed);
    }

    /// It has ended; since when it was seen to last too long, if it was.
    #[inline]
    pub(crate) fn end(&self) -> Option<Instant> {
        self.turns.now.store(self.mark, Ordering::Relaxed);
        if self.turns.reported.load(Ordering::Relaxed) == self.mark {
            return self.turns.take_report(self.mark);
        }
        None
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let number = self.mark as u32;
        let gone = self.turns.places().places.remove(&number);
        drop(gone);
    }
}

/// What held a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'a> {
    /// The call of an exchange, as the worker knows it.
    Exchange(&'a HttpScope),
    /// That of a WebSocket, as its worker knows it.
    Socket {
        label: Option<&'a str>,
        path: &'a str,
    },
    /// A call, as far as it can be seen from outside.
    Call { label: Option<&'a str> },
    /// Something beside the exchanges.
    Task,
}

/// How many workers are held right now.
#[derive(Debug, Default)]
pub(crate) struct Held(AtomicUsize);

impl Held {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
