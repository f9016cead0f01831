//! The parameters of a matched path.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use gateway_spec::{AppError, Scope};
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::{Rejection, pattern};

/// Parameters of one pattern. Room for deep resources; a request carries the array, so it is small.
pub(crate) const MAX_PARAMS: usize = 8;

/// The parameters of a matched path, by the names that the route's pattern gives them.
///
/// Values are percent-decoded when asked for (RFC 3986 section 2.1), an encoded slash included; a `%` that is not
/// followed by two hexadecimal digits stays as it is. A request whose parameters are not UTF-8 once decoded never
/// reaches a handler: it is answered with 400. ASGI: Starlette's `path_params`.
///
/// # Examples
///
/// ```
/// # use app_router::{Request};
/// # use gateway_spec::AppError;
/// async fn user(request: Request) -> Result<String, AppError> {
///     let id: u64 = request.params.get("id")?;
///     Ok(format!("user {id}"))
/// }
/// # let _ = app_router::Router::new().get("/user/{id}", user);
/// ```
#[derive(Clone)]
pub struct Params {
    scope: Scope,
    matched: Matched,
}

/// A pattern and where its parameters' values lie in the path. Without the scope, so that this can be added to it.
#[derive(Clone, Copy)]
pub(crate) struct Matched {
    pattern: &'static str,
    spans: [Span; MAX_PARAMS],
}

/// A part of the path. An `http::Uri` has less than 64 KiB.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Matched {
    /// What the routing tree found in `path`.
    ///
    /// # Errors
    ///
    /// If a value is not UTF-8 once decoded.
    pub(crate) fn new(
        path: &str,
        pattern: &'static str,
        found: &matchit::Params<'_, '_>,
    ) -> Result<Self, NotUtf8> {
        let base = path.as_ptr().addr();
        let mut spans = [Span::default(); MAX_PARAMS];
        for (span, (_, value)) in spans.iter_mut().zip(found.iter()) {
            if value.contains('%') && percent_decode_str(value).decode_utf8().is_err() {
                return Err(NotUtf8);
            }
            let start = value.as_ptr().addr() - base;
            *span = Span {
                start: start as u32,
                end: (start + value.len()) as u32,
            };
        }
        Ok(Self { pattern, spans })
    }

    /// The parameters, of the scope whose path was matched.
    pub(crate) fn of(self, scope: &Scope) -> Params {
        Params {
            scope: scope.clone(),
            matched: self,
        }
    }
}

impl Params {
    /// The value of a parameter, decoded and parsed.
    ///
    /// # Errors
    ///
    /// - A value that does not parse answers 404 with a text that says so: no such page exists.
    /// - A name that the pattern does not have is the application's mistake: 500.
    pub fn get<T>(&self, name: &str) -> Result<T, AppError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(value) = self.text(name) else {
            let pattern = self.pattern();
            return Err(AppError::message(format!(
                "the route `{pattern}` has no parameter `{name}`"
            )));
        };
        value.parse().map_err(|error| {
            let text = format!("the path's `{name}` is not valid: {error}");
            Rejection::new(StatusCode::NOT_FOUND, text).into()
        })
    }

    /// The value of a parameter, decoded; `None` if the pattern has no such name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// All parameters in the order of the path: names and decoded values.
    pub fn iter(&self) -> ParamIter<'_> {
        ParamIter {
            params: self,
            next: 0,
            names: self.pattern(),
        }
    }

    /// The pattern of the route that matched, as it was written.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.matched.pattern
    }

    fn value(&self, n: usize) -> Option<Cow<'_, str>> {
        let span = self.matched.spans.get(n)?;
        let path = self.scope.path();
        // A path without the slash of its pattern is shorter than what was matched.
        let raw = path.get(span.start as usize..(span.end as usize).min(path.len()))?;
        percent_decode_str(raw).decode_utf8().ok()
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Params {
    type Item = (&'static str, Cow<'a, str>);
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// The iterator of [`Params::iter`].
#[derive(Debug, Clone)]
pub struct ParamIter<'a> {
    params: &'a Params,
    next: usize,
    /// What is left of the pattern.
    names: &'static str,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'static str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = pattern::next_name(&mut self.names)?;
        let value = self.params.value(self.next)?;
        self.next += 1;
        Some((name, value))
    }
}

/// A parameter that is not UTF-8 once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotUtf8;
