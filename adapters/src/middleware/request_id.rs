//! Names each request, for logs on both sides.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;

use fastrand::Rng;
use gateway_spec::{AppError, Application, Connection, Done, Headers, Scope};
use http::{HeaderName, HeaderValue};

use super::only;
use super::stand_in::{HeadKind, OnHead, call_socket_with_heads, call_with_heads};

/// Gives each request an id: in its scope's extensions as a [`RequestId`], and in the head of its answer as `x-request-id`.
///
/// - **HTTP**: every answer has it, those in the application's place too (errors, panics, answers that it forgot); only one that
///   the server gives without calling the application has none. An id that the application itself put into its answer is
///   replaced.
/// - **WebSocket**: the scope has it, and the answer to the handshake, accepted or denied.
/// - **Lifespan**: passes through.
///
/// An id of the client's own is ignored, unless [`incoming`](RequestIds::incoming) says that clients are trusted: anybody could
/// give a request the id of another one, and mislead whoever reads the logs.
///
/// # Format
///
/// 32 hexadecimal digits in lower case: 128 random bits. It is a valid trace id of W3C Trace Context. Ids are meant to be
/// unique and not to be secret: whoever has seen a few may guess the next. Never use one as a token.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{RequestId, request_id};
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// # test_client::run(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => {
///         let id = http.scope.extensions.get::<RequestId>().map(|id| id.to_string());
///         http.responder.respond(id.unwrap_or_default()).await
///     }
///     other => other.refuse().await,
/// });
/// let reply = TestClient::new(request_id(app)).get("/").send().await?;
/// assert_eq!(reply.header("x-request-id"), Some(reply.text()));
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
pub fn request_id<A: Application>(app: A) -> RequestIds<A> {
    RequestIds {
        app,
        header: HeaderName::from_static("x-request-id"),
        incoming: Incoming::Ignore,
    }
}

/// An application whose requests have ids: see [`request_id`].
///
/// # Examples
///
/// Behind a proxy that makes the ids:
///
/// ```
/// use adapters::middleware::{Incoming, RequestIds, request_id};
/// use gateway_spec::{BoxApplication, Connection, application_fn};
/// use http::HeaderName;
///
/// let app = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let app: RequestIds<BoxApplication> = request_id(app)
///     .incoming(Incoming::Trust)
///     .header(HeaderName::from_static("x-correlation-id"));
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct RequestIds<A> {
    app: A,
    header: HeaderName,
    incoming: Incoming,
}

/// What becomes of an id that came with the request.
///
/// # Examples
///
/// ```
/// use adapters::middleware::Incoming;
///
/// assert_eq!(Incoming::default(), Incoming::Ignore);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Incoming {
    /// It is ignored. The request's fields stay as they are.
    #[default]
    Ignore,
    /// It is the request's id, if it is one ([`RequestId::parse`]) and the only one; else a new one is made. For servers that can be
    /// reached through a proxy alone which sets or checks the field.
    Trust,
}

/// The name of one request, which logs of clients and servers share.
///
/// # Examples
///
/// ```
/// use adapters::middleware::RequestId;
///
/// let id = RequestId::random();
/// assert_eq!(id.as_str().len(), 32);
/// assert_ne!(id, RequestId::random());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The bytes that an id may have at the most: four times those of a UUID, and little in a line of a log.
    pub const MAX_LEN: usize = 128;

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        let digits = format!("{:032x}", random());
        Self(HeaderValue::try_from(digits).expect("hexadecimal digits can be a field's value"))
    }

    /// An id from elsewhere: 1 to [`MAX_LEN`](Self::MAX_LEN) letters, digits and `-_.:=+/`, all of ASCII. Nothing that could end a line of a
    /// log, a quoted string or a field.
    ///
    /// # Examples
    ///
    /// ```
    /// use adapters::middleware::RequestId;
    ///
    /// let aws = RequestId::parse(b"1-67891233-abcdef012345678912345678").unwrap();
    /// assert_eq!(aws.to_string(), "1-67891233-abcdef012345678912345678");
    /// assert_eq!(RequestId::parse(b"7\" level=error user=\"root"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte);
        let is_one = (1..=Self::MAX_LEN).contains(&text.len()) && text.iter().all(is_safe);
        is_one
            .then(|| HeaderValue::from_bytes(text).ok().map(Self))
            .flatten()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("it was made of ASCII")
    }

    /// The id as a field's value, for requests to other servers.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

/// 128 bits of two generators of 64 each. One alone would, by the birthday paradox, come to the same state twice in a fleet of
/// servers; and `fastrand` seeds it by the clock, where machines that boot together are alike. The standard library's hash
/// keys are the operating system's.
fn random() -> u128 {
    thread_local! {
        static GENERATORS: RefCell<[Rng; 2]> = {
            let keys = RandomState::new();
            RefCell::new([0, 1].map(|n: u8| Rng::with_seed(keys.hash_one(n))))
        };
    }
    GENERATORS
        .with_borrow_mut(|[high, low]| (u128::from(high.u64(..)) << 64) | u128::from(low.u64(..)))
}

impl<A> RequestIds<A> {
    /// Sets what becomes of an id that came with the request; [`Incoming::Ignore`] unless this is said.
    #[must_use]
    pub fn incoming(mut self, incoming: Incoming) -> Self {
        self.incoming = incoming;
        self
    }

    /// Sets the name of the field, in requests and answers.
    #[must_use]
    pub fn header(mut self, header: HeaderName) -> Self {
        self.header = header;
        self
    }

    /// Names a request.
    fn name(&self, scope: &mut Scope) -> Named {
        let id = match self.incoming {
            Incoming::Ignore => None,
            Incoming::Trust => only(&scope.headers, &self.header).and_then(RequestId::parse),
        };
        let id = id.unwrap_or_else(RequestId::random);
        scope.edit().extensions.insert(id.clone());
        Named {
            header: self.header.clone(),
            id,
        }
    }
}

#[derive(Clone)]
struct Named {
    header: HeaderName,
    id: RequestId,
}

impl OnHead for Named {
    const CHANGES: bool = true;

    fn change(&self, _: HeadKind, headers: &mut Headers) {
        headers.insert(self.header.clone(), self.id.0.clone());
    }
}

impl<A: Application> Application for RequestIds<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(mut http) => {
                let named = self.name(&mut http.scope);
                call_with_heads(&self.app, http, named).await
            }
            Connection::WebSocket(mut socket) => {
                let named = self.name(&mut socket.scope);
                call_socket_with_heads(&self.app, socket, named).await
            }
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for RequestIds<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIds")
            .field("header", &self.header)
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}
