//! An application as a tower service: what it is made with, and what is made of a request.
//!
//! What the application is told is in [`request`], how it gets the body in [`intake`]; [`drive`] polls it, [`respond`] makes a response of
//! what it sends, [`body`] gives the rest, and [`tunnel`] and [`socket`] are for exchanges that switch protocols.

mod body;
mod drive;
mod intake;
mod lifespan;
mod peer;
mod request;
mod respond;
mod socket;
mod tunnel;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Buf;
use gateway_spec::{
    AppError, Application, BodyLength, Connection, ConnectionInfo, Http, Scope, Signal, State,
};
use hosting::{Facts, Informational, UpgradeAsked, local};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use tokio::runtime::Handle;
use tower_service::Service;

use self::drive::{Calling, Drive};
use self::intake::Intake;
use self::lifespan::Calls;
use self::peer::Peer;
use self::respond::Asked;
use super::BoxError;

pub use self::body::{CutOff, ResponseBody};
pub use self::lifespan::Running;
pub use self::respond::Responding;

/// Makes a tower service of an application: to run it inside of axum, hyper or tonic, or to put tower-http's layers around it.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use adapters::tower::into_service;
/// use axum::{Router, routing::get};
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => {
///         let text = format!("{} below {}", http.scope.path(), http.scope.root_path());
///         http.responder.respond(text).await
///     }
///     other => other.refuse().await,
/// });
/// let router: Router = Router::new()
///     .route("/", get(async || "axum's own"))
///     .nest_service("/api", into_service(app));
/// # let _ = router;
/// # }
/// ```
pub fn into_service<A: Application>(app: A) -> IntoService<A> {
    IntoService {
        app: Arc::new(app),
        config: Arc::default(),
        calls: Arc::default(),
    }
}

/// An application as a tower service, made by [`into_service`].
///
/// It takes requests with any body whose errors fit into a box, is always ready, and never fails: `axum::Router` takes it for
/// `nest_service`, `route_service` and `fallback_service`, hyper-util's `TowerToHyperService` for a bare hyper. A clone is the same
/// application.
///
/// # What the application is told
///
/// The scope is the request's: nothing of its head is copied. Its extensions are the scope's. Nested in axum, with the `axum` feature,
/// the target is the whole one, and what axum has cut off it is [`root_path`](gateway_spec::HttpScope::root_path). The client's address
/// is that of axum's `ConnectInfo<SocketAddr>`; whoever knows it otherwise, or knows of TLS, says so by
/// [`with_connection`](Self::with_connection). The state is what [`start`](Self::start) or [`with_state`](Self::with_state) gave.
///
/// If the request comes from [`from_service`](super::from_service()), and so from a server of the contract, the scope goes on: the
/// client, the server, the scheme, the state, the drain and the label are those of the exchange around this one.
///
/// # Where it runs
///
/// In the service's future, until there is a head. A call that has returned by then, as most have, costs no task, which would be 4,000
/// instructions more to 13,000. Any other goes on in a task of tokio's: hyper asks for a body only while its connection can take it, and
/// an application within the body would stand still with its timers, and not hear of a client that left, whenever a client is slow.
///
/// It is never cancelled (SRV-1). When the outer server drops the service's future or the response's body (the client left, or a layer
/// had enough of it), the application sees [`Gone`](gateway_spec::Gone) and runs on to its end, in a task that nobody else knows of.
/// [`Running::shutdown`] waits for those too; without it they end with the runtime.
///
/// # What is kept, and what cannot be
///
/// The rules are those of the servers of this workspace. Backpressure goes through in both directions: 64 KiB of the request's body
/// are kept at the most, none of it is asked for before the application asks, so that hyper answers `Expect: 100-continue` then;
/// and 64 KiB and an event of the response, until the outer server asks for the next frame.
///
/// - What fails, panics or forgets to answer is answered for with its status, or cut off: the body ends in a [`CutOff`].
/// - A deliberate [`abort`](gateway_spec::Responder::abort) before the start cannot be said in tower's words. The response is a 500
///   whose body fails at once; under hyper that closes the connection, or resets the stream, without an answer.
/// - An aborted tunnel is closed without a farewell, which over TCP and HTTP/2 is a plain end of the stream: hyper has no other.
/// - Informational responses are dropped; the capabilities say so.
/// - [`flush`](gateway_spec::Writer::flush) waits until the outer server has all, which may hold it back.
/// - A client's half-close is seen only where the outer server shows it. hyper takes it for the client's end, unless its
///   `half_close` is set, and then hides it.
/// - A client that leaves while nobody asks for its request's body, or after it half-closed its tunnel, may be noticed only when something
///   is sent: hyper does not read then.
/// - Limits on heads and bodies, timeouts, and how many exchanges run at once are the outer server's, or its layers'. On tunnels, which
///   it gives away, a client is given up that takes nothing for [a while](Self::with_tunnel_write_timeout).
/// - Why a body failed is known of hyper's errors, of `LengthLimitError` (413), of tokio's `Elapsed` (408) and of this contract's own.
///   Any other is malformed (400).
///
/// # Upgrades
///
/// WebSockets and other tunnels work where the outer server offers them: hyper's `OnUpgrade` is among the extensions then, which
/// `axum::serve` and `serve_connection_with_upgrades` see to. Over HTTP/2 it takes `enable_connect_protocol`. Elsewhere a request
/// that asks for an upgrade is an ordinary one (HTTP-30).
///
/// # Panics
///
/// `call` panics outside of a tokio runtime; the runtime needs time.
///
/// # Examples
///
/// tower-http's layers around an application, for any server of the contract. Services have no lifespan, so the application is given for
/// that beside them:
///
/// ```
/// use std::sync::Arc;
/// use adapters::tower::{from_service, into_service};
/// use gateway_spec::Application;
/// use tower::ServiceBuilder;
/// use tower_http::{compression::CompressionLayer, cors::CorsLayer};
///
/// fn compressed(app: impl Application) -> impl Application {
///     let app = Arc::new(app);
///     let layers = ServiceBuilder::new()
///         .layer(CompressionLayer::new())
///         .layer(CorsLayer::permissive());
///     from_service(layers.service(into_service(Arc::clone(&app)))).with_lifespan(app)
/// }
/// # let _ = compressed(gateway_spec::application_fn(|c: gateway_spec::Connection| c.refuse()));
/// ```
pub struct IntoService<A> {
    app: Arc<A>,
    config: Arc<Config>,
    calls: Arc<Calls>,
}

/// What is the same for all requests.
#[derive(Clone)]
struct Config {
    state: Option<State>,
    drain: Option<Signal<Instant>>,
    describe: Option<Arc<Describe>>,
    websocket: websocket::Settings,
    times: websocket::Times,
    write_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: None,
            drain: None,
            describe: None,
            websocket: websocket::Settings::default(),
            times: websocket::Times::default(),
            // As the servers.
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// What is known of a connection, from what the outer server has put into its requests.
type Describe = dyn Fn(ConnectionInfo, &Parts) -> ConnectionInfo + Send + Sync;

impl<A: Application> IntoService<A> {
    /// Sets the state that every scope shows (LIFE-5), for an application whose lifespan runs elsewhere.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.config().state = Some(state);
        self
    }

    /// Sets the signal that is raised, with the deadline, when the outer server begins to drain (SRV-4). At the deadline
    /// WebSockets are closed (WS-18).
    #[must_use]
    pub fn with_drain(mut self, drain: Signal<Instant>) -> Self {
        self.config().drain = Some(drain);
        self
    }

    /// Has `describe` say what is known of each request's connection. It is given what is known without it, and the head.
    /// A second one takes the place of the first.
    ///
    /// # Examples
    ///
    /// A server by hand that puts the client's address into each request:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use adapters::tower::into_service;
    ///
    /// #[derive(Clone)]
    /// struct Client(SocketAddr);
    ///
    /// # let app = gateway_spec::application_fn(|c: gateway_spec::Connection| c.refuse());
    /// let service = into_service(app).with_connection(|info, head| match head.extensions.get() {
    ///     Some(Client(address)) => info.with_client((*address).into()),
    ///     None => info,
    /// });
    /// # let _ = service;
    /// ```
    #[must_use]
    pub fn with_connection(
        mut self,
        describe: impl Fn(ConnectionInfo, &Parts) -> ConnectionInfo + Send + Sync + 'static,
    ) -> Self {
        self.config().describe = Some(Arc::new(describe));
        self
    }

    /// Sets how WebSockets are spoken: limits and compression, and when a silent client is pinged and given up.
    #[must_use]
    pub fn with_websocket(
        mut self,
        settings: websocket::Settings,
        times: websocket::Times,
    ) -> Self {
        let config = self.config();
        (config.websocket, config.times) = (settings, times);
        self
    }

    /// How long a client may take nothing of what is sent to it by a tunnel, WebSockets among them (SRV-14): 30 seconds by default. Who
    /// gives an upgraded connection away, as hyper does, looks after it no more.
    #[must_use]
    pub fn with_tunnel_write_timeout(mut self, timeout: Duration) -> Self {
        self.config().write_timeout = timeout;
        self
    }

    /// Starts the application's lifespan in a task of this runtime, and waits until it is up: the service has its state then, and its
    /// [drain](Running::drain). An application without a lifespan is served all the same (LIFE-2).
    ///
    /// The servers of the contract do this themselves. Where one of them serves this service, by
    /// [`from_service`](super::from_service()), give the application [to that](super::FromService::with_lifespan) instead.
    ///
    /// # Errors
    ///
    /// Why it did not start (LIFE-3): what it failed with, that it panicked, that it took more than 60 seconds.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the lifespan may go on, and is not asked to stop.
    pub async fn start(mut self) -> Result<(Self, Running), AppError> {
        let drain = self.config().drain.get_or_insert_default().clone();
        let calls = Arc::clone(&self.calls);
        let (state, running) = lifespan::start(Arc::clone(&self.app), drain, calls).await?;
        Ok((self.with_state(state), running))
    }

    fn config(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }

    /// The call of the application for an exchange.
    fn calling(&self, http: Http, facts: Facts, peer: &Arc<Peer>) -> Calling {
        let app = Arc::clone(&self.app);
        match facts.upgrade {
            UpgradeAsked::No | UpgradeAsked::Unlisted => {
                Box::pin(async move { app.call(Connection::Http(http)).await })
            }
            UpgradeAsked::Yes => {
                let (config, peer) = (Arc::clone(&self.config), Arc::clone(peer));
                Box::pin(socket::call(app, http, config, peer))
            }
        }
    }
}

impl<A, B> Service<Request<B>> for IntoService<A>
where
    A: Application,
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Responding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Responding {
        let (mut parts, body) = request.into_parts();
        let asked = Asked {
            method: parts.method.clone(),
            version: parts.version,
            write_timeout: self.config.write_timeout,
        };
        let on_upgrade = parts.extensions.remove::<OnUpgrade>();
        let length = match request::length(&body, &parts.headers) {
            // A layer around an empty body may hide that it is.
            BodyLength::Unknown
                if on_upgrade.is_some() && request::frames_nothing(&parts.headers) =>
            {
                BodyLength::Empty
            }
            length => length,
        };
        let origin = request::origin_of(&body);
        let intake = match length {
            BodyLength::Empty | BodyLength::Known(0) => None,
            BodyLength::Known(_) | BodyLength::Unknown => {
                Some(Intake::new(body, asked.version, length))
            }
        };
        let scope = Scope::new(request::scope_of(parts, length, &self.config));
        let mut facts = Facts::of(&scope);
        // Tower has no way for them.
        facts.informational = Informational::Dropped;
        if on_upgrade.is_none() {
            facts.upgrade = UpgradeAsked::No;
        }
        let (http, host, client) = local::exchange(scope, facts, u64::MAX);
        let peer = Arc::new(Peer::new(client, asked.version, origin, Handle::current()));
        let call = host.call(self.calling(http, facts, &peer));
        let drive = Drive::new(call, intake, Arc::clone(&peer), self.calls.begin());
        Responding::new(drive, peer, asked, on_upgrade)
    }
}

impl<A> Clone for IntoService<A> {
    fn clone(&self) -> Self {
        Self {
            app: Arc::clone(&self.app),
            config: Arc::clone(&self.config),
            calls: Arc::clone(&self.calls),
        }
    }
}

impl<A> fmt::Debug for IntoService<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoService").finish_non_exhaustive()
    }
}
