//! Paths from the names of routes, so that a page need not repeat a pattern.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use gateway_spec::AppError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Extract, RequestParts, pattern};

/// What may stand in a segment as it is (RFC 3986 section 3.3), but for what browsers give a meaning.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':');

/// The same for a catch-all, whose slashes are its own.
const ENCODED_TAIL: &AsciiSet = &ENCODED.remove(b'/');

/// The names of a router's routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    patterns: Arc<HashMap<&'static str, &'static str>>,
}

impl Names {
    /// Adds a name; gives the pattern that has it already, unless it is the same.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        pattern: &'static str,
    ) -> Option<&'static str> {
        let earlier = Arc::make_mut(&mut self.patterns).insert(name, pattern);
        earlier.filter(|earlier| *earlier != pattern)
    }

    pub(crate) fn path(&self, name: &str, params: &[(&str, &str)]) -> Result<String, UrlError> {
        let Some(pattern) = self.patterns.get(name) else {
            return Err(UrlError(format!("no route is named `{name}`")));
        };
        let mut unused: Vec<&str> = params.iter().map(|(name, _)| *name).collect();
        let mut path = String::with_capacity(pattern.len());
        for piece in pattern::pieces(pattern) {
            let (param, set) = match piece {
                pattern::Piece::Text(text) => {
                    path.push_str(&text);
                    continue;
                }
                pattern::Piece::Param(param) => (param, ENCODED),
                pattern::Piece::CatchAll(param) => (param, ENCODED_TAIL),
            };
            let Some((_, value)) = params.iter().find(|(name, _)| *name == param) else {
                return Err(UrlError(format!(
                    "`{name}` is `{pattern}`, and its `{param}` is not given"
                )));
            };
            // No client could send such a path: a browser takes dots for steps, and an empty segment matches nothing.
            if value.is_empty() || matches!(*value, "." | "..") {
                return Err(UrlError(format!(
                    "`{value}` cannot stand for `{param}` of `{pattern}`"
                )));
            }
            path.extend(utf8_percent_encode(value, set));
            unused.retain(|name| *name != param);
        }
        match unused[..] {
            [] => Ok(path),
            [unused, ..] => Err(UrlError(format!(
                "`{name}` is `{pattern}`, and has no `{unused}`"
            ))),
        }
    }
}

/// Makes paths of this router from the names of its routes, with the prefix that the router is mounted at. Starlette:
/// `request.url_for`.
///
/// # Examples
///
/// ```
/// use app_router::{Redirect, Router, UrlError, Urls, route};
///
/// async fn create(urls: Urls) -> Result<Redirect, UrlError> {
///     Ok(Redirect::to(urls.path("item", &[("id", "7")])?))
/// }
///
/// let app = Router::new()
///     .post("/items", create)
///     .get("/items/{id}", route(async || "an item").name("item"))
///     .build();
/// # app.unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Urls {
    names: Names,
    root: String,
}

impl Urls {
    /// The path of a route, percent-encoded.
    ///
    /// # Errors
    ///
    /// If no route has the name, or the parameters are not those of its pattern.
    pub fn path(&self, name: &str, params: &[(&str, &str)]) -> Result<String, UrlError> {
        let path = self.names.path(name, params)?;
        Ok(format!("{}{path}", self.root))
    }
}

impl Extract for Urls {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        Ok(Self {
            names: request.names().clone(),
            root: request.scope().root_path().to_owned(),
        })
    }
}

/// Why there is no such path.
///
/// # Examples
///
/// ```
/// let app = app_router::Router::new().build().unwrap();
/// let error = app.path_of("item", &[]).unwrap_err();
/// assert_eq!(error.to_string(), "no route is named `item`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlError(String);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for UrlError {}
