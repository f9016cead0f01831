//! Bounds the size of a request's body.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use gateway_spec::{
    AppError, Application, BodyError, BodyLength, Connection, Done, Gone, Http, HttpLayer,
    HttpReceive, HttpSend, HttpTransport, Layered, SendError,
};
use http::StatusCode;

use super::stand_in::plain;

/// Refuses requests whose bodies have more than so many bytes.
///
/// - A length that the head declares is refused with 413 before the application is called, and before a client that waits
///   for `100 Continue` is told to send it (RFC 9110 section 10.1.1).
/// - A body without a declared length fails with [`BodyError::TooLarge`] as soon as it is over, whichever way it is read; never
///   a silent cut. An application that returns the error answers 413, as the extractors of an
///   axum `Router` do. What still comes is thrown away.
/// - **WebSockets and tunnels** pass through: their bytes are not a body, and servers bound the size of a message (WS-16). So does
///   the **lifespan**.
///
/// Of several limits the smallest holds: one around a whole application is the most that any part of it takes, however much
/// a part would. So is the server's own limit. For parts that take more, put the limits around the parts.
///
/// # Cost
///
/// Nothing for a body that is absent or declared: the server counts it (HTTP-4). One allocation for one of unknown length.
///
/// # Examples
///
/// ```
/// use adapters::middleware::limit_body;
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// let app = limit_body(app, 1024 * 1024);
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn limit_body<A: Application>(app: A, bytes: u64) -> LimitBody<A> {
    LimitBody { app, bytes }
}

/// An application with a bound on the bodies that it is sent: see [`limit_body`].
///
/// # Examples
///
/// ```
/// use adapters::middleware::{LimitBody, limit_body};
/// use gateway_spec::{BoxApplication, Connection, application_fn};
///
/// let app = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let app: LimitBody<BoxApplication> = limit_body(app, 0); // no bodies at all
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct LimitBody<A> {
    app: A,
    bytes: u64,
}

impl<A: Application> Application for LimitBody<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        let connection = match connection {
            Connection::Http(http) => match http.body.remaining() {
                BodyLength::Known(length) if length > self.bytes => return refuse(http).await,
                BodyLength::Empty | BodyLength::Known(_) => Connection::Http(http),
                BodyLength::Unknown => Connection::Http(http.map_transport(|inner| {
                    Arc::new(Layered(Limit {
                        inner,
                        limit: self.bytes,
                        left: AtomicU64::new(self.bytes),
                        phase: AtomicU8::new(COUNTING),
                    }))
                })),
            },
            other => other,
        };
        self.app.call(connection).await
    }
}

async fn refuse(http: Http) -> Result<Done, AppError> {
    let Http {
        body, responder, ..
    } = http;
    drop(body);
    responder
        .respond(plain(StatusCode::PAYLOAD_TOO_LARGE))
        .await
}

impl<A> fmt::Debug for LimitBody<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitBody")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Counts the bytes of one body.
struct Limit {
    inner: Arc<dyn HttpTransport>,
    limit: u64,
    left: AtomicU64,
    phase: AtomicU8,
}

const COUNTING: u8 = 0;
/// The body was over the limit, and the application knows.
const FAILED: u8 = 1;
/// The bytes are a tunnel's.
const TUNNEL: u8 = 2;

impl Limit {
    /// Counts a part: whether it is within the limit. One task receives at a time.
    fn count(&self, part: &[u8]) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(part.len() as u64) {
            Some(left) => {
                self.left.store(left, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }
}

impl HttpLayer for Limit {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        loop {
            let event = ready!(self.inner.poll_receive(cx));
            match (self.phase.load(Ordering::Relaxed), &event) {
                (COUNTING, HttpReceive::Body { bytes, .. }) if !self.count(bytes) => {
                    self.phase.store(FAILED, Ordering::Relaxed);
                    self.inner.stop_receiving();
                    let limit = self.limit;
                    return Poll::Ready(HttpReceive::Failed(BodyError::TooLarge { limit }));
                }
                // What was on its way. After a failure nothing comes but the client's leaving (HTTP-9).
                (FAILED, event) if !matches!(event, HttpReceive::Disconnect(_)) => {}
                _ => return Poll::Ready(event),
            }
        }
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        // One byte over the limit decides: whoever waits for more would wait for what is never given.
        let enough = match self.phase.load(Ordering::Relaxed) {
            COUNTING => self.left.load(Ordering::Relaxed).saturating_add(1),
            _ => u64::MAX,
        };
        let n = usize::try_from(enough).map_or(n, |enough| n.min(enough));
        self.inner.poll_buffered(cx, n)
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let upgrades = matches!(event, HttpSend::Upgrade { .. });
        self.inner.send(event)?;
        if upgrades {
            self.phase.store(TUNNEL, Ordering::Relaxed);
        }
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        self.inner.poll_write(cx, bytes)
    }
}
