//! The parameters of a matched path.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use gateway_spec::{AppError, Scope};
use http::StatusCode;
use percent_encoding::{percent_decode, percent_decode_str};

use crate::Rejection;
use crate::pattern::Pattern;

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
    pattern: &'static Pattern,
    spans: Spans,
}

/// The values of a path's parameters, in order.
pub(crate) type Spans = [Span; MAX_PARAMS];

/// A part of the path. An `http::Uri` has less than 64 KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u16,
            end: end as u16,
        }
    }

    /// The part, of the path or of one that is shorter: a slash at the end may be missing that was matched.
    #[inline]
    pub(crate) fn of(self, path: &str) -> Option<&str> {
        path.get(self.range(path))
    }

    #[inline]
    fn range(self, path: &str) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end).min(path.len())
    }
}

impl Matched {
    /// What the routing tree found in `path`.
    ///
    /// # Errors
    ///
    /// If a value is not UTF-8 once decoded.
    pub(crate) fn new(
        path: &str,
        pattern: &'static Pattern,
        spans: Spans,
    ) -> Result<Self, NotUtf8> {
        // As bytes, until one turns out to be encoded.
        for span in spans.iter().take(pattern.names.len()) {
            let bytes = path.as_bytes().get(span.range(path)).unwrap_or_default();
            if is_encoded(bytes) && percent_decode(bytes).decode_utf8().is_err() {
                return Err(NotUtf8);
            }
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

    /// The names and the decoded values, of the path that was matched.
    #[inline]
    pub(crate) fn pairs<'a>(&self, path: &'a str) -> ParamPairs<'a> {
        ParamPairs {
            path,
            names: self.pattern.names.iter(),
            spans: self.spans,
            next: 0,
        }
    }
}

/// What [`Matched::pairs`] gives.
#[derive(Debug, Clone)]
pub(crate) struct ParamPairs<'a> {
    path: &'a str,
    names: std::slice::Iter<'static, &'static str>,
    spans: Spans,
    next: usize,
}

impl<'a> Iterator for ParamPairs<'a> {
    type Item = (&'static str, Cow<'a, str>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let name = self.names.next()?;
        let raw = self.spans.get(self.next)?.of(self.path)?;
        self.next += 1;
        Some((name, decoded(raw)?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.names.size_hint()
    }
}

impl ExactSizeIterator for ParamPairs<'_> {}

/// Nearly no value is encoded, and a plain loop is less than what a searcher needs to begin.
#[inline]
fn is_encoded(value: &[u8]) -> bool {
    value.iter().any(|&byte| byte == b'%')
}

#[inline]
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if is_encoded(raw.as_bytes()) {
        return percent_decode_str(raw).decode_utf8().ok();
    }
    Some(Cow::Borrowed(raw))
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
            pairs: self.matched.pairs(self.scope.path()),
        }
    }

    /// The pattern of the route that matched, as it was written.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.matched.pattern.text
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
    pairs: ParamPairs<'a>,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'static str, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next()
    }
}

/// A parameter that is not UTF-8 once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotUtf8;
