//! The request's body.

use std::fmt;
use std::future::Future;
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
    /// Nothing was received yet: the scope alone says what is to come.
    Fresh,
    Reading,
    Ended(Option<Box<HeaderMap>>),
    Failed(BodyError),
}

impl RequestBody {
    #[inline]
    pub(crate) fn new(transport: Arc<dyn HttpTransport>, length: BodyLength) -> Self {
        Self {
            transport: Some(transport),
            length,
            state: State::Fresh,
        }
    }

    /// The same body over another transport, of the length that the scope now says if nothing was received (MW-8).
    pub(crate) fn over(mut self, transport: Arc<dyn HttpTransport>, length: BodyLength) -> Self {
        self.transport = Some(transport);
        if let State::Fresh = self.state {
            self.length = length;
        }
        self
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
    #[inline]
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
        self.collect_after(Bytes::new(), limit).await
    }

    /// The whole body behind bytes of it that were taken already, if both together have at most `limit` bytes: for
    /// those who buffer, and give up the rest of what they took.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost, and `taken` too.
    pub async fn collect_after(&mut self, taken: Bytes, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = || BodyError::TooLarge {
            limit: limit as u64,
        };
        let announced = match self.length {
            BodyLength::Known(length) if self.is_open() => length,
            _ => 0,
        };
        if announced.saturating_add(taken.len() as u64) > limit as u64 {
            return Err(too_large());
        }
        // A body of one part is handed on as it is.
        let mut whole = taken;
        let mut copy = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - whole.len() - copy.len() {
                return Err(too_large());
            }
            if whole.is_empty() && copy.is_empty() {
                whole = chunk;
                continue;
            }
            if copy.is_empty() {
                copy = BytesMut::from(std::mem::take(&mut whole));
            }
            copy.extend_from_slice(&chunk);
        }
        Ok(if copy.is_empty() {
            whole
        } else {
            copy.freeze()
        })
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
            State::Fresh | State::Reading | State::Failed(_) => Ok(None),
        }
    }

    /// Waits, without taking anything, until `bytes` of the body are buffered, or all of it, or as much as the server
    /// buffers (HTTP-15).
    ///
    /// # Errors
    ///
    /// If the client left before.
    pub fn buffered(&self, bytes: usize) -> Buffered<'_> {
        let transport = self.is_open().then(|| self.transport());
        Buffered { transport, bytes }
    }

    /// A body of the same exchange with nothing in it: for whoever keeps this one for an
    /// [upgrade](crate::Responder::upgrade) and has to hand a request on with a body.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::RequestBody;
    /// use http::Request;
    ///
    /// fn request_of(kept: &RequestBody) -> Request<RequestBody> {
    ///     Request::new(kept.ended())
    /// }
    /// # let _ = request_of;
    /// ```
    #[must_use]
    pub fn ended(&self) -> Self {
        Self {
            transport: self.transport.clone(),
            length: BodyLength::Empty,
            state: State::Ended(None),
        }
    }

    /// Resolves when the client is gone; also when nobody reads the body.
    pub fn gone(&self) -> GoneSignal {
        self.transport().gone()
    }

    /// How much of the body is still to come.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> BodyLength {
        match self.state {
            State::Ended(_) => BodyLength::Empty,
            State::Fresh | State::Reading | State::Failed(_) => self.length,
        }
    }

    /// Whether all of it has been read.
    #[must_use]
    #[inline]
    pub const fn is_end(&self) -> bool {
        match self.state {
            State::Fresh => self.is_empty(),
            State::Ended(_) => true,
            State::Reading | State::Failed(_) => false,
        }
    }

    /// The next part, by polling.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match &self.state {
                State::Fresh if self.is_empty() => return Poll::Ready(None),
                State::Fresh | State::Reading => {}
                State::Ended(_) => return Poll::Ready(None),
                State::Failed(error) => return Poll::Ready(Some(Err(*error))),
            }
            let event = ready!(self.transport().poll_receive(cx));
            self.state = State::Reading;
            match event {
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
                // The client may still read why its body was not taken.
                HttpReceive::Disconnect(Gone::HalfClosed) => {
                    self.state = State::Failed(BodyError::Malformed);
                }
                HttpReceive::Disconnect(gone) => self.state = State::Failed(BodyError::Gone(gone)),
            }
        }
    }

    /// Whether the scope says that nothing is to come.
    #[inline]
    const fn is_empty(&self) -> bool {
        matches!(self.length, BodyLength::Empty | BodyLength::Known(0))
    }

    /// Whether something may still come.
    #[inline]
    const fn is_open(&self) -> bool {
        match self.state {
            State::Fresh => !self.is_empty(),
            State::Reading => true,
            State::Ended(_) | State::Failed(_) => false,
        }
    }

    #[inline]
    fn transport(&self) -> &dyn HttpTransport {
        &**self
            .transport
            .as_ref()
            .expect("only `release` empties it, and its callers give the body up")
    }

    /// Lets go of the transport without telling it that the body is not wanted.
    pub(crate) fn release(&mut self) -> Option<Arc<dyn HttpTransport>> {
        self.transport.take()
    }

    /// Goes back before the last part, of so many bytes: how long the body then is, and how it ended if it had.
    pub(crate) fn reopen(&mut self, bytes: usize) -> Option<HttpReceive> {
        let end = match std::mem::replace(&mut self.state, State::Reading) {
            State::Fresh | State::Reading => None,
            State::Ended(None) => Some(HttpReceive::Body {
                bytes: Bytes::new(),
                more: false,
            }),
            State::Ended(Some(trailers)) => Some(HttpReceive::Trailers(*trailers)),
            State::Failed(error) => Some(HttpReceive::Failed(error)),
        };
        self.length = match self.length {
            BodyLength::Known(left) => BodyLength::Known(left + bytes as u64),
            BodyLength::Empty | BodyLength::Unknown => BodyLength::Unknown,
        };
        end
    }

    /// What is left, if something was received or a failure was.
    pub(crate) const fn left(&self) -> Option<BodyLength> {
        match self.state {
            State::Fresh => None,
            State::Reading | State::Ended(_) | State::Failed(_) => Some(self.remaining()),
        }
    }
}

impl Drop for RequestBody {
    #[inline]
    fn drop(&mut self) {
        if let Some(transport) = &self.transport
            && self.is_open()
        {
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
                State::Fresh | State::Reading | State::Failed(_) => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.state {
            State::Fresh => self.is_empty(),
            State::Ended(None) => true,
            State::Reading | State::Ended(Some(_)) | State::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.remaining() {
            BodyLength::Empty => SizeHint::with_exact(0),
            BodyLength::Known(length) => SizeHint::with_exact(length),
            BodyLength::Unknown => SizeHint::default(),
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
///
/// # Examples
///
/// ```
/// # use gateway_spec::{BodyError, RequestBody};
/// async fn first_bytes(body: &mut RequestBody) -> Result<usize, BodyError> {
///     Ok(body.chunk().await?.map_or(0, |part| part.len()))
/// }
/// ```
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
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Gone, RequestBody};
/// /// Waits until a thread would not have to.
/// async fn worth_a_thread(body: &RequestBody) -> Result<(), Gone> {
///     body.buffered(64 * 1024).await
/// }
/// ```
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
