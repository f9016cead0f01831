//! What goes wrong, and the page for it: Flask's `@app.errorhandler`.

use std::fmt;
use std::io;

use gateway::types::{HeaderValue, StatusCode, header};
use gateway::{AppError, BodyError, Response};

/// Why a route has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    NotFound,
    /// The methods that there are.
    Method(&'static str),
    /// A field of a form that is not there, or is empty.
    Missing(&'static str),
    TooLong {
        field: &'static str,
        most: usize,
    },
    /// A form that is no UTF-8.
    BadForm,
    NotJson,
    BadJson(serde_json::Error),
    /// A line of an import.
    Line(usize),
    Full,
    /// Not the client's: logged by the server, and answered by it without a word of why.
    Own(AppError),
}

impl Failure {
    /// The page for the client.
    ///
    /// # Errors
    ///
    /// What is not the client's business.
    pub(super) fn into_response(self) -> Result<Response, AppError> {
        if let Self::Own(error) = self {
            return Err(error);
        }
        let response = Response::text(format!("{self}\n")).with_status(self.status());
        Ok(match self {
            Self::Method(allowed) => {
                response.with_header(header::ALLOW, HeaderValue::from_static(allowed))
            }
            _ => response,
        })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Missing(_)
            | Self::TooLong { .. }
            | Self::BadForm
            | Self::BadJson(_)
            | Self::Line(_) => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::Own(error) => error.status_code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such page"),
            Self::Method(allowed) => write!(f, "this page takes {allowed}"),
            Self::Missing(field) => write!(f, "the {field} is missing"),
            Self::TooLong { field, most } => write!(f, "the {field} has over {most} characters"),
            Self::BadForm => f.write_str("the form is no UTF-8"),
            Self::NotJson => f.write_str("this page takes application/json"),
            Self::BadJson(error) => error.fmt(f),
            Self::Line(number) => write!(f, "line {number} is not `name: text`"),
            Self::Full => f.write_str("the book is full"),
            Self::Own(error) => error.fmt(f),
        }
    }
}

/// Its status is that of the reason: 413 for what is too large.
impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Own(error.into())
    }
}

/// Of the disk, or of the body that is read: a [`BodyError`] inside keeps its status.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Own(error.into())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Own(error)
    }
}
