//! The thread on which an application lives: its runtime, its lifespan, and the calls of it.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::mpsc::{self as sync_mpsc, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gateway_spec::{
    AppError, BoxApplication, Capabilities, LifespanScope, Signal, State, WorkerThread,
};
use hosting::lifespan::{self, Running};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;

/// At the least, this long may the lifespan's shutdown take, however little is left of the grace period; as on servers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// For how long calls may go on when the lifespan has ended by itself, unless somebody says otherwise: the servers' default.
const GRACE: Duration = Duration::from_secs(30);

/// For how long calls may go on when the owner is dropped without a word: enough for what is about to end, and little enough
/// for a test that failed.
const DROP_GRACE: Duration = Duration::from_secs(2);

/// Thirty years: what tokio's timers take for ever.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// An application that lives on a thread of its own.
pub(super) struct Background {
    handle: Handle,
    state: State,
    shared: Arc<Shared>,
}

struct Shared {
    /// Raised when the end begins: by whoever owns this, or by the lifespan.
    drain: Signal<Instant>,
    /// What every call holds a clone of. `None` once no more may begin.
    door: Mutex<Option<mpsc::Sender<Infallible>>>,
    end: Mutex<End>,
    ended: Condvar,
}

#[derive(Default)]
enum End {
    #[default]
    NotYet,
    /// With what the lifespan failed with, until somebody was told.
    Ended(Option<AppError>),
}

/// While it lives, the application is waited for.
pub(super) struct OpenCall {
    _door: mpsc::Sender<Infallible>,
}

impl Background {
    /// Starts the thread, and the lifespan on it, which may take this long (LIFE-8). Blocks until it has started.
    pub(super) fn start(
        app: &BoxApplication,
        name: String,
        capabilities: Capabilities,
        drain: Signal<Instant>,
        patience: Duration,
    ) -> Result<Self, AppError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        super::wait::assert_may_block(&handle);
        let (door, all_gone) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            drain,
            door: Mutex::new(Some(door)),
            end: Mutex::default(),
            ended: Condvar::new(),
        });
        let (started, has_started) = sync_mpsc::sync_channel(1);
        let life = Life {
            app: app.clone(),
            scope: LifespanScope::new(capabilities).with_drain(shared.drain.clone()),
            shared: Arc::clone(&shared),
            all_gone,
        };
        thread::Builder::new()
            .name(name)
            .spawn(move || life.run(runtime, patience, &started))?;
        // A startup that waits is late by its own clock; this is for one that blocks.
        match has_started.recv_timeout(patience.saturating_add(LAST_WORDS)) {
            Ok(state) => Ok(Self {
                handle,
                state: state?,
                shared,
            }),
            Err(RecvTimeoutError::Timeout) => {
                shared.begin_end(Instant::now());
                Err(AppError::message(format!(
                    "it blocks its thread and did not start within {patience:?} (LIFE-8)"
                )))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(AppError::message("its thread ended before it had started"))
            }
        }
    }

    /// What the application made at startup.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Begins a call, if that may still be.
    pub(super) fn open_call(&self) -> Option<OpenCall> {
        let door = self.shared.door().clone();
        door.map(|door| OpenCall { _door: door })
    }

    /// Begins the end. Calls may go on for so long; what is open then is dropped.
    pub(super) fn begin_end(&self, grace: Duration) {
        self.shared.begin_end(after(grace));
    }

    /// Waits for the end that has begun, and gives what the lifespan failed with, once.
    pub(super) fn wait_for_end(&self, grace: Duration) -> Result<(), AppError> {
        // As long as the last words may take, and a moment for a thread that has much else to do.
        let patience = grace.saturating_add(2 * LAST_WORDS);
        let not_yet = |end: &mut End| matches!(end, End::NotYet);
        let waited = self
            .shared
            .ended
            .wait_timeout_while(self.shared.end(), patience, not_yet);
        let (mut end, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &mut *end {
            End::Ended(error) => error.take().map_or(Ok(()), Err),
            End::NotYet => Err(AppError::message(
                "the application blocks its thread and did not end in time",
            )),
        }
    }
}

/// When so much time has passed. What the clock cannot say is as far away as timers go.
fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + FAR)
}

impl Drop for Background {
    /// Bounded, and no wait at all on a thread that must not block: the application's own thread then ends by itself.
    fn drop(&mut self) {
        self.begin_end(DROP_GRACE);
        if WorkerThread::is_current() || Handle::try_current().is_ok() {
            return;
        }
        if let Err(error) = self.wait_for_end(DROP_GRACE) {
            tracing::error!(
                "the application's shutdown failed: {}",
                hosting::printable(error)
            );
        }
    }
}

impl Shared {
    fn begin_end(&self, deadline: Instant) {
        let door = self.door().take();
        drop(door);
        self.drain.raise(deadline);
    }

    fn door(&self) -> MutexGuard<'_, Option<mpsc::Sender<Infallible>>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("state", &self.state)
            .field("drain", &self.shared.drain)
            .finish_non_exhaustive()
    }
}

/// What the thread does.
struct Life {
    app: BoxApplication,
    scope: LifespanScope,
    shared: Arc<Shared>,
    all_gone: mpsc::Receiver<Infallible>,
}

impl Life {
    fn run(
        mut self,
        runtime: Runtime,
        patience: Duration,
        started: &sync_mpsc::SyncSender<Result<State, AppError>>,
    ) {
        // Code that blocks here would stop every call.
        let _mark = WorkerThread::enter();
        let start = lifespan::start(Arc::new(self.app.clone()), self.scope.clone(), patience);
        let error = match runtime.block_on(start) {
            Ok((running, state)) => {
                // Whoever was to have it may have given up waiting, and has begun the end then.
                let _ = started.send(Ok(state));
                runtime.block_on(self.live(running)).err()
            }
            Err(error) => {
                let _ = started.send(Err(error));
                None
            }
        };
        // Drops the calls that are still open, whose clients learn it.
        runtime.shutdown_background();
        *self.shared.end() = End::Ended(error);
        self.shared.ended.notify_all();
    }

    /// From the startup to the end.
    async fn live(&mut self, mut running: Running) -> Result<(), AppError> {
        let mut outcome = Ok(());
        let deadline = tokio::select! {
            biased;
            deadline = self.shared.drain.wait() => deadline,
            error = running.ended_early() => {
                tracing::error!("the application's lifespan ended while it was called: shutting down");
                outcome = Err(error.unwrap_or_else(|| {
                    AppError::message("its lifespan ended before the shutdown (LIFE-4)")
                }));
                let deadline = Instant::now() + GRACE;
                self.shared.begin_end(deadline);
                deadline
            }
        };
        self.drain(deadline).await;
        let last = deadline.max(Instant::now() + LAST_WORDS);
        let stopped = running.stop(last).await;
        outcome.and(stopped)
    }

    /// Waits for the calls that are open, until the deadline; an earlier one counts.
    async fn drain(&mut self, deadline: Instant) {
        let mut deadline = deadline;
        let mut changed = self.shared.drain.wait();
        loop {
            tokio::select! {
                biased;
                _none = self.all_gone.recv() => return,
                () = tokio::time::sleep_until(deadline.into()) => return,
                sooner = &mut changed => deadline = deadline.min(sooner),
            }
        }
    }
}

impl OpenCall {
    /// The call, for as long as it takes.
    pub(super) async fn hold<T>(self, call: impl Future<Output = T>) -> T {
        call.await
    }
}
