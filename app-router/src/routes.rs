//! The route table as an application: finds what serves a connection, and answers what nothing serves.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use adapters::{ChildStates, Pool};
use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, Http, Response, Scope, WebSocket,
};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use crate::blocking;
use crate::error::Name;
use crate::handler::{Endpoint, EndpointKind, SocketEndpoint};
use crate::lifespan;
use crate::params::Matched;

/// The application that a [`Router`](crate::Router) builds.
///
/// A request costs one look-up in a radix tree and one allocation, the handler's future (two where a path has more than
/// three parameters). Its label is the route's pattern, behind the path that the router itself is mounted at.
///
/// A lifespan is refused if there is nothing to start: no mount, no handler that blocks, and no function of the
/// router's own.
pub struct Routes {
    tree: matchit::Router<usize>,
    routes: Vec<Route>,
    mounts: Vec<Mount>,
    own_life: Option<BoxApplication>,
    /// What runs the handlers that block, if there are any.
    blocking: Option<BoxApplication>,
}

enum Found<'a> {
    Route(&'a Route, Matched),
    Mount(usize, &'a Mount),
    NotUtf8,
    Nothing,
}

impl Routes {
    pub(crate) fn new(
        tree: matchit::Router<usize>,
        routes: Vec<Route>,
        mounts: Vec<Mount>,
        own_life: Option<BoxApplication>,
        pool: Option<Pool>,
    ) -> Self {
        let blocks = routes.iter().any(Route::blocks);
        Self {
            tree,
            routes,
            mounts,
            own_life,
            blocking: blocks.then(|| blocking::application(pool)),
        }
    }

    fn find(&self, scope: &Scope) -> Found<'_> {
        match self.tree.at(scope.path()) {
            Ok(found) => {
                let route = &self.routes[*found.value];
                set_label(scope, route.pattern);
                match Matched::new(scope.path(), route.pattern, &found.params) {
                    Ok(matched) => Found::Route(route, matched),
                    Err(_) => Found::NotUtf8,
                }
            }
            Err(_) => {
                let mounts = self.mounts.iter().enumerate();
                let matching = mounts.filter(|(_, mount)| mount.has(scope.path()));
                match matching.max_by_key(|(_, mount)| mount.on_the_wire.len()) {
                    Some((index, mount)) => Found::Mount(index, mount),
                    None => Found::Nothing,
                }
            }
        }
    }

    async fn http(&self, mut http: Http) -> Result<Done, AppError> {
        let respond = match self.find(&http.scope) {
            Found::Route(route, matched) => match route.handler(&http.scope.method) {
                Some(EndpointKind::Async(handler)) => {
                    let params = matched.of(&http.scope);
                    return handler.call(http, params).await;
                }
                Some(EndpointKind::Blocking(handler)) => {
                    let app = self.blocking.as_ref().expect("made if one handler blocks");
                    blocking::direct(&mut http.scope, handler, matched);
                    return app.call(Connection::Http(http)).await;
                }
                None => {
                    let response = route.without_handler(&http.scope.method);
                    http.responder.respond(response)
                }
            },
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
                Some((endpoint, _)) => {
                    let params = matched.of(&socket.scope);
                    return endpoint.call.call(socket, params).await;
                }
                None => StatusCode::NOT_FOUND,
            },
            Found::Mount(index, mount) => {
                mount.enter(index, &mut socket.scope);
                return mount.app.call(Connection::WebSocket(socket)).await;
            }
            Found::NotUtf8 => StatusCode::BAD_REQUEST,
            Found::Nothing => StatusCode::NOT_FOUND,
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
                let (own, pool) = (self.own_life.as_ref(), self.blocking.as_ref());
                Box::pin(lifespan::run(lifespan, own, pool, mounts)).await
            }
            other => other.refuse().await,
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| route.pattern);
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
    Response::from(status.canonical_reason().unwrap_or_default()).with_status(status)
}

/// All that is served under one pattern.
pub(crate) struct Route {
    pattern: &'static str,
    methods: Vec<(Method, Endpoint, Added)>,
    socket: Option<(SocketEndpoint, Added)>,
    /// What `Allow` says; kept up to date by whatever adds a method.
    allow: HeaderValue,
}

/// Where the application's code added it.
type Added = &'static Location<'static>;

impl Route {
    pub(crate) fn new(pattern: &'static str) -> Self {
        Self {
            pattern,
            methods: Vec::new(),
            socket: None,
            allow: HeaderValue::from_static(""),
        }
    }

    /// Adds a handler, or gives the place where the method has one already.
    pub(crate) fn add_method(
        &mut self,
        method: Method,
        endpoint: Endpoint,
        added: Added,
    ) -> Result<(), Added> {
        if let Some((_, _, earlier)) = self.methods.iter().find(|(known, ..)| *known == method) {
            return Err(earlier);
        }
        self.methods.push((method, endpoint, added));
        self.allow = self.allowed();
        Ok(())
    }

    /// Adds a handler of WebSockets, or gives the place where there is one already.
    pub(crate) fn add_socket(
        &mut self,
        endpoint: SocketEndpoint,
        added: Added,
    ) -> Result<(), Added> {
        if let Some((_, earlier)) = &self.socket {
            return Err(earlier);
        }
        self.socket = Some((endpoint, added));
        self.allow = self.allowed();
        Ok(())
    }

    /// Whether a handler needs the pool.
    fn blocks(&self) -> bool {
        let mut kinds = self.methods.iter().map(|(_, endpoint, _)| &endpoint.kind);
        kinds.any(|kind| matches!(kind, EndpointKind::Blocking(_)))
    }

    /// What serves a method; `HEAD` by what serves `GET`.
    fn handler(&self, method: &Method) -> Option<&EndpointKind> {
        let endpoint = match self.endpoint(method) {
            None if *method == Method::HEAD => self.endpoint(&Method::GET),
            found => found,
        };
        endpoint.map(|endpoint| &endpoint.kind)
    }

    fn endpoint(&self, method: &Method) -> Option<&Endpoint> {
        let found = self.methods.iter().find(|(known, ..)| known == method);
        found.map(|(_, endpoint, _)| endpoint)
    }

    fn without_handler(&self, method: &Method) -> Response {
        let allow = |response: Response| response.with_header(ALLOW, self.allow.clone());
        match *method {
            Method::OPTIONS => allow(StatusCode::NO_CONTENT.into()),
            // Only a path with a WebSocket allows GET and has no handler for it. Not 426, which must carry `Upgrade`
            // (RFC 9110 section 15.5.22): that field is the server's (HTTP-23).
            Method::GET | Method::HEAD if self.socket.is_some() => {
                Response::from("Bad Request: a WebSocket handshake is expected here")
                    .with_status(StatusCode::BAD_REQUEST)
            }
            _ => allow(refusal(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    /// The methods of this path (RFC 9110 section 10.2.1), a WebSocket's handshake being a `GET`.
    fn allowed(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, ..)| method.as_str())
            .collect();
        let mut add = |method| {
            if !methods.contains(&method) {
                methods.push(method);
            }
        };
        if self.endpoint(&Method::GET).is_some() {
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
