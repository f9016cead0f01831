//! The application under test, and where requests to it begin.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_spec::{
    Address, AppError, Application, BoxApplication, Capabilities, ConnectionInfo, Signal, State,
};
use http::Method;
use http::uri::Scheme;

use crate::lifespan::{Life, Lifespan};
use crate::request::{Request, scope_of};
use crate::socket::Handshake;

/// An application under test, called in the process: no server, no socket, no thread.
///
/// Cheap to clone; all clones are the same application. Each exchange is a task of the tokio runtime that it is made in.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, application_fn};
/// use test_client::{Broken, TestClient};
///
/// async fn hello(connection: Connection) -> Result<Done, AppError> {
///     match connection {
///         Connection::Http(http) => http.responder.respond("Hello, world!").await,
///         other => other.refuse().await,
///     }
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(hello));
/// let reply = client.get("/").send().await?;
/// assert_eq!((reply.status.as_u16(), reply.text()), (200, "Hello, world!"));
/// # Ok::<(), Broken>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct TestClient {
    pub(crate) app: BoxApplication,
    pub(crate) connection: Arc<ConnectionInfo>,
    pub(crate) state: State,
    pub(crate) websocket: websocket::Settings,
    pub(crate) patience: Option<Duration>,
    drain: Signal<Instant>,
    life: Life,
}

impl TestClient {
    /// A client of an application that is not started: no lifespan is run, and the state is empty unless
    /// [given](Self::with_state).
    #[must_use]
    pub fn new(app: impl Application) -> Self {
        Self::of(
            BoxApplication::new(app),
            Signal::new(),
            State::new(),
            Life::None,
        )
    }

    /// Runs the application's lifespan as a server does, waits until it has started, and shows its state in every scope (LIFE-1,
    /// LIFE-5). An application without a lifespan is served all the same (LIFE-2).
    ///
    /// # Errors
    ///
    /// The failed startup (LIFE-3).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime (SRV-11).
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{AppError, Connection, Done, State, application_fn};
    /// use test_client::TestClient;
    ///
    /// async fn app(connection: Connection) -> Result<Done, AppError> {
    ///     match connection {
    ///         Connection::Lifespan(lifespan) => {
    ///             let running = lifespan.started(State::new().with("made at startup"));
    ///             running.shutdown_requested().await;
    ///             Ok(running.stopped())
    ///         }
    ///         Connection::Http(http) => {
    ///             let made = *http.scope.state.get::<&str>().unwrap_or(&"nothing");
    ///             http.responder.respond(made).await
    ///         }
    ///         other => other.refuse().await,
    ///     }
    /// }
    ///
    /// # test_client::run(async {
    /// let client = TestClient::start(application_fn(app)).await?;
    /// assert_eq!(client.get("/").send().await?.text(), "made at startup");
    /// client.shutdown().await
    /// # }).unwrap();
    /// ```
    pub async fn start(app: impl Application) -> Result<Self, AppError> {
        let (app, drain) = (BoxApplication::new(app), Signal::new());
        let lifespan = Lifespan::spawn(&app, capabilities(), &drain);
        let (life, state) = lifespan.started().await?;
        Ok(Self::of(app, drain, state, life))
    }

    fn of(app: BoxApplication, drain: Signal<Instant>, state: State, life: Life) -> Self {
        let client = Address::Tcp(([127, 0, 0, 1], 50_000).into());
        let connection = ConnectionInfo::new(capabilities())
            .with_client(client)
            .with_drain(drain.clone());
        Self {
            app,
            connection: Arc::new(connection),
            state,
            websocket: websocket::Settings::default(),
            patience: None,
            drain,
            life,
        }
    }

    /// Shows this state in every scope.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Sets where the client seems to be; 127.0.0.1 by default.
    #[must_use]
    pub fn with_address(self, client: impl Into<Address>) -> Self {
        self.with_connection(|connection| connection.with_client(client.into()))
    }

    /// Has the client come by TLS.
    #[must_use]
    pub fn with_https(self) -> Self {
        self.with_connection(|connection| connection.with_scheme(Scheme::HTTPS))
    }

    /// Changes what the application is told of the connection, such as its capabilities.
    #[must_use]
    pub fn with_connection(
        mut self,
        change: impl FnOnce(ConnectionInfo) -> ConnectionInfo,
    ) -> Self {
        let connection = change((*self.connection).clone()).with_drain(self.drain.clone());
        self.connection = Arc::new(connection);
        self
    }

    /// Sets how the server's side speaks WebSocket: limits and compression.
    #[must_use]
    pub const fn with_websocket(mut self, settings: websocket::Settings) -> Self {
        self.websocket = settings;
        self
    }

    /// Bounds each wait for the application, by tokio's clock; none by default, so that a test of an application that never answers
    /// hangs. Under a paused clock any length costs nothing, and is over as soon as every task waits; but an application with threads
    /// of its own is then given up while they work.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// A GET of this target: a path with an optional query.
    ///
    /// # Panics
    ///
    /// If it is no target.
    #[track_caller]
    pub fn get(&self, target: &str) -> Request {
        self.request(Method::GET, target)
    }

    /// A HEAD. As [`get`](Self::get).
    #[track_caller]
    pub fn head(&self, target: &str) -> Request {
        self.request(Method::HEAD, target)
    }

    /// A POST. As [`get`](Self::get).
    #[track_caller]
    pub fn post(&self, target: &str) -> Request {
        self.request(Method::POST, target)
    }

    /// A PUT. As [`get`](Self::get).
    #[track_caller]
    pub fn put(&self, target: &str) -> Request {
        self.request(Method::PUT, target)
    }

    /// A PATCH. As [`get`](Self::get).
    #[track_caller]
    pub fn patch(&self, target: &str) -> Request {
        self.request(Method::PATCH, target)
    }

    /// A DELETE. As [`get`](Self::get).
    #[track_caller]
    pub fn delete(&self, target: &str) -> Request {
        self.request(Method::DELETE, target)
    }

    /// An OPTIONS, of a path or of `*`. As [`get`](Self::get).
    #[track_caller]
    pub fn options(&self, target: &str) -> Request {
        self.request(Method::OPTIONS, target)
    }

    /// A request of any method. As [`get`](Self::get).
    #[track_caller]
    pub fn request(&self, method: Method, target: &str) -> Request {
        Request::new(self.clone(), scope_of(self, method, target))
    }

    /// The opening handshake of a WebSocket.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn websocket(&self, target: &str) -> Handshake {
        Handshake::new(self.get(target))
    }

    /// What the lifespan, or the test, put into every scope.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether the application has a lifespan, which [`start`](Self::start) has started.
    #[must_use]
    pub const fn has_lifespan(&self) -> bool {
        matches!(self.life, Life::Running(_))
    }

    /// Begins the drain: every scope shows that the server is about to stop, and by when (SRV-4). Nothing else ends.
    pub fn drain(&self, grace: Duration) {
        self.drain.raise(Instant::now() + grace);
    }

    /// Waits until the lifespan ends by itself, on which a server begins its drain (LIFE-4); for ever, if there is none.
    ///
    /// # Errors
    ///
    /// What it failed with.
    pub async fn ended_early(&self) -> Result<(), AppError> {
        self.life.ended().await
    }

    /// Drains, asks the lifespan to stop, and waits for it for 30 seconds, which is a server's default (LIFE-6, LIFE-7). Open exchanges
    /// go on: a server waits for them before, a test has them in its hands.
    ///
    /// # Errors
    ///
    /// What the lifespan failed with, early or late; that it did not stop in time, or returned without calling `stopped`.
    pub async fn shutdown(&self) -> Result<(), AppError> {
        const GRACE: Duration = Duration::from_secs(30);
        self.drain(GRACE);
        self.life.stop(GRACE).await
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("state", &self.state)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

/// What the client offers: all but the case of names, which no wire gave.
const fn capabilities() -> Capabilities {
    Capabilities::new("test-client")
        .with_informational(true)
        .with_continue_on_read(true)
        .with_trailers(true)
        .with_wire_order(true)
}
