//! What counts on a worker for as long as it lives: connections, their streams, calls that are left behind.

use std::ops::Deref;
use std::sync::Arc;

use super::Worker;

/// A worker, and that something is open there: the drain waits until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    worker: Arc<Worker>,
    of: Of,
}

/// Whose seat it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A socket, which the limit of connections is for.
    Connection,
    /// A part of a connection, or a call without one.
    Other,
}

impl Seat {
    /// For a socket, from the moment that it is accepted.
    pub(crate) fn for_connection(worker: &Arc<Worker>) -> Self {
        worker.connected();
        Self::new(worker, Of::Connection)
    }

    /// For what is no socket: a stream of a connection, or a call that goes on without one.
    pub(crate) fn for_other(worker: &Arc<Worker>) -> Self {
        Self::new(worker, Of::Other)
    }

    fn new(worker: &Arc<Worker>, of: Of) -> Self {
        worker.opened();
        Self {
            worker: Arc::clone(worker),
            of,
        }
    }

    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }
}

impl Deref for Seat {
    type Target = Worker;

    #[inline]
    fn deref(&self) -> &Worker {
        &self.worker
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.of == Of::Connection {
            self.worker.disconnected();
        }
        // Last: it wakes who waits for room.
        self.worker.closed();
    }
}
