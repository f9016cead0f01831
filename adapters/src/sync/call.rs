//! One request on its way through the pool: waiting, running, over.

use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use gateway_spec::{
    AppError, Done, GoneSignal, Handoff, Http, HttpTransport, SyncApplication, SyncHttp,
};

use super::held::Held;
use crate::beside::caught;
use crate::completion::Completion;
use crate::pool::{Job, Member, Refusal};

pub(super) struct Call<S> {
    app: Arc<S>,
    member: Arc<Member>,
    stage: Mutex<Stage>,
    transport: Arc<Held>,
    outcome: Completion<Outcome>,
}

enum Stage {
    /// For whoever is first: a thread, a refusal, or the future that is dropped.
    Waiting(Http),
    Running,
    /// Not to be seen yet.
    Ran(Outcome),
    Over,
}

/// What was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abandoned {
    /// A call that no thread has taken.
    Unrun,
    /// One that runs or has run.
    Run,
}

/// What the pool made of a call.
pub(super) enum Outcome {
    /// It ran. A whole response is still to be sent.
    Returned {
        result: Result<Done, AppError>,
        handoff: Handoff,
    },
    /// It did not run, and is still to be answered.
    Refused(Http),
}

impl<S: SyncApplication> Call<S> {
    pub(super) fn new(app: Arc<S>, member: Arc<Member>, http: Http) -> Self {
        let (http, transport) = hold(http);
        Self {
            app,
            member,
            stage: Mutex::new(Stage::Waiting(http)),
            transport,
            outcome: Completion::new(),
        }
    }

    /// Waits for a thread to be done with it, or for a refusal; with a signal, also for its client to leave while it waits for a
    /// thread, which is a refusal too.
    pub(super) fn outcome(&self, gone: Option<GoneSignal>) -> impl Future<Output = Outcome> {
        let mut gone = gone;
        poll_fn(move |cx| {
            if let Poll::Ready(outcome) = self.outcome.poll(cx) {
                return Poll::Ready(outcome);
            }
            while let Some(signal) = &mut gone {
                match Pin::new(signal).poll(cx) {
                    Poll::Pending => break,
                    Poll::Ready(reason) if !reason.is_final() => {}
                    Poll::Ready(_) => {
                        gone = None;
                        if let Some(http) = self.take() {
                            return Poll::Ready(Outcome::Refused(http));
                        }
                    }
                }
            }
            Poll::Pending
        })
    }

    pub(super) fn gone(&self) -> GoneSignal {
        self.transport.gone()
    }

    /// The call has returned: what its handles held back takes effect.
    pub(super) fn let_go(&self) {
        self.transport.let_go();
    }

    /// Nobody waits for the outcome: not run if it was not yet, else its handles fail from now on.
    pub(super) fn abandon(&self) -> Abandoned {
        let was = self.enter(Stage::Over);
        let abandoned = match &was {
            Stage::Waiting(_) => Abandoned::Unrun,
            Stage::Running | Stage::Ran(_) | Stage::Over => Abandoned::Run,
        };
        drop(was);
        self.transport.give_up();
        abandoned
    }

    /// The exchange, if nobody took it yet.
    fn take(&self) -> Option<Http> {
        let mut stage = self.stage();
        match std::mem::replace(&mut *stage, Stage::Running) {
            Stage::Waiting(http) => Some(http),
            other => {
                *stage = other;
                None
            }
        }
    }

    fn enter(&self, next: Stage) -> Stage {
        std::mem::replace(&mut *self.stage(), next)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: SyncApplication> Job for Call<S> {
    fn is_wanted(&self) -> bool {
        matches!(*self.stage(), Stage::Waiting(_)) && !self.transport.client_left()
    }

    fn run(&self) {
        let Some(http) = self.take() else { return };
        let (http, handoff) = SyncHttp::with_handoff(http);
        let call = || self.app.call(http);
        // What a panic may have torn is the application's own, and it knows that other requests follow.
        let result = panic::catch_unwind(AssertUnwindSafe(call));
        let result = result.unwrap_or_else(|payload| Err(caught(payload)));
        drop(self.enter(Stage::Ran(Outcome::Returned { result, handoff })));
    }

    fn publish(&self) -> Option<Waker> {
        match self.enter(Stage::Over) {
            Stage::Ran(outcome) => self.outcome.complete(outcome),
            Stage::Waiting(_) | Stage::Running | Stage::Over => None,
        }
    }

    fn refuse(&self, _why: Refusal) {
        let waker = self
            .take()
            .and_then(|http| self.outcome.complete(Outcome::Refused(http)));
        waker.into_iter().for_each(Waker::wake);
    }

    fn release(&self) {
        self.transport.give_up();
    }

    fn member(&self) -> Option<&Arc<Member>> {
        Some(&self.member)
    }
}

/// Puts a [`Held`] around an exchange.
fn hold(http: Http) -> (Http, Arc<Held>) {
    let mut kept = None;
    let http = http.map_transport(|transport| {
        let held = Arc::new(Held::new(transport));
        kept = Some(Arc::clone(&held));
        held
    });
    (http, kept.expect("wrapping happens once, at once"))
}
