//! What a route has besides its function: a name, a description, limits of its own.

use std::fmt;

use crate::handler::{Endpoint, SocketEndpoint, shape};
use crate::operation::Need;
use crate::{Handler, Operation, SocketHandler};

/// Wraps a handler, so that more can be said of its route.
///
/// # Examples
///
/// ```
/// use app_router::{Path, Router, route};
///
/// async fn item(Path(id): Path<u64>) -> String {
///     format!("item {id}")
/// }
///
/// let item = route(item)
///     .name("item")
///     .summary("One item")
///     .tag("items")
///     .body_limit(0);
/// let app = Router::new().get("/item/{id}", item).build().unwrap();
/// assert_eq!(app.path_of("item", &[("id", "7")]).unwrap(), "/item/7");
/// ```
pub fn route<H>(handler: H) -> Route<H> {
    Route {
        handler,
        docs: Docs::default(),
    }
}

/// A handler and what is said of its route; made by [`route`].
#[must_use = "it is added to a router in the place of the handler"]
pub struct Route<H> {
    handler: H,
    docs: Docs,
}

/// What is said of a route.
#[derive(Default)]
pub(crate) struct Docs {
    pub(crate) name: Option<&'static str>,
    pub(crate) summary: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) hidden: bool,
    pub(crate) body_limit: Option<usize>,
    pub(crate) scopes: Vec<&'static str>,
    pub(crate) needs: Vec<Need>,
    pub(crate) describe: Vec<Describe>,
}

type Describe = Box<dyn Fn(&mut Operation) + Send + Sync>;

impl<H> Route<H> {
    /// Names the route, for [`Routes::path_of`](crate::Routes::path_of), [`Urls`](crate::Urls), and as the operation's id in
    /// the OpenAPI document. A name is given once in a router.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.docs.name = Some(name);
        self
    }

    /// Says in a few words what the route does.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.docs.summary = Some(summary.into());
        self
    }

    /// Says at length what the route does, in Markdown.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.docs.description = Some(description.into());
        self
    }

    /// Adds a group that the document shows the route in.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.docs.tags.push(tag.into());
        self
    }

    /// Says that new clients should not use it.
    pub const fn deprecated(mut self) -> Self {
        self.docs.deprecated = true;
        self
    }

    /// Leaves the route out of the document.
    pub const fn hidden(mut self) -> Self {
        self.docs.hidden = true;
        self
    }

    /// Sets how many bytes extractors may collect of a body, in the place of
    /// [`Router::body_limit`](crate::Router::body_limit).
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.docs.body_limit = Some(bytes);
        self
    }

    /// Asks for a scope: the token that proves who asks has to allow it. The provider that reads the token checks it by
    /// [`NeededScopes`](crate::security::NeededScopes).
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.docs.scopes.push(scope);
        self
    }

    /// Has a value of the router's providers made before the handler runs, which does not take it: a check of who asks.
    /// FastAPI: `dependencies=[Depends(..)]`. [`Router::requires`](crate::Router::requires) is the same for many routes.
    pub fn requires<T: Send + Sync + 'static>(mut self) -> Self {
        self.docs.needs.push(Need::of::<T>());
        self
    }

    /// Changes what the document says of it, after what the handler's arguments and reply say.
    pub fn describe(mut self, describe: impl Fn(&mut Operation) + Send + Sync + 'static) -> Self {
        self.docs.describe.push(Box::new(describe));
        self
    }
}

impl<H: Handler<S>, S> Handler<shape::Wrapped<S>> for Route<H> {
    fn into_endpoint(self) -> Endpoint {
        Endpoint {
            docs: self.docs,
            ..self.handler.into_endpoint()
        }
    }
}

impl<H: SocketHandler<S>, S> SocketHandler<shape::Wrapped<S>> for Route<H> {
    fn into_endpoint(self) -> SocketEndpoint {
        SocketEndpoint {
            docs: self.docs,
            ..self.handler.into_endpoint()
        }
    }
}

impl<H> fmt::Debug for Route<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.docs.fmt(f)
    }
}

impl fmt::Debug for Docs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("name", &self.name)
            .field("summary", &self.summary)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
