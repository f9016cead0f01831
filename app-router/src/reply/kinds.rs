//! Values that say what kind of reply they are.

use bytes::Bytes;
use gateway_spec::{AppError, Response, ResponseHead};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::operation::reason;
use crate::{IntoReply, Operation, Reply};

/// A value as JSON: as a reply, and [as an argument](crate::Extract) that is read from the body.
///
/// The type has a schema, of which the router's document is made and all mistakes in a body are told.
///
/// # Errors
///
/// - A value that JSON cannot hold, such as a map whose keys are no text, is a 500.
/// - A body of another content type is a 415, one that is no JSON a 400, one that is too large a 413, and one that does not
///   fit the type a 422 with the place of each mistake.
///
/// # Examples
///
/// ```
/// use app_router::Json;
///
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct User {
///     id: u64,
/// }
///
/// async fn user() -> Json<User> {
///     Json(User { id: 7 })
/// }
/// # let _ = app_router::Router::new().get("/", user);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A page: `text/html; charset=utf-8`.
#[derive(Debug, Clone, Copy)]
pub struct Html<T>(pub T);

/// A reply with a status that its type says, so that the router's document says it too: `Status<201, Json<Item>>`.
///
/// A number that is no status does not compile.
///
/// # Examples
///
/// ```
/// use app_router::{Json, Status};
///
/// async fn create() -> Status<201, Json<u64>> {
///     Status(Json(7))
/// }
/// # let _ = app_router::Router::new().post("/", create);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Status<const CODE: u16, T>(pub T);

impl<const CODE: u16, T> Status<CODE, T> {
    const STATUS: StatusCode = match StatusCode::from_u16(CODE) {
        Ok(status) => status,
        Err(_) => panic!("a status is a number from 100 to 999"),
    };
}

/// What no address has as it is, and what is not ASCII. Controls are left for a field's own check to refuse.
const IN_NO_ADDRESS: &AsciiSet = &AsciiSet::EMPTY
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`');

/// A redirect to another address (RFC 9110 section 15.4), or to a path. What no address can have as it is, such as a space or an
/// `é`, is percent-encoded; what is encoded already stays.
///
/// # Errors
///
/// A target that is no header value, such as one with a line end, is a 500: never pass a client's text unencoded.
///
/// # Examples
///
/// ```
/// use app_router::Redirect;
///
/// async fn old() -> Redirect {
///     Redirect::permanent("/new")
/// }
/// # let _ = app_router::Router::new().get("/old", old);
/// ```
#[derive(Debug, Clone)]
pub struct Redirect {
    status: StatusCode,
    target: String,
}

impl Redirect {
    /// "See the other page" by `GET`, as after a form: 303.
    #[must_use]
    pub fn to(target: impl Into<String>) -> Self {
        Self {
            status: StatusCode::SEE_OTHER,
            target: target.into(),
        }
    }

    /// The same request at another place, this time: 307.
    #[must_use]
    pub fn temporary(target: impl Into<String>) -> Self {
        Self {
            status: StatusCode::TEMPORARY_REDIRECT,
            target: target.into(),
        }
    }

    /// The same request at another place, for good: 308.
    #[must_use]
    pub fn permanent(target: impl Into<String>) -> Self {
        Self {
            status: StatusCode::PERMANENT_REDIRECT,
            target: target.into(),
        }
    }
}

impl IntoReply for Redirect {
    fn into_reply(self) -> Result<Reply, AppError> {
        let target = utf8_percent_encode(&self.target, IN_NO_ADDRESS).to_string();
        let target = HeaderValue::try_from(target)?;
        ResponseHead::new(self.status)
            .with_header(LOCATION, target)
            .into_reply()
    }

    fn describe(operation: &mut Operation) {
        // Which one it is, the function decides.
        for status in [
            StatusCode::SEE_OTHER,
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::PERMANENT_REDIRECT,
        ] {
            operation.response(status, "the client is sent to another address");
            operation.response_header::<String>(status, "location", "the address");
        }
    }
}

impl<T: Serialize + JsonSchema> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply, AppError> {
        Ok(Response::typed("application/json", json::written(&self.0)?).into())
    }

    fn describe(operation: &mut Operation) {
        operation.response_of::<T>(StatusCode::OK, "application/json", reason(StatusCode::OK));
    }
}

impl<T: Into<Bytes>> IntoReply for Html<T> {
    fn into_reply(self) -> Result<Reply, AppError> {
        Ok(Response::html(self.0).into())
    }

    fn describe(operation: &mut Operation) {
        operation.response_of_bytes(StatusCode::OK, "text/html", reason(StatusCode::OK));
    }
}

impl<const CODE: u16, T: IntoReply> IntoReply for Status<CODE, T> {
    fn into_reply(self) -> Result<Reply, AppError> {
        (Self::STATUS, self.0).into_reply()
    }

    fn describe(operation: &mut Operation) {
        operation.with_status(Self::STATUS, T::describe);
    }
}
