//! What can be wrong with a router.

use std::error::Error;
use std::fmt;
use std::panic::Location;

/// Why [`Router::build`](crate::Router::build) refused. Its text names the routes and where they were added.
///
/// # Examples
///
/// ```
/// use app_router::{Router, RouterErrorKind};
///
/// let error = Router::new()
///     .get("/user/{id}", async || "one")
///     .get("/user/{name}", async || "two")
///     .build()
///     .unwrap_err();
/// assert_eq!(error.kind(), RouterErrorKind::Conflict);
/// assert!(error.to_string().contains("/user/{name}"));
/// ```
#[derive(Debug)]
pub struct RouterError {
    kind: RouterErrorKind,
    text: String,
}

/// The kinds of [`RouterError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouterErrorKind {
    /// Two routes would serve the same request.
    Conflict,
    /// A pattern is not one.
    Pattern,
    /// A handler or a provider reads what it cannot: the body twice, or a parameter that the path does not have.
    Arguments,
    /// Something is needed that nothing provides, or that needs itself.
    Dependency,
    /// A schema of a type that is read cannot be checked: one of its patterns is no regular expression.
    Schema,
    /// What is said of who may use a route does not hold: scopes that nobody checks or no scheme has, or one name for two
    /// schemes.
    Security,
    /// A router cannot be nested, because it has what only a whole application can.
    Nested,
}

/// A route as errors name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    /// The method, or the kind of route.
    pub(crate) what: &'a str,
    pub(crate) pattern: &'static str,
    pub(crate) added: &'static Location<'static>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{} {}` ({}:{})",
            self.what,
            self.pattern,
            self.added.file(),
            self.added.line()
        )
    }
}

impl RouterError {
    /// Which kind of mistake it is.
    #[must_use]
    pub const fn kind(&self) -> RouterErrorKind {
        self.kind
    }

    /// Two routes for the same requests.
    pub(crate) fn twice(route: Name<'_>, earlier: Name<'_>) -> Self {
        Self {
            kind: RouterErrorKind::Conflict,
            text: format!("{route} conflicts with {earlier}: both are for the same requests"),
        }
    }

    /// Two patterns that the tree cannot hold beside each other.
    pub(crate) fn ambiguous(route: Name<'_>, earlier: impl fmt::Display) -> Self {
        Self {
            kind: RouterErrorKind::Conflict,
            text: format!(
                "{route} conflicts with {earlier}: their parameters could stand for the same segment"
            ),
        }
    }

    /// Two patterns of one name.
    pub(crate) fn named_twice(route: Name<'_>, name: &str, earlier: &str) -> Self {
        Self {
            kind: RouterErrorKind::Conflict,
            text: format!("{route} cannot be named `{name}`: `{earlier}` is"),
        }
    }

    /// Two providers of one type.
    pub(crate) fn provided_twice(provider: Name<'_>, earlier: Name<'_>) -> Self {
        Self {
            kind: RouterErrorKind::Conflict,
            text: format!(
                "{provider} conflicts with {earlier}: both make the same type (give one a type of its own)"
            ),
        }
    }

    /// Something that nothing provides.
    pub(crate) fn not_provided(by: Name<'_>, what: &str) -> Self {
        Self {
            kind: RouterErrorKind::Dependency,
            text: format!(
                "{by} needs `Depends<{what}>`, and nothing provides it: add a function that returns it by `provide`"
            ),
        }
    }

    /// A provider in the place of none.
    pub(crate) fn not_overridden(provider: Name<'_>) -> Self {
        Self {
            kind: RouterErrorKind::Dependency,
            text: format!(
                "{provider} is in the place of none: no provider of the router makes this type"
            ),
        }
    }

    /// Providers that need each other.
    pub(crate) fn circle(provider: Name<'_>, circle: &[&str]) -> Self {
        let circle = circle.join("`, which needs `");
        let first = provider.pattern;
        Self {
            kind: RouterErrorKind::Dependency,
            text: format!("{provider} needs itself: `{circle}`, which needs `{first}`"),
        }
    }

    /// Two arguments that take the body.
    pub(crate) fn body_taken_twice(route: Name<'_>, first: &str, second: &str) -> Self {
        Self {
            kind: RouterErrorKind::Arguments,
            text: format!(
                "{route} takes the body twice, by `{first}` and by `{second}`: it can be read once"
            ),
        }
    }

    /// An argument that takes the body of a handshake.
    pub(crate) fn socket_has_no_body(route: Name<'_>, taker: &str) -> Self {
        Self {
            kind: RouterErrorKind::Arguments,
            text: format!("{route} takes a body by `{taker}`, and a WebSocket has none"),
        }
    }

    /// Arguments that are not the path's.
    pub(crate) fn path(route: Name<'_>, wants: impl fmt::Display) -> Self {
        Self {
            kind: RouterErrorKind::Arguments,
            text: format!("the handler of {route} reads {wants}"),
        }
    }

    /// A router that has to be mounted.
    pub(crate) fn nested(router: Name<'_>) -> Self {
        Self {
            kind: RouterErrorKind::Nested,
            text: format!(
                "{router} has a lifespan or a document of its own: build it, and mount it"
            ),
        }
    }

    /// A type that is read and cannot be checked.
    pub(crate) fn schema(route: Name<'_>, why: &str) -> Self {
        Self {
            kind: RouterErrorKind::Schema,
            text: format!("{route} {why}"),
        }
    }

    /// Scopes that do not hold.
    pub(crate) fn scopes(route: Name<'_>, why: impl fmt::Display) -> Self {
        Self {
            kind: RouterErrorKind::Security,
            text: format!("{route} {why}"),
        }
    }

    /// Two schemes of one name.
    pub(crate) fn schemes(name: &str) -> Self {
        Self {
            kind: RouterErrorKind::Security,
            text: format!("the security scheme `{name}` is two that are not the same"),
        }
    }

    pub(crate) fn pattern(route: Name<'_>, why: impl fmt::Display) -> Self {
        Self {
            kind: RouterErrorKind::Pattern,
            text: format!("{route} is not a route: {why}"),
        }
    }
}

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for RouterError {}
