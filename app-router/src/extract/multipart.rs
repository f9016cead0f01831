//! The body as a form with files (`multipart/form-data`, RFC 7578), part by part as it comes.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use gateway_spec::{AppError, BodyError, RequestBody};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::body::unreadable;
use super::json::unsupported;
use crate::{Extract, Issue, Operation, Part, Rejection, RequestParts};

/// A form with files, part by part as it comes: nothing waits for the whole.
///
/// What may be held in memory at once, between two parts, is [`body_limit`](RequestParts::body_limit); a part itself is as
/// long as it is, and its reader says how much it takes. Starlette: `request.form()`, which spools files to a disk first.
///
/// # Examples
///
/// ```
/// use app_router::Multipart;
/// use gateway_spec::AppError;
///
/// async fn upload(mut form: Multipart) -> Result<String, AppError> {
///     let mut sizes = String::new();
///     while let Some(mut part) = form.next().await? {
///         let mut size = 0;
///         while let Some(chunk) = part.chunk().await? {
///             size += chunk.len();
///         }
///         sizes += &format!("{} {:?}: {size}\n", part.name(), part.file_name());
///     }
///     Ok(sizes)
/// }
/// # let _ = app_router::Router::new().post("/upload", upload);
/// ```
pub struct Multipart {
    parts: multer::Multipart<'static>,
    shared: Shared,
}

/// What the parts of a form have in common with its stream.
#[derive(Clone)]
struct Shared {
    limit: usize,
    /// Bytes that came since a part, or a piece of one, was handed out: what is held in memory.
    held: Arc<AtomicUsize>,
}

/// One part of a form: a value or a file.
///
/// # Examples
///
/// See [`Multipart`].
pub struct Upload {
    part: multer::Field<'static>,
    shared: Shared,
}

/// A file, for the [schema](Operation::body_of) of a form: bytes of any kind.
impl JsonSchema for Upload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Upload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The first is how OpenAPI 3.1 says it, the second is how generators of clients have known it from 3.0.
        json_schema!({
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "format": "binary",
        })
    }
}

impl Extract for Multipart {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        const TYPE: &str = "multipart/form-data";
        let named = request
            .scope()
            .headers
            .get_str(CONTENT_TYPE)
            .unwrap_or_default();
        let boundary = match multer::parse_boundary(named) {
            Ok(boundary) => boundary,
            Err(multer::Error::NoBoundary) => {
                return Err(broken("its content type has no boundary"));
            }
            Err(_) => return Err(unsupported(TYPE)),
        };
        let shared = Shared {
            limit: request.body_limit(),
            held: Arc::default(),
        };
        let pieces = Pieces {
            body: request.take_body()?,
            shared: shared.clone(),
            rests: false,
        };
        Ok(Self {
            parts: multer::Multipart::new(pieces, boundary),
            shared,
        })
    }

    fn describe(operation: &mut Operation) {
        operation.takes_body("Multipart");
        operation.body_of_bytes("multipart/form-data");
    }
}

impl Multipart {
    /// The next part; `None` after the last. What is left of the one before is skipped.
    ///
    /// # Errors
    ///
    /// 400 if the form is broken, 413 if a part's head is too long, and as the body fails.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Upload>, AppError> {
        let next = self.parts.next_field().await;
        self.shared.held.store(0, Ordering::Relaxed);
        let part = next.map_err(|error| self.shared.refuse(error))?;
        let shared = self.shared.clone();
        Ok(part.map(|part| Upload { part, shared }))
    }
}

impl Upload {
    /// The name of the form's field; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part.name().unwrap_or_default()
    }

    /// What the client calls the file; `None` for a plain value. Never a path to write to: it is the client's text.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.part.file_name()
    }

    /// The content type that the client says it has.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.part.content_type().map(AsRef::as_ref)
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, AppError> {
        let chunk = self.part.chunk().await;
        self.shared.held.store(0, Ordering::Relaxed);
        chunk.map_err(|error| self.shared.refuse(error))
    }

    /// The whole part, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// 413 with its name if it is larger, and as [`chunk`](Self::chunk).
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, AppError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - whole.len() {
                let detail = format!("is larger than {limit} bytes");
                let issue = Issue::new(Part::Body, self.name(), detail).with_kind("size");
                return Err(
                    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large")
                        .with_issue(issue)
                        .into(),
                );
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The whole part as text, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// 422 with its name if it is no UTF-8, and as [`collect`](Self::collect).
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost.
    pub async fn text(self, limit: usize) -> Result<String, AppError> {
        let name = self.name().to_owned();
        let whole = self.collect(limit).await?;
        String::from_utf8(whole.into()).map_err(|_| {
            Issue::new(Part::Body, &*name, "is not UTF-8")
                .with_kind("encoding")
                .into()
        })
    }
}

impl Shared {
    #[cold]
    fn refuse(&self, error: multer::Error) -> AppError {
        match error {
            multer::Error::StreamReadFailed(cause) => match cause.downcast_ref::<BodyError>() {
                Some(error) => unreadable(*error, self.limit),
                None => AppError::new(cause),
            },
            error => broken(&error.to_string()),
        }
    }
}

/// A form that is not one.
#[cold]
fn broken(why: &str) -> AppError {
    Rejection::new(StatusCode::BAD_REQUEST, "the form is broken")
        .with_issue(Issue::at(
            Part::Body,
            Vec::new(),
            "multipart",
            why.to_owned(),
        ))
        .into()
}

/// The body as the parser reads it: one piece a time.
struct Pieces {
    body: RequestBody,
    shared: Shared,
    /// The parser takes all that is ready before it looks at it. So after a piece there is none for a moment, and what
    /// is held stays small.
    rests: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.body.poll_chunk(cx);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.rests = true;
            let held = self.shared.held.fetch_add(piece.len(), Ordering::Relaxed) + piece.len();
            // One piece may be larger than the limit; a second is only asked for while nothing could be handed out.
            if held > self.shared.limit.max(piece.len()) {
                let limit = self.shared.limit as u64;
                return Poll::Ready(Some(Err(BodyError::TooLarge { limit })));
            }
        }
        polled
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").finish_non_exhaustive()
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("name", &self.name())
            .field("file_name", &self.file_name())
            .finish_non_exhaustive()
    }
}
