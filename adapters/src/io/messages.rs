//! A WebSocket as a stream and a sink of messages.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use gateway_spec::{
    Cause, CloseCode, Disconnect, Gone, Incoming, Message, SendError, Socket, SocketReceiver,
    SocketSender,
};

/// A [`Socket`] as a `Stream` and a `Sink` of messages, as axum's and tungstenite's sockets are. [`MessageStream`] and
/// [`MessageSink`] are the same of its halves.
///
/// # Receiving
///
/// The stream gives whole messages. Pings are answered before anybody sees them (WS-9), and pings, pongs and close frames are no
/// messages here: [`Socket::receive`] shows them.
///
/// | how the socket ended ([`Cause`]) | the stream gives |
/// |---|---|
/// | the client closed it, with any code (`Remote`) | the end |
/// | the application closed it, and the client answered or did not (`Local`) | the end |
/// | lost, silent, broken protocol, shutdown | one [`SocketError::Lost`], then the end |
///
/// All messages that came before come first (WS-12). Afterwards [`ended`](Self::ended) has the code and the reason.
///
/// # Sending
///
/// The sink waits for credit, one message ahead (WS-17), and `flush` waits until the kernel has all of it. `close` sends a close
/// frame with code 1000 behind all messages and flushes; again, and on a socket that is closed already, it sends nothing.
/// It does not wait for the client's answer: that is the stream's end.
///
/// # The end of the application's part
///
/// The `Done` comes from the socket itself: take it back by [`into_inner`](Self::into_inner) and
/// [`close`](Socket::close) it, which succeeds on one that is closed. Dropped without a close, the client sees 1011 (WS-14).
///
/// # Errors
///
/// Both directions have the same error, so that `forward` joins them. Returned by `?`, one of a client that is gone is no
/// application's error.
///
/// # Cancel safety
///
/// `next` loses nothing, but for pings and pongs. `feed` and `send` own their message until there is credit for it, and lose
/// it when they are dropped before.
///
/// # Examples
///
/// An echo, written as it would be for tungstenite:
///
/// ```
/// use adapters::io::Messages;
/// use futures_util::StreamExt;
/// use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
///
/// async fn echo(socket: WebSocket) -> Result<Done, AppError> {
///     let socket = socket.handshake.accept(Accept::new()).await?;
///     let (mut sink, stream) = Messages::new(socket).split();
///     stream.forward(&mut sink).await?;
///     sink.into_inner().close(CloseCode::NORMAL, "").await
/// }
/// # let _ = echo;
/// ```
#[must_use = "call `into_inner` and `close`, or the client sees an error"]
#[derive(Debug)]
pub struct Messages {
    socket: Socket,
    received: Received,
    closing: Closing,
}

impl Messages {
    /// The messages of this socket.
    pub const fn new(socket: Socket) -> Self {
        Self {
            socket,
            received: Received::Open,
            closing: Closing::Open,
        }
    }

    /// Two halves for two tasks, in the order of `StreamExt::split`, and without a lock.
    pub fn split(self) -> (MessageSink, MessageStream) {
        let (sender, receiver) = self.socket.split();
        let sink = MessageSink {
            sender,
            closing: self.closing,
        };
        let stream = MessageStream {
            receiver,
            received: self.received,
        };
        (sink, stream)
    }

    /// How the socket ended, once the stream has.
    #[must_use]
    pub const fn ended(&self) -> Option<&Disconnect> {
        self.received.ended()
    }

    /// The socket, for its terminal call.
    pub fn into_inner(self) -> Socket {
        self.socket
    }

    const fn receiving(&mut self) -> (&mut SocketReceiver, &mut Received) {
        (self.socket.halves().1, &mut self.received)
    }

    const fn sending(&mut self) -> (&mut SocketSender, &mut Closing) {
        (self.socket.halves().0, &mut self.closing)
    }
}

impl From<Socket> for Messages {
    fn from(socket: Socket) -> Self {
        Self::new(socket)
    }
}

/// The receiving half of a WebSocket as a `Stream`: see [`Messages`].
///
/// # Examples
///
/// ```
/// use adapters::io::MessageStream;
/// use futures_util::TryStreamExt;
/// use gateway_spec::{AppError, SocketReceiver};
///
/// async fn total_bytes(receiver: SocketReceiver) -> Result<usize, AppError> {
///     let messages = MessageStream::new(receiver);
///     let total = messages.try_fold(0, async |sum, message| Ok(sum + message.as_bytes().len()));
///     Ok(total.await?)
/// }
/// # let _ = total_bytes;
/// ```
#[derive(Debug)]
pub struct MessageStream {
    receiver: SocketReceiver,
    received: Received,
}

impl MessageStream {
    /// The messages that come.
    #[must_use]
    pub const fn new(receiver: SocketReceiver) -> Self {
        Self {
            receiver,
            received: Received::Open,
        }
    }

    /// How the socket ended, once the stream has.
    #[must_use]
    pub const fn ended(&self) -> Option<&Disconnect> {
        self.received.ended()
    }

    /// The half that receives.
    #[must_use]
    pub fn into_inner(self) -> SocketReceiver {
        self.receiver
    }

    const fn receiving(&mut self) -> (&mut SocketReceiver, &mut Received) {
        (&mut self.receiver, &mut self.received)
    }
}

/// The sending half of a WebSocket as a `Sink`: see [`Messages`].
///
/// # Examples
///
/// ```
/// use adapters::io::{MessageSink, SocketError};
/// use futures_util::{SinkExt, stream};
/// use gateway_spec::{AppError, CloseCode, Done, Message, SocketSender};
///
/// async fn countdown(sender: SocketSender) -> Result<Done, AppError> {
///     let mut sink = MessageSink::new(sender);
///     let numbers = (0..10).rev().map(|n| Ok::<_, SocketError>(Message::from(n.to_string())));
///     sink.send_all(&mut stream::iter(numbers)).await?;
///     sink.into_inner().close(CloseCode::NORMAL, "lift-off").await
/// }
/// # let _ = countdown;
/// ```
#[must_use = "call `into_inner` and `close`, or the client sees an error"]
#[derive(Debug)]
pub struct MessageSink {
    sender: SocketSender,
    closing: Closing,
}

impl MessageSink {
    /// The messages that go.
    pub const fn new(sender: SocketSender) -> Self {
        Self {
            sender,
            closing: Closing::Open,
        }
    }

    /// The half that sends, for its terminal call.
    pub fn into_inner(self) -> SocketSender {
        self.sender
    }

    const fn sending(&mut self) -> (&mut SocketSender, &mut Closing) {
        (&mut self.sender, &mut self.closing)
    }
}

/// Why messages do not come or go.
///
/// # Examples
///
/// ```
/// use adapters::io::SocketError;
/// use gateway_spec::{AppError, Cause, Disconnect, Gone};
///
/// let lost = SocketError::Lost(Disconnect::new(1006, "", Cause::Lost));
/// assert_eq!(AppError::from(lost).gone(), Some(Gone::PeerReset));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketError {
    /// The socket ended otherwise than by a close of either side.
    Lost(Disconnect),
    /// A message was not accepted for sending.
    NotSent(SendError),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost(_) => "the WebSocket broke off",
            Self::NotSent(_) => "a message could not be sent",
        })
    }
}

impl Error for SocketError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost(end) => Some(end),
            Self::NotSent(error) => Some(error),
        }
    }
}

impl From<SendError> for SocketError {
    fn from(error: SendError) -> Self {
        Self::NotSent(error)
    }
}

impl From<Gone> for SocketError {
    fn from(gone: Gone) -> Self {
        Self::NotSent(gone.into())
    }
}

/// The way in.
#[derive(Debug)]
enum Received {
    Open,
    /// And told so.
    Ended(Disconnect),
}

impl Received {
    const fn ended(&self) -> Option<&Disconnect> {
        match self {
            Self::Open => None,
            Self::Ended(end) => Some(end),
        }
    }

    fn poll_next(
        &mut self,
        receiver: &mut SocketReceiver,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, SocketError>>> {
        if self.ended().is_some() {
            return Poll::Ready(None);
        }
        loop {
            match ready!(receiver.poll_receive(cx)) {
                Incoming::Message(message) => return Poll::Ready(Some(Ok(message))),
                Incoming::Ping(_) | Incoming::Pong(_) => {}
                Incoming::Closed(end) => {
                    *self = Self::Ended(end.clone());
                    return Poll::Ready(match end.cause {
                        Cause::Remote | Cause::Local => None,
                        _ => Some(Err(SocketError::Lost(end))),
                    });
                }
            }
        }
    }
}

/// The way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    /// The close frame was sent.
    Closed,
}

impl Closing {
    fn poll_close(
        &mut self,
        sender: &mut SocketSender,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SocketError>> {
        if *self == Self::Open {
            match ready!(sender.poll_ready(cx)) {
                // Somebody has closed it, so nothing is left to be said.
                Err(Gone::Finished) => {}
                ready => {
                    ready?;
                    sender.close_now(CloseCode::NORMAL, "")?;
                }
            }
            *self = Self::Closed;
        }
        sender.poll_flush(cx).map_err(SocketError::from)
    }
}

macro_rules! stream {
    ($($name:ty),*) => {$(
        impl Stream for $name {
            type Item = Result<Message, SocketError>;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                let (receiver, received) = self.receiving();
                received.poll_next(receiver, cx)
            }
        }

        impl FusedStream for $name {
            fn is_terminated(&self) -> bool {
                self.ended().is_some()
            }
        }
    )*};
}
stream!(Messages, MessageStream);

macro_rules! sink {
    ($($name:ty),*) => {$(
        impl Sink<Message> for $name {
            type Error = SocketError;

            fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
                self.sending().0.poll_ready(cx).map_err(SocketError::from)
            }

            fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
                Ok(self.sending().0.send_now(message)?)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
                self.sending().0.poll_flush(cx).map_err(SocketError::from)
            }

            fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
                let (sender, closing) = self.sending();
                closing.poll_close(sender, cx)
            }
        }
    )*};
}
sink!(Messages, MessageSink);
