//! Middleware over the events of sockets: a wrapper that forwards all it does not change.

use std::task::{Context, Poll};

use super::{WebSocketReceive, WebSocketSend};
use crate::{Abort, Gone, GoneSignal, Http, Layered, SendError, WebSocketTransport};

/// The hooks of a wrapper around a [`WebSocketTransport`], as [`HttpLayer`](crate::HttpLayer)'s are around an exchange.
/// Each forwards to [`inner`](Self::inner) unless it is written anew (MW-2). [`Layered`] makes the transport of it.
///
/// An application that takes the [plain exchange](crate::Handshake::into_http) back leaves this layer: one that must see
/// that exchange too wraps it in [`take_http`](Self::take_http).
///
/// # Examples
///
/// Counts the messages that are sent:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use gateway_spec::{
///     Layered, SendError, WebSocket, WebSocketLayer, WebSocketSend, WebSocketTransport,
/// };
///
/// struct Count {
///     inner: Arc<dyn WebSocketTransport>,
///     messages: Arc<AtomicU64>,
/// }
///
/// impl WebSocketLayer for Count {
///     fn inner(&self) -> &dyn WebSocketTransport {
///         &*self.inner
///     }
///
///     fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
///         let is_message = matches!(event, WebSocketSend::Message(_));
///         self.inner.send(event)?;
///         self.messages.fetch_add(u64::from(is_message), Ordering::Relaxed);
///         Ok(())
///     }
/// }
///
/// fn counted(socket: WebSocket, messages: Arc<AtomicU64>) -> WebSocket {
///     socket.map_transport(|inner| Arc::new(Layered(Count { inner, messages })))
/// }
/// # let _ = counted;
/// ```
pub trait WebSocketLayer: Send + Sync + 'static {
    /// What this wraps.
    fn inner(&self) -> &dyn WebSocketTransport;

    /// See [`WebSocketTransport::poll_receive`].
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        self.inner().poll_receive(cx)
    }

    /// See [`WebSocketTransport::poll_ready`].
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.inner().poll_ready(cx)
    }

    /// See [`WebSocketTransport::send`].
    ///
    /// # Errors
    ///
    /// As there.
    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        self.inner().send(event)
    }

    /// See [`WebSocketTransport::poll_flush`].
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.inner().poll_flush(cx)
    }

    /// See [`WebSocketTransport::gone`].
    fn gone(&self) -> GoneSignal {
        self.inner().gone()
    }

    /// See [`WebSocketTransport::take_http`].
    fn take_http(&self) -> Option<Http> {
        self.inner().take_http()
    }

    /// See [`WebSocketTransport::abort`].
    fn abort(&self, why: Abort) {
        self.inner().abort(why);
    }
}

impl<L: WebSocketLayer> WebSocketTransport for Layered<L> {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        self.0.poll_receive(cx)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_ready(cx)
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        self.0.send(event)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.0.poll_flush(cx)
    }

    fn gone(&self) -> GoneSignal {
        self.0.gone()
    }

    fn take_http(&self) -> Option<Http> {
        self.0.take_http()
    }

    fn abort(&self, why: Abort) {
        self.0.abort(why);
    }
}
