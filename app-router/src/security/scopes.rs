//! What a token has to allow for a route.

use std::sync::Arc;

use gateway_spec::AppError;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::depends::Scopes;
use crate::error::Name;
use crate::{Extract, Operation, Rejection, RequestParts, RouterError};

/// The scopes that the route of this request asks for by [`Route::scope`](crate::Route::scope): for the provider that reads
/// the token. FastAPI: `SecurityScopes`, of `Security(.., scopes=[..])`.
///
/// A route with scopes that no argument and no provider reads is not built, as nobody would hold a client to them.
///
/// # Examples
///
/// See [the module](super).
#[derive(Debug, Clone, Default)]
pub struct NeededScopes(Option<Arc<Scopes>>);

impl NeededScopes {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[&'static str] {
        self.0.as_deref().map_or(&[], |scopes| &scopes.0)
    }

    /// That all of them were granted.
    ///
    /// # Errors
    ///
    /// A 403 that names what is needed (RFC 6750 section 3.1), if one was not.
    pub fn check<G: AsRef<str>>(&self, granted: &[G]) -> Result<(), Rejection> {
        let has = |scope: &&str| granted.iter().any(|granted| granted.as_ref() == *scope);
        let needed = self.as_slice();
        if needed.iter().all(has) {
            return Ok(());
        }
        let scopes = needed.join(" ");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
        let detail = format!("the token does not allow what is needed: {scopes}");
        let rejection = Rejection::new(StatusCode::FORBIDDEN, detail);
        Err(match HeaderValue::try_from(challenge) {
            Ok(challenge) => rejection.with_header(WWW_AUTHENTICATE, challenge),
            Err(_) => rejection,
        })
    }
}

impl Extract for NeededScopes {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(Self(request.resolved.scopes()))
    }

    fn describe(operation: &mut Operation) {
        operation.reads_scopes = true;
    }
}

/// That somebody holds clients to the scopes of a route, and that they are known.
///
/// # Errors
///
/// If not.
pub(crate) fn check(
    route: Name<'_>,
    scopes: &[&'static str],
    about: &Operation,
) -> Result<(), RouterError> {
    if scopes.is_empty() {
        return Ok(());
    }
    if !about.reads_scopes {
        return Err(RouterError::scopes(
            route,
            "asks for scopes, and neither its arguments nor its providers read `NeededScopes`",
        ));
    }
    let schemes = || about.security.iter().flat_map(|demand| &demand.any_of);
    let known: Vec<&str> = schemes()
        .filter_map(|scheme| scheme.known_scopes())
        .flatten()
        .collect();
    let is_open = schemes().any(|scheme| scheme.is_token() && scheme.known_scopes().is_none());
    match scopes.iter().find(|scope| !known.contains(*scope)) {
        Some(scope) if !is_open => Err(RouterError::scopes(
            route,
            format_args!("asks for the scope `{scope}`, which none of its schemes has"),
        )),
        _ => Ok(()),
    }
}
