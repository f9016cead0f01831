//! The start-up and shut-down of an application.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::application::done;
use crate::{Capabilities, Done, DrainSignal, LifespanTransport, Signal, State};

/// The application's own life, once per process, on the host's runtime, which is driven until the end (LIFE-1).
///
/// ASGI: the `lifespan` scope and its events.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, State};
///
/// async fn app(connection: Connection) -> Result<Done, AppError> {
///     let Connection::Lifespan(lifespan) = connection else {
///         return connection.refuse().await;
///     };
///     let pool = String::from("connections to a database");
///     let running = lifespan.started(State::new().with(pool));
///     running.shutdown_requested().await;
///     Ok(running.stopped())
/// }
/// # let _ = gateway_spec::application_fn(app);
/// ```
///
/// Returning an `Err` before [`started`](Self::started) is a failed startup: the server says why and exits with a
/// code other than zero (LIFE-3).
#[must_use = "call `started` or `refuse`; dropping it is a failed startup"]
pub struct Lifespan {
    /// What the server offers.
    pub scope: LifespanScope,
    side: Side,
}

/// What an application is told at startup.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Capabilities, LifespanScope};
///
/// let scope = LifespanScope::new(Capabilities::new("test"));
/// assert_eq!(scope.capabilities.server(), "test");
/// assert_eq!(scope.drain().value(), None);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LifespanScope {
    /// What the server offers on its connections.
    pub capabilities: Capabilities,
    drain: Signal<Instant>,
}

impl LifespanScope {
    /// The scope of a server with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            drain: Signal::new(),
        }
    }

    /// Sets the signal that the server raises, with the deadline, when it begins to drain.
    #[must_use]
    pub fn with_drain(mut self, drain: Signal<Instant>) -> Self {
        self.drain = drain;
        self
    }

    /// Resolves with the deadline when the server begins to drain (SRV-4): before its last exchange has ended, and so
    /// before [`Running::shutdown_requested`].
    pub fn drain(&self) -> DrainSignal {
        self.drain.wait()
    }
}

impl Lifespan {
    /// A lifespan over a transport: for servers, mounts and tests.
    pub fn new(scope: LifespanScope, transport: Arc<dyn LifespanTransport>) -> Self {
        Self {
            scope,
            side: Side(Some(transport)),
        }
    }

    /// Says that the application is ready, with the state that every later scope shows. ASGI:
    /// `lifespan.startup.complete`.
    pub fn started(self, state: State) -> Running {
        self.side.get().started(state);
        Running { side: self.side }
    }

    /// Says that the application has no lifespan (LIFE-2). Quiet: requests are served all the same.
    pub fn refuse(self) -> Done {
        self.side.release().refuse();
        done()
    }

    /// Puts another transport around this one.
    pub fn map_transport(
        self,
        wrap: impl FnOnce(Arc<dyn LifespanTransport>) -> Arc<dyn LifespanTransport>,
    ) -> Self {
        Self {
            scope: self.scope,
            side: Side(Some(wrap(self.side.release()))),
        }
    }
}

impl fmt::Debug for Lifespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifespan")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The life of an application that has started.
///
/// Returning before shutdown was requested, with `Ok` or `Err`, begins the server's drain (LIFE-4).
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Done, Lifespan, State};
/// async fn live(lifespan: Lifespan) -> Done {
///     let running = lifespan.started(State::new());
///     let deadline = running.shutdown_requested().await;
///     println!("must be gone by {deadline:?}");
///     running.stopped()
/// }
/// # let _ = live;
/// ```
#[must_use = "call `stopped`, or the shutdown counts as failed"]
pub struct Running {
    side: Side,
}

impl Running {
    /// Resolves with the deadline when the server has answered its last exchange and wants the application to stop
    /// (LIFE-6). ASGI: `lifespan.shutdown`.
    pub fn shutdown_requested(&self) -> DrainSignal {
        self.side.get().shutdown()
    }

    /// Says that the application has stopped. ASGI: `lifespan.shutdown.complete`.
    pub fn stopped(self) -> Done {
        self.side.release().stopped();
        done()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline: Option<Instant> = self.side.get().shutdown().value();
        f.debug_struct("Running")
            .field("shutdown", &deadline)
            .finish()
    }
}

/// The transport while the application still owes it a terminal call.
struct Side(Option<Arc<dyn LifespanTransport>>);

impl Side {
    fn get(&self) -> &dyn LifespanTransport {
        &**self
            .0
            .as_ref()
            .expect("only `release` empties it, and it takes `self`")
    }

    fn release(mut self) -> Arc<dyn LifespanTransport> {
        self.0
            .take()
            .expect("only `release` empties it, and it takes `self`")
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.abort();
        }
    }
}
