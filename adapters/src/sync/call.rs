//! One request on its way through the pool: waiting, running, over.

use std::any::Any;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use gateway_spec::{AppError, BodyLength, Done, Handoff, Http, SyncApplication, SyncHttp};

use super::held::Held;
use crate::completion::Completion;
use crate::pool::Job;

pub(super) struct Call<S> {
    app: Arc<S>,
    /// Taken by whoever is first: a thread, a refusal, or the future that is dropped.
    waiting: Mutex<Option<Http>>,
    transport: Arc<Held>,
    outcome: Completion<Outcome>,
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
    pub(super) fn new(app: Arc<S>, http: Http) -> Self {
        let (http, transport) = hold(http);
        Self {
            app,
            waiting: Mutex::new(Some(http)),
            transport,
            outcome: Completion::new(),
        }
    }

    pub(super) fn outcome(&self) -> impl Future<Output = Outcome> {
        self.outcome.wait()
    }

    /// The call has returned: what its handles held back takes effect.
    pub(super) fn let_go(&self) {
        self.transport.let_go();
    }

    /// Nobody waits for the outcome: not run if it was not yet, else its handles fail from now on.
    pub(super) fn abandon(&self) {
        drop(self.take());
        self.transport.give_up();
    }

    fn take(&self) -> Option<Http> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl<S: SyncApplication> Job for Call<S> {
    fn is_wanted(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_some() && !self.transport.client_left()
    }

    fn run(&self) -> Option<Waker> {
        let http = self.take()?;
        let (http, handoff) = SyncHttp::with_handoff(http);
        let call = || self.app.call(http);
        // What a panic may have torn is the application's own, and it knows that other requests follow.
        let result = panic::catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            let error = panicked(&*payload);
            // Its destructor is the application's code too.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
            Err(error)
        });
        let outcome = Outcome::Returned { result, handoff };
        self.outcome.complete(outcome)
    }

    fn refuse(&self) {
        let waker = self
            .take()
            .and_then(|http| self.outcome.complete(Outcome::Refused(http)));
        waker.into_iter().for_each(Waker::wake);
    }

    fn release(&self) {
        self.transport.give_up();
    }
}

/// What a server logs of a panic.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> AppError {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("with something that is no text");
    AppError::message(format!("the synchronous application panicked: {text}"))
}

/// Puts a [`Held`] around an exchange, whose body middleware may have read from.
fn hold(http: Http) -> (Http, Arc<Held>) {
    let left = match http.body.remaining() {
        BodyLength::Unknown if http.body.is_end() => BodyLength::Empty,
        left => left,
    };
    let (scope, transport) = http.into_transport();
    let held = Arc::new(Held::new(transport));
    if left == scope.body {
        return (Http::new(scope, Arc::clone(&held) as _), held);
    }
    let mut of_rest = scope.clone();
    of_rest.edit().body = left;
    let rest = Http::new(of_rest, Arc::clone(&held) as _);
    (Http { scope, ..rest }, held)
}
