//! What a server implements and what middleware wraps: events in and out, by polling.
//!
//! Applications use the handles built over these traits. All three are object safe and take `&self`, so a handle can
//! be used from another task or thread than the server's. No method has a default that does nothing: a wrapper that
//! forgot one would silently break what it wraps; the two defaults there are call two other methods each. [`HttpLayer`](crate::HttpLayer) and
//! [`WebSocketLayer`](crate::WebSocketLayer) are the short ways to write one.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::{
    DrainSignal, Gone, GoneSignal, Http, HttpReceive, HttpSend, Message, SendError, State,
    WebSocketReceive, WebSocketSend,
};

/// One HTTP exchange, as a server provides it.
///
/// # Contract
///
/// - One task waits to receive and one to send at a time; the last waker given counts. Any number wait for
///   [`gone`](Self::gone).
/// - No method blocks, and none calls a waker while it holds a lock that another method takes (SRV-13).
/// - After the exchange ended, receiving gives `Disconnect`, sending gives `Gone`; a handle that outlives its exchange
///   never touches the next one on that connection (SRV-9).
///
/// # Examples
///
/// A transport that is nowhere: what is sent is gone, and nothing comes.
///
/// ```
/// use std::task::{Context, Poll};
/// use gateway_spec::{
///     Abort, Gone, GoneSignal, HttpReceive, HttpSend, HttpTransport, SendError, Signal,
/// };
///
/// struct Nowhere {
///     gone: Signal<Gone>,
/// }
///
/// impl HttpTransport for Nowhere {
///     fn poll_receive(&self, _: &mut Context<'_>) -> Poll<HttpReceive> {
///         Poll::Ready(HttpReceive::Disconnect(Gone::PeerReset))
///     }
///
///     fn stop_receiving(&self) {}
///
///     fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn send(&self, _: HttpSend) -> Result<(), SendError> {
///         Ok(())
///     }
///
///     fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
///         Poll::Ready(Ok(bytes.len()))
///     }
///
///     fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn poll_buffered(&self, _: &mut Context<'_>, _: usize) -> Poll<Result<(), Gone>> {
///         Poll::Ready(Err(Gone::PeerReset))
///     }
///
///     fn gone(&self) -> GoneSignal {
///         self.gone.wait()
///     }
///
///     fn close(&self) {}
///
///     fn abort(&self, why: Abort) {
///         println!("given up: {why:?}");
///     }
/// }
/// ```
pub trait HttpTransport: Send + Sync {
    /// The next event of the request.
    ///
    /// After the last part of the body (or its trailers, or a failure) it waits for the client to leave:
    /// `Disconnect`. ASGI: `receive()`.
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive>;

    /// The body is not wanted any more: what is buffered is freed, what still comes is thrown away (HTTP-14).
    fn stop_receiving(&self);

    /// Waits until one event may be sent: credit counted in bytes (SRV-5).
    ///
    /// # Errors
    ///
    /// If nobody is left to send to.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Accepts one event. Call it after `poll_ready`; the bound on what is buffered is soft by this one event.
    ///
    /// # Errors
    ///
    /// If the event does not fit the exchange; it is then dropped and nothing was sent of it. ASGI: `send()`.
    fn send(&self, event: HttpSend) -> Result<(), SendError>;

    /// [`poll_ready`](Self::poll_ready) and then [`send`](Self::send) of the event, which is taken out of its place once it can be sent: what the
    /// handles call. A server writes it anew if it can do both at once; a wrapper never needs to.
    ///
    /// # Errors
    ///
    /// As both; and that the exchange is over if there is no event.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        event: &mut Option<HttpSend>,
    ) -> Poll<Result<(), SendError>> {
        if let Err(gone) = ready!(self.poll_ready(cx)) {
            return Poll::Ready(Err(SendError::Gone(gone)));
        }
        Poll::Ready(match event.take() {
            Some(event) => self.send(event),
            None => Err(SendError::Gone(Gone::Finished)),
        })
    }

    /// Accepts as many of these bytes as there is credit for, as a part of the body or of the tunnel: at least one.
    ///
    /// # Errors
    ///
    /// If they cannot be sent.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>>;

    /// Waits until the kernel has all that was accepted.
    ///
    /// # Errors
    ///
    /// If it never will.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Waits, without taking anything, until `n` bytes of the body are buffered, or the body is complete, or failed,
    /// or the buffer is full (HTTP-15).
    ///
    /// # Errors
    ///
    /// If the client left before.
    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>>;

    /// A new waiter for the client to leave.
    fn gone(&self) -> GoneSignal;

    /// Ends a tunnel: what was accepted is still sent, then the connection is closed (HTTP-32). Before an upgrade, and
    /// after the end, it does nothing.
    fn close(&self);

    /// Ends the exchange in a way that the client can see is not clean; after a complete response it does nothing.
    fn abort(&self, why: Abort);
}

/// Why an exchange is given up.
///
/// # Examples
///
/// ```
/// use gateway_spec::Abort;
///
/// /// Whether a server answers in the application's place, if nothing was started.
/// const fn is_answered(why: Abort) -> bool {
///     matches!(why, Abort::Dropped)
/// }
/// assert!(!is_answered(Abort::Deliberate));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// A handle was dropped without a terminal call: the application forgot, failed or panicked. The server answers
    /// for it if nothing was started (SRV-12).
    Dropped,
    /// The application said so: no answer is sent in its place (HTTP-29).
    Deliberate,
}

/// One WebSocket, as the `websocket` package provides it over an [`HttpTransport`].
///
/// The rules for waiting are those of [`HttpTransport`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use gateway_spec::{Handshake, Scope, WebSocket, WebSocketTransport};
///
/// fn offer(scope: Scope, transport: Arc<dyn WebSocketTransport>) -> WebSocket {
///     WebSocket::new(scope, vec!["chat.v1".into()], Handshake::new(transport))
/// }
/// # let _ = offer;
/// ```
pub trait WebSocketTransport: Send + Sync {
    /// The next event of the socket; `Disconnect` exactly once, and for ever after (WS-12).
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive>;

    /// Waits until one event may be sent.
    ///
    /// # Errors
    ///
    /// If nobody is left to send to.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Accepts one event.
    ///
    /// # Errors
    ///
    /// If the event does not fit the state of the socket; nothing was sent of it.
    fn send(&self, event: WebSocketSend) -> Result<(), SendError>;

    /// [`poll_ready`](Self::poll_ready) and then [`send`](Self::send) of the message, which is taken out of its place once it can be sent: what
    /// the handles call. A server writes it anew if it can do both at once; a wrapper never needs to.
    ///
    /// # Errors
    ///
    /// As both; and that the socket is over if there is no message.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        if let Err(gone) = ready!(self.poll_ready(cx)) {
            return Poll::Ready(Err(SendError::Gone(gone)));
        }
        Poll::Ready(match message.take() {
            Some(message) => self.send(WebSocketSend::Message(message)),
            None => Err(SendError::Gone(Gone::Finished)),
        })
    }

    /// Waits until the kernel has all that was accepted.
    ///
    /// # Errors
    ///
    /// If it never will.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// A new waiter for the client to leave.
    fn gone(&self) -> GoneSignal;

    /// Gives the plain exchange back, if nothing was answered yet; the socket is dead from then on (WS-6).
    fn take_http(&self) -> Option<Http>;

    /// Ends the socket with a code that says whose fault it was; after a close it does nothing (WS-14).
    fn abort(&self, why: Abort);
}

/// The life of an application, as a server provides it, and a mount to its children.
///
/// # Examples
///
/// A server that keeps the state and says nothing:
///
/// ```
/// use std::sync::{Arc, OnceLock};
/// use std::time::Instant;
/// use gateway_spec::{
///     Capabilities, DrainSignal, Lifespan, LifespanScope, LifespanTransport, Signal, State,
/// };
///
/// #[derive(Default)]
/// struct Quiet {
///     state: OnceLock<State>,
///     shutdown: Signal<Instant>,
/// }
///
/// impl LifespanTransport for Quiet {
///     fn started(&self, state: State) {
///         let _ = self.state.set(state);
///     }
///
///     fn refuse(&self) {}
///
///     fn shutdown(&self) -> DrainSignal {
///         self.shutdown.wait()
///     }
///
///     fn stopped(&self) {}
///
///     fn abort(&self) {}
/// }
///
/// let quiet = Arc::new(Quiet::default());
/// let scope = LifespanScope::new(Capabilities::new("quiet"));
/// let running = Lifespan::new(scope, Arc::clone(&quiet) as _).started(State::new().with(7_u8));
/// assert_eq!(quiet.state.get().and_then(State::get::<u8>), Some(&7));
/// drop(running.stopped());
/// ```
pub trait LifespanTransport: Send + Sync {
    /// The application is ready.
    fn started(&self, state: State);

    /// The application has no lifespan.
    fn refuse(&self);

    /// A waiter for the shutdown, which resolves with the deadline.
    fn shutdown(&self) -> DrainSignal;

    /// The application has stopped.
    fn stopped(&self);

    /// The handle was dropped before the application said what it should have.
    fn abort(&self);
}

impl<T: HttpTransport + ?Sized> HttpTransport for Arc<T> {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        T::poll_receive(self, cx)
    }

    fn stop_receiving(&self) {
        T::stop_receiving(self);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        T::poll_ready(self, cx)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        T::send(self, event)
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        event: &mut Option<HttpSend>,
    ) -> Poll<Result<(), SendError>> {
        T::poll_send(self, cx, event)
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        T::poll_write(self, cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        T::poll_flush(self, cx)
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        T::poll_buffered(self, cx, n)
    }

    fn gone(&self) -> GoneSignal {
        T::gone(self)
    }

    fn close(&self) {
        T::close(self);
    }

    fn abort(&self, why: Abort) {
        T::abort(self, why);
    }
}
