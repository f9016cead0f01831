//! Applications by the host that a request names.

mod name;

use std::fmt;

use gateway_spec::{AppError, Application, BoxApplication, Connection, Done, HttpScope, Scope};
use http::StatusCode;

use super::BuildError;
use super::children::Children;
use super::stand_in::plain;

use self::name::{Authority, Pattern};

/// Puts applications behind host names; [`build`](Self::build) makes the application of them.
///
/// - A name is `example.org`, or `*.example.org` for all below it (and not for itself), or an address such as `127.0.0.1` or
///   `[::1]`. With a port, `example.org:8080`, it is for requests that name this port, or none if it is the one of their scheme
///   (80, and 443 for HTTPS); without, for all.
/// - What counts is the host that the client named (SCOPE-6): letters in either case, a dot at the end or none, the port
///   ignored unless the name has one. An exact name wins over a wildcard, a longer wildcard over a shorter one, a name with a
///   port over the same without.
/// - A host that none of them is goes to [`otherwise`](Self::otherwise), as does a request of HTTP/1.0 without one. Without
///   that application the answer is 421 (Misdirected Request, RFC 9110 section 7.4): this site is not served here. So a page
///   that points a name of its own at this server (DNS rebinding) gets nothing.
/// - A host that is none (`a b`, `user@host`, a port over 65535) is 400 always.
/// - **WebSockets** are served as requests are, and denied with the same statuses.
/// - **Lifespan**: as of a [`Mount`](super::Mount), in the order in which they were added.
///
/// # Cost
///
/// One allocation a call ([`BoxApplication`]).
///
/// # Examples
///
/// ```
/// use adapters::middleware::{BuildError, Hosts};
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let site = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond("the site").await,
///     other => other.refuse().await,
/// });
/// let app = Hosts::new().host("example.org", site).build()?;
/// # test_client::run(async {
/// let client = TestClient::new(app);
/// let reply = client.get("/").without_header("host").header("host", "Example.org:8000").send().await?;
/// assert_eq!(reply.text(), "the site");
/// let reply = client.get("/").without_header("host").header("host", "evil.example").send().await?;
/// assert_eq!(reply.status, 421);
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// # Ok::<(), BuildError>(())
/// ```
#[derive(Default)]
#[must_use = "`build` makes the application of it"]
pub struct Hosts {
    hosts: Vec<(String, BoxApplication)>,
    otherwise: Option<BoxApplication>,
}

impl Hosts {
    /// No host is served.
    pub const fn new() -> Self {
        Self {
            hosts: Vec::new(),
            otherwise: None,
        }
    }

    /// Serves a host, or all below one, by an application.
    pub fn host(mut self, name: impl Into<String>, app: impl Application) -> Self {
        self.hosts.push((name.into(), BoxApplication::new(app)));
        self
    }

    /// Serves all other hosts by an application; the last one that is said.
    pub fn otherwise(mut self, app: impl Application) -> Self {
        self.otherwise = Some(BoxApplication::new(app));
        self
    }

    /// The application that has these.
    ///
    /// # Errors
    ///
    /// If a name is there twice, or is none that a client sends. The text says what to write instead.
    pub fn build(self) -> Result<ByHost, BuildError> {
        let (mut hosts, mut apps) = (Vec::<Host>::new(), Vec::new());
        for (child, (text, app)) in self.hosts.into_iter().enumerate() {
            let pattern = Pattern::parse(&text)?;
            if hosts.iter().any(|known| known.pattern == pattern) {
                return Err(BuildError::new(format!(
                    "`{text}` is there twice: a host has one application, which may be a `Mount` of several"
                )));
            }
            hosts.push(Host { pattern, child });
            apps.push(app);
        }
        // The first that matches is the most particular then.
        hosts.sort_by_key(|host| std::cmp::Reverse(host.pattern.rank()));
        Ok(ByHost {
            hosts,
            children: Children::new(apps, self.otherwise),
        })
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.iter().map(|(host, _)| host);
        f.debug_list().entries(hosts).finish()
    }
}

/// Applications by host: what [`Hosts::build`] makes.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{BuildError, ByHost, Hosts};
/// use gateway_spec::BoxApplication;
///
/// fn sites(site: BoxApplication, of_customers: BoxApplication) -> Result<ByHost, BuildError> {
///     Hosts::new()
///         .host("example.org", site)
///         .host("*.example.org", of_customers)
///         .build()
/// }
/// # let _ = sites;
/// ```
pub struct ByHost {
    /// The most particular first.
    hosts: Vec<Host>,
    children: Children,
}

struct Host {
    pattern: Pattern,
    child: usize,
}

impl ByHost {
    fn find(&self, scope: &HttpScope) -> Result<usize, StatusCode> {
        let named = match scope.authority() {
            Some(named) => Some(Authority::parse(named).ok_or(StatusCode::BAD_REQUEST)?),
            // A field that is no text is none.
            None if scope.headers.contains(http::header::HOST) => {
                return Err(StatusCode::BAD_REQUEST);
            }
            None => None,
        };
        let found = named.and_then(|named| {
            let mut hosts = self.hosts.iter();
            hosts.find(|host| host.pattern.has(&named, scope.connection.scheme.as_str()))
        });
        found
            .map(|host| host.child)
            .or(self.children.rest())
            .ok_or(StatusCode::MISDIRECTED_REQUEST)
    }

    fn enter(&self, scope: &mut Scope) -> Result<&BoxApplication, StatusCode> {
        let child = self.find(scope)?;
        Ok(self.children.enter(child, scope))
    }
}

impl Application for ByHost {
    async fn call(&self, mut connection: Connection) -> Result<Done, AppError> {
        let app = match &mut connection {
            Connection::Http(http) => self.enter(&mut http.scope),
            Connection::WebSocket(socket) => self.enter(&mut socket.scope),
            _ => return self.children.call(connection).await,
        };
        match (app, connection) {
            (Ok(app), connection) => app.call(connection).await,
            (Err(status), Connection::Http(http)) => http.responder.respond(plain(status)).await,
            (Err(status), Connection::WebSocket(socket)) => {
                socket.handshake.deny(plain(status)).await
            }
            (Err(_), other) => other.refuse().await,
        }
    }
}

impl fmt::Debug for ByHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.iter().map(|host| &host.pattern);
        f.debug_list().entries(hosts).finish()
    }
}
