//! What a call needs and an idle connection does not.

use std::sync::Arc;
use std::task::Poll;

use gateway_spec::{AppError, Done, Gone, Headers, Http, Scope};
use hosting::{Exchange, is_panic};
use websocket::Line;

use super::socket::MayBeSocket;
use crate::Output;
use crate::app::Slot;
use crate::observe::{Began, Fate};
use crate::stall::Mark;
use crate::worker::Worker;

/// What a call needs and an idle connection does not: the worker's, for whoever has a request.
pub(crate) struct Kit {
    pub(super) slot: Box<dyn Slot>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) scope: Scope,
    pub(super) mark: Mark,
    /// If somebody wants to know of the exchange.
    pub(super) began: Option<Began>,
    /// Whether what a client has said lies in the scope.
    pub(super) is_told: bool,
    /// What a call has that may become a WebSocket's: the slot is then for it alone.
    pub(super) socket: Option<Box<MayBeSocket>>,
}

impl Kit {
    pub(crate) fn new(worker: &Worker) -> Self {
        let mark = worker.turns.mark();
        Self {
            slot: worker.app.slot(),
            exchange: Arc::default(),
            scope: worker.blank.scope(&mark),
            mark,
            began: None,
            is_told: false,
            socket: None,
        }
    }

    /// The exchange as the application has it.
    #[inline(always)]
    pub(super) fn http(&self) -> Http {
        Http::new(self.scope.clone(), Arc::clone(&self.exchange) as _)
    }

    /// Polls the call under the eyes of who looks for calls that hold their worker.
    #[inline(always)]
    pub(super) fn turn(
        &mut self,
        worker: &Worker,
        poll: impl FnOnce(&mut Self) -> Poll<Result<Done, AppError>>,
    ) -> Poll<Result<Done, AppError>> {
        self.mark.begin();
        let polled = poll(self);
        if let Some(since) = self.mark.end() {
            worker.was_held(&self.scope, since);
        }
        polled
    }

    /// Somebody wants to know of the exchange.
    #[cold]
    pub(super) fn start_observing(&mut self, worker: &Worker) {
        let mut began = worker.begin_observation(&self.exchange);
        if worker.observing.spans
            && let Some(scope) = self.scope.reuse()
        {
            scope.extensions.insert(began.id);
        }
        if worker.observing.fields {
            began.kept = Some(self.scope.clone());
        }
        self.began = Some(began);
    }

    /// What the call failed by is what became of the exchange, whatever is still sent.
    #[inline]
    pub(super) fn note_failure(&mut self, polled: &Poll<Result<Done, AppError>>) {
        if let (Poll::Ready(Err(error)), Some(began)) = (polled, &mut self.began) {
            began.fate = fate_of(error);
        }
    }

    /// The exchange is over: whoever wants to know of it is told.
    #[inline]
    pub(super) fn tell(&mut self, worker: &Worker, gone: Gone) {
        if let Some(began) = self.began.take() {
            let received = self.exchange.received().wrapping_sub(began.received);
            worker.exchange_over(&began, &self.scope, self.exchange.sent(), received, gone);
        }
    }

    /// What is known of the call under way goes with it: the mark, and with it the label that it shows, and the scope.
    pub(super) fn give_away(&mut self, worker: &Worker) -> (Mark, Scope) {
        let mark = std::mem::replace(&mut self.mark, worker.turns.mark());
        let scope = std::mem::replace(&mut self.scope, worker.blank.scope(&self.mark));
        (mark, scope)
    }

    pub(super) fn line(&self) -> Option<&Line<Output>> {
        Some(&*self.socket.as_ref()?.line.as_ref()?.0)
    }

    /// Makes room for a call of any kind in place of one that may have become a WebSocket.
    pub(super) fn forget_socket(&mut self, worker: &Worker) {
        if self.socket.take().is_some() {
            self.slot = worker.app.slot();
        }
    }

    /// Forgets what the client said, of a kit that nobody uses: nothing of it lies about until somebody else comes.
    pub(crate) fn forget(&mut self, worker: &Worker) {
        if !std::mem::take(&mut self.is_told) {
            return;
        }
        match self.scope.reuse() {
            Some(scope) => scope.headers = Headers::new(),
            // The application keeps it.
            None => self.scope = worker.blank.scope(&self.mark),
        }
    }
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kit").finish_non_exhaustive()
    }
}

/// What became of an exchange whose call failed like this.
pub(super) fn fate_of(error: &AppError) -> Fate {
    if is_panic(error) {
        Fate::Panicked
    } else if error.status_code().is_server_error() {
        Fate::Called
    } else {
        Fate::Misled
    }
}
