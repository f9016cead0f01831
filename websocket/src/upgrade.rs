//! Which exchanges are WebSockets, and what a server does with one that is.

use std::sync::Arc;

use gateway_spec::{
    BodyLength, Handshake, Http, HttpScope, HttpTransport, Response, Scope, WebSocket,
    WebSocketTransport,
};
use http::{HeaderName, HeaderValue, Method, Version, header};

use crate::{
    deflate::{self, Context},
    exchange::Exchange,
    handshake::{self, HandshakeError, Offer},
    limits::Limits,
    line::{Line, Outbox},
    watch::{Watch, Watched},
};

/// How a server speaks WebSocket.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What a client may make us hold.
    pub limits: Limits,
    /// Compression for clients that offer it; `None` declines. By default without context, both ways: a quiet socket then
    /// costs nothing, where contexts would hold 417 KiB; and for messages from 256 bytes on, for without a context shorter ones
    /// hardly get smaller.
    pub deflate: Option<deflate::Settings>,
}

impl Settings {
    /// Sets [`limits`](Self::limits).
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets [`deflate`](Self::deflate).
    #[must_use]
    pub const fn with_deflate(mut self, deflate: Option<deflate::Settings>) -> Self {
        self.deflate = deflate;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        let frugal = deflate::Settings::default()
            .with_sending(Context::Fresh)
            .with_receiving(Context::Fresh)
            .with_minimum_bytes(256);
        Self {
            limits: Limits::default(),
            deflate: Some(frugal),
        }
    }
}

/// What an exchange is.
#[derive(Debug)]
pub enum Upgrade {
    /// An ordinary request, untouched.
    Http(Http),
    /// A valid handshake, for the application to answer, and the server's hold on it, to use or to drop.
    WebSocket(WebSocket, Watch),
    /// A request for a WebSocket that cannot be granted: the server answers with the error, which is a [`Response`].
    Refused(Http, HandshakeError),
}

/// Looks at an exchange, and makes the WebSocket of it that it asks for.
///
/// A server does this with every exchange before it calls the application. An ordinary request costs a look at its method and, for
/// a GET, at the names of its fields.
///
/// ```
/// use gateway_spec::{AppError, Application, Connection, Done, Http};
/// use websocket::{Settings, Upgrade, upgrade};
///
/// async fn serve(app: &impl Application, http: Http, settings: &Settings) -> Result<Done, AppError> {
///     match upgrade(http, settings) {
///         Upgrade::Http(http) => app.call(Connection::Http(http)).await,
///         Upgrade::Refused(http, error) => http.responder.respond(error).await,
///         Upgrade::WebSocket(socket, watch) => {
///             let done = app.call(Connection::WebSocket(socket)).await?;
///             // With a timer, in a server.
///             watch.await;
///             Ok(done)
///         }
///     }
/// }
/// ```
pub fn upgrade(http: Http, settings: &Settings) -> Upgrade {
    let make = |scope, http, offer| Arc::new(Exchange::new(scope, http, offer, *settings));
    upgrade_by(http, make).0
}

/// As [`upgrade`], for a server that reads and writes the socket's bytes itself, by its [`Line`].
///
/// ```
/// use bytes::Bytes;
/// use gateway_spec::{AppError, Application, Connection, Done, Http};
/// use websocket::{Outbox, Settings, Upgrade, upgrade_line};
///
/// #[derive(Default)]
/// struct Sent(Vec<u8>);
///
/// impl Outbox for Sent {
///     fn len(&self) -> usize {
///         self.0.len()
///     }
///
///     fn frame(&mut self, header: &[u8], payload: Bytes) {
///         self.0.extend_from_slice(header);
///         self.0.extend_from_slice(&payload);
///     }
///
///     fn short_frame(&mut self, header: [u8; 2], payload: &[u8]) {
///         self.0.extend_from_slice(&header);
///         self.0.extend_from_slice(payload);
///     }
/// }
///
/// fn look(http: Http, settings: &Settings) {
///     if let (Upgrade::WebSocket(socket, _watch), Some(line)) = upgrade_line::<Sent>(http, settings) {
///         // The application is called with `socket`. Once it has accepted it, the wire is the line's.
///         assert!(!line.is_open());
///         drop(socket);
///     }
/// }
/// # let _ = look;
/// ```
pub fn upgrade_line<O: Outbox>(http: Http, settings: &Settings) -> (Upgrade, Option<Arc<Line<O>>>) {
    upgrade_by(http, |scope, http, offer| {
        Arc::new(Line::new(scope, http, offer, *settings))
    })
}

fn upgrade_by<S>(
    http: Http,
    make: impl FnOnce(Scope, Arc<dyn HttpTransport>, Offer) -> Arc<S>,
) -> (Upgrade, Option<Arc<S>>)
where
    S: WebSocketTransport + Watched + 'static,
{
    let offer = match offer(&http.scope) {
        None => return (Upgrade::Http(http), None),
        Some(Err(error)) => return (Upgrade::Refused(http, error), None),
        Some(Ok(offer)) => offer,
    };
    let (scope, http) = http.into_transport();
    let subprotocols = offer
        .subprotocols()
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    let made = make(scope.clone(), http, offer);
    let handshake = Handshake::new(Arc::clone(&made) as _);
    let watch = Watch::new(Arc::clone(&made) as _);
    let socket = WebSocket::new(scope, subprotocols, handshake);
    (Upgrade::WebSocket(socket, watch), Some(made))
}

/// Whether [`upgrade`] may find something else than an ordinary request: a look at what nearly none has.
///
/// For a server that keeps what the others need out of the way of these.
#[must_use]
#[inline]
pub fn may_upgrade(scope: &HttpScope) -> bool {
    // In HTTP/1.0 an Upgrade must be ignored (RFC 9110 §7.8). Elsewhere it may be, and is beside a body, which would stand
    // where the tunnel begins.
    let bodiless = matches!(scope.body, BodyLength::Empty | BodyLength::Known(0));
    // A look-up is cheaper than a walk along a browser's fifteen fields, and nearly every request ends here.
    let asked =
        bodiless && scope.version == Version::HTTP_11 && scope.headers.contains(header::UPGRADE);
    asked || scope.method == Method::CONNECT
}

/// The handshake, if the request is meant as one.
fn offer(scope: &HttpScope) -> Option<Result<Offer, HandshakeError>> {
    if !may_upgrade(scope) {
        return None;
    }
    if scope.method == Method::CONNECT {
        let websocket = scope.protocol.as_deref() == Some("websocket");
        return websocket.then(|| handshake::connect(&scope.headers));
    }
    if !handshake::is_upgrade(&scope.method, &scope.headers) {
        return None;
    }
    Some(handshake::request(
        &scope.method,
        scope.version,
        &scope.headers,
    ))
}

/// The answer: the error's status and fields, and its words.
impl From<HandshakeError> for Response {
    fn from(error: HandshakeError) -> Self {
        let response = Self::text(error.to_string()).with_status(error.status());
        error
            .headers()
            .iter()
            .fold(response, |response, &(name, value)| {
                response.with_header(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
    }
}
