//! The lifespan of an application that runs inside of a server which has none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gateway_spec::{AppError, Application, LifespanScope, Signal, State};
use hosting::lifespan;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::request::CAPABILITIES;

/// How long a startup may take (LIFE-8). 60 seconds, as the servers.
const STARTUP: Duration = Duration::from_secs(60);

/// What the application has for its shutdown at the least, when its exchanges have used up the time. 1 second, as the servers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The life of an application that was started by [`IntoService::start`](super::IntoService::start).
///
/// Dropped, the application is not asked to stop.
///
/// # Examples
///
/// Inside of axum, with both ends of a graceful shutdown:
///
/// ```no_run
/// # #[cfg(feature = "axum")] {
/// use std::time::{Duration, Instant};
/// use adapters::tower::into_service;
/// use gateway_spec::{AppError, Application};
///
/// async fn serve(app: impl Application, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), AppError> {
///     let (service, running) = into_service(app).start().await?;
///     let router = axum::Router::new().nest_service("/chat", service);
///     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
///     let (drain, stopping) = (running.drain(), running.drain());
///     let served = axum::serve(listener, router).with_graceful_shutdown(async move {
///         stop.await;
///         // Open streams and sockets learn that they are to end (SRV-4).
///         stopping.raise(Instant::now() + Duration::from_secs(30));
///     });
///     // Axum waits for its connections without end.
///     let overdue = async {
///         let deadline = drain.wait().await;
///         tokio::time::sleep_until(deadline.into()).await;
///     };
///     let served = tokio::select! {
///         served = served.into_future() => served,
///         () = overdue => Ok(()),
///     };
///     // The same deadline, and also after an error.
///     let deadline = drain.value().unwrap_or_else(Instant::now);
///     running.shutdown(deadline).await?;
///     Ok(served?)
/// }
/// # }
/// ```
#[must_use = "call `shutdown`, or the application is not asked to stop"]
#[derive(Debug)]
pub struct Running {
    lifespan: lifespan::Running,
    drain: Signal<Instant>,
    calls: Arc<Calls>,
}

/// Starts the lifespan of an application on this runtime, and waits for its state.
pub(super) async fn start<A: Application>(
    app: Arc<A>,
    drain: Signal<Instant>,
    calls: Arc<Calls>,
) -> Result<(State, Running), AppError> {
    let scope = LifespanScope::new(CAPABILITIES).with_drain(drain.clone());
    let (lifespan, state) = lifespan::start(app, scope, STARTUP).await?;
    let running = Running {
        lifespan,
        drain,
        calls,
    };
    Ok((state, running))
}

impl Running {
    /// The signal that says in every scope by when exchanges are to end (SRV-4). Raise it when the outer server begins its shutdown;
    /// at the deadline WebSockets are closed (WS-18).
    #[must_use]
    pub fn drain(&self) -> Signal<Instant> {
        self.drain.clone()
    }

    /// Resolves when the lifespan ends by itself, with its error if it failed: the outer server is to stop then (LIFE-4). Never, if the
    /// application has none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ended_early(&mut self) -> Option<AppError> {
        self.lifespan.ended_early().await
    }

    /// Begins the drain, unless it has begun; waits until no call is left, which those of open sockets are and those that
    /// run on after their answer (SRV-9), but at most until the deadline; then has the application stop (LIFE-6, LIFE-7).
    ///
    /// Call it when the outer server accepts nothing more. For its stopping the application has a second at the least.
    ///
    /// # Errors
    ///
    /// What the application failed with; that it was late, and was dropped; that it did not say that it has stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the application may not have stopped.
    pub async fn shutdown(self, deadline: Instant) -> Result<(), AppError> {
        if self.drain.value().is_none() {
            self.drain.raise(deadline);
        }
        let idle = timeout_at(deadline.into(), self.calls.none_left()).await;
        if idle.is_err() {
            tracing::warn!(
                calls = self.calls.count(),
                "calls have not returned by the deadline"
            );
        }
        let last = deadline.max(Instant::now() + LAST_WORDS);
        self.lifespan.stop(last).await
    }
}

/// How many calls have not returned.
#[derive(Default)]
pub(super) struct Calls {
    count: AtomicUsize,
    none: Notify,
}

impl Calls {
    /// One more, as long as this lives.
    pub(super) fn begin(self: &Arc<Self>) -> Counted {
        self.count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    async fn none_left(&self) {
        loop {
            let none = self.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calls").field(&self.count()).finish()
    }
}

/// A call that has not returned.
pub(super) struct Counted(Arc<Calls>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}
