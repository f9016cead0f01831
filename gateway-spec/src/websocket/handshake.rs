//! The one chance to accept a WebSocket or to deny it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Accept, Socket, WebSocketSend};
use crate::application::done;
use crate::{
    Abort, AppError, Done, Gone, GoneSignal, Http, Response, SendError, WebSocketTransport,
};

/// A handshake that was not answered yet: consumed by [`accept`](Self::accept), [`deny`](Self::deny) or
/// [`into_http`](Self::into_http).
///
/// Dropped without any of them, it is an application's error: 500 (SRV-12).
///
/// # Examples
///
/// ```
/// use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
/// use http::StatusCode;
///
/// async fn members_only(socket: WebSocket) -> Result<Done, AppError> {
///     if !socket.scope.headers.contains("authorization") {
///         return socket.handshake.deny(StatusCode::UNAUTHORIZED).await;
///     }
///     let accept = Accept::new().subprotocol("chat.v1");
///     let socket = socket.handshake.accept(accept).await?;
///     socket.close(CloseCode::NORMAL, "").await
/// }
/// # let _ = members_only;
/// ```
#[must_use = "a handshake that is not answered is a 500"]
pub struct Handshake {
    side: SocketSide,
}

impl Handshake {
    /// A handshake over a transport.
    pub const fn new(transport: Arc<dyn WebSocketTransport>) -> Self {
        Self {
            side: SocketSide {
                transport: Some(transport),
            },
        }
    }

    pub(crate) fn release(self) -> Arc<dyn WebSocketTransport> {
        self.side.release()
    }

    /// Completes the handshake.
    ///
    /// # Errors
    ///
    /// If the client is gone, or the acceptance does not fit the offer (WS-5).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the exchange is aborted.
    pub fn accept(self, accept: Accept) -> Accepting {
        Accepting {
            side: Some(self.side),
            accept: Some(Box::new(accept)),
        }
    }

    /// Answers with a plain response. Terminal. ASGI: the denial response extension; without it always 403.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the exchange is aborted.
    pub fn deny(self, response: impl Into<Response>) -> Deny {
        Deny {
            side: Some(self.side),
            event: Some(WebSocketSend::Deny(response.into())),
        }
    }

    /// The plain exchange, for an application that does its own upgrade, as frameworks do (WS-6). `None` if a transport
    /// of middleware cannot give it; the handshake is then aborted.
    #[must_use]
    pub fn into_http(self) -> Option<Http> {
        let http = self.side.get().take_http()?;
        drop(self.side.release());
        Some(http)
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.side.get().gone()
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

/// The transport while somebody still owes it a terminal event.
pub(super) struct SocketSide {
    transport: Option<Arc<dyn WebSocketTransport>>,
}

impl SocketSide {
    pub(super) fn get(&self) -> &dyn WebSocketTransport {
        &**self.shared()
    }

    pub(super) fn shared(&self) -> &Arc<dyn WebSocketTransport> {
        self.transport
            .as_ref()
            .expect("only `release` empties it, and it takes `self`")
    }

    pub(super) fn release(mut self) -> Arc<dyn WebSocketTransport> {
        self.transport
            .take()
            .expect("only `release` empties it, and it takes `self`")
    }

    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        event: &mut Option<WebSocketSend>,
    ) -> Poll<Result<(), SendError>> {
        if let Err(gone) = ready!(self.get().poll_ready(cx)) {
            return Poll::Ready(Err(SendError::Gone(gone)));
        }
        Poll::Ready(match event.take() {
            Some(event) => self.get().send(event),
            None => Err(SendError::Gone(Gone::Finished)),
        })
    }
}

impl Drop for SocketSide {
    fn drop(&mut self) {
        if let Some(transport) = &self.transport {
            transport.abort(Abort::Dropped);
        }
    }
}

/// The future of [`Handshake::accept`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Accept, Accepting, Handshake};
/// fn accept(handshake: Handshake) -> Accepting {
///     handshake.accept(Accept::new())
/// }
/// # let _ = accept;
/// ```
#[must_use = "await it: dropped before, nothing is sent and the exchange is aborted"]
pub struct Accepting {
    side: Option<SocketSide>,
    // Boxed: it lives in the application's own future, which lives as long as the socket.
    accept: Option<Box<Accept>>,
}

impl Future for Accepting {
    type Output = Result<Socket, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.get().poll_ready(cx)).map_err(SendError::Gone)?;
        let Some(accept) = me.accept.take() else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        side.get().send(WebSocketSend::Accept(*accept))?;
        let side = me.side.take().expect("looked at above");
        Poll::Ready(Ok(Socket::new(side)))
    }
}

/// The future of [`Handshake::deny`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{Deny, Handshake};
/// # use http::StatusCode;
/// fn full(handshake: Handshake) -> Deny {
///     handshake.deny(StatusCode::SERVICE_UNAVAILABLE)
/// }
/// # let _ = full;
/// ```
#[must_use = "await it: dropped before, nothing is sent and the exchange is aborted"]
pub struct Deny {
    side: Option<SocketSide>,
    event: Option<WebSocketSend>,
}

impl Future for Deny {
    type Output = Result<Done, AppError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(Gone::Finished.into()));
        };
        ready!(side.poll_send(cx, &mut me.event))?;
        drop(me.side.take().map(SocketSide::release));
        Poll::Ready(Ok(done()))
    }
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting")
            .field("accept", &self.accept)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Deny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deny")
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
