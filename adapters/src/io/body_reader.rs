//! A request's body as a reader.

use bytes::Bytes;
use gateway_spec::{BodyError, BodyLength, GoneSignal, RequestBody};
use http::HeaderMap;

use super::source::Source;

/// A [`RequestBody`] as a reader: `AsyncRead` and `AsyncBufRead`, tokio's and those of `futures-io`. ASGI has none;
/// WSGI's `wsgi.input` is its blocking counterpart.
///
/// - A read gives what there is, at least one byte, and 0 at the end, as often as asked. It copies from the part that came
///   to the caller's buffer; `AsyncBufRead` lends that part and copies nothing.
/// - The server stops reading from a client whose body is not read (HTTP-11). The first read is what a client waits for
///   that wants to be told to go on (SRV-8). Dropped before its end, the rest is thrown away (HTTP-14).
/// - Trailers follow the end: [`trailers`](Self::trailers), or [`into_inner`](Self::into_inner).
///
/// # Errors
///
/// Reading gives a [`BodyError`] inside of an [`io::Error`](std::io::Error), the same again when asked again (HTTP-12). A
/// body that was cut short is an error and never an end (HTTP-8).
///
/// | what | `ErrorKind` | answered by `?` with |
/// |---|---|---|
/// | [`TooLarge`](BodyError::TooLarge) | `FileTooLarge` | 413 |
/// | [`Timeout`](BodyError::Timeout) | `TimedOut` | 408 |
/// | [`Malformed`](BodyError::Malformed), cut short | `InvalidData` | 400 |
/// | [`Gone`](BodyError::Gone) | `ConnectionReset` | nothing: nobody is there, and nothing is logged |
///
/// # Panics
///
/// `consume` of more than there is.
///
/// # Cancel safety
///
/// A read that is dropped has taken nothing.
///
/// # Examples
///
/// An upload into a file, and the number of its lines:
///
/// ```
/// # #[cfg(feature = "tokio-io")]
/// # mod example {
/// use adapters::io::BodyReader;
/// use gateway_spec::{AppError, Done, Http};
/// use tokio::io::{AsyncBufReadExt, AsyncWrite};
///
/// async fn store(http: Http, mut file: impl AsyncWrite + Unpin) -> Result<Done, AppError> {
///     let mut body = BodyReader::new(http.body);
///     tokio::io::copy(&mut body, &mut file).await?;
///     http.responder.respond("stored").await
/// }
///
/// async fn count_lines(http: Http) -> Result<Done, AppError> {
///     let mut lines = BodyReader::new(http.body).lines();
///     let mut count = 0;
///     while lines.next_line().await?.is_some() {
///         count += 1;
///     }
///     http.responder.respond(format!("{count} lines")).await
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct BodyReader {
    body: RequestBody,
    rest: Bytes,
}

impl BodyReader {
    /// Reads this body, from where it is.
    #[must_use]
    pub const fn new(body: RequestBody) -> Self {
        Self {
            body,
            rest: Bytes::new(),
        }
    }

    /// The next part without a copy, first the rest of the one that was begun; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::chunk`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        self.body.chunk().await
    }

    /// All that was not read yet, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::collect`].
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost.
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let taken = std::mem::take(&mut self.rest);
        self.body.collect_after(taken, limit).await
    }

    /// The trailers, once the body was read to its end. What is left of the body is read and thrown away first.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::trailers`].
    ///
    /// # Cancel safety
    ///
    /// Parts of the body that were thrown away are lost.
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        self.rest.clear();
        self.body.trailers().await
    }

    /// How much is still to be read.
    #[must_use]
    pub const fn remaining(&self) -> BodyLength {
        let rest = self.rest.len() as u64;
        match self.body.remaining() {
            BodyLength::Empty if rest > 0 => BodyLength::Known(rest),
            BodyLength::Known(length) => BodyLength::Known(length.saturating_add(rest)),
            length => length,
        }
    }

    /// Resolves when the client is gone; also when nobody reads.
    pub fn gone(&self) -> GoneSignal {
        self.body.gone()
    }

    /// The body, and before it what was taken from it and not read: the rest of a part, empty where a part was read
    /// whole. [`RequestBody::collect_after`] puts both together.
    #[must_use]
    pub fn into_inner(self) -> (Bytes, RequestBody) {
        (self.rest, self.body)
    }
}

impl From<RequestBody> for BodyReader {
    fn from(body: RequestBody) -> Self {
        Self::new(body)
    }
}

impl Source for BodyReader {
    type From = RequestBody;

    fn source(&mut self) -> (&mut Bytes, &mut RequestBody) {
        (&mut self.rest, &mut self.body)
    }
}
