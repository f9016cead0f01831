//! How many requests one client may make: a bucket of tokens for each.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_spec::{AppError, Application, Connection, Done, HttpScope};
use http::StatusCode;
use http::header::RETRY_AFTER;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::Rejection;

/// How many requests in which time, and how many at once.
///
/// # Examples
///
/// ```
/// use app_router::middleware::Rate;
///
/// // Ten at once, and then one every six seconds.
/// let rate = Rate::per_minute(10);
/// let slower = Rate::per_minute(10).burst(2);
/// assert_ne!(rate, slower);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// After how long one more is allowed.
    every: Duration,
    /// How many at once.
    burst: NonZeroU32,
}

impl Rate {
    /// So many in a second, all at once if they come so. At least one.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self::per(Duration::from_secs(1), requests)
    }

    /// So many in a minute, all at once if they come so. At least one.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self::per(Duration::from_secs(60), requests)
    }

    fn per(time: Duration, requests: u32) -> Self {
        let burst = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        Self {
            every: time / burst.get(),
            burst,
        }
    }

    /// Sets how many may come at once. At least one.
    #[must_use]
    pub fn burst(mut self, requests: u32) -> Self {
        self.burst = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// For how long a full bucket of tokens lasts.
    fn whole(self) -> Duration {
        self.every.saturating_mul(self.burst.get())
    }
}

/// Answers 429 with `Retry-After` to clients that ask more often than the rate, WebSockets' handshakes included.
///
/// A client is an address, of IPv6 its network of 64 bits, as a household has one; behind a proxy the server has to trust
/// it to tell addresses. Requests without an address are one client. [`by`](RateLimit::by) says otherwise. The counts are
/// this process's alone.
///
/// It remembers up to 65,536 clients that have asked lately. When there are more, those that are allowed the most are
/// forgotten first: an attacker with many addresses cannot make it forget itself, nor fill the memory.
///
/// # Examples
///
/// ```
/// use app_router::Router;
/// use app_router::middleware::{Rate, rate_limit};
///
/// let app = Router::new().post("/login", async || "hello").build().unwrap();
/// let app = rate_limit(app, Rate::per_minute(20).burst(5));
/// # let _ = app;
/// ```
pub fn rate_limit<A: Application>(app: A, rate: Rate) -> RateLimit<A> {
    RateLimit {
        app,
        rate,
        key: Arc::new(address),
        counts: Arc::new(|_| true),
        clients: Mutex::default(),
    }
}

/// The application that [`rate_limit`] makes.
pub struct RateLimit<A> {
    app: A,
    rate: Rate,
    key: Arc<Key>,
    counts: Arc<Counts>,
    clients: Mutex<HashMap<String, Instant>>,
}

type Key = dyn Fn(&HttpScope) -> Option<String> + Send + Sync;
type Counts = dyn Fn(&HttpScope) -> bool + Send + Sync;

/// Clients that are remembered: some megabytes.
const MAX_CLIENTS: usize = 65_536;
/// Bytes that are remembered of each, as the client may have chosen them: of a longer key its hash.
const MAX_KEY: usize = 64;

impl<A> RateLimit<A> {
    /// Says who a client is, such as by its key. A request for which it is `None` is not counted.
    #[must_use]
    pub fn by(
        mut self,
        key: impl Fn(&HttpScope) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.key = Arc::new(key);
        self
    }

    /// Counts, and refuses, only the requests of which this is true: those that are worth guessing at, such as logins.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::Router;
    /// use app_router::middleware::{Rate, rate_limit};
    /// use http::Method;
    ///
    /// let app = Router::new().get("/", async || "home").post("/login", async || "hello").build().unwrap();
    /// let app = rate_limit(app, Rate::per_minute(10))
    ///     .when(|scope| scope.method == Method::POST && scope.path() == "/login");
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn when(mut self, counts: impl Fn(&HttpScope) -> bool + Send + Sync + 'static) -> Self {
        self.counts = Arc::new(counts);
        self
    }

    /// How long a client has to wait, if it has to.
    fn wait(&self, scope: &HttpScope) -> Option<Duration> {
        if !(self.counts)(scope) {
            return None;
        }
        let key = short((self.key)(scope)?);
        let now = Instant::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(&key) {
            forget(&mut clients, now);
        }
        // When its bucket is full again: the whole state of a bucket (GCRA).
        let full = clients.entry(key).or_insert(now);
        let after = (*full).max(now) + self.rate.every;
        match after.checked_duration_since(now + self.rate.whole()) {
            Some(wait) if !wait.is_zero() => Some(wait),
            _ => {
                *full = after;
                None
            }
        }
    }
}

/// A key as it is remembered.
fn short(key: String) -> String {
    match key.len() {
        0..=MAX_KEY => key,
        _ => URL_SAFE_NO_PAD.encode(Sha256::digest(key)),
    }
}

/// Forgets those whose buckets are full, and if more than a half is left, the half of them that is allowed more: so it looks at
/// all of them once for many that are new, not for each.
fn forget(clients: &mut HashMap<String, Instant>, now: Instant) {
    clients.retain(|_, full| *full > now);
    if clients.len() <= MAX_CLIENTS / 2 {
        return;
    }
    let mut times: Vec<Instant> = clients.values().copied().collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    clients.retain(|_, full| *full > median);
}

fn address(scope: &HttpScope) -> Option<String> {
    let address = scope
        .connection
        .client
        .as_ref()
        .and_then(|address| address.tcp());
    Some(match address.map(|address| address.ip().to_canonical()) {
        None => String::new(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    })
}

fn refusal(wait: Duration) -> Rejection {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Rejection::new(
        StatusCode::TOO_MANY_REQUESTS,
        format!("ask again in {seconds} seconds"),
    )
    .with_header(RETRY_AFTER, seconds.into())
}

impl<A: Application> Application for RateLimit<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => match self.wait(&http.scope) {
                Some(wait) => http.responder.respond(refusal(wait).into_response()).await,
                None => self.app.call(Connection::Http(http)).await,
            },
            Connection::WebSocket(socket) => match self.wait(&socket.scope) {
                Some(wait) => socket.handshake.deny(refusal(wait).into_response()).await,
                None => self.app.call(Connection::WebSocket(socket)).await,
            },
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for RateLimit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_that_are_allowed_the_most_are_forgotten_first() {
        let now = Instant::now();
        let mut clients: HashMap<String, Instant> = (0..MAX_CLIENTS as u64)
            .map(|n| (n.to_string(), now + Duration::from_millis(n + 1)))
            .collect();
        forget(&mut clients, now);
        assert!(clients.len() <= MAX_CLIENTS / 2);
        assert!(clients.contains_key(&(MAX_CLIENTS - 1).to_string()));
        assert!(!clients.contains_key("0"));
        forget(&mut clients, now + Duration::from_secs(100));
        assert!(clients.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_many_whenever_some_were_forgotten() {
        let now = Instant::now();
        // One of them has a full bucket: alone it would make room for one.
        let mut clients: HashMap<String, Instant> = (0..MAX_CLIENTS as u64)
            .map(|n| (n.to_string(), now + Duration::from_millis(n)))
            .collect();
        forget(&mut clients, now);
        assert!(clients.len() <= MAX_CLIENTS / 2);
    }

    #[test]
    fn no_more_is_remembered_of_a_key_than_there_is_room_for() {
        assert_eq!(short("k".repeat(MAX_KEY)), "k".repeat(MAX_KEY));
        let (one, other) = (short("k".repeat(MAX_KEY + 1)), short("k".repeat(60_000)));
        assert!(one.len() <= MAX_KEY && other.len() <= MAX_KEY);
        assert_ne!(one, other);
    }
}
