//! Extractors of the head: path, query, fields, cookies.

use std::borrow::Cow;
use std::fmt::Display;

use gateway_spec::AppError;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::text::{self, Pairs};
use super::urlencoded;
use crate::operation::fields;
use crate::schema::{self, Written};
use crate::{Extract, Issue, Operation, Params, Part, Rejection, RequestParts, Step};

/// The parameters of the path: one value, a tuple in their order, or a struct or a map by their names.
///
/// Values are percent-decoded. [`Params`] has them as text. A value that does not parse is a 422, as in
/// FastAPI.
///
/// # Examples
///
/// ```
/// use app_router::{Path, Router};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Post {
///     user: String,
///     post: u64,
/// }
///
/// async fn user(Path(id): Path<u64>) -> String {
///     format!("user {id}")
/// }
///
/// async fn post(Path(post): Path<Post>) -> String {
///     format!("post {} of {}", post.post, post.user)
/// }
///
/// let app = Router::new().get("/user/{id}", user).get("/post/{user}/{post}", post);
/// # app.build().unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// The query as a struct: `?q=tea&tag=hot&tag=green` with `tag: Vec<String>`.
///
/// A key that comes once may be a list of one; a value left empty is `None` for an `Option`. What is unknown is ignored
/// unless the type has `#[serde(deny_unknown_fields)]`. Truth values are `true`, `1`, `on`, `yes` and their opposites. Numbers are
/// finite.
///
/// What several queries share is a struct in each (`#[serde(flatten)]`), or an argument of its own: both read the same query, and the
/// second is faster.
///
/// # Examples
///
/// ```
/// use app_router::{Query, Router};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Search {
///     q: String,
///     #[serde(default)]
///     tag: Vec<String>,
///     #[schemars(range(min = 1))]
///     page: Option<u32>,
/// }
///
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} in {:?}, page {}", search.q, search.tag, search.page.unwrap_or(1))
/// }
/// # let _ = Router::new().get("/search", search);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// Fields of the head as a struct: `user_agent` reads `user-agent`. Values that are no UTF-8 are left out, and so are fields that
/// have a `_` in their own name: to read `x_user` as `x-user` would let in what a proxy took out by that name. A router is not built
/// where the name of a struct's field could stand for none of the head, as one that `#[serde(rename)]` gave a `-`.
///
/// # Examples
///
/// ```
/// use app_router::HeaderFields;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Caller {
///     user_agent: Option<String>,
///     x_api_version: u32,
/// }
///
/// async fn show(HeaderFields(caller): HeaderFields<Caller>) -> String {
///     format!("version {} for {:?}", caller.x_api_version, caller.user_agent)
/// }
/// # let _ = app_router::Router::new().get("/", show);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderFields<T>(pub T);

/// Cookies as a struct, by name; of a name that comes several times the first counts, as it is the one with the longest
/// path (RFC 6265 section 5.4). Values are percent-decoded.
///
/// # Examples
///
/// ```
/// use app_router::Cookies;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Theme {
///     theme: Option<String>,
/// }
///
/// async fn show(Cookies(cookies): Cookies<Theme>) -> String {
///     cookies.theme.unwrap_or_default()
/// }
/// # let _ = app_router::Router::new().get("/", show);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Path<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        match text::positional(request.param_pairs()) {
            Ok(value) => {
                let as_json = |schema: &Schema| path_of(request.param_pairs(), schema.as_value());
                let found = schema::out_of_bounds::<T>(Part::Path, Written::Text, as_json);
                if !found.is_empty() {
                    refuse_any(by_name(found, &request.params()))?;
                }
                Ok(Self(value))
            }
            Err(error) => Err(refuse_path::<T>(&request.params(), &error)),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.path_parameters::<T>();
    }
}

/// The parameters as JSON: an object, a list or one value, as the schema has it.
fn path_of<'a>(
    params: impl Iterator<Item = (&'static str, Cow<'a, str>)>,
    schema: &Value,
) -> Value {
    if schema.get("properties").is_some() {
        return value_of(params.map(|(name, value)| (name.into(), value)), schema);
    }
    let mut values = params.map(|(_, value)| Value::from(value));
    match values.next() {
        Some(value) if schema.get("prefixItems").is_none() => value,
        first => first.into_iter().chain(values).collect(),
    }
}

/// The issues with the names that the pattern has for the places of a tuple, and for one value.
fn by_name(found: Vec<Issue>, params: &Params) -> Vec<Issue> {
    let named = |issue: Issue| {
        let place = match issue.path().first() {
            Some(Step::Name(_)) => return issue,
            Some(Step::Index(index)) => *index,
            None => 0,
        };
        let name = params.iter().nth(place).map_or("", |(name, _)| name);
        let detail = issue.detail().to_owned();
        Issue::new(Part::Path, name, detail).with_kind(issue.kind().to_owned())
    };
    found.into_iter().map(named).collect()
}

/// What is wrong with a path.
#[cold]
fn refuse_path<T: JsonSchema + 'static>(params: &Params, error: &dyn Display) -> AppError {
    let schema = schema::of::<T>();
    let value = path_of(params.iter(), schema.as_value());
    let found = schema::issues(schema, &value, Part::Path, Written::Text);
    let mut found = by_name(found, params);
    if found.is_empty() {
        let unknown = Issue::at(Part::Path, Vec::new(), "value", error.to_string());
        found = by_name(vec![unknown], params);
    }
    rejection(found, Part::Path, error)
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Query<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let query = request.scope().query().unwrap_or_default();
        read_urlencoded(Part::Query, query).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Part::Query, str::to_owned);
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for HeaderFields<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let headers = &request.scope().headers;
        let text = |value| std::str::from_utf8(value).ok();
        read(Part::Header, || {
            headers
                .iter()
                .filter(|(name, _)| !name.contains('_'))
                .filter_map(|(name, value)| Some((field_of(name), text(value)?.into())))
        })
        .map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Part::Header, as_field);
        operation.fields_of_the_head::<T>();
    }
}

/// The name of a struct's field that reads a field of the head.
fn field_of(name: &str) -> Cow<'_, str> {
    let is_plain = !name
        .bytes()
        .any(|byte| byte == b'-' || byte.is_ascii_uppercase());
    if is_plain {
        return name.into();
    }
    name.to_ascii_lowercase().replace('-', "_").into()
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Cookies<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let mut pairs: Pairs<'_> = Vec::new();
        for (name, value) in cookies(&request.scope().headers) {
            if !pairs.iter().any(|(known, _)| *known == name) {
                pairs.push((name, value));
            }
        }
        read(Part::Cookie, || pairs.iter().cloned()).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.parameters::<T>(Part::Cookie, str::to_owned);
    }
}

/// The cookies of a request, as they came. What is no pair is left out, as browsers' own libraries do.
pub(crate) fn cookies(
    headers: &gateway_spec::Headers,
) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let lines = headers
        .get_all(http::header::COOKIE)
        .filter_map(|line| std::str::from_utf8(line).ok());
    lines.flat_map(|line| {
        cookie::Cookie::split_parse(line)
            .filter_map(Result::ok)
            .map(|cookie| {
                let name = cookie
                    .name_raw()
                    .map_or_else(|| cookie.name().to_owned().into(), Cow::from);
                let raw = cookie.value_raw().unwrap_or_default().as_bytes();
                let value = percent_encoding::percent_decode(raw).decode_utf8_lossy();
                (name, value)
            })
    })
}

/// The value that pairs are, or everything that is wrong with them.
fn read<'a, T, I>(part: Part, pairs: impl Fn() -> I) -> Result<T, AppError>
where
    T: DeserializeOwned + JsonSchema + 'static,
    I: Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
{
    checked(text::named(pairs().collect()), part, pairs)
}

/// The same of a query or a form.
pub(super) fn read_urlencoded<T>(part: Part, text: &str) -> Result<T, AppError>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    checked(urlencoded::named(text), part, || {
        form_urlencoded::parse(text.as_bytes())
    })
}

fn checked<'a, T, I>(
    read: Result<T, serde::de::value::Error>,
    part: Part,
    pairs: impl Fn() -> I,
) -> Result<T, AppError>
where
    T: DeserializeOwned + JsonSchema + 'static,
    I: Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
{
    match read {
        Ok(value) => {
            let as_json = |schema: &Schema| value_of(pairs(), schema.as_value());
            let found = schema::out_of_bounds::<T>(part, Written::Text, as_json);
            refuse_any(as_sent(part, found)).map(|()| value)
        }
        Err(error) => reread(part, pairs(), &error),
    }
}

/// The issues as one rejection, if there are any.
#[inline]
pub(super) fn refuse_any(found: Vec<Issue>) -> Result<(), AppError> {
    match found.is_empty() {
        true => Ok(()),
        false => refuse_all(found),
    }
}

#[cold]
fn refuse_all(found: Vec<Issue>) -> Result<(), AppError> {
    let mut found = found.into_iter();
    match found.next() {
        None => Ok(()),
        Some(first) => Err(found
            .fold(Rejection::invalid(first), Rejection::with_issue)
            .into()),
    }
}

/// All that is wrong with the pairs; the value after all, if nothing is but that serde had lost what is text and what a number.
#[cold]
fn reread<'a, T: DeserializeOwned + JsonSchema + 'static>(
    part: Part,
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    error: &serde::de::value::Error,
) -> Result<T, AppError> {
    let schema = schema::of::<T>();
    let value = value_of(pairs, schema.as_value());
    let found = schema::issues(schema, &value, part, Written::Text);
    if found.is_empty()
        && let Ok(value) = T::deserialize(schema::typed(schema.as_value(), value))
    {
        return Ok(value);
    }
    Err(rejection(as_sent(part, found), part, error))
}

/// The issues with the names that the client sends, as the document has them.
fn as_sent(part: Part, found: Vec<Issue>) -> Vec<Issue> {
    match part {
        Part::Header => {
            let named = |issue: Issue| issue.named(as_field);
            found.into_iter().map(named).collect()
        }
        _ => found,
    }
}

/// The field of the head that a struct's field reads.
fn as_field(name: &str) -> String {
    name.replace('_', "-")
}

/// The pairs as JSON: a name that comes several times is a list. A value left empty is not there if it is read as `None`.
fn value_of<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    schema: &Value,
) -> Value {
    let mut members: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        match members.get_mut(&*name) {
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
            None => {
                members.insert(name.into_owned(), value.into());
            }
        }
    }
    for (name, known, _) in fields(schema) {
        if schema::is_nullable(known) && members.get(name).is_some_and(|value| value == "") {
            members.remove(name);
        }
    }
    members.into()
}

/// The issues as one rejection; if there is none, because the type reads itself in a way that its schema does not tell,
/// the error of serde.
pub(super) fn rejection(found: Vec<Issue>, part: Part, error: &dyn Display) -> AppError {
    let mut found = found.into_iter();
    let first = found
        .next()
        .unwrap_or_else(|| Issue::at(part, Vec::new(), "value", error.to_string()));
    found
        .fold(Rejection::invalid(first), Rejection::with_issue)
        .into()
}
