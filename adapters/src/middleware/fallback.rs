//! Asks a second application where the first has nothing.

mod trial;

use std::fmt;
use std::sync::Arc;

use gateway_spec::{
    AppError, Application, Connection, Done, Handshake, Http, Lifespan, ResponseHead, State,
    WebSocket,
};
use http::StatusCode;

use super::children;
use crate::{ChildStates, Lifespans};

use self::trial::{try_http, try_socket};

/// Serves by the first application what it has, and by the second what the first answers with 404.
///
/// - **HTTP**: a 404 of the first is held back, whatever it says, and when its call has returned the second is called with
///   the request as it came. The body must be untouched for that: an application that has received any of it has taken it
///   away, and its 404 stands. So does one that comes after informational responses, which are of the first and cannot be
///   taken back; and one that fails answers by its error. A body that the first drops is kept for the second until the first has
///   answered.
/// - **WebSocket**: the same, with a handshake that the first denies with 404. A first application that takes the
///   [plain exchange](gateway_spec::Handshake::into_http) back has decided, whatever it answers: put it second.
/// - **Lifespan**: both run ([`Lifespans`]), the first before the second, and each is shown its own state alone.
///
/// [`when`](Fallback::when) says what else counts as nothing. Rack has it as `Cascade`; where the paths are known beforehand, a
/// [`Mount`](super::Mount) is cheaper and clearer.
///
/// # Cost
///
/// One allocation, and a copy of the scope where the applications have states or the first changes it, since the second needs it as it came.
///
/// # Examples
///
/// ```
/// use adapters::middleware::fallback;
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let api = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) if http.scope.path() == "/api" => http.responder.respond("an API").await,
///     other => other.refuse().await,
/// });
/// let files = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond("a file").await,
///     other => other.refuse().await,
/// });
/// # test_client::run(async {
/// let client = TestClient::new(fallback(api, files));
/// assert_eq!(client.get("/api").send().await?.text(), "an API");
/// assert_eq!(client.get("/logo.png").send().await?.text(), "a file");
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
pub fn fallback<A: Application, B: Application>(first: A, second: B) -> Fallback<A, B> {
    Fallback {
        first,
        second,
        when: Arc::new(|head| head.status == StatusCode::NOT_FOUND),
    }
}

/// Whether this head says that the first application has nothing.
type When = Arc<dyn Fn(&ResponseHead) -> bool + Send + Sync>;

/// Two applications, the second for what the first has not: see [`fallback`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{Fallback, fallback};
/// use gateway_spec::{BoxApplication, ResponseHead};
/// use http::StatusCode;
///
/// fn migrating(new: BoxApplication, old: BoxApplication) -> Fallback<BoxApplication, BoxApplication> {
///     let is_missing = |head: &ResponseHead| {
///         matches!(head.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
///     };
///     fallback(new, old).when(is_missing)
/// }
/// # let _ = migrating;
/// ```
#[derive(Clone)]
pub struct Fallback<A, B> {
    first: A,
    second: B,
    when: When,
}

impl<A: Application, B: Application> Fallback<A, B> {
    /// Sets which answers of the first count as having nothing; a status of 404 unless this is said.
    #[must_use]
    pub fn when(
        mut self,
        has_nothing: impl Fn(&ResponseHead) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.when = Arc::new(has_nothing);
        self
    }

    async fn http(&self, http: Http) -> Result<Done, AppError> {
        let (mut scope, left) = (http.scope.clone(), http.body.remaining());
        let (mut tried, trial) = try_http(http, Arc::clone(&self.when));
        children::enter(0, &mut tried.scope);
        let result = self.first.call(Connection::Http(tried)).await;
        let Some(inner) = trial.0.over() else {
            return result;
        };
        match result {
            // One that fails after all has not merely nothing.
            Err(error) if !trial.0.was_refused() => return Err(error),
            _ => {}
        }
        // What middleware above has read of the body is gone for both.
        if scope.body != left {
            scope.edit().body = left;
        }
        let mut http = Http::new(scope, inner);
        children::enter(1, &mut http.scope);
        self.second.call(Connection::Http(http)).await
    }

    async fn socket(&self, socket: WebSocket) -> Result<Done, AppError> {
        let (scope, subprotocols) = (socket.scope.clone(), socket.subprotocols.clone());
        let (mut tried, trial) = try_socket(socket, Arc::clone(&self.when));
        children::enter(0, &mut tried.scope);
        let result = self.first.call(Connection::WebSocket(tried)).await;
        let Some(inner) = trial.0.over() else {
            return result;
        };
        drop(result?);
        let mut socket = WebSocket::new(scope, subprotocols, Handshake::new(inner));
        children::enter(1, &mut socket.scope);
        self.second.call(Connection::WebSocket(socket)).await
    }

    async fn live(&self, lifespan: Lifespan) -> Result<Done, AppError> {
        let mut lives = Lifespans::new();
        let states = ChildStates::from_iter([
            lives.start(&lifespan.scope, &self.first).await?,
            lives.start(&lifespan.scope, &self.second).await?,
        ]);
        lives.run(lifespan.started(State::new().with(states))).await
    }
}

impl<A: Application, B: Application> Application for Fallback<A, B> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            // Boxed, so that the future of a plain request is no larger for them.
            Connection::WebSocket(socket) => Box::pin(self.socket(socket)).await,
            Connection::Lifespan(lifespan) => Box::pin(self.live(lifespan)).await,
            other => other.refuse().await,
        }
    }
}

impl<A, B> fmt::Debug for Fallback<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").finish_non_exhaustive()
    }
}
