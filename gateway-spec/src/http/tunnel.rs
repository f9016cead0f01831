//! An exchange whose protocol was switched: plain bytes both ways.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::application::done;
use crate::{
    Abort, AppError, BodyError, Done, Gone, GoneSignal, HttpReceive, HttpSend, HttpTransport,
    SendError,
};

/// The bytes of an exchange after [`Responder::upgrade`](crate::Responder::upgrade), both ways.
///
/// Dropping it flushes what was accepted and closes the connection (HTTP-32); it is not an abort.
///
/// # Examples
///
/// ```
/// # use gateway_spec::{AppError, Done, Http, ResponseHead};
/// # use http::{HeaderValue, StatusCode, header};
/// async fn echo(http: Http) -> Result<Done, AppError> {
///     let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
///         .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
///     let mut tunnel = http.responder.upgrade(head, http.body).await?;
///     while let Some(bytes) = tunnel.read().await? {
///         tunnel.write(bytes).await?;
///     }
///     tunnel.finish().await
/// }
/// ```
#[must_use = "dropping it closes the connection"]
pub struct Tunnel {
    transport: Option<Arc<dyn HttpTransport>>,
    reading: Reading,
}

/// The client's direction.
#[derive(Clone, Copy)]
enum Reading {
    Open,
    Ended,
}

impl Tunnel {
    pub(crate) const fn new(transport: Arc<dyn HttpTransport>) -> Self {
        Self {
            transport: Some(transport),
            reading: Reading::Open,
        }
    }

    /// The next bytes; `None` when the client has closed its direction (HTTP-31), also when asked again.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn read(&mut self) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    /// The next bytes, by polling.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            if let Reading::Ended = self.reading {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.transport().poll_receive(cx)) {
                HttpReceive::Body { bytes, more } => {
                    if !more {
                        self.reading = Reading::Ended;
                    }
                    if !bytes.is_empty() {
                        return Poll::Ready(Ok(Some(bytes)));
                    }
                }
                HttpReceive::Disconnect(Gone::HalfClosed) => self.reading = Reading::Ended,
                HttpReceive::Disconnect(gone) => return Poll::Ready(Err(BodyError::Gone(gone))),
                HttpReceive::Failed(error) => return Poll::Ready(Err(error)),
                // A tunnel has none.
                HttpReceive::Trailers(_) => {}
            }
        }
    }

    /// Sends bytes, waiting while the client is slow.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the bytes are lost.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), SendError> {
        self.send_event(HttpSend::Body {
            bytes: bytes.into(),
            more: true,
        })
        .await
    }

    /// Sends as many of the bytes as there is credit for, by polling: at least one, if there is one.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, SendError>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.transport().poll_write(cx, bytes)
    }

    /// Waits until the kernel has all that was written, by polling.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.transport().poll_flush(cx)
    }

    /// Closes this direction; the client's bytes can still be read.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        self.send_event(HttpSend::Body {
            bytes: Bytes::new(),
            more: false,
        })
        .await
    }

    /// Closes this direction, by polling.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.transport().poll_ready(cx))?;
        Poll::Ready(self.transport().send(HttpSend::Body {
            bytes: Bytes::new(),
            more: false,
        }))
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.transport().gone()
    }

    /// Sends what was written and closes. Terminal.
    ///
    /// # Errors
    ///
    /// If the client is gone before it could have everything.
    pub async fn finish(self) -> Result<Done, AppError> {
        poll_fn(|cx| self.transport().poll_flush(cx)).await?;
        drop(self);
        Ok(done())
    }

    /// Cuts the connection off. Terminal.
    pub fn abort(mut self) -> Done {
        if let Some(transport) = self.transport.take() {
            transport.abort(Abort::Deliberate);
        }
        done()
    }

    async fn send_event(&mut self, event: HttpSend) -> Result<(), SendError> {
        let mut event = Some(event);
        poll_fn(|cx| self.transport().poll_send(cx, &mut event)).await
    }

    fn transport(&self) -> &dyn HttpTransport {
        &**self
            .transport
            .as_ref()
            .expect("only `abort` empties it, and it takes `self`")
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(transport) = &self.transport {
            transport.close();
        }
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}
