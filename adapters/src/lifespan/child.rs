//! One lifespan: a call of an application, and the transport that it speaks through.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use gateway_spec::{
    AppError, Application, Connection, Done, DrainSignal, Lifespan, LifespanScope,
    LifespanTransport, Signal, State, Wait,
};
use hosting::drop_confined;

use crate::beside::caught;

type Calling<'a> = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send + 'a>>;

/// A lifespan that was called for, in whatever state.
pub(super) struct Child<'a> {
    call: Call<'a>,
    life: Arc<Life>,
    changed: Wait<()>,
}

enum Call<'a> {
    Running(Calling<'a>),
    Returned(Result<Done, AppError>),
    /// Its result was taken.
    Over,
}

impl<'a> Child<'a> {
    pub(super) fn call(scope: &LifespanScope, app: &'a impl Application) -> Self {
        let life = Arc::new(Life::default());
        let lifespan = Lifespan::new(scope.clone(), Arc::clone(&life) as _);
        // Called by the first poll, where a panic is confined.
        let call = async move { app.call(Connection::Lifespan(lifespan)).await };
        let call = Call::Running(Box::pin(call));
        let changed = life.changed.wait();
        Self {
            call,
            life,
            changed,
        }
    }

    /// Lets it go on. A panic is its error, and no other's: those beside it are still to be stopped.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Call::Running(call) = &mut self.call {
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
            let polled = polled.unwrap_or_else(|payload| Poll::Ready(Err(caught(payload))));
            if let Poll::Ready(result) = polled {
                let call = std::mem::replace(&mut self.call, Call::Returned(result));
                drop_confined(|| drop(call));
            }
        }
        // The handle may be used by another task, which changes the phase without waking the call.
        while Pin::new(&mut self.changed).poll(cx).is_ready() {}
    }

    /// Resolves with the state when the application has started, and with an empty one when it has no lifespan.
    pub(super) fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Result<State, AppError>> {
        self.poll(cx);
        if let Call::Returned(Err(_)) = self.call {
            return Poll::Ready(self.take_result().map(|()| State::new()));
        }
        let said = self.life.said();
        Poll::Ready(match (&said.state, said.end, &self.call) {
            (Some(state), _, _) => Ok(state.clone()),
            (None, Some(End::Refused), _) => Ok(State::new()),
            (None, None, Call::Running(_)) => return Poll::Pending,
            (None, _, _) => Err(AppError::message(
                "an application ended its lifespan before it had started",
            )),
        })
    }

    /// The result of one that has started, once it is over.
    pub(super) fn take_end(&mut self) -> Option<Result<(), AppError>> {
        let end = self.life.said().end;
        match (end, &self.call) {
            // It has no life to end.
            (Some(End::Refused), _) | (_, Call::Over) => None,
            (_, Call::Returned(_)) => Some(self.take_result()),
            (Some(End::Dropped), Call::Running(_)) => Some(Err(dropped())),
            (_, Call::Running(_)) => None,
        }
    }

    pub(super) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AppError>> {
        self.poll(cx);
        let end = self.life.said().end;
        Poll::Ready(match (end, &self.call) {
            (Some(End::Refused), _) | (_, Call::Over) => Ok(()),
            (_, Call::Running(_)) => return Poll::Pending,
            (Some(End::Stopped), Call::Returned(_)) => self.take_result(),
            (_, Call::Returned(_)) => self.take_result().and(Err(dropped())),
        })
    }

    /// Asks it to stop by then.
    pub(super) fn request_shutdown(&self, deadline: Instant) {
        self.life.shutdown.raise(deadline);
    }

    fn take_result(&mut self) -> Result<(), AppError> {
        match std::mem::replace(&mut self.call, Call::Over) {
            Call::Returned(result) => result.map(drop),
            Call::Running(_) | Call::Over => Ok(()),
        }
    }
}

fn dropped() -> AppError {
    AppError::message("an application dropped its lifespan without having stopped")
}

/// The transport of one child.
#[derive(Default)]
struct Life {
    said: Mutex<Said>,
    changed: Signal<()>,
    shutdown: Signal<Instant>,
}

/// What the application has said of itself.
#[derive(Default)]
struct Said {
    /// Once it has started.
    state: Option<State>,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Refused,
    Stopped,
    Dropped,
}

impl Life {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        self.said().end = Some(end);
        self.changed.raise(());
    }
}

impl LifespanTransport for Life {
    fn started(&self, state: State) {
        self.said().state = Some(state);
        self.changed.raise(());
    }

    fn refuse(&self) {
        self.end(End::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.end(End::Stopped);
    }

    fn abort(&self) {
        self.end(End::Dropped);
    }
}
