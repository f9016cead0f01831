//! One WebSocket: the handshake, the socket after it, and the messages. Frames and masks are the `websocket`
//! package's.

mod close_code;
mod event;
mod handshake;
mod layer;
mod message;
mod socket;

use std::fmt;

pub use close_code::{BadCloseCode, CloseCode, CloseFrame};
pub use event::{Accept, Cause, Disconnect, WebSocketReceive, WebSocketSend};
pub use handshake::{Accepting, Deny, Handshake};
pub use layer::WebSocketLayer;
pub use message::{Message, Text};
pub use socket::{
    CloseSocket, Incoming, NextMessage, SendMessage, Socket, SocketReceiver, SocketSender,
};

use crate::{Http, Scope};

/// A client that asks for a WebSocket: a valid opening handshake, not answered yet.
///
/// ASGI: a scope of type `websocket`, after `websocket.connect`.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Accept, AppError, CloseCode, Connection, Done};
///
/// async fn echo(connection: Connection) -> Result<Done, AppError> {
///     let Connection::WebSocket(socket) = connection else {
///         return connection.refuse().await;
///     };
///     let mut socket = socket.handshake.accept(Accept::new()).await?;
///     while let Some(message) = socket.message().await {
///         socket.send(message).await?;
///     }
///     socket.close(CloseCode::NORMAL, "").await
/// }
/// # let _ = gateway_spec::application_fn(echo);
/// ```
pub struct WebSocket {
    /// What is known of the request that opened it.
    pub scope: Scope,
    /// The subprotocols that the client offers, in its order of preference (WS-4). ASGI: `subprotocols`.
    pub subprotocols: Vec<Text>,
    /// The one chance to accept or deny.
    pub handshake: Handshake,
}

impl WebSocket {
    /// A WebSocket over a handshake: for the `websocket` package, middleware and tests.
    #[must_use]
    pub fn new(scope: Scope, subprotocols: Vec<Text>, handshake: Handshake) -> Self {
        Self {
            scope,
            subprotocols,
            handshake,
        }
    }

    /// The plain exchange, with the scope that this socket has by now: for an application that does its own upgrade (WS-6).
    ///
    /// [`Handshake::into_http`] gives the scope that the server made; what middleware has added since (mounts, states,
    /// extensions) is kept here. `None` if a transport of middleware cannot give it; the handshake is then aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{AppError, Application, Connection, Done};
    ///
    /// /// Serves sockets by an application that knows requests alone.
    /// async fn as_requests(app: &impl Application, connection: Connection) -> Result<Done, AppError> {
    ///     match connection {
    ///         Connection::WebSocket(socket) => match socket.into_http() {
    ///             Some(http) => app.call(Connection::Http(http)).await,
    ///             None => Err(AppError::message("middleware keeps the exchange")),
    ///         },
    ///         other => app.call(other).await,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn into_http(self) -> Option<Http> {
        let mut http = self.handshake.into_http()?;
        http.scope = self.scope;
        Some(http)
    }

    /// Puts another transport around this one. [`WebSocketLayer`] is the short way to write one.
    #[must_use]
    pub fn map_transport(
        self,
        wrap: impl FnOnce(
            std::sync::Arc<dyn crate::WebSocketTransport>,
        ) -> std::sync::Arc<dyn crate::WebSocketTransport>,
    ) -> Self {
        let handshake = Handshake::new(wrap(self.handshake.release()));
        Self { handshake, ..self }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("scope", &self.scope)
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}
