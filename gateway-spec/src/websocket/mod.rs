//! One WebSocket: the handshake, the socket after it, and the messages. Frames and masks are the `websocket`
//! package's.

mod close_code;
mod event;
mod handshake;
mod message;
mod socket;

use std::fmt;

pub use close_code::{BadCloseCode, CloseCode, CloseFrame};
pub use event::{Accept, Cause, Disconnect, WebSocketReceive, WebSocketSend};
pub use handshake::{Accepting, Deny, Handshake};
pub use message::{Message, Text};
pub use socket::{Incoming, SendMessage, Socket, SocketReceiver, SocketSender};

use crate::Scope;

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

    /// Puts another transport around this one.
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
