//! The route table as an application: finds what serves a connection, and answers what nothing serves.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use adapters::{ChildStates, Pool};
use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, Http, Response, ResponseHead, Scope,
    WebSocket,
};
use http::header::{ALLOW, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use crate::call::{About, Env};
use crate::depends::Graph;
use crate::error::Name;
use crate::handler::{Endpoint, SocketEndpoint};
use crate::params::{Matched, Spans};
use crate::pattern::Pattern;
use crate::route::Docs;
use crate::tree::Tree;
use crate::urls::Names;
use crate::{
    Operation, Provider, Rejection, RouterError, Slashes, UrlError, blocking, lifespan, pattern,
};

/// The application that a [`Router`](crate::Router) builds.
///
/// A request costs one look-up in a tree of segments and one allocation, the handler's future (two where a path has more than
/// three parameters, and what its arguments need). Its label is the route's pattern, behind the path that the router
/// itself is mounted at.
///
/// A lifespan is refused if there is nothing to start: no mount, no handler that blocks, and no function of the
/// router's own.
pub struct Routes {
    tree: Tree,
    routes: Vec<Route>,
    mounts: Vec<Mount>,
    own_life: Option<BoxApplication>,
    env: Arc<Env>,
    blocks: bool,
    providers: Graph,
    slashes: Slashes,
}

/// What a router was built of.
pub(crate) struct Parts {
    pub(crate) tree: Tree,
    pub(crate) routes: Vec<Route>,
    pub(crate) names: Names,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) own_life: Option<BoxApplication>,
    pub(crate) pool: Option<Pool>,
    pub(crate) providers: Graph,
    pub(crate) slashes: Slashes,
}

enum Found<'a> {
    Route(&'a Route, Matched),
    Mount(usize, &'a Mount),
    /// There is a route at the path with a slash more or less.
    Elsewhere,
    NotUtf8,
    Nothing,
}

impl Routes {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            tree,
            routes,
            names,
            mounts,
            own_life,
            pool,
            providers,
            slashes,
        } = parts;
        let pool = pool.unwrap_or_else(|| Pool::new("router", adapters::PoolSettings::default()));
        let env = Env {
            sync: blocking::application(pool.clone()),
            pool,
            names,
        };
        Self {
            tree,
            blocks: routes.iter().any(|route| route.blocks),
            routes,
            mounts,
            own_life,
            env: Arc::new(env),
            providers,
            slashes,
        }
    }

    /// The path of a named route, percent-encoded; [`Urls`](crate::Urls) is the same for handlers.
    ///
    /// # Errors
    ///
    /// If no route has the name, or the parameters are not those of its pattern.
    pub fn path_of(&self, name: &str, params: &[(&str, &str)]) -> Result<String, UrlError> {
        self.env.names.path(name, params)
    }

    /// The same application with another provider in the place of the one that makes the same type: for tests. What is
    /// mounted keeps its own. FastAPI: `dependency_overrides`.
    ///
    /// # Errors
    ///
    /// If nothing makes the type, or the new provider cannot stand where the old one did.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::{Depends, Router, RouterError, Routes};
    ///
    /// struct Clock(u64);
    ///
    /// fn app() -> Result<Routes, RouterError> {
    ///     Router::new()
    ///         .provide(async || Depends::new(Clock(1_700_000_000)))
    ///         .get("/now", async |clock: Depends<Clock>| clock.0.to_string())
    ///         .build()
    /// }
    ///
    /// // In a test:
    /// let app = app()?.with_override(async || Depends::new(Clock(0)))?;
    /// # let _ = app;
    /// # Ok::<(), RouterError>(())
    /// ```
    #[track_caller]
    pub fn with_override<S>(mut self, provider: impl Provider<S>) -> Result<Self, RouterError> {
        self.providers
            .replace(provider.into_provider(), Location::caller())?;
        self.providers.check()?;
        for route in &mut self.routes {
            route.learn(&self.providers)?;
        }
        self.blocks = self.routes.iter().any(|route| route.blocks);
        Ok(self)
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub(crate) const fn providers(&self) -> &Graph {
        &self.providers
    }

    #[inline]
    fn find(&self, scope: &Scope) -> Found<'_> {
        if let Some(found) = self.at(scope, scope.path()) {
            return found;
        }
        let mounts = self.mounts.iter().enumerate();
        let matching = mounts.filter(|(_, mount)| mount.has(scope.path()));
        match matching.max_by_key(|(_, mount)| mount.on_the_wire.len()) {
            Some((index, mount)) => Found::Mount(index, mount),
            None => self.near(scope),
        }
    }

    #[inline]
    fn at(&self, scope: &Scope, path: &str) -> Option<Found<'_>> {
        let mut spans = Spans::default();
        let route = &self.routes[self.tree.find(path, &mut spans)?];
        set_label(scope, route.pattern.text);
        Some(match Matched::new(path, route.pattern, spans) {
            Ok(matched) => Found::Route(route, matched),
            Err(_) => Found::NotUtf8,
        })
    }

    fn has(&self, path: &str) -> bool {
        self.tree.find(path, &mut Spans::default()).is_some()
    }

    /// What is at the path with a slash more or less at its end.
    fn near(&self, scope: &Scope) -> Found<'_> {
        let path = scope.path();
        if self.slashes == Slashes::Strict || path == "/" || path == "*" {
            return Found::Nothing;
        }
        let other: Cow<'_, str> = match path.strip_suffix('/') {
            Some(shorter) => shorter.into(),
            None => format!("{path}/").into(),
        };
        match self.slashes {
            Slashes::Ignore => self.at(scope, &other).unwrap_or(Found::Nothing),
            // As an address, a path that begins with two slashes is another host's; browsers take `\` for one.
            _ if is_another_hosts(scope.uri.path()) => Found::Nothing,
            _ if self.has(&other) => Found::Elsewhere,
            _ => Found::Nothing,
        }
    }

    async fn http(&self, mut http: Http) -> Result<Done, AppError> {
        let respond = match self.find(&http.scope) {
            Found::Route(route, matched) => match route.handler(&http.scope.method) {
                Some(served) => {
                    let Served {
                        endpoint, about, ..
                    } = served;
                    return endpoint.call.call(http, matched, about, &self.env).await;
                }
                None => {
                    let response = route.without_handler(&http.scope.method);
                    http.responder.respond(response)
                }
            },
            Found::Elsewhere => http.responder.respond(elsewhere(&http.scope)),
            Found::Mount(index, mount) => {
                mount.enter(index, &mut http.scope);
                return mount.app.call(Connection::Http(http)).await;
            }
            Found::NotUtf8 => http.responder.respond(refusal(StatusCode::BAD_REQUEST)),
            // `OPTIONS *` asks about the server as a whole (RFC 9110 section 9.3.7), not about a path.
            Found::Nothing if http.scope.method == Method::OPTIONS && http.scope.path() == "*" => {
                http.responder.respond(StatusCode::NO_CONTENT)
            }
            Found::Nothing => http.responder.respond(refusal(StatusCode::NOT_FOUND)),
        };
        respond.await
    }

    async fn socket(&self, mut socket: WebSocket) -> Result<Done, AppError> {
        let status = match self.find(&socket.scope) {
            Found::Route(route, matched) => match &route.socket {
                Some(served) => {
                    let Served {
                        endpoint, about, ..
                    } = served;
                    return endpoint.call.call(socket, matched, about, &self.env).await;
                }
                None => StatusCode::NOT_FOUND,
            },
            Found::Mount(index, mount) => {
                mount.enter(index, &mut socket.scope);
                return mount.app.call(Connection::WebSocket(socket)).await;
            }
            Found::NotUtf8 => StatusCode::BAD_REQUEST,
            // Clients of WebSockets follow no redirects.
            Found::Elsewhere | Found::Nothing => StatusCode::NOT_FOUND,
        };
        socket.handshake.deny(refusal(status)).await
    }
}

impl Application for Routes {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            // Boxed, so that the future of a plain request is no larger for them.
            Connection::WebSocket(socket) => Box::pin(self.socket(socket)).await,
            Connection::Lifespan(lifespan) => {
                let mounts = self.mounts.iter().map(|mount| &mount.app);
                let pool = self.blocks.then_some(&self.env.sync);
                Box::pin(lifespan::run(
                    lifespan,
                    self.own_life.as_ref(),
                    pool,
                    mounts,
                ))
                .await
            }
            other => other.refuse().await,
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| route.pattern.text);
        let mounts = self.mounts.iter().map(|mount| mount.prefix);
        f.debug_list().entries(routes).entries(mounts).finish()
    }
}

fn set_label(scope: &Scope, pattern: &'static str) {
    match scope.root_path() {
        "" => scope.label.set(pattern),
        // As many different labels as there are mounts, not as there are paths: a prefix has no parameters.
        root => scope.label.set(format!("{root}{pattern}")),
    }
}

fn refusal(status: StatusCode) -> Response {
    Rejection::of(status).into_response()
}

/// Whether a browser would read a path as the address of another host.
fn is_another_hosts(path: &str) -> bool {
    path.get(1..)
        .is_some_and(|rest| rest.starts_with(['/', '\\']))
}

/// Sends the client to the path with a slash more or less at its end.
fn elsewhere(scope: &Scope) -> Response {
    let path = scope.uri.path();
    let path: Cow<'_, str> = match path.strip_suffix('/') {
        Some(shorter) => shorter.into(),
        None => format!("{path}/").into(),
    };
    let target = match scope.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    match HeaderValue::try_from(target) {
        Ok(target) => ResponseHead::new(StatusCode::TEMPORARY_REDIRECT)
            .with_header(LOCATION, target)
            .into(),
        // No target that a client sent.
        Err(_) => refusal(StatusCode::NOT_FOUND),
    }
}

/// All that is served under one pattern.
pub(crate) struct Route {
    pub(crate) pattern: &'static Pattern,
    pub(crate) methods: Vec<(Method, Served<Endpoint>)>,
    pub(crate) socket: Option<Served<SocketEndpoint>>,
    /// Whether a thread of the pool may be needed.
    pub(crate) blocks: bool,
    /// What `Allow` says; kept up to date by whatever adds a method.
    allow: HeaderValue,
}

/// A function, and what its route needs.
pub(crate) struct Served<E> {
    pub(crate) endpoint: E,
    pub(crate) about: About,
    pub(crate) added: Added,
}

/// Where the application's code added it.
type Added = &'static Location<'static>;

impl Route {
    pub(crate) fn new(pattern: &'static str) -> Self {
        Self {
            pattern: pattern::known(pattern),
            methods: Vec::new(),
            socket: None,
            blocks: false,
            allow: HeaderValue::from_static(""),
        }
    }

    /// Adds a handler, or gives the place where the method has one already.
    pub(crate) fn add_method(
        &mut self,
        method: Method,
        served: Served<Endpoint>,
    ) -> Result<(), Added> {
        if let Some(earlier) = self.served(&method) {
            return Err(earlier.added);
        }
        self.methods.push((method, served));
        self.allow = self.allowed();
        Ok(())
    }

    /// Adds a handler of WebSockets, or gives the place where there is one already.
    pub(crate) fn add_socket(&mut self, served: Served<SocketEndpoint>) -> Result<(), Added> {
        if let Some(earlier) = &self.socket {
            return Err(earlier.added);
        }
        self.socket = Some(served);
        self.allow = self.allowed();
        Ok(())
    }

    /// Plans anew what has to be made for its handlers.
    fn learn(&mut self, providers: &Graph) -> Result<(), RouterError> {
        let pattern = self.pattern.text;
        let mut blocks = false;
        let mut learn =
            |what: &str, added, describe: fn(&mut Operation), docs: &Docs, about: &mut About| {
                let name = Name {
                    what,
                    pattern,
                    added,
                };
                let learnt = About::learn(name, describe, docs, about.body_limit, providers)?;
                blocks |= learnt.blocks;
                *about = learnt;
                Ok(())
            };
        for (method, served) in &mut self.methods {
            learn(
                method.as_str(),
                served.added,
                served.endpoint.describe,
                &served.endpoint.docs,
                &mut served.about,
            )?;
        }
        if let Some(served) = &mut self.socket {
            learn(
                "WebSocket",
                served.added,
                served.endpoint.describe,
                &served.endpoint.docs,
                &mut served.about,
            )?;
        }
        self.blocks = blocks;
        Ok(())
    }

    /// What serves a method; `HEAD` by what serves `GET`.
    #[inline]
    fn handler(&self, method: &Method) -> Option<&Served<Endpoint>> {
        match self.served(method) {
            None if *method == Method::HEAD => self.served(&Method::GET),
            found => found,
        }
    }

    #[inline]
    fn served(&self, method: &Method) -> Option<&Served<Endpoint>> {
        let found = self.methods.iter().find(|(known, _)| known == method);
        found.map(|(_, served)| served)
    }

    fn without_handler(&self, method: &Method) -> Response {
        let allow = |response: Response| response.with_header(ALLOW, self.allow.clone());
        match *method {
            Method::OPTIONS => allow(StatusCode::NO_CONTENT.into()),
            // Only a path with a WebSocket allows GET and has no handler for it. Not 426, which must carry `Upgrade`
            // (RFC 9110 section 15.5.22): that field is the server's (HTTP-23).
            Method::GET | Method::HEAD if self.socket.is_some() => {
                let detail = "a WebSocket handshake is expected here";
                Rejection::new(StatusCode::BAD_REQUEST, detail).into_response()
            }
            _ => allow(refusal(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    /// The methods of this path (RFC 9110 section 10.2.1), a WebSocket's handshake being a `GET`.
    fn allowed(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        let mut add = |method| {
            if !methods.contains(&method) {
                methods.push(method);
            }
        };
        if self.served(&Method::GET).is_some() {
            add("HEAD");
        }
        if self.socket.is_some() {
            add("GET");
        }
        add("OPTIONS");
        HeaderValue::try_from(methods.join(", ")).expect("methods are tokens")
    }
}

/// An application under a prefix.
pub(crate) struct Mount {
    pub(crate) prefix: &'static str,
    /// The prefix as clients send it; empty at the root.
    pub(crate) on_the_wire: Cow<'static, str>,
    pub(crate) added: Added,
    /// For applications that set none themselves.
    pub(crate) label: Option<&'static str>,
    pub(crate) app: BoxApplication,
}

impl Mount {
    /// What errors call it.
    pub(crate) fn name(&self) -> Name<'static> {
        Name {
            what: "mount",
            pattern: self.prefix,
            added: self.added,
        }
    }

    /// Whether this path is the prefix, or below it.
    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.on_the_wire);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Makes the scope that of the mounted application.
    fn enter(&self, index: usize, scope: &mut Scope) {
        if let Some(label) = self.label {
            set_label(scope, label);
        }
        let state = ChildStates::of(&scope.state, index);
        let scope = scope.edit();
        scope.mount(self.on_the_wire.len());
        scope.state = state;
    }
}
