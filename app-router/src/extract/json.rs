//! The body as JSON.

use gateway_spec::{AppError, Headers};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::de::{Deserialize, DeserializeOwned};
use serde_json::error::Category;

use super::body::collect;
use super::values::{refuse_any, rejection};
use crate::schema::{self, Written};
use crate::{Extract, Issue, Json, Operation, Part, Rejection, RequestParts};

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Json<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let headers = &request.scope().headers;
        if !is_json(headers) {
            return Err(unsupported("application/json"));
        }
        let body = collect(request).await?;
        match read(&body) {
            Ok(value) => within_bounds::<T>(&body).map(|()| Self(value)),
            Err(error) => Err(refuse::<T>(&body, &error)),
        }
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Json");
        operation.body_of::<T>("application/json");
    }
}

/// Looked at as text once, so that no string of it has to be by itself.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        // With the place that is no text.
        Err(_) => serde_json::from_slice(body),
    }
}

/// That the body keeps the bounds of its type's schema.
fn within_bounds<T: JsonSchema + 'static>(body: &[u8]) -> Result<(), AppError> {
    let value = |_: &_| serde_json::from_slice(body).unwrap_or_default();
    let found = schema::out_of_bounds::<T>(Part::Body, Written::Json, value);
    refuse_any(found)
}

/// `application/json`, or another type whose suffix says that it is JSON (RFC 6839).
fn is_json(headers: &Headers) -> bool {
    match headers.get(CONTENT_TYPE) {
        // As nearly all clients write it.
        Some(b"application/json") => true,
        Some(named) => std::str::from_utf8(named).is_ok_and(names_json),
        None => false,
    }
}

fn names_json(named: &str) -> bool {
    let essence = named.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return true;
    }
    let suffix = essence
        .len()
        .checked_sub("+json".len())
        .and_then(|start| essence.get(start..));
    suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

/// The body is of a type that the handler does not read.
#[cold]
pub(super) fn unsupported(wanted: &'static str) -> AppError {
    let issue = Issue::new(Part::Header, "content-type", format!("is not {wanted}"));
    Rejection::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body is of a type that is not read here",
    )
    .with_issue(issue.with_kind("content-type"))
    .into()
}

/// Why the body is not what it should be: no JSON at all is a 400 with the place in the text, JSON of another shape a 422
/// with all that does not fit.
#[cold]
fn refuse<T: DeserializeOwned + JsonSchema + 'static>(
    body: &[u8],
    error: &serde_json::Error,
) -> AppError {
    let value: serde_json::Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(syntax) => return malformed(&syntax),
    };
    // A document that is one for a general reader, and none for the type's.
    if error.classify() == Category::Syntax {
        return malformed(error);
    }
    let schema = schema::of::<T>();
    let found = schema::issues(schema, &value, Part::Body, Written::Json);
    if found.is_empty() {
        return at_its_place::<T>(body);
    }
    rejection(found, Part::Body, error)
}

fn malformed(error: &serde_json::Error) -> AppError {
    let issue = Issue::at(Part::Body, Vec::new(), "syntax", error.to_string());
    Rejection::new(StatusCode::BAD_REQUEST, "the body is not JSON")
        .with_issue(issue)
        .into()
}

/// The error of a type that reads itself in a way that its schema does not tell, with the path to it.
fn at_its_place<T: DeserializeOwned>(body: &[u8]) -> AppError {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return malformed_end();
    };
    let steps = error.path().iter().filter_map(|segment| match segment {
        serde_path_to_error::Segment::Seq { index } => Some((*index).into()),
        serde_path_to_error::Segment::Map { key } => Some(key.as_str().into()),
        serde_path_to_error::Segment::Enum { variant } => Some(variant.as_str().into()),
        serde_path_to_error::Segment::Unknown => None,
    });
    let text = error.inner().to_string();
    Issue::at(Part::Body, steps.collect(), "value", text).into()
}

/// A value was read, and more follows it.
fn malformed_end() -> AppError {
    let issue = Issue::at(Part::Body, Vec::new(), "syntax", "more follows the value");
    Rejection::new(StatusCode::BAD_REQUEST, "the body is not JSON")
        .with_issue(issue)
        .into()
}
