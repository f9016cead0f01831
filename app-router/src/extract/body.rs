//! The body as it is, as text, as a stream, as a form.

use bytes::Bytes;
use gateway_spec::{AppError, BodyError, RequestBody};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::json::unsupported;
use super::values::read_urlencoded;
use crate::{Extract, Issue, Operation, Part, Rejection, RequestParts};

/// The whole body, if it is not larger than the route allows.
pub(super) async fn collect(request: &RequestParts) -> Result<Bytes, AppError> {
    let limit = request.body_limit();
    let collected = request.take_body()?.collect(limit).await;
    collected.map_err(|error| unreadable(error, limit))
}

/// A body that cannot be read: the client's fault, with a text, unless the client is gone.
#[cold]
pub(super) fn unreadable(error: BodyError, limit: usize) -> AppError {
    let Some(status) = error.status() else {
        return error.into();
    };
    let detail = match error {
        BodyError::TooLarge { .. } => format!("the body is larger than {limit} bytes"),
        other => other.to_string(),
    };
    let kind = match error {
        BodyError::TooLarge { .. } => "size",
        BodyError::Timeout => "timeout",
        _ => "framing",
    };
    Rejection::new(status, "the body cannot be read")
        .with_issue(Issue::at(Part::Body, Vec::new(), kind, detail))
        .into()
}

/// The body as a stream, for a handler that reads it as it comes. It has no limit but the server's.
///
/// # Examples
///
/// ```
/// use app_router::Body;
/// use gateway_spec::BodyError;
///
/// async fn count(Body(mut body): Body) -> Result<String, BodyError> {
///     let mut bytes = 0;
///     while let Some(chunk) = body.chunk().await? {
///         bytes += chunk.len();
///     }
///     Ok(format!("{bytes} bytes"))
/// }
/// # let _ = app_router::Router::new().post("/count", count);
/// ```
#[derive(Debug)]
pub struct Body(pub RequestBody);

/// The body as a form of text (`application/x-www-form-urlencoded`), read as a [`Query`](crate::Query) is.
///
/// # Examples
///
/// ```
/// use app_router::{Form, Redirect};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Login {
///     user: String,
///     #[serde(default)]
///     remember: bool,
/// }
///
/// async fn login(Form(login): Form<Login>) -> Redirect {
///     Redirect::to(if login.remember { "/welcome-back" } else { "/welcome" })
/// }
/// # let _ = app_router::Router::new().post("/login", login);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form<T>(pub T);

/// A form as it was typed, and what became of it: for a page that shows the form again, with what its visitor has typed
/// and what is wrong with it.
///
/// Only what is no form at all (another content type, too many bytes) is answered without the handler.
///
/// # Examples
///
/// ```
/// use app_router::{Entered, Html};
/// use http::StatusCode;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Guest {
///     #[schemars(length(min = 1, max = 40))]
///     name: String,
/// }
///
/// async fn sign(form: Entered<Guest>) -> (StatusCode, Html<String>) {
///     match &form.value {
///         Ok(_) => (StatusCode::OK, Html("Thank you.".into())),
///         Err(rejection) => {
///             // A template would escape the text.
///             let typed = form.text("name").unwrap_or_default().len();
///             let wrong = rejection.issues().len();
///             (rejection.status(), Html(format!("{typed} bytes, {wrong} mistakes")))
///         }
///     }
/// }
/// # let _ = app_router::Router::new().post("/guests", sign);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Entered<T> {
    /// The form, or all that is wrong with it.
    pub value: Result<T, Rejection>,
    /// What was typed: names and values in their order.
    pub pairs: Vec<(String, String)>,
}

impl<T> Entered<T> {
    /// What was typed into the field of this name; the first, if it has several.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// All that was typed, or chosen, under this name.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.pairs.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

impl Extract for Body {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        request.take_body().map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Body");
        operation.body_of_bytes("application/octet-stream");
    }
}

impl Extract for Bytes {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        collect(request).await
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Bytes");
        operation.body_of_bytes("application/octet-stream");
    }
}

impl Extract for String {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let body = collect(request).await?;
        Self::from_utf8(body.into()).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let detail = format!("is not UTF-8 at byte {valid}");
            Rejection::new(StatusCode::BAD_REQUEST, "the body is not text")
                .with_issue(Issue::at(Part::Body, Vec::new(), "encoding", detail))
                .into()
        })
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("String");
        operation.body_of::<Self>("text/plain");
    }
}

/// The body, if it is a form.
async fn form(request: &RequestParts) -> Result<Bytes, AppError> {
    let headers = &request.scope().headers;
    let named = headers.get_str(CONTENT_TYPE).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Err(unsupported(FORM));
    }
    collect(request).await
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Form<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let body = form(request).await?;
        read_urlencoded(Part::Body, &String::from_utf8_lossy(&body)).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Form");
        operation.body_of::<T>(FORM);
    }
}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Extract for Entered<T> {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let body = form(request).await?;
        let value = match read_urlencoded(Part::Body, &String::from_utf8_lossy(&body)) {
            Ok(value) => Ok(value),
            Err(error) => Err(Rejection::from_error(error)?),
        };
        let pairs = form_urlencoded::parse(&body).into_owned().collect();
        Ok(Self { value, pairs })
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Entered");
        operation.body_of::<T>(FORM);
    }
}
