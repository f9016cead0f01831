//! The request's body.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::{BodyError, BodyLength, Gone, GoneSignal, HttpReceive, HttpTransport};

/// The request's body: `receive` in ASGI, `wsgi.input` in WSGI.
///
/// It is also an [`http_body::Body`] and a [`futures_core::Stream`] of its parts. Dropping it tells the server that
/// the rest is not wanted (HTTP-14).
///
/// # Examples
///
/// ```
/// # use gateway_spec::{BodyError, RequestBody};
/// async fn count(mut body: RequestBody) -> Result<usize, BodyError> {
///     let mut count = 0;
///     while let Some(chunk) = body.chunk().await? {
///         count += chunk.len();
///     }
///     Ok(count)
/// }
/// ```
pub struct RequestBody {
    transport: Option<Arc<dyn HttpTransport>>,
    length: BodyLength,
    state: State,
}

enum State {
    Reading,
    Ended(Option<Box<HeaderMap>>),
    Failed(BodyError),
}

impl RequestBody {
    pub(crate) fn new(transport: Arc<dyn HttpTransport>, length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Empty | BodyLength::Known(0) => State::Ended(None),
            _ => State::Reading,
        };
        Self {
            transport: Some(transport),
            length,
            state,
        }
    }

    /// The next part, never empty; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the body cannot be read to its end; asked again, it gives the same error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a part is either handed out or still there.
    pub fn chunk(&mut self) -> Chunk<'_> {
        Chunk { body: self }
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] as soon as more than `limit` bytes are announced or have come: 413 if the application
    /// returns it.
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost.
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = || BodyError::TooLarge {
            limit: limit as u64,
        };
        if let BodyLength::Known(length) = self.length
            && length > limit as u64
        {
            return Err(too_large());
        }
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        if first.len() > limit {
            return Err(too_large());
        }
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if chunk.len() > limit - whole.len() {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }

    /// The trailers, once the body was read to its end. What is left of the body is read and thrown away first.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    ///
    /// # Cancel safety
    ///
    /// Parts of the body that were thrown away are lost.
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        while self.chunk().await?.is_some() {}
        match &mut self.state {
            State::Ended(trailers) => Ok(trailers.take().map(|trailers| *trailers)),
            State::Reading | State::Failed(_) => Ok(None),
        }
    }

    /// Waits, without taking anything, until `bytes` of the body are buffered, or all of it, or as much as the server
    /// buffers (HTTP-15).
    ///
    /// # Errors
    ///
    /// If the client left before.
    pub fn buffered(&self, bytes: usize) -> Buffered<'_> {
        let transport = match self.state {
            State::Reading => Some(self.transport()),
            State::Ended(_) | State::Failed(_) => None,
        };
        Buffered { transport, bytes }
    }

    /// Resolves when the client is gone; also when nobody reads the body.
    pub fn gone(&self) -> GoneSignal {
        self.transport().gone()
    }

    /// How much of the body is still to come.
    #[must_use]
    pub const fn remaining(&self) -> BodyLength {
        self.length
    }

    /// Whether all of it has been read.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// The next part, by polling.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match &self.state {
                State::Reading => {}
                State::Ended(_) => return Poll::Ready(None),
                State::Failed(error) => return Poll::Ready(Some(Err(*error))),
            }
            match ready!(self.transport().poll_receive(cx)) {
                HttpReceive::Body { bytes, more } => {
                    if let BodyLength::Known(left) = &mut self.length {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    if !more {
                        self.state = State::Ended(None);
                    }
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                HttpReceive::Trailers(trailers) => {
                    self.state = State::Ended(Some(Box::new(trailers)))
                }
                HttpReceive::Failed(error) => self.state = State::Failed(error),
                HttpReceive::Disconnect(gone) => self.state = State::Failed(BodyError::Gone(gone)),
            }
        }
    }

    fn transport(&self) -> &dyn HttpTransport {
        &**self
            .transport
            .as_ref()
            .expect("only `release` empties it, and it takes `self`")
    }

    /// Lets go of the transport without telling it that the body is not wanted.
    pub(crate) fn release(mut self) -> Option<Arc<dyn HttpTransport>> {
        self.transport.take()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(transport), State::Reading) = (&self.transport, &self.state) {
            transport.stop_receiving();
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("remaining", &self.length)
            .finish_non_exhaustive()
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match ready!(self.poll_chunk(cx)) {
            Some(part) => Poll::Ready(Some(part.map(Frame::data))),
            None => Poll::Ready(match &mut self.state {
                State::Ended(trailers) => trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(*trailers))),
                State::Reading | State::Failed(_) => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended(None))
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.state, self.length) {
            (State::Ended(_), _) | (_, BodyLength::Empty) => SizeHint::with_exact(0),
            (_, BodyLength::Known(length)) => SizeHint::with_exact(length),
            (_, BodyLength::Unknown) => SizeHint::default(),
        }
    }
}

impl futures_core::Stream for RequestBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx)
    }
}

/// The future of [`RequestBody::chunk`].
#[must_use = "does nothing until awaited"]
#[derive(Debug)]
pub struct Chunk<'a> {
    body: &'a mut RequestBody,
}

impl Future for Chunk<'_> {
    type Output = Result<Option<Bytes>, BodyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.body.poll_chunk(cx).map(Option::transpose)
    }
}

/// The future of [`RequestBody::buffered`].
#[must_use = "does nothing until awaited"]
pub struct Buffered<'a> {
    transport: Option<&'a dyn HttpTransport>,
    bytes: usize,
}

impl Future for Buffered<'_> {
    type Output = Result<(), Gone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.transport {
            Some(transport) => transport.poll_buffered(cx, self.bytes),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Buffered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The receiving half of a tunnel: the body's transport, whose end is the client's half-close.
pub(crate) async fn next_of_tunnel(
    transport: &dyn HttpTransport,
) -> Result<Option<Bytes>, BodyError> {
    poll_fn(|cx| poll_tunnel(transport, cx)).await
}

pub(crate) fn poll_tunnel(
    transport: &dyn HttpTransport,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, BodyError>> {
    loop {
        return Poll::Ready(match ready!(transport.poll_receive(cx)) {
            HttpReceive::Body { bytes, more: true } if bytes.is_empty() => continue,
            HttpReceive::Body { bytes, more: false } if bytes.is_empty() => Ok(None),
            HttpReceive::Body { bytes, .. } => Ok(Some(bytes)),
            HttpReceive::Disconnect(Gone::HalfClosed) => Ok(None),
            HttpReceive::Disconnect(gone) => Err(BodyError::Gone(gone)),
            HttpReceive::Failed(error) => Err(error),
            HttpReceive::Trailers(_) => continue,
        });
    }
}
