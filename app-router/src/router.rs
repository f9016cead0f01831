//! Collects routes, and refuses those that could not all be served.

mod table;

use std::any::TypeId;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;

use adapters::Pool;
use gateway_spec::{AppError, Application, BoxApplication, Connection, Done, Lifespan};
use http::Method;

use self::table::Table;
use crate::depends::Graph;
use crate::error::Name;
use crate::handler::{Endpoint, SocketEndpoint};
use crate::operation::Need;
use crate::route::Docs;
use crate::routes::{Mount, Parts};
use crate::{Handler, OpenApi, Provider, RouterError, Routes, SocketHandler, pattern};

/// Collects routes; [`build`](Self::build) makes the application of them.
///
/// # Patterns
///
/// - `/user/{id}` has a parameter: one segment, or a part of one (`/img-{id}.png`), never empty.
/// - `/files/{*rest}` has a catch-all: the rest of the path, slashes included, never empty.
/// - `{{` and `}}` are braces.
/// - All else compares byte by byte with the path as it was sent, percent-encoded; a pattern that is not ASCII is
///   encoded when the router is built.
/// - Static text wins over a parameter, whatever methods either has. Parameters that could stand for the same segment are refused, a catch-all
///   included, unless text before or after one of them (`/{id}.png`) tells them apart.
/// - A trailing slash counts: `/user` and `/user/` are two paths. What becomes of the one that has no route,
///   [`Slashes`] says.
/// - A pattern is `&'static str`: it is the label of its exchanges in logs and metrics for as long as the process
///   lives. One made at run time is leaked once, by `String::leak`.
///
/// # What is answered without a handler
///
/// - A path that no pattern matches: 404. A parameter that is not UTF-8 once decoded: 400.
/// - A method that the path's routes do not have: 405 with `Allow`.
/// - Arguments of a handler that cannot be read: what [`Extract`](crate::Extract) says.
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
///
/// All answers that the router makes are [`Rejection`](crate::Rejection)s.
#[derive(Default)]
pub struct Router {
    entries: Vec<Entry>,
    mounts: Vec<Mount>,
    nested: Vec<Nested>,
    own_life: Option<BoxApplication>,
    pool: Option<Pool>,
    providers: Graph,
    /// The first provider that could not be added.
    refused: Option<RouterError>,
    slashes: Slashes,
    body_limit: Option<usize>,
    tags: Vec<String>,
    needs: Vec<Need>,
    openapi: Option<(OpenApi, &'static Location<'static>)>,
}

/// What becomes of a path that has no route, when the same with a slash more or less at its end has one.
///
/// # Examples
///
/// ```
/// use app_router::{Router, Slashes};
///
/// let app = Router::new().slashes(Slashes::Redirect).get("/items", async || "items").build();
/// # app.unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Slashes {
    /// It is another path: 404.
    #[default]
    Strict,
    /// The client is sent to the one that there is: 307, which keeps method and body. As Starlette.
    Redirect,
    /// It is served as if it were the one that there is.
    Ignore,
}

struct Entry {
    pattern: &'static str,
    added: &'static Location<'static>,
    serves: Serves,
}

/// A router whose routes are added to another's.
struct Nested {
    prefix: &'static str,
    added: &'static Location<'static>,
    router: Router,
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

    /// Adds the routes, mounts and providers of another router below a prefix, which may have parameters. Its `/` is the
    /// prefix itself, without a slash at the end; with `/` as the prefix the routes are added as they are.
    ///
    /// Unlike what is [mounted](Self::mount) they are this router's own: one table, one document, one set of providers. FastAPI:
    /// `include_router`.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::{Path, Router};
    ///
    /// let posts = Router::new()
    ///     .get("/", async |Path(user): Path<u32>| format!("posts of {user}"))
    ///     .get("/{post}", async |Path((user, post)): Path<(u32, u32)>| format!("post {post} of {user}"));
    /// let app = Router::new().nest("/user/{user}/post", posts).build();
    /// # app.unwrap();
    /// ```
    #[must_use]
    #[track_caller]
    pub fn nest(mut self, prefix: &'static str, router: Self) -> Self {
        self.nested.push(Nested {
            prefix,
            added: Location::caller(),
            router,
        });
        self
    }

    /// Adds a function that makes values for [`Depends`](crate::Depends).
    #[must_use]
    #[track_caller]
    pub fn provide<S>(mut self, provider: impl Provider<S>) -> Self {
        let added = self
            .providers
            .add(provider.into_provider(), Location::caller());
        if let Err(error) = added {
            self.refused.get_or_insert(error);
        }
        self
    }

    /// Says what becomes of a path that has a slash too many or too few.
    #[must_use]
    pub const fn slashes(mut self, slashes: Slashes) -> Self {
        self.slashes = slashes;
        self
    }

    /// Sets how many bytes extractors may collect of a body: 1 MiB otherwise, which holds any form that people fill in, and
    /// a thousand of which fit into a small machine. [`Route::body_limit`](crate::Route::body_limit) sets it for one route.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Adds a group that the document shows all routes of this router in, nested ones included. FastAPI: the `tags` of an
    /// `APIRouter`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Has a value of the router's providers made before any handler of this router's routes runs, nested ones included and
    /// what is mounted not: a check of who asks. FastAPI: the `dependencies` of an `APIRouter`.
    ///
    /// The document and its page are not behind it.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::security::Bearer;
    /// use app_router::{Depends, Rejection, Router};
    ///
    /// struct Admin;
    ///
    /// async fn admin(token: Bearer) -> Result<Depends<Admin>, Rejection> {
    ///     if token.is("secret") {
    ///         Ok(Depends::new(Admin))
    ///     } else {
    ///         Err(token.refuse("only for those who know the token"))
    ///     }
    /// }
    ///
    /// let operator = Router::new().requires::<Admin>().tag("operator").get("/", async || "all is well");
    /// let app = Router::new().provide(admin).nest("/operator", operator).build();
    /// # app.unwrap();
    /// ```
    #[must_use]
    pub fn requires<T: Send + Sync + 'static>(mut self) -> Self {
        self.needs.push(Need::of::<T>());
        self
    }

    /// Serves a description of the routes, and a page to try them: see [`OpenApi`]. The last one counts.
    #[must_use]
    #[track_caller]
    pub fn openapi(mut self, openapi: OpenApi) -> Self {
        self.openapi = Some((openapi, Location::caller()));
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
    /// If two routes would serve the same requests, a pattern is not one, a handler reads what cannot be read or needs
    /// what nothing provides. The text names the routes, and where they were added.
    pub fn build(self) -> Result<Routes, RouterError> {
        let mut router = self.flattened()?;
        let openapi = router.openapi.take();
        let mut served = None;
        if let Some((openapi, added)) = &openapi {
            let (entries, cell) = openapi.entries(added)?;
            router
                .entries
                .extend(entries.into_iter().map(|(pattern, endpoint)| Entry {
                    pattern,
                    added,
                    serves: Serves::Method(Method::GET, endpoint),
                }));
            served = Some(cell);
        }
        router.providers.check()?;
        let body_limit = router.body_limit.unwrap_or(BODY_LIMIT);
        let mut table = Table::new(body_limit);
        for entry in router.entries {
            table.add_route(entry, &router.providers)?;
        }
        let mut mounts: Vec<Mount> = Vec::with_capacity(router.mounts.len());
        for mount in router.mounts {
            mounts.push(checked(mount, &mounts)?);
        }
        let routes = Routes::new(Parts {
            tree: table.tree,
            routes: table.routes,
            names: table.names,
            mounts,
            own_life: router.own_life,
            pool: router.pool,
            providers: router.providers,
            slashes: router.slashes,
        });
        if let (Some((openapi, _)), Some(cell)) = (openapi, served) {
            openapi.fill(&routes, &cell)?;
        }
        Ok(routes)
    }

    /// The router with all that is nested in it, and nothing nested any more.
    fn flattened(mut self) -> Result<Self, RouterError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        for nested in std::mem::take(&mut self.nested) {
            let Nested {
                prefix,
                added,
                router,
            } = nested;
            let name = Name {
                what: "nested",
                pattern: prefix,
                added,
            };
            if !prefix.starts_with('/') || (prefix.len() > 1 && prefix.ends_with('/')) {
                return Err(RouterError::pattern(
                    name,
                    "a prefix begins with `/` and does not end with it",
                ));
            }
            let router = router.flattened()?;
            if router.own_life.is_some() || router.openapi.is_some() {
                return Err(RouterError::nested(name));
            }
            self.providers.merge(router.providers)?;
            self.pool = self.pool.or(router.pool);
            for mut entry in router.entries {
                entry.pattern = pattern::joined(prefix, entry.pattern)
                    .map_err(|why| RouterError::pattern(entry.name(), why))?;
                entry.limit(router.body_limit);
                self.entries.push(entry);
            }
            for mut mount in router.mounts {
                mount.prefix = pattern::joined(prefix, mount.prefix)
                    .map_err(|why| RouterError::pattern(mount.name(), why))?;
                self.mounts.push(mount);
            }
        }
        for entry in &mut self.entries {
            let docs = entry.docs();
            docs.tags.splice(0..0, self.tags.iter().cloned());
            docs.needs.extend(&self.needs);
        }
        Ok(self)
    }
}

/// See [`Router::body_limit`].
const BODY_LIMIT: usize = 1024 * 1024;

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

    /// Sets the limit of bodies, unless the route has one.
    fn limit(&mut self, limit: Option<usize>) {
        let docs = self.docs();
        docs.body_limit = docs.body_limit.or(limit);
    }

    const fn docs(&mut self) -> &mut Docs {
        match &mut self.serves {
            Serves::Method(_, endpoint) => &mut endpoint.docs,
            Serves::WebSocket(endpoint) => &mut endpoint.docs,
        }
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
