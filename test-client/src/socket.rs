//! A WebSocket from the client's end.

use std::error::Error;
use std::fmt;

use bytes::{Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Message, ResponseHead, Text};
use http::{HeaderName, HeaderValue, StatusCode, header};
use websocket::handshake::Agreement;
use websocket::{Event, Limits, ProtocolError, Role, Session, Step, deflate};

use crate::exchange::{Exchange, Left};
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::reply::{Broken, Reply};
use crate::request::Request;

/// The opening handshake of a WebSocket: [`TestClient::websocket`](crate::TestClient::websocket) makes it,
/// [`connect`](Self::connect) sends it.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, Done, application_fn};
/// use test_client::{NotConnected, TestClient};
///
/// async fn members_only(connection: Connection) -> Result<Done, AppError> {
///     match connection {
///         Connection::WebSocket(socket) => socket.handshake.deny("members only").await,
///         other => other.refuse().await,
///     }
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(members_only));
/// let denied = client.websocket("/ws").connect().await.unwrap_err();
/// assert_eq!(denied.reply().unwrap().text(), "members only");
/// # });
/// ```
#[must_use = "nothing happens before `connect`"]
#[derive(Debug)]
pub struct Handshake {
    request: Request,
    subprotocols: Vec<String>,
    deflate: Option<deflate::Settings>,
}

/// The example of RFC 6455 section 1.3. It proves nothing here, so it need not be new.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The offer, without parameters (RFC 7692 section 7.1).
const DEFLATE: &str = "permessage-deflate";

impl Handshake {
    pub(crate) fn new(request: Request) -> Self {
        Self {
            request,
            subprotocols: Vec::new(),
            deflate: None,
        }
    }

    /// Offers these subprotocols, the favourite first.
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.subprotocols.extend(names.into_iter().map(Into::into));
        self
    }

    /// Offers compression, which the server's side accepts by its own [settings](crate::TestClient::with_websocket).
    pub const fn deflate(mut self, settings: deflate::Settings) -> Self {
        self.deflate = Some(settings);
        self
    }

    /// Adds a field, such as `origin`.
    ///
    /// # Panics
    ///
    /// If it is no valid name or value.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Has the client follow this script. Its bytes are those of the frames, with their headers.
    pub fn peer(mut self, peer: Peer) -> Self {
        self.request = self.request.peer(peer);
        self
    }

    /// Changes the request in any other way: a state, an extension, a handshake that breaks the rules.
    pub fn request(mut self, change: impl FnOnce(Request) -> Request) -> Self {
        self.request = change(self.request);
        self
    }

    /// Sends the handshake and waits for its answer.
    ///
    /// # Errors
    ///
    /// If the socket is not accepted.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as [`Request::send`]; if a subprotocol is no valid value of a field.
    pub async fn connect(self) -> Result<Socket, NotConnected> {
        let Self {
            request,
            subprotocols,
            deflate,
        } = self;
        let (offered, offers_deflate) = (subprotocols.join(", "), deflate.is_some());
        let mut exchange = request
            .scope(|scope| {
                let mut add = |name: HeaderName, value: &str| {
                    let value = HeaderValue::from_str(value).expect("a valid value of a field");
                    if !scope.headers.contains(&name) {
                        scope.headers.append(name, value);
                    }
                };
                add(header::CONNECTION, "Upgrade");
                add(header::UPGRADE, "websocket");
                add(header::SEC_WEBSOCKET_VERSION, "13");
                add(header::SEC_WEBSOCKET_KEY, KEY);
                if !offered.is_empty() {
                    add(header::SEC_WEBSOCKET_PROTOCOL, &offered);
                }
                if offers_deflate {
                    add(header::SEC_WEBSOCKET_EXTENSIONS, DEFLATE);
                }
            })
            .open();
        let head = exchange.head().await.map_err(NotConnected::Broken)?.clone();
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            let denial = exchange.reply().await.map_err(NotConnected::Broken)?;
            return Err(NotConnected::Denied(Box::new(denial)));
        }
        let names: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
        let agreed = Agreement::from_answer(KEY, &names, deflate.as_ref(), &head.headers);
        let Ok(agreement) = agreed else {
            return Err(NotConnected::BadAnswer(Box::new(head)));
        };
        Ok(Socket {
            session: Session::new(Role::Client { seed: 1 }, &agreement, Limits::default()),
            exchange,
            head,
            agreement,
            input: BytesMut::new(),
            closed: None,
        })
    }
}

/// Why there is no socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotConnected {
    /// The application denied it, or does not serve sockets there, or the server refused the handshake.
    Denied(Box<Reply>),
    /// There is no whole answer.
    Broken(Broken),
    /// The application upgraded by itself, with an answer that does not fit the handshake.
    BadAnswer(Box<ResponseHead>),
}

impl NotConnected {
    /// The answer of a denial.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Denied(reply) => Some(reply),
            Self::Broken(broken) => broken.partial(),
            Self::BadAnswer(_) => None,
        }
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(reply) => write!(f, "the handshake was denied: {}", reply.status),
            Self::Broken(broken) => broken.fmt(f),
            Self::BadAnswer(_) => f.write_str("the answer does not fit the handshake"),
        }
    }
}

impl Error for NotConnected {}

/// A WebSocket from the client's end. What the application has is made by the `websocket` package, as on every server, and the frames
/// in between are real ones.
///
/// Nothing is read but by [`message`](Self::message), [`receive`](Self::receive) and [`close`](Self::close): a socket that is not asked is a client
/// that does not read. Dropped, the client has left without a close frame.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Accept, AppError, CloseCode, Connection, Done, application_fn};
/// use test_client::TestClient;
///
/// async fn echo(connection: Connection) -> Result<Done, AppError> {
///     let Connection::WebSocket(socket) = connection else { return connection.refuse().await };
///     let mut socket = socket.handshake.accept(Accept::new().subprotocol("chat.v1")).await?;
///     while let Some(message) = socket.message().await {
///         socket.send(message).await?;
///     }
///     socket.close(CloseCode::NORMAL, "").await
/// }
///
/// # test_client::run(async {
/// let client = TestClient::new(application_fn(echo));
/// let mut socket = client.websocket("/ws").subprotocols(["chat.v1"]).connect().await.unwrap();
/// assert_eq!(socket.subprotocol(), Some("chat.v1"));
/// socket.send("hi").await.unwrap();
/// assert_eq!(socket.text().await.unwrap(), "hi");
/// let closed = socket.close(CloseCode::NORMAL, "bye").await;
/// assert_eq!((closed.code, &*closed.reason), (1000, "bye"));
/// assert!(socket.outcome().await.is_done());
/// # });
/// ```
#[must_use = "dropped, the client has left"]
pub struct Socket {
    exchange: Exchange,
    session: Session,
    head: ResponseHead,
    agreement: Agreement,
    input: BytesMut,
    closed: Option<Closed>,
}

/// What the client receives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A whole message.
    Message(Message),
    /// A ping, which is answered already.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The end, also when asked again.
    Closed(Closed),
}

/// How a socket ended, as its client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code of the close frame; 1005 if it had none, 1006 if none came (RFC 6455 section 7.1.5).
    pub code: u16,
    /// The reason that came with it.
    pub reason: Text,
    /// The rule that the application broke, by frames of its own making.
    pub protocol_error: Option<ProtocolError>,
}

impl Closed {
    fn new(code: u16, reason: Text) -> Self {
        Self {
            code,
            reason,
            protocol_error: None,
        }
    }

    /// Whether the connection ended without a close frame.
    #[must_use]
    pub const fn is_cut_off(&self) -> bool {
        self.code == 1006
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the socket is closed: {} {}", self.code, self.reason)
    }
}

impl Error for Closed {}

impl Socket {
    /// The head of the acceptance.
    #[must_use]
    pub const fn accepted(&self) -> &ResponseHead {
        &self.head
    }

    /// The subprotocol that the application chose.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreement.subprotocol.as_deref()
    }

    /// What was agreed about compression.
    #[must_use]
    pub const fn deflate(&self) -> Option<deflate::Agreed> {
        self.agreement.deflate
    }

    /// Sends a message: a string is text, bytes are binary. Waits while the application has 64 KiB that it has not received (WS-17).
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Closed> {
        let mut out = BytesMut::new();
        let sent = self.session.send(&message.into(), &mut out);
        if sent.is_err() {
            return Err(self.end());
        }
        self.send_raw(out).await
    }

    /// Sends a message without waiting for room: more than the server would take at once. The bytes are the test's own.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    pub fn send_now(&mut self, message: impl Into<Message>) -> Result<(), Closed> {
        let mut out = BytesMut::new();
        if self.session.send(&message.into(), &mut out).is_err() {
            return Err(self.end());
        }
        self.exchange.push(out.freeze());
        Ok(())
    }

    /// Sends a ping.
    ///
    /// # Errors
    ///
    /// If the socket is closed.
    ///
    /// # Panics
    ///
    /// With more than 125 bytes.
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), Closed> {
        let (payload, mut out) = (payload.into(), BytesMut::new());
        assert!(payload.len() <= 125, "a ping has at most 125 bytes");
        if self.session.ping(payload, &mut out).is_err() {
            return Err(self.end());
        }
        self.send_raw(out).await
    }

    /// Sends bytes as they are: frames that the protocol forbids, or a part of one.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub async fn send_raw(&mut self, bytes: impl Into<Bytes>) -> Result<(), Closed> {
        match self.exchange.send(bytes).await {
            Ok(()) => Ok(()),
            Err(_gone) => Err(self.end()),
        }
    }

    /// The next message; pings are answered and skipped with pongs; `None` at the end, which [`closed`](Self::closed) then tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            match self.receive().await {
                Received::Message(message) => return Some(message),
                Received::Ping(_) | Received::Pong(_) => {}
                Received::Closed(_) => return None,
            }
        }
    }

    /// The next message, which must be text.
    ///
    /// # Errors
    ///
    /// If the socket is closed instead.
    ///
    /// # Panics
    ///
    /// If it is binary.
    pub async fn text(&mut self) -> Result<Text, Closed> {
        match self.message().await {
            Some(Message::Text(text)) => Ok(text),
            Some(Message::Binary(bytes)) => panic!("a binary message: {bytes:?}"),
            None => Err(self.end()),
        }
    }

    /// What comes next: a message, a ping, a pong or the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn receive(&mut self) -> Received {
        loop {
            if let Some(closed) = &self.closed {
                return Received::Closed(closed.clone());
            }
            match self.session.next_event(&mut self.input) {
                Ok(Step::Event(Event::Message(message))) => return Received::Message(message),
                Ok(Step::Event(Event::Pong(payload))) => return Received::Pong(payload),
                Ok(Step::Event(Event::Ping(payload))) => {
                    let mut out = BytesMut::new();
                    if self.session.pong(payload.clone(), &mut out).is_ok() {
                        self.exchange.push(out.freeze());
                    }
                    return Received::Ping(payload);
                }
                Ok(Step::Event(Event::Close(frame))) => self.answer_close(frame),
                Ok(Step::NeedBytes { .. } | Step::Closed) => match self.exchange.chunk().await {
                    Ok(Some(bytes)) => self.input.extend_from_slice(&bytes),
                    Ok(None) | Err(_) => drop(self.end()),
                },
                Err(error) => {
                    let mut closed = Closed::new(1006, Text::new());
                    closed.protocol_error = Some(error);
                    self.closed = Some(closed);
                }
            }
        }
    }

    /// Closes the socket and waits for the other side's close frame; messages that still come are dropped. Of a socket that is closed
    /// already, how it was.
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Text>) -> Closed {
        let (frame, mut out) = (CloseFrame::new(code, reason), BytesMut::new());
        if self.session.close(Some(&frame), &mut out).is_ok() && self.send_raw(out).await.is_err() {
            return self.end();
        }
        self.closed().await
    }

    /// Waits for the end; messages that still come are dropped.
    pub async fn closed(&mut self) -> Closed {
        loop {
            if let Received::Closed(closed) = self.receive().await {
                return closed;
            }
        }
    }

    /// The client stops sending, without a close frame, and reads on.
    pub fn half_close(&mut self) {
        self.exchange.half_close();
    }

    /// The client resets the connection.
    pub fn reset(self) -> Left {
        self.exchange.reset()
    }

    /// Bytes of frames that the application sent and the client has not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.exchange.unread() + self.input.len()
    }

    /// Changes [`Peer::window`] from here on: with 0 nothing more can be sent to this client.
    pub fn set_window(&self, bytes: usize) {
        self.exchange.set_window(bytes);
    }

    /// What logs and metrics call the exchange, if the application said so (SCOPE-12).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.exchange.label()
    }

    /// Waits for the call to return, and the closing handshake to end: at most five seconds later, of tokio's clock.
    pub async fn outcome(&self) -> Outcome {
        self.exchange.outcome().await
    }

    /// What the call came to, if it has returned.
    #[must_use]
    pub fn outcome_now(&self) -> Option<Outcome> {
        self.exchange.outcome_now()
    }

    /// Answers the other side's close frame in kind, if ours is not sent.
    fn answer_close(&mut self, frame: Option<CloseFrame>) {
        let mut out = BytesMut::new();
        if self.session.close(frame.as_ref(), &mut out).is_ok() {
            self.exchange.push(out.freeze());
        }
        self.closed = Some(match frame {
            Some(frame) => Closed::new(frame.code.get(), frame.reason),
            None => Closed::new(1005, Text::new()),
        });
    }

    /// The end, without a close frame unless one came before.
    fn end(&mut self) -> Closed {
        self.closed
            .get_or_insert_with(|| Closed::new(1006, Text::new()))
            .clone()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("state", &self.session.state())
            .field("closed", &self.closed)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
