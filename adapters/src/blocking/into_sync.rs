//! An asynchronous application as a [`SyncApplication`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_spec::{
    AppError, Application, BoxApplication, Capabilities, Connection, Done, Signal, State,
    SyncApplication, SyncHttp, application_fn,
};
use http::StatusCode;
use tokio::task::JoinError;

use super::background::Background;
use super::wait::{assert_may_block, block_on};
use crate::beside::caught;

/// Makes a synchronous application of an asynchronous one, for synchronous frameworks to mount.
///
/// # Examples
///
/// ```
/// use adapters::blocking::into_sync;
/// use gateway_spec::{Connection, SyncApplication, SyncHttp, application_fn, sync_application_fn};
///
/// let news = into_sync(application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond("news").await,
///     other => other.refuse().await,
/// }));
/// let site = sync_application_fn(move |http: SyncHttp| match http.scope.path() {
///     "/news" => news.call(http),
///     _ => http.responder.respond("home"),
/// });
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(adapters::sync(site));
/// ```
pub fn into_sync(app: impl Application) -> IntoSync {
    IntoSync {
        app: BoxApplication::new(app),
        life: Mutex::default(),
    }
}

/// An asynchronous application as a [`SyncApplication`]: [`into_sync()`] makes it.
///
/// - The application has the exchange itself, from its own thread: bodies stream both ways without a copy, with trailers, informational
///   responses, files and all that the server offers. The thread that calls waits until it returns.
/// - [`startup`](SyncApplication::startup) runs its lifespan up to `started` and gives its state, which is in the scopes of its requests
///   from then on, whatever a framework around it has there; [`shutdown`](SyncApplication::shutdown) runs the rest. A framework that
///   mounts it calls both. Without them the application is served without a lifespan (LIFE-2). After the shutdown calls are answered
///   503, until it is started again.
/// - An error of the application is the error of the call, and so is a panic.
/// - Dropped, it shuts down as a [`Caller`](super::Caller) does.
///
/// # Panics
///
/// Each of them panics where a thread must not block: see [the module](super).
pub struct IntoSync {
    app: BoxApplication,
    life: Mutex<Life>,
}

#[derive(Default)]
enum Life {
    #[default]
    NotStarted,
    Live(Arc<Live>),
    /// It was shut down: a call does not bring it back.
    Stopped,
}

struct Live {
    background: Background,
    lifespan: HasLifespan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HasLifespan {
    Yes,
    No,
}

/// How long the startup may take (LIFE-8), and the shutdown: as on servers, which set their own bounds around both.
const STARTUP: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(30);

impl IntoSync {
    /// The application as it lives, started if it does not.
    fn live(&self) -> Result<Arc<Live>, AppError> {
        let mut life = self.life();
        match &*life {
            Life::Live(live) => Ok(Arc::clone(live)),
            Life::Stopped => Err(unavailable()),
            Life::NotStarted => {
                let nobody = application_fn(|connection: Connection| connection.refuse());
                let live = Live::start(&BoxApplication::new(nobody), HasLifespan::No)?;
                *life = Life::Live(Arc::clone(&live));
                Ok(live)
            }
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable() -> AppError {
    AppError::status(StatusCode::SERVICE_UNAVAILABLE)
}

impl Live {
    fn start(app: &BoxApplication, lifespan: HasLifespan) -> Result<Arc<Self>, AppError> {
        let name = String::from("application");
        let capabilities = Capabilities::new("adapters::blocking");
        let background = Background::start(app, name, capabilities, Signal::new(), STARTUP)?;
        Ok(Arc::new(Self {
            background,
            lifespan,
        }))
    }
}

impl SyncApplication for IntoSync {
    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        let live = self.live()?;
        assert_may_block(live.background.handle());
        let Some(open) = live.background.open_call() else {
            return Err(unavailable());
        };
        let mut http = http.into_http();
        if live.lifespan == HasLifespan::Yes {
            http.scope.edit().state = live.background.state().clone();
        }
        let app = self.app.clone();
        let call = open.hold(async move { app.call(Connection::Http(http)).await });
        let call = live.background.handle().spawn(call);
        match block_on(call).map_err(JoinError::try_into_panic) {
            Ok(result) => result,
            Err(Ok(payload)) => Err(caught(payload)),
            // The shutdown has dropped it.
            Err(Err(cancelled)) => Err(cancelled.into()),
        }
    }

    fn startup(&self) -> Result<State, AppError> {
        let mut life = self.life();
        let live = Live::start(&self.app, HasLifespan::Yes)?;
        let state = live.background.state().clone();
        let before = std::mem::replace(&mut *life, Life::Live(live));
        drop(life);
        drop(before);
        Ok(state)
    }

    fn shutdown(&self) -> Result<(), AppError> {
        let before = std::mem::replace(&mut *self.life(), Life::Stopped);
        let Life::Live(live) = before else {
            return Ok(());
        };
        assert_may_block(live.background.handle());
        live.background.begin_end(SHUTDOWN);
        live.background.wait_for_end(SHUTDOWN)
    }
}

impl fmt::Debug for IntoSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoSync").finish_non_exhaustive()
    }
}
