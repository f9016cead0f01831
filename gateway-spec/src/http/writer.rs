//! The body of a response that is not sent whole.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use super::FileRegion;
use super::responder::SendSide;
use crate::application::done;
use crate::{
    Abort, AppError, Done, Gone, GoneSignal, HttpSend, HttpTransport, ResponseHead, SendError,
};

/// The body of a response whose head was sent: ASGI's `http.response.body` events, WSGI's `write`.
///
/// Dropped without [`finish`](Self::finish) or [`abort`](Self::abort), the response is cut off so that the client can
/// tell (SRV-12). `K` says whether trailers may end it: [`Plain`] or [`Trailing`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{AppError, Done, Http, ResponseHead};
/// # use http::StatusCode;
/// async fn count(http: Http) -> Result<Done, AppError> {
///     let mut writer = http.responder.start(ResponseHead::new(StatusCode::OK)).await?;
///     for n in 0..3 {
///         writer.write(format!("{n}\n")).await?;
///     }
///     writer.finish().await
/// }
/// ```
#[must_use = "call `finish`, or the client sees a response that was cut off"]
pub struct Writer<K = Plain> {
    side: SendSide,
    kind: PhantomData<fn() -> K>,
}

/// A [`Writer`] of a response without trailers.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, Plain, Writer};
///
/// // What `Writer` means when it stands alone.
/// async fn end(writer: Writer<Plain>) -> Result<Done, AppError> {
///     writer.finish().await
/// }
/// # let _ = end as fn(Writer) -> _;
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// A [`Writer`] of a response that may end with trailers.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, Responder};
/// use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
///
/// async fn sum(responder: Responder) -> Result<Done, AppError> {
///     let name = HeaderName::from_static("x-checksum");
///     let mut writer = responder
///         .start_with_trailers(StatusCode::OK, Some(std::slice::from_ref(&name)))
///         .await?;
///     writer.write("data").await?;
///     let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("7"))]);
///     writer.finish_with_trailers(trailers).await
/// }
/// # let _ = sum;
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Trailing {}

impl<K> Writer<K> {
    #[inline]
    pub(crate) const fn new(side: SendSide) -> Self {
        Self {
            side,
            kind: PhantomData,
        }
    }

    /// Sends a part of the body, waiting while the client is slower than the application (SRV-5).
    ///
    /// # Errors
    ///
    /// If the client is gone, or more than the declared `content-length` was written (HTTP-24).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing of the part was sent and the part is lost. To keep it, wait with
    /// [`ready`](Self::ready) and then call [`send`](Self::send).
    #[inline]
    pub fn write(&mut self, bytes: impl Into<Bytes>) -> Sending<'_> {
        Sending::new(self.side.get(), Payload::Part(bytes.into()))
    }

    /// Sends a range of a file as a part of the body; the server reads it off the worker's thread.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). A file that cannot be read, or is shorter, cuts the response off.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub fn write_file(&mut self, region: FileRegion) -> Sending<'_> {
        Sending::new(self.side.get(), Payload::File(region))
    }

    /// Waits until a part can be sent at once.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[inline]
    pub fn ready(&mut self) -> Ready<'_> {
        Ready::new(self.side.get())
    }

    /// Sends a part without waiting. Call it after [`ready`](Self::ready): the bound on what the server buffers is
    /// soft by one such part.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[inline]
    pub fn send(&mut self, bytes: impl Into<Bytes>) -> Result<(), SendError> {
        self.side.get().send(HttpSend::Body {
            bytes: bytes.into(),
            more: true,
        })
    }

    /// Waits until the kernel has all that was written.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn flush(&mut self) -> Flush<'_> {
        Flush {
            transport: self.side.get(),
        }
    }

    /// Waits until a part can be sent at once, by polling: [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.side.get().poll_ready(cx)
    }

    /// Sends as many of the bytes as there is credit for, by polling: at least one, if there is one. They are copied
    /// once, into what the server buffers (HTTP-18).
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
        self.side.get().poll_write(cx, bytes)
    }

    /// Waits until the kernel has all that was written, by polling: [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.side.get().poll_flush(cx)
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.side.get().gone()
    }

    /// Ends the body. Terminal.
    ///
    /// # Errors
    ///
    /// If the client is gone, or less than the declared `content-length` was written (HTTP-24).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the response is cut off.
    #[inline]
    pub fn finish(self) -> Finish {
        Finish {
            side: Some(self.side),
            trailers: None,
        }
    }

    /// Cuts the response off so that the client can tell. Terminal.
    pub fn abort(self) -> Done {
        self.side.release().abort(Abort::Deliberate);
        done()
    }
}

impl Writer<Trailing> {
    /// Ends the body with trailers. Terminal. Where the client cannot take them, they are dropped (HTTP-28).
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish); [`SendError::BadTrailer`] if one was not announced.
    pub fn finish_with_trailers(self, trailers: HeaderMap) -> Finish {
        Finish {
            side: Some(self.side),
            trailers: Some(Box::new(trailers)),
        }
    }
}

impl<K> fmt::Debug for Writer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// The future of [`Writer::finish`] and [`Writer::finish_with_trailers`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Finish, Writer};
/// fn end(writer: Writer) -> Finish {
///     writer.finish()
/// }
/// # let _ = end;
/// ```
#[must_use = "await it: dropped before, the response is cut off"]
pub struct Finish {
    side: Option<SendSide>,
    // Boxed, and the event made when it is sent: this lives in the application's own future.
    trailers: Option<Box<HeaderMap>>,
}

impl Future for Finish {
    type Output = Result<Done, AppError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.get().poll_ready(cx))?;
        let event = match me.trailers.take() {
            Some(trailers) => HttpSend::Trailers(*trailers),
            None => HttpSend::Body {
                bytes: Bytes::new(),
                more: false,
            },
        };
        let side = me.side.take().expect("looked at above");
        side.get().send(event)?;
        drop(side.release());
        Poll::Ready(Ok(done()))
    }
}

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finish").finish_non_exhaustive()
    }
}

/// One event on its way: the future of [`Writer::write`], [`Writer::write_file`] and
/// [`Responder::inform`](crate::Responder::inform).
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Sending, Writer};
/// fn tick(writer: &mut Writer) -> Sending<'_> {
///     writer.write("tick\n")
/// }
/// # let _ = tick;
/// ```
#[must_use = "does nothing until awaited"]
pub struct Sending<'a> {
    transport: &'a dyn HttpTransport,
    payload: Option<Payload>,
}

/// What an event is made of. Not the event, which has room for a head: this lives in the application's own future.
pub(crate) enum Payload {
    Part(Bytes),
    File(FileRegion),
    Informational(Box<ResponseHead>),
}

impl Payload {
    #[inline]
    fn into_event(self) -> HttpSend {
        match self {
            Self::Part(bytes) => HttpSend::Body { bytes, more: true },
            Self::File(region) => HttpSend::File(region),
            Self::Informational(head) => HttpSend::Informational(*head),
        }
    }
}

impl<'a> Sending<'a> {
    #[inline]
    pub(crate) fn new(transport: &'a dyn HttpTransport, payload: Payload) -> Self {
        Self {
            transport,
            payload: Some(payload),
        }
    }
}

impl Future for Sending<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        ready!(me.transport.poll_ready(cx))?;
        Poll::Ready(match me.payload.take() {
            Some(payload) => me.transport.send(payload.into_event()),
            None => Err(SendError::Gone(Gone::Finished)),
        })
    }
}

/// The future of [`Writer::ready`] and [`Responder::ready`](crate::Responder::ready).
///
/// # Examples
///
/// Keeps the part if the wait is given up:
///
/// ```
/// # use gateway_spec::{AppError, Writer};
/// # use bytes::Bytes;
/// async fn send(writer: &mut Writer, parts: &mut Vec<Bytes>) -> Result<(), AppError> {
///     writer.ready().await?;
///     if let Some(part) = parts.pop() {
///         writer.send(part)?;
///     }
///     Ok(())
/// }
/// ```
#[must_use = "does nothing until awaited"]
pub struct Ready<'a> {
    transport: &'a dyn HttpTransport,
}

impl<'a> Ready<'a> {
    pub(crate) fn new(transport: &'a dyn HttpTransport) -> Self {
        Self { transport }
    }
}

impl Future for Ready<'_> {
    type Output = Result<(), Gone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.transport.poll_ready(cx)
    }
}

/// The future of [`Writer::flush`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{AppError, Writer};
/// async fn send_now(writer: &mut Writer) -> Result<(), AppError> {
///     writer.write("data: 7\n\n").await?;
///     writer.flush().await?;
///     Ok(())
/// }
/// ```
#[must_use = "does nothing until awaited"]
pub struct Flush<'a> {
    transport: &'a dyn HttpTransport,
}

impl Future for Flush<'_> {
    type Output = Result<(), Gone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.transport.poll_flush(cx)
    }
}

macro_rules! opaque_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
opaque_debug!(Sending, Ready, Flush);
