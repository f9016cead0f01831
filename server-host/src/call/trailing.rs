//! A call that outlives its exchange.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::Scope;
use hosting::{report, report_of};
use http::Method;

use crate::app::Slot;
use crate::metrics::{Gauge, Open};
use crate::stall::Mark;
use crate::worker::{Seat, Worker};

/// A call that goes on after its exchange is over. It counts in the drain, and as a call.
pub(super) struct Trailing {
    worker: Seat,
    _open: Open,
    slot: Box<dyn Slot>,
    subject: Subject,
    mark: Mark,
}

/// Whose call it is, for a log.
enum Subject {
    Request(Scope),
    /// The path that it asked for.
    Socket(Box<str>),
}

impl Trailing {
    pub(super) fn of_request(
        worker: &Arc<Worker>,
        slot: Box<dyn Slot>,
        scope: Scope,
        mark: Mark,
    ) -> Self {
        Self::new(worker, slot, Subject::Request(scope), mark)
    }

    pub(super) fn of_socket(
        worker: &Arc<Worker>,
        slot: Box<dyn Slot>,
        path: Box<str>,
        mark: Mark,
    ) -> Self {
        Self::new(worker, slot, Subject::Socket(path), mark)
    }

    fn new(worker: &Arc<Worker>, slot: Box<dyn Slot>, subject: Subject, mark: Mark) -> Self {
        Self {
            worker: Seat::for_other(worker),
            _open: Open::new(&worker.counts, Gauge::LeftBehind),
            slot,
            subject,
            mark,
        }
    }
}

impl Future for Trailing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.mark.begin();
        let polled = self.slot.poll(cx);
        if let Some(since) = self.mark.end() {
            match &self.subject {
                Subject::Request(scope) => self.worker.was_held(scope, since),
                Subject::Socket(path) => {
                    self.worker.was_held_by_socket(&self.mark, path, since);
                }
            }
        }
        if let Err(error) = std::task::ready!(polled) {
            match &self.subject {
                Subject::Request(scope) => report(scope, &error),
                Subject::Socket(path) => {
                    report_of(&Method::GET, path, self.mark.shown().as_deref(), &error);
                }
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Trailing {
    fn drop(&mut self) {
        self.worker.call_ended();
    }
}
