//! What an application answers with.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::Headers;

/// Status and fields of a response. ASGI: `http.response.start`.
///
/// # Examples
///
/// ```
/// use gateway_spec::ResponseHead;
/// use http::{HeaderValue, StatusCode, header};
///
/// let head = ResponseHead::new(StatusCode::OK)
///     .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
/// assert_eq!(head.headers.get_str(header::CACHE_CONTROL), Some("no-store"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The fields. `Transfer-Encoding` and `Connection` (but for `close`) are the server's, which also adds a `Date` if
    /// there is none (HTTP-23).
    pub headers: Headers,
}

impl ResponseHead {
    /// A head without fields.
    #[must_use]
    #[inline]
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Headers::new(),
        }
    }

    /// Adds a field; one of the same name stays beside it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

impl From<StatusCode> for ResponseHead {
    #[inline]
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

/// A whole response: a head and all of its body. The server adds `content-length`.
///
/// Text becomes `text/plain; charset=utf-8`, bytes stay without a type, a status alone has no body.
///
/// # Examples
///
/// ```
/// use gateway_spec::Response;
/// use http::{HeaderValue, StatusCode, header};
///
/// let made = Response::new(r#"{"id":7}"#)
///     .with_status(StatusCode::CREATED)
///     .with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
/// assert_eq!(made.body, r#"{"id":7}"#);
/// assert_eq!(Response::from("hi").head.headers.get_str("content-type"), Some("text/plain; charset=utf-8"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Response {
    /// Status and fields.
    pub head: ResponseHead,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// 200 with this body and no content type.
    #[must_use]
    #[inline]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            head: ResponseHead::new(StatusCode::OK),
            body: body.into(),
        }
    }

    /// This head with this body.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{Response, ResponseHead};
    /// use http::StatusCode;
    ///
    /// let made = Response::from_parts(ResponseHead::new(StatusCode::CREATED), "made");
    /// assert_eq!((made.head.status, &made.body[..]), (StatusCode::CREATED, &b"made"[..]));
    /// ```
    #[must_use]
    #[inline]
    pub fn from_parts(head: ResponseHead, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { head, body }
    }

    /// 200 with this text.
    #[must_use]
    #[inline]
    pub fn text(body: impl Into<Bytes>) -> Self {
        const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        Self::of(TEXT, body.into())
    }

    /// 200 with this page.
    #[must_use]
    pub fn html(body: impl Into<Bytes>) -> Self {
        Self::typed("text/html; charset=utf-8", body)
    }

    /// 200 with this body of that content type.
    ///
    /// # Panics
    ///
    /// If the type is not visible ASCII.
    #[must_use]
    #[inline]
    pub fn typed(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::of(HeaderValue::from_static(content_type), body.into())
    }

    /// Made in one piece: each step on the way would be a copy.
    #[inline]
    fn of(content_type: HeaderValue, body: Bytes) -> Self {
        let head = ResponseHead {
            status: StatusCode::OK,
            headers: Headers::one(CONTENT_TYPE, content_type),
        };
        Self { head, body }
    }

    /// Sets the status.
    #[must_use]
    #[inline]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.head.status = status;
        self
    }

    /// Adds a field; one of the same name stays beside it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.head.headers.append(name, value);
        self
    }
}

impl From<&'static str> for Response {
    #[inline]
    fn from(text: &'static str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Response {
    #[inline]
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Response {
    #[inline]
    fn from(body: Bytes) -> Self {
        Self::new(body)
    }
}

impl From<Vec<u8>> for Response {
    #[inline]
    fn from(body: Vec<u8>) -> Self {
        Self::new(body)
    }
}

impl From<StatusCode> for Response {
    #[inline]
    fn from(status: StatusCode) -> Self {
        Self {
            head: ResponseHead::new(status),
            body: Bytes::new(),
        }
    }
}

impl From<ResponseHead> for Response {
    #[inline]
    fn from(head: ResponseHead) -> Self {
        Self {
            head,
            body: Bytes::new(),
        }
    }
}
