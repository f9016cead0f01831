//! The events of a WebSocket: ASGI's, as enums, with what ASGI hides.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

use super::{CloseFrame, Message, Text};
use crate::{Gone, Headers, Response};

/// What comes from the client after the handshake was accepted.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Cause, Disconnect, WebSocketReceive};
///
/// let end = WebSocketReceive::Disconnect(Disconnect::new(1006, "", Cause::Lost));
/// assert!(!matches!(end, WebSocketReceive::Message(_)));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WebSocketReceive {
    /// A whole message. ASGI: `websocket.receive`.
    Message(Message),
    /// A ping; its pong was sent already.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The end, exactly once. ASGI: `websocket.disconnect`.
    Disconnect(Disconnect),
}

/// What goes to the client.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Message, WebSocketSend};
///
/// fn payload_bytes(event: &WebSocketSend) -> usize {
///     match event {
///         WebSocketSend::Message(message) => message.as_bytes().len(),
///         WebSocketSend::Ping(payload) | WebSocketSend::Pong(payload) => payload.len(),
///         _ => 0,
///     }
/// }
/// assert_eq!(payload_bytes(&WebSocketSend::Message(Message::from("hi"))), 2);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketSend {
    /// Completes the handshake. ASGI: `websocket.accept`.
    Accept(Accept),
    /// Answers the handshake with a plain response. ASGI: `websocket.http.response.start` and `.body`.
    Deny(Response),
    /// A message. ASGI: `websocket.send`.
    Message(Message),
    /// A ping of at most 125 bytes.
    Ping(Bytes),
    /// A pong that nobody asked for, of at most 125 bytes.
    Pong(Bytes),
    /// The closing handshake. ASGI: `websocket.close`.
    Close(CloseFrame),
}

/// How to accept a handshake.
///
/// # Examples
///
/// ```
/// use gateway_spec::Accept;
///
/// let accept = Accept::new().subprotocol("chat.v1");
/// assert_eq!(accept.subprotocol.as_deref(), Some("chat.v1"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Accept {
    /// The subprotocol chosen; must be one that the client offered (WS-5).
    pub subprotocol: Option<Text>,
    /// Further fields of the answer; none that the handshake owns (WS-5).
    pub headers: Headers,
}

impl Accept {
    /// Without a subprotocol and without further fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a subprotocol.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<Text>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// How a socket ended.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Cause, Disconnect, Gone};
///
/// let end = Disconnect::new(1001, "reloading", Cause::Remote);
/// assert_eq!(end.to_string(), "the client closed the socket (code 1001)");
/// assert_eq!(end.gone(), Gone::Finished);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disconnect {
    /// The code: the peer's, 1005 if its close frame had none, 1006 if there was no close frame (WS-13).
    pub code: u16,
    /// The peer's reason; empty if it gave none.
    pub reason: Text,
    /// Who ended it.
    pub cause: Cause,
}

/// Who ended a socket.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Cause, Disconnect};
///
/// /// Whether a client is likely to come back at once.
/// fn will_reconnect(end: &Disconnect) -> bool {
///     matches!(end.cause, Cause::Lost | Cause::Timeout | Cause::Shutdown)
/// }
/// assert!(will_reconnect(&Disconnect::new(1006, "", Cause::Lost)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The client closed it.
    Remote,
    /// The application closed it; the client may have answered.
    Local,
    /// The client broke the protocol or a limit; it was told so by the code.
    Protocol,
    /// The client was silent for too long.
    Timeout,
    /// The server is shutting down.
    Shutdown,
    /// The connection was lost without a close frame.
    Lost,
}

impl Disconnect {
    /// An end by this cause.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Text>, cause: Cause) -> Self {
        Self {
            code,
            reason: reason.into(),
            cause,
        }
    }

    /// The same as a reason for a plain exchange to be gone.
    #[must_use]
    pub const fn gone(&self) -> Gone {
        match self.cause {
            Cause::Remote | Cause::Local => Gone::Finished,
            Cause::Protocol => Gone::Aborted,
            Cause::Timeout => Gone::WriteTimeout,
            Cause::Shutdown => Gone::Shutdown,
            Cause::Lost => Gone::PeerReset,
        }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.cause {
            Cause::Remote => "the client closed the socket",
            Cause::Local => "the application closed the socket",
            Cause::Protocol => "the client broke the protocol",
            Cause::Timeout => "the client was silent",
            Cause::Shutdown => "the server is shutting down",
            Cause::Lost => "the connection was lost",
        };
        write!(f, "{who} (code {})", self.code)
    }
}

impl Error for Disconnect {}
