//! What is known of a request before its body.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use http::{Extensions, Method, Uri, Version};

use super::Label;
use crate::{ConnectionInfo, DrainSignal, Headers, State};

/// A cheap handle to an [`HttpScope`]: cloning shares it, [`edit`](Self::edit) copies it only while it is shared.
///
/// ASGI: `scope`, with the rule that middleware copies it before changing it built in.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use gateway_spec::{Capabilities, ConnectionInfo, HttpScope, Scope};
/// # let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
/// let mut scope = Scope::new(HttpScope::new(info));
/// let before = scope.clone();
/// scope.edit().extensions.insert("seen by the app alone");
/// assert!(scope.extensions.get::<&str>().is_some());
/// assert!(before.extensions.get::<&str>().is_none());
/// ```
#[derive(Clone)]
pub struct Scope {
    shared: Arc<HttpScope>,
}

impl Scope {
    /// A handle to this scope.
    #[must_use]
    pub fn new(scope: HttpScope) -> Self {
        Self {
            shared: Arc::new(scope),
        }
    }

    /// The scope for changing; copied first if another handle shares it.
    #[inline]
    pub fn edit(&mut self) -> &mut HttpScope {
        Arc::make_mut(&mut self.shared)
    }

    /// The scope for filling anew, if no other handle lives: how a server uses one allocation for all requests of a
    /// connection.
    #[inline]
    pub fn reuse(&mut self) -> Option<&mut HttpScope> {
        Arc::get_mut(&mut self.shared)
    }

    /// Whether no other handle lives: what is here may then be shown to the next request as it is, if it would be filled with the same.
    #[must_use]
    #[inline]
    pub fn is_alone(&self) -> bool {
        // There are no weak handles.
        let is_alone = Arc::strong_count(&self.shared) == 1;
        // What who had it too has done before is seen.
        fence(Ordering::Acquire);
        is_alone
    }

    /// Whether it [is alone](Self::is_alone) and [clear](HttpScope::is_clear), once it has forgotten its label, if that is a text that lives as
    /// long as the program: for a server that would show it to the next request as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use gateway_spec::{Capabilities, ConnectionInfo, HttpScope, Scope};
    /// # let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    /// let scope = Scope::new(HttpScope::new(info));
    /// scope.label.set("/user/{id}");
    /// assert!(scope.try_clear() && scope.label.get().is_none());
    /// scope.label.set(String::from("/user/7"));
    /// assert!(!scope.try_clear());
    /// ```
    #[must_use]
    #[inline]
    pub fn try_clear(&self) -> bool {
        self.is_alone() && self.has_what_a_server_sets() && self.label.try_clear()
    }
}

impl Deref for Scope {
    type Target = HttpScope;

    #[inline]
    fn deref(&self) -> &HttpScope {
        &self.shared
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What is known of a request before its body.
///
/// # Examples
///
/// ```
/// use gateway_spec::{HttpScope, State};
///
/// struct Greeting(&'static str);
///
/// fn greet(scope: &HttpScope) -> String {
///     let greeting = scope.state.get::<Greeting>().map_or("hello", |greeting| greeting.0);
///     format!("{greeting}, {} of {}", scope.path(), scope.authority().unwrap_or("nowhere"))
/// }
/// # use std::sync::Arc;
/// # use gateway_spec::{Capabilities, ConnectionInfo};
/// let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
/// let mut scope = HttpScope::new(info);
/// scope.uri = "http://a.example/api/user".parse()?;
/// scope.state = State::new().with(Greeting("good day"));
/// scope.mount("/api".len());
/// assert_eq!(greet(&scope), "good day, /user of a.example");
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpScope {
    /// The method, as sent: methods are case-sensitive (SCOPE-2).
    pub method: Method,
    /// The target, percent-encoded as sent, never normalised (SCOPE-3). Its path keeps the mounts that
    /// [`path`](Self::path) leaves out. ASGI: `raw_path` and `query_string`.
    pub uri: Uri,
    /// The protocol's version. ASGI: `http_version`.
    pub version: Version,
    /// The fields, without pseudo-headers. ASGI: `headers`.
    pub headers: Headers,
    /// How long the body is.
    pub body: BodyLength,
    /// The protocol that an extended CONNECT asks for (RFC 8441 `:protocol`).
    pub protocol: Option<Box<str>>,
    /// What the application made at startup. ASGI: `state`.
    pub state: State,
    /// Values that a server or middleware adds, by type. ASGI: keys of the scope.
    pub extensions: Extensions,
    /// The connection below.
    pub connection: Arc<ConnectionInfo>,
    /// What logs and metrics call this exchange, such as its route.
    pub label: Label,
    mounted: usize,
}

impl HttpScope {
    /// `GET /` by HTTP/1.1 with no fields: what a server fills.
    #[must_use]
    pub fn new(connection: Arc<ConnectionInfo>) -> Self {
        Self {
            method: Method::GET,
            uri: Uri::default(),
            version: Version::HTTP_11,
            headers: Headers::default(),
            body: BodyLength::Empty,
            protocol: None,
            state: State::new(),
            extensions: Extensions::new(),
            connection,
            label: Label::default(),
            mounted: 0,
        }
    }

    /// The path below all mounts, percent-encoded as sent; begins with `/`, but for `OPTIONS *`, whose path is `*`
    /// (SCOPE-5). WSGI: `PATH_INFO`, but not decoded, so that an encoded slash stays one.
    #[must_use]
    #[inline]
    pub fn path(&self) -> &str {
        match &self.uri.path()[self.mounted..] {
            "" => "/",
            path => path,
        }
    }

    /// The part of the path that mounts have used up; empty at the root. ASGI: `root_path`; WSGI: `SCRIPT_NAME`.
    #[must_use]
    #[inline]
    pub fn root_path(&self) -> &str {
        &self.uri.path()[..self.mounted]
    }

    /// The query after the `?`, percent-encoded as sent.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The host and port that the client named: by the target, else by `Host` (SCOPE-6).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.headers.get_str(http::header::HOST),
        }
    }

    /// Moves the first `bytes` of [`path`](Self::path) to [`root_path`](Self::root_path), for an application mounted
    /// there.
    ///
    /// # Panics
    ///
    /// If the path is shorter, or the rest would neither be empty nor begin with `/`.
    pub fn mount(&mut self, bytes: usize) {
        let rest = &self.uri.path()[self.mounted + bytes..];
        assert!(
            rest.is_empty() || rest.starts_with('/'),
            "a mount ends at a slash (SCOPE-5)"
        );
        self.mounted += bytes;
    }

    /// Forgets the mounts and what else was particular to one request, keeping what is the connection's: for servers
    /// that fill a scope anew. The method, target, version, headers and body are the server's to set.
    #[inline]
    pub fn clear(&mut self) {
        self.mounted = 0;
        self.protocol = None;
        self.extensions.clear();
        self.label.clear();
    }

    /// Whether [`clear`](Self::clear) would change nothing, and nobody has the label any more who could set it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use gateway_spec::{Capabilities, ConnectionInfo, HttpScope};
    /// # let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    /// let mut scope = HttpScope::new(info);
    /// assert!(scope.is_clear());
    /// scope.label.set("/user/{id}");
    /// assert!(!scope.is_clear());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_clear(&self) -> bool {
        self.has_what_a_server_sets() && self.label.is_clear()
    }

    /// Whether nothing but its label is particular to one request besides what a server sets of each.
    #[inline]
    fn has_what_a_server_sets(&self) -> bool {
        self.mounted == 0 && self.protocol.is_none() && self.extensions.is_empty()
    }

    /// Resolves with the deadline when the server begins to drain (SRV-4).
    pub fn drain(&self) -> DrainSignal {
        self.connection.drain()
    }

    /// The shutdown's deadline, if the server is draining already.
    #[must_use]
    pub fn draining(&self) -> Option<Instant> {
        self.connection.draining()
    }
}

/// How long a request's body is, as its head says.
///
/// # Examples
///
/// ```
/// use gateway_spec::{BodyLength, HttpScope};
///
/// fn is_upload(scope: &HttpScope) -> bool {
///     !matches!(scope.body, BodyLength::Empty | BodyLength::Known(0))
/// }
/// # let _ = is_upload;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// There is none.
    #[default]
    Empty,
    /// So many bytes.
    Known(u64),
    /// Only its end will tell.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Capabilities;

    #[test]
    fn a_scope_is_clear_when_nobody_can_change_it() {
        let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
        let mut scope = Scope::new(HttpScope::new(info));
        assert!(scope.is_alone() && scope.is_clear());
        let kept = scope.clone();
        assert!(!scope.is_alone());
        drop(kept);
        let label = scope.label.clone();
        assert!(
            scope.is_alone() && !scope.is_clear(),
            "its label may be set"
        );
        drop(label);
        assert!(scope.is_clear());
        scope.edit().uri = Uri::from_static("/a/b");
        type Change = fn(&mut HttpScope);
        let changes: [Change; 4] = [
            |scope| scope.mount(2),
            |scope| scope.protocol = Some("websocket".into()),
            |scope| assert_eq!(scope.extensions.insert("x"), None),
            |scope| scope.label.set("/"),
        ];
        for change in changes {
            change(scope.edit());
            assert!(!scope.is_clear());
            scope.edit().clear();
            assert!(scope.is_clear());
        }
    }

    #[test]
    fn a_scope_forgets_its_label_where_it_lies_if_nobody_else_has_either() {
        let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
        let mut scope = Scope::new(HttpScope::new(info));
        scope.edit().uri = Uri::from_static("/a/b");
        let (kept, label) = (scope.clone(), scope.label.clone());
        scope.label.set("/");
        assert!(!scope.try_clear(), "another handle could set it");
        drop(kept);
        assert!(!scope.try_clear(), "so could its clone");
        drop(label);
        scope.edit().mount(2);
        assert!(!scope.try_clear() && scope.label.get() == Some("/"));
        scope.edit().clear();
        scope.label.set("/");
        assert!(scope.try_clear() && scope.is_clear());
    }
}
