//! What an application's author says of CORS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

/// Which pages of other origins may do what, for [`cors`](super::cors()).
///
/// Nothing is allowed that is not said. Without any method, those that need no permission are allowed: `GET`, `HEAD` and
/// `POST`; without any field, those of the same kind, such as `Accept`.
///
/// # Examples
///
/// An interface that anybody's pages may read, without cookies:
///
/// ```
/// use adapters::middleware::Cors;
///
/// let rules = Cors::new().any_origin();
/// # let _ = rules;
/// ```
#[derive(Clone)]
#[must_use = "give it to `cors`"]
pub struct Cors {
    pub(super) origins: Origins,
    pub(super) methods: Names,
    pub(super) headers: Names,
    pub(super) expose: Names,
    pub(super) credentials: Credentials,
    pub(super) max_age: Option<Duration>,
    pub(super) private_network: PrivateNetwork,
    pub(super) websockets: WebSockets,
}

#[derive(Clone)]
pub(super) enum Origins {
    Listed(Vec<String>),
    Any,
    Mirrored,
    By(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// Methods or fields.
#[derive(Clone, Default)]
pub(super) struct Names {
    pub(super) kind: Kind,
    pub(super) listed: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Listed,
    /// These and all others.
    Any,
    /// Whatever is asked for.
    Mirrored,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    Omitted,
    Included,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PrivateNetwork {
    Closed,
    Open,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WebSockets {
    PassThrough,
    Checked,
}

impl Cors {
    /// Nothing is allowed.
    pub const fn new() -> Self {
        Self {
            origins: Origins::Listed(Vec::new()),
            methods: Names::none(),
            headers: Names::none(),
            expose: Names::none(),
            credentials: Credentials::Omitted,
            max_age: None,
            private_network: PrivateNetwork::Closed,
            websockets: WebSockets::PassThrough,
        }
    }

    /// Allows these origins, beside those that were listed before.
    ///
    /// An origin is `scheme://host` or `scheme://host:port` as browsers write it: in lower case, without a default port, a path
    /// or a slash at the end, the host in ASCII (`xn--…`). It is compared byte by byte, so nothing that merely begins or ends
    /// like one is allowed, and `null` is not either.
    pub fn origins<S: Into<String>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        let mut listed = match self.origins {
            Origins::Listed(listed) => listed,
            Origins::Any | Origins::Mirrored | Origins::By(_) => Vec::new(),
        };
        listed.extend(origins.into_iter().map(Into::into));
        self.origins = Origins::Listed(listed);
        self
    }

    /// Allows every origin, by `*`: for what is public and needs no cookies. It takes the place of what was said of origins
    /// before.
    pub fn any_origin(mut self) -> Self {
        self.origins = Origins::Any;
        self
    }

    /// Allows every origin, `null` included, by saying its own name back. Caches keep an answer for each: prefer
    /// [`any_origin`](Self::any_origin) unless a client insists on its name. Never with credentials: see
    /// [`credentials`](Self::credentials).
    pub fn mirror_origin(mut self) -> Self {
        self.origins = Origins::Mirrored;
        self
    }

    /// Allows the origins for which a function says yes, such as the subdomains of a customer's.
    ///
    /// It is given the whole field and nothing else: an answer that depended on more would need more in `Vary`. Compare the end of a
    /// host behind a dot, and its scheme: `ends_with("example.org")` allows `https://evil-example.org`. `null`, which any page can
    /// have by a sandboxed frame, is asked about too.
    ///
    /// # Examples
    ///
    /// ```
    /// use adapters::middleware::Cors;
    ///
    /// let rules = Cors::new().origins_by(|origin| {
    ///     let host = origin.strip_prefix("https://");
    ///     host.is_some_and(|host| host == "example.org" || host.ends_with(".example.org"))
    /// });
    /// # let _ = rules;
    /// ```
    pub fn origins_by(mut self, allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.origins = Origins::By(Arc::new(allows));
        self
    }

    /// Allows these methods, beside those that were listed before. Methods are case-sensitive: a browser that is told `patch` sends
    /// `patch`, and not `PATCH`.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        let methods = methods.into_iter().map(|method| method.to_string());
        self.methods.list(methods);
        self
    }

    /// Allows every method, by `*`; not with credentials, for which browsers take it for a method of that name.
    pub fn any_method(mut self) -> Self {
        self.methods.kind = Kind::Any;
        self
    }

    /// Allows whichever method is asked for, by saying it back.
    pub fn mirror_method(mut self) -> Self {
        self.methods.kind = Kind::Mirrored;
        self
    }

    /// Allows these fields in requests, beside those that were listed before.
    pub fn headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers.list_headers(headers);
        self
    }

    /// Allows every field in requests, by `*`; not with credentials. `Authorization` is not among them (Fetch Standard): list it with
    /// [`headers`](Self::headers) too.
    pub fn any_header(mut self) -> Self {
        self.headers.kind = Kind::Any;
        self
    }

    /// Allows whichever fields are asked for, by saying them back.
    pub fn mirror_headers(mut self) -> Self {
        self.headers.kind = Kind::Mirrored;
        self
    }

    /// Lets pages read these fields of answers, beside those that were listed before; a few, such as `Content-Type`, they always can.
    pub fn expose(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.expose.list_headers(headers);
        self
    }

    /// Lets pages read every field of answers, by `*`; not with credentials.
    pub fn expose_any(mut self) -> Self {
        self.expose.kind = Kind::Any;
        self
    }

    /// Allows requests with cookies and other credentials, and pages to read the answers.
    ///
    /// It goes with listed origins, or a function of the author's own, alone: by any other rule every page on the web could read what
    /// a user's cookies open. Where credentials are meant, browsers take `*` for a name.
    pub const fn credentials(mut self) -> Self {
        self.credentials = Credentials::Included;
        self
    }

    /// Has browsers keep what a preflight allowed for so long; without it, 5 seconds. Chromium keeps it for two hours at the most,
    /// Firefox for a day. Parts of a second are cut off; none at all is "do not keep it".
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Lets pages of the public web use a server in a private network, or on the reader's own machine, where the browser asks for it
    /// (Private Network Access: `Access-Control-Allow-Private-Network`). It goes with listed origins, or a function of the author's own, alone.
    pub const fn private_network(mut self) -> Self {
        self.private_network = PrivateNetwork::Open;
        self
    }

    /// Denies the handshakes of WebSockets, by 403, whose `Origin` is neither allowed nor the site's own, against pages that open sockets
    /// with a visitor's cookies. Clients without an `Origin`, which are no browsers, are let in.
    ///
    /// The site's own is the one whose host and port are those that the request was sent to.
    pub const fn check_websockets(mut self) -> Self {
        self.websockets = WebSockets::Checked;
        self
    }
}

impl Default for Cors {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    const fn none() -> Self {
        Self {
            kind: Kind::Listed,
            listed: Vec::new(),
        }
    }

    fn list(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if !self.listed.contains(&name) {
                self.listed.push(name);
            }
        }
    }

    fn list_headers(&mut self, headers: impl IntoIterator<Item = HeaderName>) {
        let headers = headers.into_iter().map(|header| header.to_string());
        self.list(headers);
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(listed) => listed.fmt(f),
            Self::Any => f.write_str("any"),
            Self::Mirrored => f.write_str("mirrored"),
            Self::By(_) => f.write_str("by a function"),
        }
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("origins", &self.origins)
            .field("methods", &self.methods.listed)
            .field("headers", &self.headers.listed)
            .field("expose", &self.expose.listed)
            .finish_non_exhaustive()
    }
}
