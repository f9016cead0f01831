//! Applications under prefixes of the path.

use std::fmt;

use gateway_spec::{AppError, Application, BoxApplication, Connection, Done, HttpScope, Scope};

use super::BuildError;
use super::children::Children;

/// Puts applications under prefixes of the path; [`build`](Self::build) makes the application of them.
///
/// - The longest prefix that matches wins. A prefix ends at a slash or at the path's end: `/api` has `/api`, `/api/` and
///   `/api/x`, and not `/apix`.
/// - The application sees the rest as its [`path`](HttpScope::path), and the prefix in its [`root_path`](HttpScope::root_path)
///   (SCOPE-5). For `/api` and for `/api/` the rest is `/`, and neither is redirected to the other.
/// - Nothing is decoded: a prefix is compared byte by byte with the path as it was sent. `/api%2Fx` is no path below `/api`, for
///   an encoded slash separates nothing (RFC 3986 section 2.2); `/%61pi` is not `/api`, and goes to the [`fallback`](Self::fallback).
/// - What is below no prefix goes to the fallback; without one it is refused (APP-3).
/// - **WebSockets** are mounted as requests are.
/// - **Lifespan**: those of all applications run ([`Lifespans`](crate::Lifespans)), in the order in which they were added, the
///   fallback's last; and each is shown its own state alone. One that fails to start ends the others and so the whole.
/// - Labels are left to the applications.
///
/// ASGI: `root_path` and the `Mount` of Starlette, which runs no lifespan but the outermost.
///
/// # Cost
///
/// One allocation a call, for applications of different types are called through one ([`BoxApplication`]).
///
/// # Examples
///
/// ```
/// use adapters::middleware::{BuildError, Mount};
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let api = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => {
///         let seen = format!("{} below {}", http.scope.path(), http.scope.root_path());
///         http.responder.respond(seen).await
///     }
///     other => other.refuse().await,
/// });
/// let page = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond("a page").await,
///     other => other.refuse().await,
/// });
/// let app = Mount::new().at("/api", api).fallback(page).build()?;
/// # test_client::run(async {
/// let client = TestClient::new(app);
/// assert_eq!(client.get("/api/user?id=7").send().await?.text(), "/user below /api");
/// assert_eq!(client.get("/about").send().await?.text(), "a page");
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// # Ok::<(), BuildError>(())
/// ```
#[derive(Default)]
#[must_use = "`build` makes the application of it"]
pub struct Mount {
    mounts: Vec<(String, BoxApplication)>,
    fallback: Option<BoxApplication>,
}

impl Mount {
    /// Nothing is mounted.
    pub const fn new() -> Self {
        Self {
            mounts: Vec::new(),
            fallback: None,
        }
    }

    /// Puts an application under a prefix, such as `/api`.
    pub fn at(mut self, prefix: impl Into<String>, app: impl Application) -> Self {
        self.mounts.push((prefix.into(), BoxApplication::new(app)));
        self
    }

    /// Gives what is below no prefix to an application; the last one that is said. It sees paths as they are.
    pub fn fallback(mut self, app: impl Application) -> Self {
        self.fallback = Some(BoxApplication::new(app));
        self
    }

    /// The application that has these.
    ///
    /// # Errors
    ///
    /// If a prefix is there twice, or no path that a client sends is below it. The text says what to write instead.
    pub fn build(self) -> Result<Mounted, BuildError> {
        let (mut prefixes, mut apps) = (Vec::<Prefix>::new(), Vec::new());
        for (child, (text, app)) in self.mounts.into_iter().enumerate() {
            check(&text)?;
            if prefixes.iter().any(|known| known.text == text) {
                return Err(BuildError::new(format!(
                    "`{text}` is mounted twice: mount one application there, and the other below or beside it"
                )));
            }
            prefixes.push(Prefix { text, child });
            apps.push(app);
        }
        // The first that matches is the longest then.
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.text.len()));
        Ok(Mounted {
            prefixes,
            children: Children::new(apps, self.fallback),
        })
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes = self.mounts.iter().map(|(prefix, _)| prefix);
        f.debug_list().entries(prefixes).finish()
    }
}

/// A prefix that a path can be below.
fn check(prefix: &str) -> Result<(), BuildError> {
    let refuse = |why: &str| Err(BuildError::new(format!("`{prefix}` is no prefix: {why}")));
    let Some(rest) = prefix.strip_prefix('/') else {
        return refuse("it begins with `/`");
    };
    if rest.is_empty() {
        return refuse("for all that is left there is `fallback`");
    }
    if rest.ends_with('/') {
        return refuse("write it without the slash at the end, which is a part of what is below");
    }
    if rest.contains('%') {
        return refuse(
            "paths are compared as they are sent, and one character has many encodings: name it without",
        );
    }
    if !rest.bytes().all(is_of_a_path) {
        return refuse("it has characters that no client sends as they are: name it in ASCII");
    }
    if rest
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return refuse("clients take `.` and `..` out of a path");
    }
    Ok(())
}

/// RFC 3986 section 3.3, without percent-encoding.
const fn is_of_a_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

/// Applications under prefixes of the path: what [`Mount::build`] makes.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{BuildError, Mount, Mounted};
/// use gateway_spec::BoxApplication;
///
/// fn versions(old: BoxApplication, new: BoxApplication) -> Result<Mounted, BuildError> {
///     Mount::new().at("/v1", old).at("/v2", new).build()
/// }
/// # let _ = versions;
/// ```
pub struct Mounted {
    /// The longest first.
    prefixes: Vec<Prefix>,
    children: Children,
}

struct Prefix {
    text: String,
    child: usize,
}

impl Prefix {
    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.text);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Mounted {
    /// What serves this path, and how much of it is the prefix.
    fn find(&self, scope: &HttpScope) -> Option<(usize, usize)> {
        let found = self.prefixes.iter().find(|prefix| prefix.has(scope.path()));
        match found {
            Some(prefix) => Some((prefix.child, prefix.text.len())),
            None => self.children.rest().map(|child| (child, 0)),
        }
    }

    /// The application for this scope, which becomes its scope.
    fn enter(&self, scope: &mut Scope) -> Option<&BoxApplication> {
        let (child, prefix) = self.find(scope)?;
        let app = self.children.enter(child, scope);
        if prefix > 0 {
            scope.edit().mount(prefix);
        }
        Some(app)
    }
}

impl Application for Mounted {
    async fn call(&self, mut connection: Connection) -> Result<Done, AppError> {
        let app = match &mut connection {
            Connection::Http(http) => self.enter(&mut http.scope),
            Connection::WebSocket(socket) => self.enter(&mut socket.scope),
            _ => return self.children.call(connection).await,
        };
        match app {
            Some(app) => app.call(connection).await,
            None => connection.refuse().await,
        }
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes = self.prefixes.iter().map(|prefix| &prefix.text);
        f.debug_list().entries(prefixes).finish()
    }
}
