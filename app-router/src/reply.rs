//! What a handler may return: text, bytes, JSON, pages, redirects, a status, a stream, or an error.

mod json;
mod kinds;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use gateway_spec::{
    AppError, Done, DrainSignal, Responder, Response, ResponseHead, Scope, Trailing, Writer,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

pub use self::kinds::{Html, Json, Redirect, Status};
use crate::operation::reason;
use crate::{Operation, Rejection};

/// What turns into a [`Reply`]: the return type of a handler.
///
/// | type | reply |
/// |---|---|
/// | `&'static str`, `String` | 200, `text/plain; charset=utf-8` |
/// | `Bytes`, `Vec<u8>` | 200, no content type |
/// | [`Json<T>`], [`Html<T>`] | 200, `application/json`, `text/html; charset=utf-8` |
/// | [`Redirect`], [`Sse`](crate::Sse), [`JsonLines`](crate::JsonLines), [`FileReply`](crate::FileReply), [`Reply`] | as they say |
/// | `StatusCode`, `ResponseHead` | no body |
/// | `Response` | itself |
/// | `(StatusCode, T)`, [`Status<201, T>`](Status) | that of `T` with another status |
/// | `Result<T, E>` with `E: Into<AppError>` | that of `T`; an error is answered with its status (500 unless it has one) |
///
/// # Examples
///
/// ```
/// use app_router::{IntoReply, Reply};
/// use gateway_spec::AppError;
/// use http::StatusCode;
///
/// struct Missing;
///
/// impl IntoReply for Missing {
///     fn into_reply(self) -> Result<Reply, AppError> {
///         (StatusCode::NOT_FOUND, "nothing here").into_reply()
///     }
/// }
/// # let _ = app_router::Router::new().get("/", async || Missing);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a handler can return",
    label = "this does not turn into a reply",
    note = "return text, bytes, `Json(value)`, `Html(page)`, a `StatusCode`, a `Response`, `(StatusCode, T)`, or a `Result` of one of these"
)]
pub trait IntoReply {
    /// Makes the reply.
    ///
    /// # Errors
    ///
    /// If there is none: the value cannot be written, or it was an error in the first place.
    fn into_reply(self) -> Result<Reply, AppError>;

    /// Says what it answers, for the router's OpenAPI document. Nothing by default, which stands for a 200 of any kind.
    fn describe(operation: &mut Operation)
    where
        Self: Sized,
    {
        let _ = operation;
    }
}

/// A response, whole or streamed.
#[derive(Debug)]
pub struct Reply {
    /// Status and fields.
    pub head: ResponseHead,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Stream(Box<WriteBody>),
    /// With what the trailers are announced as.
    Trailing(Option<Vec<HeaderName>>, Box<WriteTrailing>),
}

type WriteBody = dyn FnOnce(Writer, DrainSignal) -> Writing + Send;
type WriteTrailing = dyn FnOnce(Writer<Trailing>, DrainSignal) -> Writing + Send;
type Writing = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;

impl Reply {
    /// A response whose body `write` writes after the head was sent.
    ///
    /// A body without an end of its own ends when the [`DrainSignal`] resolves, or it holds up the server's shutdown
    /// until the deadline. A `HEAD` request gets the head, and `write` is not called.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::Reply;
    /// use http::StatusCode;
    ///
    /// async fn count() -> Reply {
    ///     Reply::stream(StatusCode::OK, async |mut writer, _drain| {
    ///         for n in 0..3 {
    ///             writer.write(format!("{n}\n")).await?;
    ///         }
    ///         writer.finish().await
    ///     })
    /// }
    /// # let _ = app_router::Router::new().get("/", count);
    /// ```
    pub fn stream<F, Fut>(head: impl Into<ResponseHead>, write: F) -> Self
    where
        F: FnOnce(Writer, DrainSignal) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
    {
        let write = |writer, drain| -> Writing { Box::pin(write(writer, drain)) };
        Self {
            head: head.into(),
            body: Body::Stream(Box::new(write)),
        }
    }

    /// The same with trailers after the body. Those that are announced by name are told to the client before; with `None`
    /// any may come. A client that takes none gets the body.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::Reply;
    /// use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    ///
    /// const SUM: HeaderName = HeaderName::from_static("x-sum");
    ///
    /// async fn count() -> Reply {
    ///     Reply::stream_with_trailers(StatusCode::OK, Some(vec![SUM]), async |mut writer, _drain| {
    ///         let mut sum = 0_u32;
    ///         for n in 0..3 {
    ///             writer.write(format!("{n}\n")).await?;
    ///             sum += n;
    ///         }
    ///         let trailers = HeaderMap::from_iter([(SUM, HeaderValue::from(sum))]);
    ///         writer.finish_with_trailers(trailers).await
    ///     })
    /// }
    /// # let _ = app_router::Router::new().get("/count", count);
    /// ```
    pub fn stream_with_trailers<F, Fut>(
        head: impl Into<ResponseHead>,
        names: Option<Vec<HeaderName>>,
        write: F,
    ) -> Self
    where
        F: FnOnce(Writer<Trailing>, DrainSignal) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Done, AppError>> + Send + 'static,
    {
        let write = |writer, drain| -> Writing { Box::pin(write(writer, drain)) };
        Self {
            head: head.into(),
            body: Body::Trailing(names, Box::new(write)),
        }
    }

    /// Adds a field; one of the same name stays beside it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.head.headers.append(name, value);
        self
    }

    /// The response, if it is whole.
    pub(crate) fn into_whole(self) -> Option<Response> {
        match self.body {
            Body::Whole(body) => Some(Response::from_parts(self.head, body)),
            Body::Stream(_) | Body::Trailing(..) => None,
        }
    }

    /// The response of a reply that is whole; of another one its head.
    #[inline]
    pub(crate) fn into_response(self) -> Response {
        match self.body {
            Body::Whole(body) => Response::from_parts(self.head, body),
            Body::Stream(_) | Body::Trailing(..) => self.head.into(),
        }
    }

    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self.body, Body::Whole(_))
    }

    async fn send(self, scope: &Scope, responder: Responder) -> Result<Done, AppError> {
        match self.body {
            Body::Whole(body) => {
                responder
                    .respond(Response::from_parts(self.head, body))
                    .await
            }
            // Nobody reads the body, so an endless one would be written until the client leaves.
            Body::Stream(_) | Body::Trailing(..) if scope.method == Method::HEAD => {
                responder.respond(self.head).await
            }
            Body::Trailing(names, write) => {
                let started = responder.start_with_trailers(self.head, names.as_deref());
                write(started.await?, scope.drain()).await
            }
            Body::Stream(write) => {
                let writer = responder.start(self.head).await?;
                write(writer, scope.drain()).await
            }
        }
    }
}

/// Sends what a handler returned; an error that is a [`Rejection`] is answered here, any other by the server.
pub(crate) async fn answer(
    reply: Result<Reply, AppError>,
    scope: Scope,
    responder: Responder,
) -> Result<Done, AppError> {
    match reply {
        Ok(reply) => reply.send(&scope, responder).await,
        Err(error) => match Rejection::response_of(&error) {
            Some(response) => responder.respond(response).await,
            None => Err(error),
        },
    }
}

impl From<Response> for Reply {
    #[inline]
    fn from(response: Response) -> Self {
        Self {
            head: response.head,
            body: Body::Whole(response.body),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(body) => f.debug_tuple("Whole").field(body).finish(),
            Self::Stream(_) => f.debug_tuple("Stream").finish_non_exhaustive(),
            Self::Trailing(names, _) => f
                .debug_tuple("Trailing")
                .field(names)
                .finish_non_exhaustive(),
        }
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, AppError> {
        Ok(self)
    }
}

impl IntoReply for Rejection {
    fn into_reply(self) -> Result<Reply, AppError> {
        Ok(self.into_response().into())
    }
}

impl<T: IntoReply> IntoReply for (StatusCode, T) {
    fn into_reply(self) -> Result<Reply, AppError> {
        let mut reply = self.1.into_reply()?;
        reply.head.status = self.0;
        Ok(reply)
    }
}

impl<T: IntoReply, E: Into<AppError>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, AppError> {
        self.map_err(Into::into)?.into_reply()
    }

    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

macro_rules! replies {
    ($($type:ty as $media_type:expr),*) => {$(
        impl IntoReply for $type {
            fn into_reply(self) -> Result<Reply, AppError> {
                Ok(Response::from(self).into())
            }

            fn describe(operation: &mut Operation) {
                let media_type: Option<&'static str> = $media_type;
                if let Some(media_type) = media_type {
                    let reason = reason(StatusCode::OK);
                    operation.response_of_bytes(StatusCode::OK, media_type, reason);
                }
            }
        }
    )*};
}
replies!(
    &'static str as Some("text/plain"),
    String as Some("text/plain"),
    Bytes as Some("application/octet-stream"),
    Vec<u8> as Some("application/octet-stream"),
    StatusCode as None,
    ResponseHead as None,
    Response as None
);

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    #[track_caller]
    fn check(value: impl IntoReply, status: u16, field: (&str, Option<&str>), body: &str) {
        let response = value.into_reply().unwrap().into_whole().unwrap();
        assert_eq!(response.head.status, status);
        assert_eq!(response.head.headers.get_str(field.0), field.1);
        assert_eq!(response.body, body.as_bytes());
    }

    #[test]
    fn values_turn_into_replies() {
        let kind = |value| (CONTENT_TYPE.as_str(), value);
        check("hi", 200, kind(Some("text/plain; charset=utf-8")), "hi");
        check(
            String::from("hi"),
            200,
            kind(Some("text/plain; charset=utf-8")),
            "hi",
        );
        check(Bytes::from_static(b"hi"), 200, kind(None), "hi");
        check(Json([1, 2]), 200, kind(Some("application/json")), "[1,2]");
        check(
            Html("<p>"),
            200,
            kind(Some("text/html; charset=utf-8")),
            "<p>",
        );
        check(StatusCode::NO_CONTENT, 204, kind(None), "");
        check(
            (StatusCode::CREATED, Json(7)),
            201,
            kind(Some("application/json")),
            "7",
        );
        check(
            Ok::<_, AppError>("hi"),
            200,
            kind(Some("text/plain; charset=utf-8")),
            "hi",
        );
        check(Redirect::to("/a"), 303, ("location", Some("/a")), "");
        check(Redirect::temporary("/a"), 307, ("location", Some("/a")), "");
        check(Redirect::permanent("/a"), 308, ("location", Some("/a")), "");
        check(
            Rejection::new(StatusCode::CONFLICT, "no"),
            409,
            kind(Some("application/problem+json")),
            "{\"detail\":\"no\",\"status\":409,\"title\":\"Conflict\"}",
        );
    }

    #[test]
    fn errors_keep_their_status() {
        let missing: Result<&'static str, AppError> = Err(AppError::status(StatusCode::GONE));
        assert_eq!(
            missing.into_reply().unwrap_err().status_code(),
            StatusCode::GONE
        );
        let broken: Result<&'static str, std::io::Error> = Err(std::io::Error::other("disk"));
        assert_eq!(
            broken.into_reply().unwrap_err().status_code(),
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert!(Redirect::to("/a\r\nx: y").into_reply().is_err());
    }
}
