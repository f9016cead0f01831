//! The application's lifespan: started before the first exchange, stopped after the last one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, Application, Connection, DrainSignal, Lifespan, LifespanScope, LifespanTransport,
    Signal, State,
};
use tokio::task::JoinHandle;

#[cfg(test)]
mod machine;

/// A lifespan that has started, or that the application does not have: [`start`] gives it.
///
/// Dropped, the call goes on, and is not asked to stop.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    call: Option<JoinHandle<Result<(), AppError>>>,
}

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    shutdown: Signal<Instant>,
    changed: Signal<()>,
}

#[derive(Debug, Default)]
enum Progress {
    #[default]
    Starting,
    Started(State),
    Refused,
    Stopped,
    Abandoned,
}

/// Starts the application's lifespan in a task of its own, and waits until it is up, for so long (LIFE-1, LIFE-8). With it
/// comes what is to be in every scope (LIFE-5).
///
/// # Errors
///
/// Why it did not start (LIFE-3): what the call failed with, that it panicked, was late, or returned without a word.
///
/// # Panics
///
/// Outside of a tokio runtime with time.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::{Duration, Instant};
/// use gateway_spec::{AppError, Capabilities, Connection, LifespanScope, State, application_fn};
/// use hosting::lifespan;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Lifespan(lifespan) => {
///         let running = lifespan.started(State::new().with(7_u8));
///         running.shutdown_requested().await;
///         Ok(running.stopped())
///     }
///     other => other.refuse().await,
/// });
/// let patience = Duration::from_secs(60);
/// let scope = LifespanScope::new(Capabilities::new("example"));
/// let (running, state) = lifespan::start(Arc::new(app), scope, patience).await?;
/// assert_eq!(state.get(), Some(&7_u8));
/// running.stop(Instant::now() + patience).await
/// # }).unwrap();
/// ```
pub async fn start(
    app: Arc<impl Application>,
    scope: LifespanScope,
    patience: Duration,
) -> Result<(Running, State), AppError> {
    match tokio::time::timeout(patience, until_started(app, scope)).await {
        Ok(started) => started,
        Err(_elapsed) => Err(AppError::message(format!(
            "it did not start within {patience:?} (LIFE-8)"
        ))),
    }
}

async fn until_started(
    app: Arc<impl Application>,
    scope: LifespanScope,
) -> Result<(Running, State), AppError> {
    let shared = Arc::<Shared>::default();
    let lifespan = Lifespan::new(scope, Arc::clone(&shared) as _);
    let mut call = tokio::spawn(async move {
        app.call(Connection::Lifespan(lifespan))
            .await
            .map(|_done| ())
    });
    let mut changed = shared.changed.wait();
    let ended = tokio::select! {
        biased;
        () = &mut changed => None,
        ended = &mut call => Some(flatten(ended)),
    };
    match (shared.take_started(), ended) {
        (Outcome::Started(state), None) => Ok((
            Running {
                shared,
                call: Some(call),
            },
            state,
        )),
        (Outcome::Started(state), Some(Ok(()))) => Ok((Running { shared, call: None }, state)),
        (Outcome::Refused, None | Some(Ok(()))) => {
            Ok((Running { shared, call: None }, State::new()))
        }
        (_, Some(Err(error))) => Err(error),
        (Outcome::Neither, None) => Err(match flatten(call.await) {
            Err(error) => error,
            Ok(()) => without_a_word(),
        }),
        (Outcome::Neither, Some(Ok(()))) => Err(without_a_word()),
    }
}

impl Running {
    /// Resolves when the lifespan ends before its shutdown was requested, with its error if it failed (LIFE-4); never, if there
    /// is none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ended_early(&mut self) -> Option<AppError> {
        match &mut self.call {
            Some(call) => {
                let ended = flatten(call.await);
                self.call = None;
                ended.err()
            }
            None => std::future::pending().await,
        }
    }

    /// Asks the application to stop and waits for it until the deadline (LIFE-6, LIFE-7).
    ///
    /// # Errors
    ///
    /// What it failed with; that it was late, and was dropped; that it returned without saying that it has stopped.
    pub async fn stop(self, deadline: Instant) -> Result<(), AppError> {
        let Some(mut call) = self.call else {
            return Ok(());
        };
        self.shared.shutdown.raise(deadline);
        match tokio::time::timeout_at(deadline.into(), &mut call).await {
            Ok(ended) => flatten(ended)?,
            Err(_elapsed) => {
                call.abort();
                return Err(AppError::message("it did not stop within the grace period"));
            }
        }
        match *self.shared.lock() {
            Progress::Stopped => Ok(()),
            _ => Err(AppError::message(
                "it returned without calling `stopped` (LIFE-7)",
            )),
        }
    }
}

enum Outcome {
    Started(State),
    Refused,
    Neither,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_started(&self) -> Outcome {
        match &*self.lock() {
            Progress::Started(state) => Outcome::Started(state.clone()),
            Progress::Refused => Outcome::Refused,
            Progress::Starting | Progress::Stopped | Progress::Abandoned => Outcome::Neither,
        }
    }

    fn become_(&self, progress: Progress) {
        *self.lock() = progress;
        self.changed.raise(());
    }
}

impl LifespanTransport for Shared {
    fn started(&self, state: State) {
        self.become_(Progress::Started(state));
    }

    fn refuse(&self) {
        self.become_(Progress::Refused);
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.become_(Progress::Stopped);
    }

    fn abort(&self) {
        self.become_(Progress::Abandoned);
    }
}

fn without_a_word() -> AppError {
    AppError::message("it dropped its lifespan without calling `started` or `refuse` (LIFE-3)")
}

fn flatten(ended: Result<Result<(), AppError>, tokio::task::JoinError>) -> Result<(), AppError> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(AppError::message("it panicked")),
        Err(error) => Err(error.into()),
    }
}
