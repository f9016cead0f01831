//! The kinds of connection that an application is called with, and what is known of the connection below.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::uri::Scheme;

use crate::{
    AppError, Capabilities, Done, DrainSignal, Http, Lifespan, Signal, TlsInfo, WebSocket,
};

/// One thing to serve: what [`Application::call`](crate::Application::call) gets.
///
/// New kinds may come; the answer to a kind that an application does not serve is [`refuse`](Self::refuse). ASGI:
/// `scope["type"]`.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, Done};
///
/// async fn hello(connection: Connection) -> Result<Done, AppError> {
///     match connection {
///         Connection::Http(http) => http.responder.respond("Hello, world!").await,
///         other => other.refuse().await,
///     }
/// }
/// # let _ = gateway_spec::application_fn(hello);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Connection {
    /// One request and its response.
    Http(Http),
    /// One WebSocket, from its handshake to its close.
    WebSocket(WebSocket),
    /// The application's own life: startup and shutdown.
    Lifespan(Lifespan),
}

impl Connection {
    /// The right answer to a kind that the application does not serve: 404 for a request, a denied handshake (404)
    /// for a WebSocket, "no lifespan" for a lifespan (APP-3). Never an error, never a hang.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub async fn refuse(self) -> Result<Done, AppError> {
        match self {
            Self::Http(http) => http.responder.respond(StatusCode::NOT_FOUND).await,
            Self::WebSocket(socket) => socket.handshake.deny(StatusCode::NOT_FOUND).await,
            Self::Lifespan(lifespan) => Ok(lifespan.refuse()),
        }
    }
}

/// What is known of the transport connection that an exchange came by, shared by all its exchanges.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Address, Capabilities, ConnectionInfo};
///
/// let info = ConnectionInfo::new(Capabilities::new("test"))
///     .with_client(Address::Tcp("192.0.2.1:5000".parse().unwrap()));
/// assert_eq!(info.client.unwrap().to_string(), "192.0.2.1:5000");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Where the client is. `None` if the server cannot know. ASGI: `client`; CGI: `REMOTE_ADDR`.
    pub client: Option<Address>,
    /// The address that the client reached. ASGI: `server`; CGI: `SERVER_NAME`, `SERVER_PORT`.
    pub server: Option<Address>,
    /// `http` or `https`, of the transport: never taken from a request's target (SCOPE-4). ASGI: `scheme`; WSGI:
    /// `wsgi.url_scheme`.
    pub scheme: Scheme,
    /// What is known of the TLS below, if this server speaks it here; nothing behind a proxy that does (SCOPE-15). ASGI: the
    /// `tls` extension.
    pub tls: Option<Arc<TlsInfo>>,
    /// What this server offers here.
    pub capabilities: Capabilities,
    drain: Signal<Instant>,
}

impl ConnectionInfo {
    /// A cleartext connection of which nothing else is known.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            client: None,
            server: None,
            scheme: Scheme::HTTP,
            tls: None,
            capabilities,
            drain: Signal::new(),
        }
    }

    /// Sets the client's address.
    #[must_use]
    pub fn with_client(mut self, client: Address) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the server's address.
    #[must_use]
    pub fn with_server(mut self, server: Address) -> Self {
        self.server = Some(server);
        self
    }

    /// Sets the scheme.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets what is known of the TLS below, and with it the scheme.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsInfo) -> Self {
        self.tls = Some(Arc::new(tls));
        self.scheme = Scheme::HTTPS;
        self
    }

    /// Sets the signal that the server raises, with the deadline, when it begins to drain.
    #[must_use]
    pub fn with_drain(mut self, drain: Signal<Instant>) -> Self {
        self.drain = drain;
        self
    }

    /// Resolves with the deadline when the server begins to drain (SRV-4).
    pub fn drain(&self) -> DrainSignal {
        self.drain.wait()
    }

    /// The shutdown's deadline, if the server is draining already.
    #[must_use]
    pub fn draining(&self) -> Option<Instant> {
        self.drain.value()
    }
}

/// One end of a transport connection.
///
/// # Examples
///
/// ```
/// use gateway_spec::Address;
///
/// let client = Address::Tcp("192.0.2.1:5000".parse()?);
/// assert_eq!(client.tcp().map(|address| address.port()), Some(5000));
/// assert_eq!(Address::Unix(Some("/run/app.sock".into())).to_string(), "unix:/run/app.sock");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A unix socket; without a path where it has none, as clients have.
    Unix(Option<PathBuf>),
}

impl Address {
    /// The IP address and port, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}
