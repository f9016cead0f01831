//! Middleware over events: a wrapper that forwards all it does not change.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::{
    Abort, Gone, GoneSignal, HttpReceive, HttpSend, HttpTransport, ResponseHead, SendError,
};

/// The hooks of a wrapper around an [`HttpTransport`]. Each forwards to [`inner`](Self::inner) unless it is written
/// anew, so that a wrapper cannot forget one (MW-2). [`Layered`] makes the transport of it.
///
/// [`send`](Self::send) sees every byte: those of [`poll_write`](Self::poll_write) are copied into an event (MW-3).
///
/// # Examples
///
/// Counts the bytes of a response, whichever way they come:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gateway_spec::{Http, HttpLayer, HttpSend, HttpTransport, Layered, SendError};
///
/// struct Count {
///     inner: Arc<dyn HttpTransport>,
///     bytes: Arc<AtomicU64>,
/// }
///
/// impl HttpLayer for Count {
///     fn inner(&self) -> &dyn HttpTransport {
///         &*self.inner
///     }
///
///     fn send(&self, event: HttpSend) -> Result<(), SendError> {
///         let bytes = match &event {
///             HttpSend::Start { body, .. } => body.len() as u64,
///             HttpSend::Body { bytes, .. } => bytes.len() as u64,
///             HttpSend::File(region) => region.length,
///             _ => 0,
///         };
///         self.inner.send(event)?;
///         self.bytes.fetch_add(bytes, Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// fn counted(http: Http, bytes: Arc<AtomicU64>) -> Http {
///     http.map_transport(|inner| Arc::new(Layered(Count { inner, bytes })))
/// }
/// # let _ = counted;
/// ```
pub trait HttpLayer: Send + Sync + 'static {
    /// What this wraps.
    fn inner(&self) -> &dyn HttpTransport;

    /// See [`HttpTransport::poll_receive`].
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.inner().poll_receive(cx)
    }

    /// See [`HttpTransport::stop_receiving`].
    fn stop_receiving(&self) {
        self.inner().stop_receiving();
    }

    /// See [`HttpTransport::poll_ready`].
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.inner().poll_ready(cx)
    }

    /// See [`HttpTransport::send`].
    ///
    /// # Errors
    ///
    /// As there.
    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.inner().send(event)
    }

    /// See [`HttpTransport::poll_write`]. The bytes are copied into an event for [`send`](Self::send); a layer that does
    /// not look at bodies saves the copy by `self.inner().poll_write(cx, bytes)`.
    ///
    /// # Errors
    ///
    /// As there.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        ready!(self.poll_ready(cx))?;
        let (event, accepted) = piece_of(bytes);
        self.send(event)?;
        Poll::Ready(Ok(accepted))
    }

    /// See [`HttpTransport::poll_flush`].
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.inner().poll_flush(cx)
    }

    /// See [`HttpTransport::poll_buffered`].
    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        self.inner().poll_buffered(cx, n)
    }

    /// See [`HttpTransport::gone`].
    fn gone(&self) -> GoneSignal {
        self.inner().gone()
    }

    /// See [`HttpTransport::close`].
    fn close(&self) {
        self.inner().close();
    }

    /// See [`HttpTransport::abort`].
    fn abort(&self, why: Abort) {
        self.inner().abort(why);
    }
}

/// The transport that an [`HttpLayer`] makes.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gateway_spec::{HttpLayer, HttpTransport, Layered};
///
/// struct Unchanged(Arc<dyn HttpTransport>);
///
/// impl HttpLayer for Unchanged {
///     fn inner(&self) -> &dyn HttpTransport {
///         &*self.0
///     }
/// }
///
/// fn wrap(inner: Arc<dyn HttpTransport>) -> Arc<dyn HttpTransport> {
///     Arc::new(Layered(Unchanged(inner)))
/// }
/// # let _ = wrap;
/// ```
pub struct Layered<L>(pub L);

impl<L: HttpLayer> HttpTransport for Layered<L> {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.0.poll_receive(cx)
    }

    fn stop_receiving(&self) {
        self.0.stop_receiving();
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_ready(cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.0.send(event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_flush(cx)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        self.0.poll_buffered(cx, n)
    }

    fn gone(&self) -> GoneSignal {
        self.0.gone()
    }

    fn close(&self) {
        self.0.close();
    }

    fn abort(&self, why: Abort) {
        self.0.abort(why);
    }
}

impl<L> fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

/// The event of the first of these bytes, and how many: so that a huge slice does not pass the credit by more than this.
pub(super) fn piece_of(bytes: &[u8]) -> (HttpSend, usize) {
    const PIECE: usize = 16 * 1024;
    let piece = &bytes[..bytes.len().min(PIECE)];
    let event = HttpSend::Body {
        bytes: Bytes::copy_from_slice(piece),
        more: true,
    };
    (event, piece.len())
}

/// Changes the head of the response alone.
pub(super) struct MapHead<F> {
    inner: Arc<dyn HttpTransport>,
    change: Mutex<F>,
}

impl<F> MapHead<F> {
    pub(super) fn new(inner: Arc<dyn HttpTransport>, change: F) -> Self {
        Self {
            inner,
            change: Mutex::new(change),
        }
    }
}

impl<F: FnMut(&mut ResponseHead) + Send + 'static> HttpLayer for MapHead<F> {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn send(&self, mut event: HttpSend) -> Result<(), SendError> {
        if let HttpSend::Start { head, .. } | HttpSend::Upgrade { head } = &mut event {
            let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
            change(head);
        }
        self.inner.send(event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.inner.poll_write(cx, bytes)
    }
}
