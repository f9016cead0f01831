//! What is known of a request before its body.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use http::{Extensions, Method, Uri, Version};

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
        is_alone(&self.shared)
    }
}

/// Whether nobody else has it; what who had it too has done before is seen.
#[inline]
fn is_alone<T>(shared: &Arc<T>) -> bool {
    // There are no weak handles of what this module shares.
    let is_alone = Arc::strong_count(shared) == 1;
    fence(Ordering::Acquire);
    is_alone
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
        self.mounted == 0
            && self.protocol.is_none()
            && self.extensions.is_empty()
            && self.label.is_clear()
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

/// A name for an exchange that the application may set once, such as its route: logs, metrics and warnings show it.
///
/// Clones are the same label, so one set on an edited copy of a scope counts too.
///
/// # Examples
///
/// ```
/// use gateway_spec::Label;
///
/// let label = Label::default();
/// label.set("/user/{id}");
/// label.set("too late");
/// assert_eq!(label.get(), Some("/user/{id}"));
/// ```
#[derive(Clone, Default)]
pub struct Label {
    text: Arc<OnceLock<Cow<'static, str>>>,
    board: Option<(LabelBoard, u32)>,
}

impl Label {
    /// Sets the label; only the first call counts.
    pub fn set(&self, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        match &self.board {
            // The first one wins by design: the outermost router knows the whole route.
            None => drop(self.text.set(text)),
            Some((board, exchange)) => {
                if self.text.set(text.clone()).is_ok() {
                    board.show(*exchange, text);
                }
            }
        }
    }

    /// The label, if one was set.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.text.get().map(|text| &**text)
    }

    #[inline]
    fn clear(&mut self) {
        if !self.is_clear() {
            self.clear_what_was_set();
        }
    }

    /// Whether nobody has set it, and nobody else can.
    #[inline]
    fn is_clear(&self) -> bool {
        is_alone(&self.text) && self.text.get().is_none()
    }

    fn clear_what_was_set(&mut self) {
        match (Arc::get_mut(&mut self.text), &self.board) {
            (Some(text), board) => {
                if text.take().is_some()
                    && let Some((board, _)) = board
                {
                    board.wipe();
                }
            }
            (None, Some((board, _))) => *self = board.label(),
            (None, None) => *self = Self::default(),
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Label").field(&self.get()).finish()
    }
}

/// Shows the label of one exchange after another to other threads: for a server that has to say what an application is
/// at while it holds the thread.
///
/// It is written only when a label is set, so an exchange without one pays nothing for it.
///
/// # Examples
///
/// ```
/// use gateway_spec::LabelBoard;
///
/// let board = LabelBoard::default();
/// let label = board.label();
/// assert_eq!(board.get(), None);
/// label.set("/user/{id}");
/// assert_eq!(board.get().as_deref(), Some("/user/{id}"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct LabelBoard {
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    /// The exchange whose label is shown: a label that outlives its own must not stand for the next one's (SRV-9).
    exchange: u32,
    text: Option<Cow<'static, str>>,
}

impl LabelBoard {
    /// A label that is shown here, in place of the one before.
    #[must_use]
    pub fn label(&self) -> Label {
        let mut shown = self.lock();
        shown.exchange = shown.exchange.wrapping_add(1);
        shown.text = None;
        let exchange = shown.exchange;
        drop(shown);
        Label {
            text: Arc::default(),
            board: Some((self.clone(), exchange)),
        }
    }

    /// The label that was set last, if the exchange under way has one.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.lock().text.as_deref().map(str::to_owned)
    }

    /// Whether no label is shown here and none ever will be: there is neither another clone of the board, nor a label of it that could be set.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::LabelBoard;
    ///
    /// let board = LabelBoard::default();
    /// let label = board.label();
    /// assert!(!board.is_blank(), "the label may be set");
    /// drop(label);
    /// assert!(board.is_blank());
    /// ```
    #[must_use]
    pub fn is_blank(&self) -> bool {
        Arc::strong_count(&self.shown) == 1 && self.lock().text.is_none()
    }

    fn show(&self, exchange: u32, text: Cow<'static, str>) {
        let mut shown = self.lock();
        if shown.exchange == exchange {
            shown.text = Some(text);
        }
    }

    fn wipe(&self) {
        self.lock().text = None;
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    fn a_board_shows_the_label_of_the_exchange_under_way_alone() {
        let board = LabelBoard::default();
        let info = ConnectionInfo::new(Capabilities::new("test"));
        let mut scope = HttpScope::new(Arc::new(info));
        scope.label = board.label();
        scope.label.set("first");
        scope.label.set("too late");
        assert_eq!(board.get().as_deref(), Some("first"));
        scope.clear();
        assert_eq!((board.get(), scope.label.get()), (None, None));
        // One that is kept beyond its exchange says nothing of the next.
        let kept = scope.label.clone();
        scope.clear();
        kept.set("of the one before");
        assert_eq!((board.get(), scope.label.get()), (None, None));
        scope.label.set("second");
        assert_eq!(board.get().as_deref(), Some("second"));
    }
}
