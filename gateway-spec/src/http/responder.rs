//! The one chance to answer.
//!
//! The futures here are written by hand: an `async fn` would copy the event of some 200 bytes at each layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderName;

use super::writer::{Payload, Plain, Ready, Sending, Trailing, Writer};
use super::{Layered, RequestBody, TrailersPlan, Tunnel, layer::MapHead};
use crate::application::done;
use crate::{
    Abort, AppError, Done, Gone, GoneSignal, HttpSend, HttpTransport, Response, ResponseHead,
    SendError,
};

/// The one chance to answer: consumed by [`respond`](Self::respond), [`start`](Self::start),
/// [`upgrade`](Self::upgrade) or [`abort`](Self::abort).
///
/// Dropped without any of them, it is an application's error: 500 (SRV-12).
///
/// # Examples
///
/// ```
/// # use gateway_spec::{AppError, Done, Http};
/// async fn hello(http: Http) -> Result<Done, AppError> {
///     http.responder.respond("Hello, world!").await
/// }
/// ```
#[must_use = "an exchange that is not answered is a 500"]
pub struct Responder {
    side: SendSide,
}

impl Responder {
    #[inline]
    pub(crate) const fn new(side: SendSide) -> Self {
        Self { side }
    }

    pub(crate) fn release(self) -> Arc<dyn HttpTransport> {
        self.side.release()
    }

    /// A responder over a transport: for middleware that answers in the place of an application whose own responder is gone
    /// (MW-7).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gateway_spec::{AppError, Done, HttpTransport, Responder};
    /// use http::StatusCode;
    ///
    /// async fn time_is_up(transport: &Arc<dyn HttpTransport>) -> Result<Done, AppError> {
    ///     let responder = Responder::over(Arc::clone(transport));
    ///     responder.respond(StatusCode::SERVICE_UNAVAILABLE).await
    /// }
    /// ```
    pub const fn over(transport: Arc<dyn HttpTransport>) -> Self {
        Self::new(SendSide::new(transport))
    }

    /// Answers with a whole response. Terminal.
    ///
    /// # Errors
    ///
    /// If the client is gone, or the head cannot be sent (HTTP-22): the server then answers 500.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the exchange is aborted.
    #[inline]
    pub fn respond(self, response: impl Into<Response>) -> Respond {
        let Response { head, body } = response.into();
        let event = HttpSend::Start {
            head,
            body,
            more: false,
            trailers: TrailersPlan::None,
        };
        Respond {
            owed: Some((self.side, Some(event))),
        }
    }

    /// Sends the head; the body follows by the [`Writer`].
    ///
    /// Without a `content-length` the length is left open, and the server frames the body.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    ///
    /// # Cancel safety
    ///
    /// As [`respond`](Self::respond).
    #[inline]
    pub fn start(self, head: impl Into<ResponseHead>) -> Start<Plain> {
        Start::new(self.side, head.into(), Bytes::new(), TrailersPlan::None)
    }

    /// As [`start`](Self::start), for a response that may end with trailers. `names` are announced to the client;
    /// `None` leaves them open until the end.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    pub fn start_with_trailers(
        self,
        head: impl Into<ResponseHead>,
        names: Option<&[HeaderName]>,
    ) -> Start<Trailing> {
        let plan = names.map_or(TrailersPlan::Maybe, |names| {
            TrailersPlan::Announced(names.into())
        });
        Start::new(self.side, head.into(), Bytes::new(), plan)
    }

    /// Sends an informational response (1xx but 101), if the server [can](crate::Capabilities::informational); else
    /// nothing.
    ///
    /// # Errors
    ///
    /// If the client is gone, or the status is not one (HTTP-22).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent.
    pub fn inform(&mut self, head: impl Into<ResponseHead>) -> Sending<'_> {
        let head = Box::new(head.into());
        Sending::new(self.side.get(), Payload::Informational(head))
    }

    /// Waits until an event can be sent at once.
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

    /// Answers with a whole response without waiting. Call it after [`ready`](Self::ready): the bound on what the server
    /// buffers is soft by one such response. Terminal. For code that makes its response when it can be sent, and not before;
    /// else [`respond`](Self::respond) does both.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    ///
    /// # Examples
    ///
    /// ```
    /// # use gateway_spec::{AppError, Done, Responder};
    /// async fn time(mut responder: Responder) -> Result<Done, AppError> {
    ///     responder.ready().await?;
    ///     responder.respond_now(format!("{:?}", std::time::SystemTime::now()))
    /// }
    /// # let _ = time;
    /// ```
    #[inline]
    pub fn respond_now(self, response: impl Into<Response>) -> Result<Done, AppError> {
        let Response { head, body } = response.into();
        self.side.get().send(HttpSend::Start {
            head,
            body,
            more: false,
            trailers: TrailersPlan::None,
        })?;
        drop(self.side.release());
        Ok(done())
    }

    /// Switches protocols: the head is 101 (or 200 to an HTTP/2 CONNECT), and the bytes are the application's from
    /// then on, both ways.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond); [`SendError::OutOfOrder`] if the request did not ask for it (HTTP-30).
    pub fn upgrade(self, head: impl Into<ResponseHead>, mut body: RequestBody) -> Upgrading {
        body.release();
        Upgrading {
            side: Some(self.side),
            event: Some(HttpSend::Upgrade { head: head.into() }),
        }
    }

    /// Gives the exchange up without an answer: the connection is closed, or the stream reset (HTTP-29). Terminal.
    pub fn abort(self) -> Done {
        self.side.release().abort(Abort::Deliberate);
        done()
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.side.get().gone()
    }

    /// Has `change` applied to the head of the response, when there is one.
    pub fn map_head(self, change: impl FnMut(&mut ResponseHead) + Send + 'static) -> Self {
        let inner = self.side.release();
        Self::new(SendSide::new(Arc::new(Layered(MapHead::new(
            inner, change,
        )))))
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

/// The transport while somebody still owes it a terminal event.
pub(crate) struct SendSide {
    transport: Option<Arc<dyn HttpTransport>>,
}

impl SendSide {
    #[inline]
    pub(crate) const fn new(transport: Arc<dyn HttpTransport>) -> Self {
        Self {
            transport: Some(transport),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> &dyn HttpTransport {
        &**self
            .transport
            .as_ref()
            .expect("only `release` empties it, and it takes `self`")
    }

    #[inline]
    pub(crate) fn release(mut self) -> Arc<dyn HttpTransport> {
        self.transport
            .take()
            .expect("only `release` empties it, and it takes `self`")
    }
}

impl Drop for SendSide {
    #[inline]
    fn drop(&mut self) {
        if let Some(transport) = &self.transport {
            transport.abort(Abort::Dropped);
        }
    }
}

/// The future of [`Responder::respond`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Respond, Responder};
/// fn hello(responder: Responder) -> Respond {
///     responder.respond("Hello, world!")
/// }
/// # let _ = hello;
/// ```
#[must_use = "await it: dropped before, nothing is sent and the exchange is aborted"]
pub struct Respond {
    /// Together, so that there is one thing to look for when it is dropped.
    owed: Option<(SendSide, Option<HttpSend>)>,
}

impl Future for Respond {
    type Output = Result<Done, AppError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((side, event)) = &mut self.owed else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.get().poll_send(cx, event))?;
        if let Some((side, _)) = self.owed.take() {
            drop(side.release());
        }
        Poll::Ready(Ok(done()))
    }
}

/// The future of [`Responder::start`] and [`Responder::start_with_trailers`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Plain, Responder, Start};
/// # use http::StatusCode;
/// fn begin(responder: Responder) -> Start<Plain> {
///     responder.start(StatusCode::OK)
/// }
/// # let _ = begin;
/// ```
#[must_use = "await it: dropped before, nothing is sent and the exchange is aborted"]
pub struct Start<K> {
    side: Option<SendSide>,
    event: Option<HttpSend>,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K> Start<K> {
    fn new(side: SendSide, head: ResponseHead, body: Bytes, trailers: TrailersPlan) -> Self {
        let event = HttpSend::Start {
            head,
            body,
            more: true,
            trailers,
        };
        Self {
            side: Some(side),
            event: Some(event),
            kind: std::marker::PhantomData,
        }
    }
}

impl Start<Plain> {
    /// The head and the first part of the body in one event.
    pub(crate) fn with_first(responder: Responder, head: ResponseHead, body: Bytes) -> Self {
        Self::new(responder.side, head, body, TrailersPlan::None)
    }
}

impl<K> Future for Start<K> {
    type Output = Result<Writer<K>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.get().poll_send(cx, &mut me.event))?;
        let side = me.side.take().expect("looked at above");
        Poll::Ready(Ok(Writer::new(side)))
    }
}

/// The future of [`Responder::upgrade`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Http, Upgrading};
/// # use http::StatusCode;
/// fn switch(http: Http) -> Upgrading {
///     http.responder.upgrade(StatusCode::SWITCHING_PROTOCOLS, http.body)
/// }
/// # let _ = switch;
/// ```
#[must_use = "await it: dropped before, nothing is sent and the exchange is aborted"]
pub struct Upgrading {
    side: Option<SendSide>,
    event: Option<HttpSend>,
}

impl Future for Upgrading {
    type Output = Result<Tunnel, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.get().poll_send(cx, &mut me.event))?;
        let side = me.side.take().expect("looked at above");
        Poll::Ready(Ok(Tunnel::new(side.release())))
    }
}

macro_rules! opaque_debug {
    ($($name:ident $(<$k:ident>)?),*) => {$(
        impl $(<$k>)? fmt::Debug for $name $(<$k>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("event", &self.event).finish_non_exhaustive()
            }
        }
    )*};
}
opaque_debug!(Start<K>, Upgrading);

impl fmt::Debug for Respond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.owed.as_ref().and_then(|(_, event)| event.as_ref());
        f.debug_struct("Respond")
            .field("event", &event)
            .finish_non_exhaustive()
    }
}
