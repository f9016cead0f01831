//! What the client got: a whole answer, or why not.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{Gone, Headers, Label, ResponseHead};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::outcome::Outcome;
use crate::rules::Answerer;
use crate::wire::Wire;

/// A whole answer.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Connection, Response, application_fn, types::HeaderValue};
/// use test_client::TestClient;
///
/// # test_client::run(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond(Response::typed("application/json", "[1, 2]")).await,
///     other => other.refuse().await,
/// });
/// let reply = TestClient::new(app).get("/").send().await?;
/// assert_eq!(reply.status, 200);
/// assert_eq!(reply.header("content-type"), Some("application/json"));
/// assert_eq!(reply.json::<Vec<u8>>(), [1, 2]);
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The fields, without those that are the server's own (HTTP-23): it would add `date` and what frames the body.
    pub headers: Headers,
    /// The body, without any framing; empty where a server sends none (SRV-6).
    pub body: Bytes,
    /// The trailers, if the client could take them (HTTP-28).
    pub trailers: Option<HeaderMap>,
    /// The informational responses that came before, 100 among them if the request had `expect: 100-continue`.
    pub informational: Vec<ResponseHead>,
    /// Who answered.
    pub answerer: Answerer,
    /// The body's length as the head says it: the declared one, or that of an answer that was sent whole (HTTP-26). On HEAD,
    /// what GET would have.
    pub content_length: Option<u64>,
    pub(crate) label: Label,
    pub(crate) wire: Arc<Wire>,
}

impl Reply {
    /// The first field of this name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get_str(name)
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body, read as JSON.
    ///
    /// # Panics
    ///
    /// If it is no JSON of this type; the message has the body.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&self.body)),
        }
    }

    /// What logs and metrics call the exchange, if the application said so (SCOPE-12).
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.get()
    }

    /// Waits for the call to return: it may go on after its answer (SRV-9).
    pub async fn outcome(&self) -> Outcome {
        self.wire.outcome().await
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("trailers", &self.trailers)
            .field("answerer", &self.answerer)
            .field("outcome", &self.wire.outcome_now())
            .finish_non_exhaustive()
    }
}

/// There is no whole answer.
#[derive(Debug)]
pub struct Broken {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    why: Why,
    partial: Option<Reply>,
    wire: Arc<Wire>,
}

/// Why there is no whole answer.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Connection, application_fn};
/// use test_client::{TestClient, Why};
///
/// # test_client::run(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => Ok(http.responder.abort()),
///     other => other.refuse().await,
/// });
/// let broken = TestClient::new(app).get("/").send().await.unwrap_err();
/// assert_eq!(broken.why(), Why::CutOff);
/// assert!(broken.outcome().await.is_done(), "it meant to");
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The other side cut it off, before the head or after it: the application aborted, failed, panicked or forgot to finish.
    CutOff,
    /// The client left, as its script said.
    Left(Gone),
    /// Nothing came for longer than the client's [patience](crate::TestClient::with_patience).
    Silent(Duration),
}

impl Broken {
    pub(crate) fn new(why: Why, partial: Option<Reply>, wire: Arc<Wire>) -> Self {
        Self {
            inner: Box::new(Inner { why, partial, wire }),
        }
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> Why {
        self.inner.why
    }

    /// What came before, if the head did. Parts that were taken one by one are not in its body.
    #[must_use]
    pub fn partial(&self) -> Option<&Reply> {
        self.inner.partial.as_ref()
    }

    /// Waits for the call to return.
    pub async fn outcome(&self) -> Outcome {
        self.inner.wire.outcome().await
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.why {
            Why::CutOff => f.write_str("the answer was cut off")?,
            Why::Left(gone) => write!(f, "the client left: {gone}")?,
            Why::Silent(patience) => write!(f, "nothing came for {patience:?}")?,
        }
        match self.inner.wire.outcome_now() {
            Some(outcome) => write!(f, "; the application {outcome}"),
            None => Ok(()),
        }
    }
}

impl Error for Broken {}
