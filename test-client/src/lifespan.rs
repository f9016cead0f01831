//! The application's lifespan, run as a server runs it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Application, BoxApplication, Capabilities, Connection, Done, DrainSignal,
    LifespanScope, LifespanTransport, Signal, State,
};

use crate::call::text_of;

/// A lifespan under way.
pub(crate) struct Lifespan {
    shared: Arc<Shared>,
}

/// What became of the startup.
#[derive(Clone)]
pub(crate) enum Life {
    /// Not started, or refused.
    None,
    Running(Arc<Shared>),
}

pub(crate) struct Shared {
    state: Mutex<Progress>,
    shutdown: Signal<Instant>,
    /// Something of `state` changed.
    changed: Signal<()>,
}

struct Progress {
    phase: Phase,
    /// What it started with, also if it has stopped since.
    state: Option<State>,
    call: Call,
}

enum Phase {
    Starting,
    Started,
    Refused,
    Stopped,
    Abandoned,
}

enum Call {
    Pending,
    /// Returned; the error is there until somebody was told.
    Returned(Option<AppError>),
}

impl Lifespan {
    /// Calls the application in a task of its own.
    pub(crate) fn spawn(
        app: &BoxApplication,
        capabilities: Capabilities,
        drain: &Signal<Instant>,
    ) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(Progress {
                phase: Phase::Starting,
                state: None,
                call: Call::Pending,
            }),
            shutdown: Signal::new(),
            changed: Signal::new(),
        });
        let scope = LifespanScope::new(capabilities).with_drain(drain.clone());
        let lifespan = gateway_spec::Lifespan::new(scope, Arc::clone(&shared) as _);
        let (app, told) = (app.clone(), Arc::clone(&shared));
        drop(tokio::spawn(async move {
            let error = outcome(app.call(Connection::Lifespan(lifespan)))
                .await
                .err();
            told.lock().call = Call::Returned(error);
            told.changed.raise(());
        }));
        Self { shared }
    }

    /// Waits until it has started, was refused, or failed to.
    pub(crate) async fn started(self) -> Result<(Life, State), AppError> {
        self.shared
            .wait(|progress| {
                if let Some(state) = progress.state.clone() {
                    return Some(Ok((Life::Running(Arc::clone(&self.shared)), state)));
                }
                match (&progress.phase, &mut progress.call) {
                    (_, Call::Returned(error @ Some(_))) => error.take().map(Err),
                    (Phase::Refused, _) => Some(Ok((Life::None, State::new()))),
                    (_, Call::Pending) => None,
                    (_, Call::Returned(None)) => Some(Err(AppError::message(
                        "it dropped its lifespan without calling `started` or `refuse` (LIFE-3)",
                    ))),
                }
            })
            .await
    }
}

impl Life {
    pub(crate) async fn ended(&self) -> Result<(), AppError> {
        match self {
            Self::None => std::future::pending().await,
            Self::Running(shared) => {
                shared
                    .wait(|progress| match &mut progress.call {
                        Call::Pending => None,
                        Call::Returned(error) => Some(error.take().map_or(Ok(()), Err)),
                    })
                    .await
            }
        }
    }

    pub(crate) async fn stop(&self, grace: Duration) -> Result<(), AppError> {
        let Self::Running(shared) = self else {
            return Ok(());
        };
        shared.shutdown.raise(Instant::now() + grace);
        match tokio::time::timeout(grace, self.ended()).await {
            Ok(ended) => ended?,
            Err(_elapsed) => {
                return Err(AppError::message("it did not stop within the grace period"));
            }
        }
        match shared.lock().phase {
            Phase::Stopped => Ok(()),
            _ => Err(AppError::message(
                "it returned without calling `stopped` (LIFE-7)",
            )),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait<T>(&self, mut look: impl FnMut(&mut Progress) -> Option<T>) -> T {
        // One waiter for all changes: it sees each of them.
        let mut changed = self.changed.wait();
        loop {
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            (&mut changed).await;
        }
    }

    fn become_(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.raise(());
    }
}

impl LifespanTransport for Shared {
    fn started(&self, state: State) {
        self.lock().state = Some(state);
        self.become_(Phase::Started);
    }

    fn refuse(&self) {
        self.become_(Phase::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.become_(Phase::Stopped);
    }

    fn abort(&self) {
        self.become_(Phase::Abandoned);
    }
}

/// The call's end; a panic is an error that says so.
async fn outcome(call: impl Future<Output = Result<Done, AppError>>) -> Result<(), AppError> {
    let mut call = pin!(call);
    poll_fn(|cx| {
        // It is not polled again after a panic.
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(result.map(drop)),
            Err(panic) => {
                let text = format!("panicked: {}", text_of(&*panic));
                Poll::Ready(Err(AppError::message(text)))
            }
        }
    })
    .await
}
