//! A response's body as a writer and as a sink.

use std::io;
use std::task::{Context, Poll};

use gateway_spec::{Gone, GoneSignal, Plain, SendError, Writer};

use super::target::Target;

/// A [`Writer`] as `AsyncWrite`, tokio's and that of `futures-io`, and as `Sink<Bytes>`.
///
/// - `write` takes as much as there is credit for, at least one byte, and copies it once. `Sink` copies nothing. Both wait
///   while the client is slower than the application (SRV-5), and both may be used in turns.
/// - `flush` waits until the kernel has all that was written (HTTP-17). `tokio::io::copy` and `forward` do that whenever
///   their source makes them wait.
/// - `shutdown` and `close` flush and **do not end the response**: that is the terminal call
///   [`finish`](Writer::finish), which takes the writer by value, may add trailers, and gives the `Done`. Take the writer
///   back by [`into_inner`](Self::into_inner). Dropped without it, the response is cut off (SRV-12), so a copy that failed
///   half-way is never taken for a whole response.
///
/// # Errors
///
/// A [`SendError`] inside of an [`io::Error`](std::io::Error): `BrokenPipe` if the client is gone, `InvalidInput` if more was
/// written than the declared `content-length` (HTTP-24); what goes over is refused whole.
///
/// # Cancel safety
///
/// A `write` that is dropped has written nothing, and a part that was sent by the sink is either sent or still with its
/// sender: `feed` and `send` of futures own it until there is credit, and lose it when they are dropped.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio-io")]
/// # mod example {
/// use adapters::io::BodyWriter;
/// use gateway_spec::{AppError, Done, Responder};
/// use http::StatusCode;
/// use tokio::io::AsyncRead;
///
/// async fn relay(
///     responder: Responder,
///     mut origin: impl AsyncRead + Unpin,
/// ) -> Result<Done, AppError> {
///     let mut out = BodyWriter::new(responder.start(StatusCode::OK).await?);
///     tokio::io::copy(&mut origin, &mut out).await?;
///     out.into_inner().finish().await
/// }
/// # }
/// ```
#[must_use = "call `into_inner` and `finish`, or the client sees a response that was cut off"]
#[derive(Debug)]
pub struct BodyWriter<K = Plain> {
    pub(super) writer: Writer<K>,
}

impl<K> BodyWriter<K> {
    /// Writes the body of this writer's response.
    pub const fn new(writer: Writer<K>) -> Self {
        Self { writer }
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.writer.gone()
    }

    /// The writer, for its terminal call. Nothing is buffered here, so nothing is lost.
    pub fn into_inner(self) -> Writer<K> {
        self.writer
    }
}

impl<K> From<Writer<K>> for BodyWriter<K> {
    fn from(writer: Writer<K>) -> Self {
        Self::new(writer)
    }
}

impl<K> Target for BodyWriter<K> {
    fn poll_take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer.poll_write(cx, bytes).map_err(io::Error::from)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(cx).map_err(left)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }
}

/// That nobody is left to send to.
pub(super) fn left(gone: Gone) -> io::Error {
    SendError::Gone(gone).into()
}
