//! What can be wrong with a router, and what a handler tells a client whose request it cannot serve.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use gateway_spec::{AppError, Response};
use http::StatusCode;

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

/// A request that a handler cannot serve, through the client's fault: a status and a text that the client sees.
///
/// It turns into an [`AppError`] by `?`, and the router answers it as `text/plain`. An error without one is answered
/// by the server, which tells the client its status and nothing else.
///
/// # Examples
///
/// ```
/// use app_router::{Rejection, Request};
/// use gateway_spec::AppError;
/// use http::StatusCode;
///
/// async fn buy(request: Request) -> Result<&'static str, AppError> {
///     let count: u32 = request.params.get("count")?;
///     if count > 12 {
///         return Err(Rejection::new(StatusCode::CONFLICT, "only twelve are left").into());
///     }
///     Ok("bought")
/// }
/// # let _ = app_router::Router::new().post("/buy/{count}", buy);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    status: StatusCode,
    text: String,
}

impl Rejection {
    /// A rejection with this status and this text.
    #[must_use]
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn into_response(self) -> Response {
        Response::from(self.text).with_status(self.status)
    }

    /// The response that an error stands for, if it is a rejection.
    pub(crate) fn response_of(error: &AppError) -> Option<Response> {
        let cause = error.source()?.downcast_ref::<Cause>()?;
        Some(cause.0.clone().into_response())
    }
}

// `Rejection` itself is no `Error`, so that this conversion can keep its status.
impl From<Rejection> for AppError {
    fn from(rejection: Rejection) -> Self {
        Self::status(rejection.status).with_source(Cause(rejection))
    }
}

/// A rejection as the cause of an [`AppError`].
#[derive(Debug)]
struct Cause(Rejection);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl Error for Cause {}
