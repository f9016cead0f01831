//! Collects routes, and refuses those that could not all be served.

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;

use adapters::Pool;
use gateway_spec::{AppError, Application, BoxApplication, Connection, Done, Lifespan};
use http::Method;
use matchit::InsertError;

use crate::error::Name;
use crate::handler::{Endpoint, SocketEndpoint};
use crate::routes::{Mount, Route};
use crate::{Handler, RouterError, Routes, SocketHandler, pattern};

/// Collects routes; [`build`](Self::build) makes the application of them.
///
/// # Patterns
///
/// - `/user/{id}` has a parameter: one segment, or a part of one (`/img-{id}.png`), never empty.
/// - `/files/{*rest}` has a catch-all: the rest of the path, slashes included, never empty.
/// - `{{` and `}}` are braces.
/// - All else compares byte by byte with the path as it was sent, percent-encoded; a pattern that is not ASCII is
///   encoded when the router is built.
/// - Static text wins over a parameter. Parameters that could stand for the same segment are refused, a catch-all
///   included, unless text before or after one of them (`/{id}.png`) tells them apart.
/// - A trailing slash counts: `/user` and `/user/` are two paths, and neither is redirected to the other.
/// - A pattern is `&'static str`: it is the label of its exchanges in logs and metrics for as long as the process
///   lives. One made at run time is leaked once, by `String::leak`.
///
/// # What is answered without a handler
///
/// - A path that no pattern matches: 404. A parameter that is not UTF-8 once decoded: 400.
/// - A method that the path's routes do not have: 405 with `Allow`.
/// - `HEAD`, by the handler of `GET`. `OPTIONS`: 204 with `Allow`. Both may have handlers of their own.
/// - A plain `GET` of a path that has only a WebSocket: 400. A WebSocket to a path that has none: 404.
///
/// # Examples
///
/// ```
/// use app_router::{Router, RouterError, Routes};
///
/// fn app() -> Result<Routes, RouterError> {
///     let admin = Router::new().get("/", async || "admin").build()?;
///     Router::new()
///         .get("/", async || "home")
///         .mount("/admin", admin)
///         .build()
/// }
/// # app().unwrap();
/// ```
#[derive(Default)]
pub struct Router {
    entries: Vec<Entry>,
    mounts: Vec<Mount>,
    own_life: Option<BoxApplication>,
    pool: Option<Pool>,
}

struct Entry {
    pattern: &'static str,
    added: &'static Location<'static>,
    serves: Serves,
}

enum Serves {
    Method(Method, Endpoint),
    WebSocket(SocketEndpoint),
}

impl Router {
    /// A router without routes: it answers 404 to everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves the `GET` requests of a path.
    #[must_use]
    #[track_caller]
    pub fn get<S>(self, path: &'static str, handler: impl Handler<S>) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// Serves the `POST` requests of a path.
    #[must_use]
    #[track_caller]
    pub fn post<S>(self, path: &'static str, handler: impl Handler<S>) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// Serves the `PUT` requests of a path.
    #[must_use]
    #[track_caller]
    pub fn put<S>(self, path: &'static str, handler: impl Handler<S>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// Serves the `PATCH` requests of a path.
    #[must_use]
    #[track_caller]
    pub fn patch<S>(self, path: &'static str, handler: impl Handler<S>) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// Serves the `DELETE` requests of a path.
    #[must_use]
    #[track_caller]
    pub fn delete<S>(self, path: &'static str, handler: impl Handler<S>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    /// Serves the requests of a path that have this method, which may be any.
    #[must_use]
    #[track_caller]
    pub fn route<S>(self, method: Method, path: &'static str, handler: impl Handler<S>) -> Self {
        self.with(path, Serves::Method(method, handler.into_endpoint()))
    }

    /// Serves the WebSockets of a path. Its requests may have handlers too.
    #[must_use]
    #[track_caller]
    pub fn websocket<S>(self, path: &'static str, handler: impl SocketHandler<S>) -> Self {
        self.with(path, Serves::WebSocket(handler.into_endpoint()))
    }

    /// Hands every kind of connection whose path is `prefix`, or is below it, to an application.
    ///
    /// The application sees the rest of the path (SCOPE-5) and the state that it made at startup, no other. Its lifespan
    /// runs within the router's: started in the order of mounting, stopped in reverse.
    ///
    /// A route of this router wins over a mount, whatever its method, and a longer prefix over a shorter one. With `/`
    /// as the prefix the application has all that is left.
    #[must_use]
    #[track_caller]
    pub fn mount<A: Application>(mut self, prefix: &'static str, app: A) -> Self {
        // Routes set the label themselves, and know more; the first one counts.
        let labels_itself = TypeId::of::<A>() == TypeId::of::<Routes>();
        let mount = Mount {
            prefix,
            on_the_wire: Cow::Borrowed(prefix),
            added: Location::caller(),
            label: (!labels_itself).then_some(prefix),
            app: BoxApplication::new(app),
        };
        self.mounts.push(mount);
        self
    }

    /// Runs a function as this router's own life: before those of the mounts at startup, after them at shutdown. The
    /// state it starts with is in the scope of every route. The last function counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::{Request, Router};
    /// use gateway_spec::{AppError, Done, Lifespan, State};
    ///
    /// struct Pool(u32);
    ///
    /// async fn life(lifespan: Lifespan) -> Result<Done, AppError> {
    ///     let running = lifespan.started(State::new().with(Pool(8)));
    ///     running.shutdown_requested().await;
    ///     Ok(running.stopped())
    /// }
    ///
    /// async fn size(request: Request) -> String {
    ///     format!("{:?}", request.scope.state.get::<Pool>().map(|pool| pool.0))
    /// }
    ///
    /// let app = Router::new().lifespan(life).get("/size", size).build();
    /// # app.unwrap();
    /// ```
    #[must_use]
    pub fn lifespan<F, Fut>(mut self, life: F) -> Self
    where
        F: Fn(Lifespan) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
    {
        self.own_life = Some(BoxApplication::new(Life(life)));
        self
    }

    /// Runs the handlers that block on this pool, which others may use too. Without, they have one of their own with the
    /// default bounds ([`PoolSettings`](adapters::PoolSettings)).
    #[must_use]
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    #[track_caller]
    fn with(mut self, pattern: &'static str, serves: Serves) -> Self {
        self.entries.push(Entry {
            pattern,
            added: Location::caller(),
            serves,
        });
        self
    }

    /// The application that serves these routes.
    ///
    /// # Errors
    ///
    /// If two routes would serve the same requests, or a pattern is not one. The text names the routes, and where they
    /// were added.
    pub fn build(self) -> Result<Routes, RouterError> {
        let mut table = Table::default();
        for entry in self.entries {
            table.add_route(entry)?;
        }
        let mut mounts: Vec<Mount> = Vec::with_capacity(self.mounts.len());
        for mount in self.mounts {
            mounts.push(checked(mount, &mounts)?);
        }
        Ok(Routes::new(
            table.tree,
            table.routes,
            mounts,
            self.own_life,
            self.pool,
        ))
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.iter().map(|entry| entry.name().to_string());
        f.debug_list().entries(names).finish()
    }
}

/// What errors call a route of sockets.
const SOCKET: &str = "WebSocket";

impl Entry {
    fn name(&self) -> Name<'_> {
        let what = match &self.serves {
            Serves::Method(method, _) => method.as_str(),
            Serves::WebSocket(_) => SOCKET,
        };
        Name {
            what,
            pattern: self.pattern,
            added: self.added,
        }
    }
}

/// The routes added so far.
#[derive(Default)]
struct Table {
    tree: matchit::Router<usize>,
    routes: Vec<Route>,
    /// For each of the routes, its pattern as it is in the tree, and what errors call it.
    known: Vec<(String, String)>,
}

impl Table {
    fn add_route(&mut self, entry: Entry) -> Result<(), RouterError> {
        let name = entry.name();
        let pattern =
            pattern::on_the_wire(entry.pattern).map_err(|why| RouterError::pattern(name, why))?;
        let index = match self.known.iter().position(|(known, _)| *known == pattern) {
            Some(index) => index,
            None => {
                let index = self.insert(&pattern, name)?;
                self.routes.push(Route::new(entry.pattern));
                index
            }
        };
        let route = &mut self.routes[index];
        let (what, result) = match entry.serves {
            Serves::Method(method, endpoint) => (
                method.to_string(),
                route.add_method(method, endpoint, entry.added),
            ),
            Serves::WebSocket(endpoint) => {
                (SOCKET.to_owned(), route.add_socket(endpoint, entry.added))
            }
        };
        result.map_err(|earlier| {
            let name = |added| Name {
                what: &what,
                pattern: entry.pattern,
                added,
            };
            RouterError::twice(name(entry.added), name(earlier))
        })
    }

    fn insert(&mut self, pattern: &str, name: Name<'_>) -> Result<usize, RouterError> {
        let index = self.routes.len();
        self.tree
            .insert(pattern, index)
            .map_err(|error| match error {
                InsertError::Conflict { with } => match self.rival(pattern) {
                    Some(rival) => RouterError::ambiguous(name, rival),
                    None => RouterError::ambiguous(name, format_args!("`{with}`")),
                },
                InsertError::InvalidParamSegment => {
                    RouterError::pattern(name, "a segment has at most one parameter")
                }
                InsertError::InvalidParam => RouterError::pattern(
                    name,
                    "a parameter is a name in braces; braces themselves are doubled",
                ),
                InsertError::InvalidCatchAll => {
                    RouterError::pattern(name, "a catch-all is the whole of the last segment")
                }
                _ => RouterError::pattern(name, error),
            })?;
        self.known.push((pattern.to_owned(), name.to_string()));
        Ok(index)
    }

    /// The first route that conflicts with a pattern. The tree names one that need not be it, as it sees no more than a
    /// common part.
    fn rival(&self, pattern: &str) -> Option<&str> {
        let conflicts = |known: &str| {
            let mut pair = matchit::Router::new();
            pair.insert(known, ()).is_ok() && pair.insert(pattern, ()).is_err()
        };
        let rival = self.known.iter().find(|(known, _)| conflicts(known));
        rival.map(|(_, name)| &**name)
    }
}

/// A mount whose prefix is one, and is none of the earlier ones.
fn checked(mut mount: Mount, earlier: &[Mount]) -> Result<Mount, RouterError> {
    let name = mount.name();
    mount.on_the_wire =
        pattern::prefix_on_the_wire(mount.prefix).map_err(|why| RouterError::pattern(name, why))?;
    match earlier
        .iter()
        .find(|earlier| earlier.on_the_wire == mount.on_the_wire)
    {
        Some(earlier) => Err(RouterError::twice(name, earlier.name())),
        None => Ok(mount),
    }
}

/// A function of a lifespan as an application of nothing else.
struct Life<F>(F);

impl<F, Fut> Application for Life<F>
where
    F: Fn(Lifespan) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Lifespan(lifespan) => (self.0)(lifespan).await,
            other => other.refuse().await,
        }
    }
}
