//! A request that is being put together.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use gateway_spec::{BodyLength, Http, HttpScope, Scope, State};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde::Serialize;

use crate::call;
use crate::client::TestClient;
use crate::exchange::Exchange;
use crate::peer::Peer;
use crate::reply::{Broken, Reply};
use crate::rules::Facts;
use crate::upload::Upload;
use crate::wire::{WINDOW, Wire};

/// A request that is being put together: [`TestClient::get`] and its siblings make it, [`send`](Self::send) sends it.
///
/// It has a `host` field, and with a body those that frame it.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// # test_client::run(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(mut http) => {
///         let body = http.body.collect(1024).await?;
///         http.responder.respond(body).await
///     }
///     other => other.refuse().await,
/// });
/// let client = TestClient::new(app);
/// let reply = client.post("/").header("accept", "text/plain").body_chunks(["one, ", "two"]).send().await?;
/// assert_eq!(reply.text(), "one, two");
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
#[must_use = "nothing happens before `send`, `stream` or `open`"]
pub struct Request {
    client: TestClient,
    scope: HttpScope,
    body: Body,
    peer: Peer,
}

enum Body {
    Given {
        parts: Vec<Bytes>,
        trailers: Option<HeaderMap>,
    },
    /// By the [`Exchange`].
    ToCome,
}

impl Request {
    pub(crate) fn new(client: TestClient, scope: HttpScope) -> Self {
        Self {
            client,
            scope,
            body: Body::Given {
                parts: Vec::new(),
                trailers: None,
            },
            peer: Peer::new(),
        }
    }

    /// Adds a field; those that were added before under this name stay.
    ///
    /// # Panics
    ///
    /// If it is no valid name or value.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = field(name, value.as_ref());
        self.scope.headers.append(name, value);
        self
    }

    /// Takes a field away, such as `host`.
    pub fn without_header(mut self, name: &str) -> Self {
        self.scope.headers.remove(name);
        self
    }

    /// Sets the protocol's version, which decides about trailers, informational responses and upgrades; HTTP/1.1 by default.
    pub fn version(mut self, version: Version) -> Self {
        self.scope.version = version;
        self
    }

    /// Sends this body, whole, with its length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.scope.body = BodyLength::Known(body.len() as u64);
        self.body = Body::Given {
            parts: vec![body],
            trailers: None,
        };
        self
    }

    /// Sends this value as JSON.
    ///
    /// # Panics
    ///
    /// If it cannot be written as JSON.
    #[track_caller]
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("the value can be written as JSON");
        self.header(CONTENT_TYPE.as_str(), "application/json")
            .body(body)
    }

    /// Sends these parts, each of which the application receives as one, without a length.
    pub fn body_chunks<B: Into<Bytes>>(mut self, parts: impl IntoIterator<Item = B>) -> Self {
        self.scope.body = BodyLength::Unknown;
        self.body = Body::Given {
            parts: parts.into_iter().map(Into::into).collect(),
            trailers: None,
        };
        self
    }

    /// Ends the body with trailers.
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.scope.body = BodyLength::Unknown;
        if let Body::Given { trailers: end, .. } = &mut self.body {
            *end = Some(trailers);
        }
        self
    }

    /// Sends the body later, by [`Exchange::send`] and [`Exchange::finish`]; without a length.
    pub fn body_to_come(mut self) -> Self {
        self.scope.body = BodyLength::Unknown;
        self.body = Body::ToCome;
        self
    }

    /// As [`body_to_come`](Self::body_to_come), with a declared length.
    pub fn body_to_come_of(mut self, length: u64) -> Self {
        self.scope.body = BodyLength::Known(length);
        self.body = Body::ToCome;
        self
    }

    /// Shows this state instead of the client's own.
    pub fn state(mut self, state: State) -> Self {
        self.scope.state = state;
        self
    }

    /// Changes the scope as a server or middleware may: extensions, mounts.
    pub fn scope(mut self, change: impl FnOnce(&mut HttpScope)) -> Self {
        change(&mut self.scope);
        self
    }

    /// Has the client follow this script.
    pub const fn peer(mut self, peer: Peer) -> Self {
        self.peer = peer;
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which a server promises to applications (SRV-11): use `#[tokio::test]` or [`run`](crate::run()).
    ///
    /// # Cancel safety
    ///
    /// Dropped, the client has left; the application's call goes on (SRV-1).
    pub async fn send(self) -> Result<Reply, Broken> {
        self.open().reply().await
    }

    /// Sends the request and reads the head of the answer.
    ///
    /// # Errors
    ///
    /// If it does not come.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub async fn stream(self) -> Result<Exchange, Broken> {
        let mut exchange = self.open();
        exchange.head().await?;
        Ok(exchange)
    }

    /// Sends the request and reads nothing yet.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn open(self) -> Exchange {
        let Self {
            client,
            mut scope,
            body,
            peer,
        } = self;
        frame(&mut scope);
        let expects = scope.version == Version::HTTP_11
            && scope.headers.contains_token(EXPECT, "100-continue");
        let upload = Upload::new(scope.body, expects);
        let window = peer.window.unwrap_or(WINDOW);
        let wire = Wire::new(Facts::of(&scope), upload, window);
        let declared = match scope.body {
            BodyLength::Known(length) => Some(length),
            BodyLength::Empty | BodyLength::Unknown => None,
        };
        let label = scope.label.clone();
        let mut exchange = Exchange::new(Arc::clone(&wire), peer, client.patience, label, declared);
        if let Body::Given { parts, trailers } = body {
            parts.into_iter().for_each(|part| exchange.push(part));
            exchange.end(trailers);
        }
        let http = Http::new(Scope::new(scope), Arc::clone(&wire) as _);
        call::spawn(&client.app, client.websocket, http, wire);
        exchange
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("scope", &self.scope)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The scope of a request that a client sends.
pub(crate) fn scope_of(client: &TestClient, method: Method, target: &str) -> HttpScope {
    let mut scope = HttpScope::new(Arc::clone(&client.connection));
    scope.method = method;
    scope.uri = match target.parse() {
        Ok(uri) => uri,
        Err(error) => panic!("{target:?} is no target of a request: {error}"),
    };
    scope.state = client.state.clone();
    scope
        .headers
        .append(HOST, HeaderValue::from_static("testserver"));
    scope
}

/// Adds what frames the body, as a client of HTTP/1.1 does.
fn frame(scope: &mut HttpScope) {
    match scope.body {
        BodyLength::Empty => {}
        BodyLength::Known(length) if !scope.headers.contains(CONTENT_LENGTH) => {
            scope.headers.append(CONTENT_LENGTH, length.into());
        }
        BodyLength::Unknown if scope.version == Version::HTTP_11 => {
            let chunked = HeaderValue::from_static("chunked");
            scope.headers.append(TRANSFER_ENCODING, chunked);
        }
        BodyLength::Known(_) | BodyLength::Unknown => {}
    }
}

#[track_caller]
pub(crate) fn field(name: &str, value: &[u8]) -> (HeaderName, HeaderValue) {
    match (name.parse(), HeaderValue::from_bytes(value)) {
        (Ok(name), Ok(value)) => (name, value),
        _ => panic!("{name:?}: {:?} is no field", String::from_utf8_lossy(value)),
    }
}
