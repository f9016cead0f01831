//! What applications share on any server: small wrappers over the contract, each an application itself.
//!
//! | wrapper | what it does | of a WebSocket | of the lifespan |
//! |---|---|---|---|
//! | [`log_events()`] | shows every event, for debugging | every event | every event |
//! | [`request_id()`] | names each request, in its scope and its answer | names the handshake | passes |
//! | [`cors()`] | lets pages of other origins in | passes, or checks the origin | passes |
//! | [`catch_panic()`] | makes a page of a panic | of a handshake; closes a socket | passes |
//! | [`Hosts`] | applications by the host that is named | by host | runs all |
//! | [`Mount`] | applications by the beginning of the path | by path | runs all |
//! | [`fallback()`] | a second application for what the first has not | the same | runs both |
//! | [`timeout()`] | bounds the time until an answer, or its end | of a handshake; of a socket if asked | passes |
//! | [`limit_body()`] | bounds the size of a request's body | passes | passes |
//! | [`cancel_on_disconnect()`] | drops the work for a client that left | until it is accepted | passes |
//! | `compress()` | codes answers in brotli, zstd or gzip | passes | passes |
//! | `decompress()` | decodes requests that come in them | passes | passes |
//!
//! The last two need the feature `compression`.
//!
//! # In which order to wrap
//!
//! The rows above are in the order in which a request should meet them, the first outermost:
//!
//! - [`log_events()`] outside shows what the server sees; anywhere else it shows what passes there.
//! - [`request_id()`] and [`cors()`] change the heads of answers, those to errors included: whatever answers by itself (a limit, a
//!   timeout, a host that is not served) must be inside of them, or its answers lack their fields.
//! - [`catch_panic()`] inside of those two, so that its page has their fields.
//! - [`timeout()`] outside of [`limit_body()`] and [`cancel_on_disconnect()`]: none of them is slow, and all of their work counts.
//! - `compress()` inside of all that looks at an answer's bytes or makes its own, `decompress()` inside of the [`limit_body()`] for what
//!   comes and outside of one for what is decoded.
//! - Around a whole [`Mount`] a wrapper is for all that is mounted, around one application for that alone.
//!
//! # A stack
//!
//! Wrapping is a function call, and what a wrapper can be told are methods of what the function returns. It is not a method of
//! applications: in a chain, what is an option of the last wrapper and what is the next wrapper would look alike, and the
//! order would be that of wrapping, not that of a request. The innermost comes first, line by line:
//!
//! ```
//! use std::time::Duration;
//! use adapters::middleware::{
//!     BuildError, Cors, Mount, Panic, Tracing, cancel_on_disconnect, catch_panic, cors, limit_body,
//!     log_events, request_id, timeout,
//! };
//! use gateway_spec::{Application, Connection, application_fn};
//! use test_client::TestClient;
//!
//! fn app() -> Result<impl Application, BuildError> {
//!     let search = application_fn(async |connection: Connection| match connection {
//!         Connection::Http(http) => http.responder.respond("found").await,
//!         other => other.refuse().await,
//!     });
//!     let search = cancel_on_disconnect(search);
//!     let site = application_fn(|connection: Connection| connection.refuse());
//!
//!     let app = Mount::new().at("/search", search).fallback(site).build()?;
//!     let app = limit_body(app, 1024 * 1024);
//!     let app = timeout(app, Duration::from_secs(10));
//!     let app = catch_panic(app, Panic::logged);
//!     let app = cors(app, Cors::new().origins(["https://app.example"]))?;
//!     let app = request_id(app);
//!     Ok(log_events(app, Tracing))
//! }
//!
//! # test_client::run(async {
//! let reply = TestClient::new(app()?).get("/search").header("origin", "https://app.example").send().await?;
//! assert_eq!(reply.text(), "found");
//! assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
//! assert!(reply.header("x-request-id").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What they cost
//!
//! No wrapper boxes a future on the way of a plain request, but for those that hold applications of several types ([`Mount`],
//! [`Hosts`]). A wrapper that must know what was sent puts one small allocation around the exchange, and one virtual call
//! around each event.
//!
//! # To write one
//!
//! An application that holds another: change the scope and call it, or put an [`HttpLayer`] around the
//! exchange. The clauses MW-1 to MW-10 say what it owes to both sides.
mod cancel;
mod children;
#[cfg(feature = "compression")]
mod compression;
mod cors;
mod fallback;
mod hosts;
mod limit;
mod log;
mod mount;
mod panic;
mod request_id;
mod stand_in;
mod timeout;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use gateway_spec::{
    Headers, Http, HttpLayer, HttpTransport, Layered, WebSocket, WebSocketLayer, WebSocketTransport,
};
use http::HeaderName;

pub use cancel::{CancelOnDisconnect, HalfClose, cancel_on_disconnect};
#[cfg(feature = "compression")]
pub use compression::{Compress, Decompress, compress, decompress, is_compressible};
pub use cors::{Cors, WithCors, cors};
pub use fallback::{Fallback, fallback};
pub use hosts::{ByHost, Hosts};
pub use limit::{LimitBody, limit_body};
pub use log::{EventKind, EventSink, LogEvents, LoggedEvent, Tracing, log_events};
pub use mount::{Mount, Mounted};
pub use panic::{CatchPanic, Panic, catch_panic};
pub use request_id::{Incoming, RequestId, RequestIds, request_id};
pub use timeout::{Timeout, timeout};

/// Why middleware could not be built: its text says what is wrong, and what to write instead.
///
/// # Examples
///
/// ```
/// use adapters::middleware::Mount;
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// let error = Mount::new().at("api/", app).build().unwrap_err();
/// assert_eq!(error.to_string(), "`api/` is no prefix: it begins with `/`");
/// ```
#[derive(Debug)]
pub struct BuildError {
    text: String,
}

impl BuildError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for BuildError {}

/// Puts a layer around an exchange, and gives a handle to it too.
fn layered<L: HttpLayer>(
    http: Http,
    layer: impl FnOnce(Arc<dyn HttpTransport>) -> L,
) -> (Http, Arc<Layered<L>>) {
    let mut kept = None;
    let http = http.map_transport(|inner| {
        let layered = Arc::new(Layered(layer(inner)));
        kept = Some(Arc::clone(&layered));
        layered
    });
    (http, kept.expect("wrapping happens once, at once"))
}

/// The same of a WebSocket.
fn layered_socket<L: WebSocketLayer>(
    socket: WebSocket,
    layer: impl FnOnce(Arc<dyn WebSocketTransport>) -> L,
) -> (WebSocket, Arc<Layered<L>>) {
    let mut kept = None;
    let socket = socket.map_transport(|inner| {
        let layered = Arc::new(Layered(layer(inner)));
        kept = Some(Arc::clone(&layered));
        layered
    });
    (socket, kept.expect("wrapping happens once, at once"))
}

/// The value of a field that is there once: of a doubled one, nobody knows which counts.
pub(crate) fn only<'a>(headers: &'a Headers, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
