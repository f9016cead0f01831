//! An open WebSocket.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::handshake::SocketSide;
use super::{CloseCode, CloseFrame, Disconnect, Message, Text, WebSocketReceive, WebSocketSend};
use crate::application::done;
use crate::{Abort, AppError, Done, Gone, GoneSignal, SendError, WebSocketTransport};

/// An open WebSocket: whole messages both ways, pings answered and visible.
///
/// Dropped without [`close`](Self::close), the client sees 1011, or 1012 while the server shuts down (WS-14).
///
/// # Examples
///
/// ```
/// # use gateway_spec::{AppError, CloseCode, Done, Incoming, Socket};
/// async fn serve(mut socket: Socket) -> Result<Done, AppError> {
///     loop {
///         match socket.receive().await {
///             Incoming::Message(message) => socket.send(message).await?,
///             Incoming::Ping(_) | Incoming::Pong(_) => {}
///             Incoming::Closed(end) => {
///                 println!("{end}");
///                 return socket.close(CloseCode::NORMAL, "").await;
///             }
///         }
///     }
/// }
/// ```
#[must_use = "call `close`, or the client sees an error"]
pub struct Socket {
    sender: SocketSender,
    receiver: SocketReceiver,
}

/// What [`Socket::receive`] gives.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Incoming, Socket};
///
/// /// Waits for the answer to a ping.
/// async fn pong(socket: &mut Socket) -> bool {
///     loop {
///         match socket.receive().await {
///             Incoming::Pong(_) => return true,
///             Incoming::Closed(_) => return false,
///             Incoming::Message(_) | Incoming::Ping(_) => {}
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A whole message.
    Message(Message),
    /// A ping, which has been answered.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The socket is closed; every later call gives the same.
    Closed(Disconnect),
}

impl Socket {
    pub(super) fn new(side: SocketSide) -> Self {
        let receiver = SocketReceiver {
            transport: Arc::clone(side.shared()),
        };
        Self {
            sender: SocketSender { side },
            receiver,
        }
    }

    /// The next thing that the client sends, pings and the end included.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn receive(&mut self) -> Incoming {
        self.receiver.receive().await
    }

    /// The next message; `None` when the socket is closed. Pings and pongs are passed over.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but pings and pongs.
    pub fn message(&mut self) -> NextMessage<'_> {
        self.receiver.message()
    }

    /// Sends a message, waiting while the client is slower than the application.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the message is lost.
    pub fn send(&mut self, message: impl Into<Message>) -> SendMessage<'_> {
        self.sender.send(message)
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// If the client is gone, or the payload has over 125 bytes (WS-8).
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> SendMessage<'_> {
        self.sender.ping(payload)
    }

    /// Waits until the kernel has all that was sent.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        self.sender.flush().await
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.sender.gone()
    }

    /// Both halves by reference, for one task that polls both.
    pub const fn halves(&mut self) -> (&mut SocketSender, &mut SocketReceiver) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Two halves for two tasks.
    pub fn split(self) -> (SocketSender, SocketReceiver) {
        (self.sender, self.receiver)
    }

    /// Sends the close frame after all that was sent before. Terminal. On a socket that is closed already it succeeds.
    ///
    /// # Errors
    ///
    /// If the client is gone before it could be told.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, the client may see 1011 instead.
    pub fn close(self, code: CloseCode, reason: impl Into<Text>) -> CloseSocket {
        self.sender.close(code, reason)
    }

    /// Cuts the connection off without a close frame. Terminal.
    pub fn abort(self) -> Done {
        self.sender.abort()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// The sending half of a [`Socket`]; the terminal calls are its.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, CloseCode, Done, SocketSender};
///
/// async fn announce(mut sender: SocketSender, news: &[&'static str]) -> Result<Done, AppError> {
///     for line in news {
///         sender.send(*line).await?;
///     }
///     sender.close(CloseCode::NORMAL, "that was all").await
/// }
/// ```
#[must_use = "call `close`, or the client sees an error"]
pub struct SocketSender {
    side: SocketSide,
}

impl SocketSender {
    /// See [`Socket::send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn send(&mut self, message: impl Into<Message>) -> SendMessage<'_> {
        self.event(Payload::Message(Some(message.into())))
    }

    /// See [`Socket::ping`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> SendMessage<'_> {
        self.event(Payload::Ping(Some(payload.into())))
    }

    /// Waits until a message can be sent at once, without sending one.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// Sends a message without waiting; call it after [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn send_now(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.side.get().send(WebSocketSend::Message(message.into()))
    }

    /// Sends the close frame without waiting, after all that was sent before; call it after [`ready`](Self::ready). What
    /// the client still sends can be received, and [`close`](Self::close) then gives the `Done`. On a socket that is
    /// closed already it does nothing.
    ///
    /// # Errors
    ///
    /// If the client is gone before it could be told.
    pub fn close_now(&mut self, code: CloseCode, reason: impl Into<Text>) -> Result<(), SendError> {
        let event = WebSocketSend::Close(CloseFrame::new(code, reason));
        closed(self.side.get().send(event))
    }

    /// See [`Socket::flush`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Waits until a message can be sent at once, by polling: [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        self.side.get().poll_ready(cx)
    }

    /// Waits until the kernel has all that was sent, by polling: [`flush`](Self::flush).
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

    /// See [`Socket::close`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close(self, code: CloseCode, reason: impl Into<Text>) -> CloseSocket {
        CloseSocket {
            side: Some(self.side),
            frame: Some(CloseFrame::new(code, reason)),
        }
    }

    /// See [`Socket::abort`].
    pub fn abort(self) -> Done {
        self.side.release().abort(Abort::Deliberate);
        done()
    }

    fn event(&mut self, payload: Payload) -> SendMessage<'_> {
        SendMessage {
            side: &self.side,
            payload,
        }
    }
}

/// The outcome of sending a close frame: once the closing handshake is complete, there is nobody who misses it.
const fn closed(sent: Result<(), SendError>) -> Result<(), SendError> {
    match sent {
        Err(SendError::Gone(Gone::Finished)) => Ok(()),
        sent => sent,
    }
}

impl fmt::Debug for SocketSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketSender").finish_non_exhaustive()
    }
}

/// The receiving half of a [`Socket`].
///
/// # Examples
///
/// ```
/// use gateway_spec::SocketReceiver;
///
/// async fn longest(mut receiver: SocketReceiver) -> usize {
///     let mut longest = 0;
///     while let Some(message) = receiver.message().await {
///         longest = longest.max(message.as_bytes().len());
///     }
///     longest
/// }
/// # let _ = longest;
/// ```
pub struct SocketReceiver {
    transport: Arc<dyn WebSocketTransport>,
}

impl SocketReceiver {
    /// See [`Socket::receive`].
    pub async fn receive(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// See [`Socket::message`].
    pub fn message(&mut self) -> NextMessage<'_> {
        NextMessage { receiver: self }
    }

    /// The next message, by polling: [`message`](Self::message).
    #[inline]
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match ready!(self.transport.poll_receive(cx)) {
                WebSocketReceive::Message(message) => return Poll::Ready(Some(message)),
                WebSocketReceive::Ping(_) | WebSocketReceive::Pong(_) => {}
                WebSocketReceive::Disconnect(_) => return Poll::Ready(None),
            }
        }
    }

    /// The next thing that the client sends, by polling.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        Poll::Ready(match ready!(self.transport.poll_receive(cx)) {
            WebSocketReceive::Message(message) => Incoming::Message(message),
            WebSocketReceive::Ping(payload) => Incoming::Ping(payload),
            WebSocketReceive::Pong(payload) => Incoming::Pong(payload),
            WebSocketReceive::Disconnect(end) => Incoming::Closed(end),
        })
    }

    /// Resolves when the client is gone.
    pub fn gone(&self) -> GoneSignal {
        self.transport.gone()
    }
}

impl fmt::Debug for SocketReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketReceiver").finish_non_exhaustive()
    }
}

/// The future of [`Socket::message`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{NextMessage, Socket};
/// fn answer(socket: &mut Socket) -> NextMessage<'_> {
///     socket.message()
/// }
/// # let _ = answer;
/// ```
#[must_use = "does nothing until awaited"]
pub struct NextMessage<'a> {
    receiver: &'a mut SocketReceiver,
}

impl Future for NextMessage<'_> {
    type Output = Option<Message>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.receiver.poll_message(cx)
    }
}

impl fmt::Debug for NextMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextMessage").finish_non_exhaustive()
    }
}

/// The future of [`Socket::close`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{CloseCode, CloseSocket, Socket};
/// fn say_goodbye(socket: Socket) -> CloseSocket {
///     socket.close(CloseCode::NORMAL, "bye")
/// }
/// # let _ = say_goodbye;
/// ```
#[must_use = "await it: dropped before, the client sees an error"]
pub struct CloseSocket {
    side: Option<SocketSide>,
    // Not the event, which has room for a head: this lives in the application's own future.
    frame: Option<CloseFrame>,
}

impl Future for CloseSocket {
    type Output = Result<Done, AppError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let Some(side) = &me.side else {
            return Poll::Ready(Err(SendError::Gone(Gone::Finished).into()));
        };
        let transport = side.get();
        let ready = ready!(transport.poll_ready(cx)).map_err(SendError::Gone);
        let sent = ready.and_then(|()| match me.frame.take() {
            Some(frame) => transport.send(WebSocketSend::Close(frame)),
            None => Err(SendError::Gone(Gone::Finished)),
        });
        closed(sent)?;
        drop(me.side.take().map(SocketSide::release));
        Poll::Ready(Ok(done()))
    }
}

impl fmt::Debug for CloseSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseSocket")
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// The future of [`Socket::send`] and [`Socket::ping`].
///
/// # Examples
///
/// ```
/// # use gateway_spec::{SendMessage, Socket};
/// fn greet(socket: &mut Socket) -> SendMessage<'_> {
///     socket.send("welcome")
/// }
/// # let _ = greet;
/// ```
#[must_use = "does nothing until awaited"]
pub struct SendMessage<'a> {
    side: &'a SocketSide,
    payload: Payload,
}

/// What an event is made of, until it is sent. Not the event, which has room for a head: this lives in the application's own future.
#[derive(Debug)]
enum Payload {
    Message(Option<Message>),
    Ping(Option<Bytes>),
}

impl Future for SendMessage<'_> {
    type Output = Result<(), SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = &mut *self;
        let transport = me.side.get();
        match &mut me.payload {
            Payload::Message(message) => transport.poll_send(cx, message),
            Payload::Ping(payload) => {
                ready!(transport.poll_ready(cx))?;
                Poll::Ready(match payload.take() {
                    Some(payload) => transport.send(WebSocketSend::Ping(payload)),
                    None => Err(SendError::Gone(Gone::Finished)),
                })
            }
        }
    }
}

impl fmt::Debug for SendMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMessage")
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
