//! The state: notes, who waits for new ones, and whether the service closes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{broadcast, watch};

/// New notes that a slow watcher may lag behind before it misses some.
const BACKLOG: usize = 64;

/// A note on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its number, from 1.
    pub id: u64,
    /// Its text.
    pub text: String,
}

/// The board; clones are the same one.
#[derive(Debug, Clone)]
pub struct Board {
    notes: Arc<Mutex<Notes>>,
    posted: broadcast::Sender<Note>,
    watchers: watch::Sender<usize>,
    closing: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Notes {
    last: u64,
    by_id: BTreeMap<u64, Note>,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self {
            notes: Arc::default(),
            posted: broadcast::Sender::new(BACKLOG),
            watchers: watch::Sender::new(0),
            closing: watch::Sender::new(false),
        }
    }

    /// Adds a note and shows it to all who watch.
    pub fn post(&self, text: impl Into<String>) -> Note {
        let note = {
            let mut notes = self.lock();
            notes.last += 1;
            let note = Note {
                id: notes.last,
                text: text.into(),
            };
            notes.by_id.insert(note.id, note.clone());
            note
        };
        // Nobody has to watch.
        let _ = self.posted.send(note.clone());
        note
    }

    /// Tells event streams and sockets to say goodbye: what `main` calls when it was told to stop.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// How many requests, event streams, sockets and streams of lines wait or are open: a number that goes down when
    /// their clients leave.
    #[must_use]
    pub fn watchers(&self) -> watch::Receiver<usize> {
        self.watchers.subscribe()
    }

    /// Counts one more watcher until what it gives is dropped.
    pub(crate) fn watch(&self) -> Watching {
        self.watchers.send_modify(|watchers| *watchers += 1);
        Watching {
            board: self.clone(),
        }
    }

    pub(crate) fn posted(&self) -> broadcast::Receiver<Note> {
        self.posted.subscribe()
    }

    /// Resolves when the service closes.
    pub(crate) async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        // The sender is in `self`, so it is there.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    pub(super) fn after(&self, id: u64, limit: usize) -> Vec<Note> {
        let notes = self.lock();
        let after = notes.by_id.range(id.saturating_add(1)..);
        after.take(limit).map(|(_, note)| note.clone()).collect()
    }

    pub(crate) fn note(&self, id: u64) -> Option<Note> {
        self.lock().by_id.get(&id).cloned()
    }

    pub(super) fn replace(&self, id: u64, text: String) -> Option<Note> {
        let mut notes = self.lock();
        let note = notes.by_id.get_mut(&id)?;
        note.text = text;
        Some(note.clone())
    }

    pub(super) fn remove(&self, id: u64) -> Option<Note> {
        self.lock().by_id.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        // Each change is one call of the map, so a poisoned one is still whole.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

/// A watcher that is counted.
#[derive(Debug)]
pub(crate) struct Watching {
    board: Board,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.board.watchers.send_modify(|watchers| *watchers -= 1);
    }
}
