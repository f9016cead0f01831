//! What the application notes down and what it waits for, so that no test has to guess how long something takes.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::watch;

/// Notes of one server, and the gates that were opened.
#[derive(Clone)]
pub(crate) struct Notes {
    noted: watch::Sender<Vec<String>>,
    open: watch::Sender<HashSet<String>>,
    /// The same for threads.
    blocked: Arc<(Mutex<bool>, Condvar)>,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self {
            noted: watch::Sender::default(),
            open: watch::Sender::default(),
            blocked: Arc::default(),
        }
    }

    pub(crate) fn add(&self, note: impl Into<String>) {
        self.noted.send_modify(|noted| noted.push(note.into()));
    }

    /// All notes, once there are so many.
    pub(crate) async fn first(&self, count: usize) -> String {
        let mut noted = self.noted.subscribe();
        match noted.wait_for(|noted| noted.len() >= count).await {
            Ok(noted) => noted.join("\n"),
            Err(gone) => gone.to_string(),
        }
    }

    pub(crate) fn open(&self, gate: String) {
        self.open.send_modify(|open| {
            open.insert(gate);
        });
        let (is_open, changed) = &*self.blocked;
        *is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits at a gate. The sender is held here, so that it does not end before.
    pub(crate) async fn wait_at(&self, gate: &str) {
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| open.contains(gate)).await;
    }

    /// Holds this thread until any gate is opened.
    pub(crate) fn block(&self) {
        let (is_open, changed) = &*self.blocked;
        let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(is_open, |open| !*open));
    }
}
