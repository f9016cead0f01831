//! Calls an application from threads.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_spec::{
    Address, AppError, Application, BoxApplication, Capabilities, Connection, ConnectionInfo,
    HttpScope, Scope, Signal, State,
};
use hosting::{Facts, UpgradeAsked, local};
use http::header::EXPECT;
use http::{Request, Response};
use tokio::runtime::Handle;

use super::background::Background;
use super::error::{CallError, CallErrorKind};
use super::response::ResponseBody;
use super::scope;
use super::upload::{Asked, Upload};
use super::wait::assert_may_block;

/// How a [`Caller`] runs its application.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use adapters::blocking::CallerSettings;
///
/// let settings = CallerSettings::default().with_startup(Duration::from_secs(5)).with_name("reports");
/// assert_eq!(settings.name, "reports");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerSettings {
    /// The name of the application's thread; `application` by default. A zero byte in it fails the start.
    pub name: String,
    /// How long the lifespan's startup may take; 60 seconds, as on the servers (LIFE-8).
    pub startup: Duration,
}

impl Default for CallerSettings {
    fn default() -> Self {
        Self {
            name: String::from("application"),
            startup: Duration::from_secs(60),
        }
    }
}

impl CallerSettings {
    /// Sets [`name`](Self::name).
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets [`startup`](Self::startup).
    #[must_use]
    pub const fn with_startup(mut self, startup: Duration) -> Self {
        self.startup = startup;
        self
    }
}

/// Calls an application from threads: from tests, scripts, and programs that block.
///
/// Cheap to clone; clones call the same application, and any number of threads may call at once. The application runs on one thread of
/// its own: its runtime and lifespan are there, and an application that blocks it stops every call (APP-7). What servers decide is
/// decided in the same way: what fails or panics is answered 500 or cut off, a wrong `content-length` is an error, HEAD has no body.
///
/// When the last clone is dropped, and the last [`ResponseBody`], the application is shut down: within two seconds and the one that its
/// lifespan may take; what goes on then is dropped. [`shutdown`](Self::shutdown) says how long instead, and what failed.
///
/// There are no upgrades here, and so no WebSockets: a request that asks for one is an ordinary request (HTTP-30).
///
/// # Examples
///
/// ```
/// use adapters::blocking::Caller;
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => {
///         let path = http.scope.path().to_owned();
///         http.responder.respond(path).await
///     }
///     other => other.refuse().await,
/// });
/// let caller = Caller::new(app)?;
/// std::thread::scope(|scope| {
///     for path in ["/one", "/two"] {
///         let caller = &caller;
///         scope.spawn(move || assert_eq!(caller.get(path).unwrap().body_mut().text(100).unwrap(), path));
///     }
/// });
/// # Ok::<(), gateway_spec::AppError>(())
/// ```
#[derive(Clone)]
pub struct Caller {
    shared: Arc<Shared>,
    connection: Arc<ConnectionInfo>,
    deadline: Option<Duration>,
}

/// What clones and their responses keep alive.
pub(super) struct Shared {
    app: BoxApplication,
    background: Background,
}

impl Shared {
    pub(super) const fn runtime(&self) -> &Handle {
        self.background.handle()
    }
}

impl Caller {
    /// Starts the application: its thread, and its lifespan. One without a lifespan is called all the same (LIFE-2).
    ///
    /// # Errors
    ///
    /// The failed startup (LIFE-3, LIFE-8), or that there is no thread for it.
    ///
    /// # Panics
    ///
    /// Where a thread must not block: see [the module](super).
    pub fn new(app: impl Application) -> Result<Self, AppError> {
        Self::with_settings(app, CallerSettings::default())
    }

    /// As [`new`](Self::new), with other settings.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn with_settings(
        app: impl Application,
        settings: CallerSettings,
    ) -> Result<Self, AppError> {
        let (app, drain) = (BoxApplication::new(app), Signal::new());
        let background = Background::start(
            &app,
            settings.name,
            CAPABILITIES,
            drain.clone(),
            settings.startup,
        )?;
        let connection = ConnectionInfo::new(CAPABILITIES).with_drain(drain);
        Ok(Self {
            shared: Arc::new(Shared { app, background }),
            connection: Arc::new(connection),
            deadline: None,
        })
    }

    /// Bounds each call of this clone, from the request to the end of the response's body. Past it, the call gives
    /// [`CallErrorKind::Deadline`] and the application sees its client gone. None by default.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets where the client of this clone seems to be. Unknown by default, as it is in no network.
    #[must_use]
    pub fn with_address(mut self, client: impl Into<Address>) -> Self {
        let connection = (*self.connection).clone().with_client(client.into());
        self.connection = Arc::new(connection);
        self
    }

    /// Calls the application with a request, and waits for the head of its answer.
    ///
    /// A target with scheme and authority is sent as a client does: the scheme is the connection's, the authority the `host` field.
    /// Without either, the host is `localhost`. A `content-length` or `transfer-encoding` field is added as the body needs it.
    /// `Expect: 100-continue` holds a reader back until the application asks for the body (SRV-8). The request's extensions are in the
    /// scope.
    ///
    /// # Errors
    ///
    /// If there will be no head.
    ///
    /// # Panics
    ///
    /// Where a thread must not block: see [the module](super).
    ///
    /// # Examples
    ///
    /// ```
    /// # use gateway_spec::{Connection, application_fn};
    /// use adapters::blocking::Caller;
    /// use http::{Method, Request, header};
    ///
    /// # let app = application_fn(|connection: Connection| connection.refuse());
    /// let caller = Caller::new(app)?;
    /// let request = Request::builder()
    ///     .method(Method::DELETE)
    ///     .uri("https://example.com/user/7")
    ///     .header(header::ACCEPT, "text/plain")
    ///     .body(())?;
    /// assert_eq!(caller.request(request)?.status(), 404);
    /// # Ok::<(), gateway_spec::AppError>(())
    /// ```
    pub fn request<B: Into<Upload>>(
        &self,
        request: Request<B>,
    ) -> Result<Response<ResponseBody>, CallError> {
        assert_may_block(self.shared.runtime());
        // What the clock cannot say is no deadline.
        let deadline = self
            .deadline
            .and_then(|deadline| Instant::now().checked_add(deadline));
        let (parts, body) = request.into_parts();
        let mut upload = body.into();
        let version = parts.version;
        let mut scope = scope::of_request(parts, &self.connection, &mut upload);
        scope.state = self.state().clone();
        let mut response = self.begin(scope, upload, deadline)?;
        let head = response.head()?;
        let (status, headers) = (head.status, head.headers.into_map());
        let mut answer = Response::new(response);
        *answer.status_mut() = status;
        *answer.version_mut() = version;
        *answer.headers_mut() = headers;
        Ok(answer)
    }

    /// A GET of this target. As [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request), and if it is no target.
    #[track_caller]
    pub fn get(&self, target: &str) -> Result<Response<ResponseBody>, CallError> {
        match Request::get(target).body(()) {
            Ok(request) => self.request(request),
            Err(error) => panic!("{target:?} is no target of a request: {error}"),
        }
    }

    /// What the application made at startup, which is in every scope (LIFE-5).
    #[must_use]
    pub fn state(&self) -> &State {
        self.shared.background.state()
    }

    /// Shuts the application down, for all clones: scopes show the drain at once, no call can begin, those that are open have this
    /// long, and the lifespan is asked to stop when the last is over (LIFE-6). What goes on at the end is dropped; a client that
    /// still reads gets [`CallErrorKind::Shutdown`]. Waits for all of it, and gives the same only once.
    ///
    /// # Errors
    ///
    /// What the lifespan failed with, early (LIFE-4) or late (LIFE-7); that the application blocks its thread, which is left behind.
    ///
    /// # Panics
    ///
    /// Where a thread must not block: see [the module](super).
    pub fn shutdown(&self, grace: Duration) -> Result<(), AppError> {
        assert_may_block(self.shared.runtime());
        self.shared.background.begin_end(grace);
        self.shared.background.wait_for_end(grace)
    }

    /// Begins a call. Its client has left when what this gives is dropped.
    fn begin(
        &self,
        scope: HttpScope,
        upload: Upload,
        deadline: Option<Instant>,
    ) -> Result<ResponseBody, CallError> {
        let Some(open) = self.shared.background.open_call() else {
            return Err(CallError::new(CallErrorKind::Shutdown));
        };
        let asked = if scope.headers.contains_token(EXPECT, "100-continue") {
            Asked::First
        } else {
            Asked::Unasked
        };
        let facts = Facts {
            upgrade: UpgradeAsked::No,
            ..Facts::of(&scope)
        };
        let (http, host, client) = local::exchange(Scope::new(scope), facts, u64::MAX);
        let client = Arc::new(client);
        let app = self.shared.app.clone();
        let call = host.call(async move { app.call(Connection::Http(http)).await });
        drop(self.shared.runtime().spawn(open.hold(call)));
        let failure = upload.send(&client, asked)?;
        Ok(ResponseBody::new(
            client,
            Arc::clone(&self.shared),
            deadline,
            failure,
        ))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("background", &self.shared.background)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What a caller offers: all but the case of names, and their order, which the request's map does not keep.
const CAPABILITIES: Capabilities = Capabilities::new("adapters::blocking")
    .with_informational(true)
    .with_continue_on_read(true)
    .with_trailers(true);
