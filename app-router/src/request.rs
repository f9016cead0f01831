//! The request as extractors read it, and whole as handlers may take it.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gateway_spec::{AppError, Headers, RequestBody, Scope};
use http::HeaderName;

use crate::after::Afterwards;
use crate::call::Env;
use crate::depends::Resolved;
use crate::params::{Matched, ParamPairs};
use crate::urls::Names;
use crate::{Extract, Operation, Params};

/// What is known of a request while its handler's arguments are made.
///
/// # Examples
///
/// See [`Extract`].
pub struct RequestParts {
    scope: Scope,
    matched: Matched,
    body: Mutex<Option<RequestBody>>,
    body_limit: usize,
    pub(crate) resolved: Resolved,
    env: Arc<Env>,
    after: OnceLock<Arc<Afterwards>>,
}

impl RequestParts {
    #[inline]
    pub(crate) fn new(
        scope: Scope,
        matched: Matched,
        body: Option<RequestBody>,
        body_limit: usize,
        env: &Arc<Env>,
        resolved: Resolved,
    ) -> Self {
        Self {
            scope,
            matched,
            body: Mutex::new(body),
            body_limit,
            resolved,
            env: Arc::clone(env),
            after: OnceLock::new(),
        }
    }

    /// What is known of the request before its body.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The parameters of its path.
    #[must_use]
    pub fn params(&self) -> Params {
        self.matched.of(&self.scope)
    }

    /// The same as pairs, without a handle of their own.
    #[inline]
    pub(crate) fn param_pairs(&self) -> ParamPairs<'_> {
        self.matched.pairs(self.scope.path())
    }

    pub(crate) fn names(&self) -> &Names {
        &self.env.names
    }

    /// Takes the body; an extractor that does says so by [`Operation::takes_body`].
    ///
    /// # Errors
    ///
    /// If it was taken already, or the request is a WebSocket's handshake, which has none.
    pub fn take_body(&self) -> Result<RequestBody, AppError> {
        let taken = self
            .body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        taken.ok_or_else(|| NoBody.into())
    }

    /// The bytes that an extractor may collect of the body: [`Router::body_limit`](crate::Router::body_limit), or what the
    /// route says.
    #[must_use]
    pub const fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// Where work for later is noted; made on first use.
    pub(crate) fn after(&self) -> &Arc<Afterwards> {
        self.after.get_or_init(Arc::default)
    }

    /// The same where nobody else can be at it; and the work that was noted.
    #[inline]
    pub(crate) fn end_extraction(&mut self) -> Option<Arc<Afterwards>> {
        drop(
            self.body
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.after.take()
    }

    /// The scope, the body if nobody took it, and the work that was noted.
    pub(crate) fn into_rest(self) -> (Scope, Option<RequestBody>, Option<Arc<Afterwards>>) {
        let body = self
            .body
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (self.scope, body, self.after.into_inner())
    }

    /// Gives up the body if no extractor wanted it.
    pub(crate) fn drop_body(&self) {
        drop(
            self.body
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

/// The value of a field that comes once; `Some(None)` if it does not come, `None` if it comes twice or is no text.
pub(crate) fn only<'a>(headers: &'a Headers, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(std::str::from_utf8(value).ok()?)),
        (Some(_), Some(_)) => None,
    }
}

/// A body that is not there any more.
#[derive(Debug)]
pub(crate) struct NoBody;

impl fmt::Display for NoBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body was taken twice: an extractor does not say that it takes it")
    }
}

impl Error for NoBody {}

impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("scope", &self.scope)
            .field("params", &self.params())
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

/// A request whole. `B` is the body: a [`RequestBody`], or a [`SyncBody`](gateway_spec::SyncBody) for a handler that
/// blocks.
///
/// # Examples
///
/// ```
/// use app_router::Request;
/// use gateway_spec::AppError;
///
/// async fn count(mut request: Request) -> Result<String, AppError> {
///     let body = request.body.collect(64 * 1024).await?;
///     Ok(format!("{} bytes to {}", body.len(), request.scope.path()))
/// }
/// # let _ = app_router::Router::new().post("/count", count);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<B = RequestBody> {
    /// What is known of the request before its body.
    pub scope: Scope,
    /// The parameters of its path.
    pub params: Params,
    /// Its body.
    pub body: B,
}

impl<B> Request<B> {
    pub(crate) const fn new(scope: Scope, params: Params, body: B) -> Self {
        Self {
            scope,
            params,
            body,
        }
    }
}

impl Extract for Request {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let scope = request.scope().clone();
        Ok(Self::new(scope, request.params(), request.take_body()?))
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Request");
    }
}
