//! A directory as an application: its files by GET and HEAD, with ranges, conditions and coded variants.

mod answer;
mod content_type;
mod multipart;
mod path;
mod range;
mod root;
mod validator;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_spec::{
    AppError, Application, Connection, Done, FileRegion, Http, Response, ResponseHead, Scope,
    Unavailable,
};
use http::HeaderValue;
use rustix::io::Errno;
use tokio::sync::Semaphore;

use self::answer::{Answer, Body, Rules, index_name};
use self::content_type::ContentTypes;
use self::path::{Hidden, Target};
use self::range::ByteRange;
use self::root::{Lookup, Root};
use crate::ContentCoding;
use crate::middleware::BuildError;

pub use self::root::Symlinks;

/// Threads that look for files at once, of one [`Files`] and its clones. A disk that hangs takes so many of tokio's, which has 512, and
/// leaves the others to whoever blocks elsewhere; more of them make no disk faster.
const AT_ONCE: usize = 32;

/// How often a file is opened anew that was cut short while it was read.
const TRIES: usize = 3;

/// When those are asked to come again whose files could not be opened for want of descriptors or memory.
const AGAIN: Duration = Duration::from_secs(1);

/// Serves the files of a directory (ASGI: Starlette's `StaticFiles`; nginx: `root`).
///
/// - **What a path names**: `/a/b.css` is `a/b.css` in the directory, percent-decoded name by name. A path with `..`, an empty name, an
///   encoded slash, a backslash or a NUL is 404, and so are pipes, devices and sockets, which are not even opened; and names that begin
///   with a dot ([`hidden`](Self::hidden)), but for `.well-known`. No name and no symbolic link leads out of the directory
///   ([`symlinks`](Self::symlinks)), also not one that is exchanged while it is looked at.
/// - **Directories** have an [`index`](Self::index), `index.html`. Asked for without their last slash they redirect (307) to where they
///   have it; without an index they are 404. They are never listed.
/// - **Methods**: GET and HEAD; 405 to others, of a file that is there.
/// - **Ranges** (RFC 9110 section 14): one or several, `If-Range`, 416. What overlaps is joined, and what would be more than the whole
///   is the whole.
/// - **Conditions** (section 13), in their order. The `ETag` is of the file's time and length: the same on every machine that has the
///   same files with the same times, and weak in the first second after a change.
/// - **Variants**: with [`precompressed`](Self::precompressed), `a.css.br` is sent to whoever takes brotli, as `a.css`.
/// - **Types** by the end of the name ([`content_type`](Self::content_type)), text with a [`charset`](Self::charset).
/// - **WebSockets** and the **lifespan** are refused.
///
/// As the second of a [`fallback`](crate::middleware::fallback) it has what an application has not; as the first it leaves to the application
/// what it has not, whatever the method. Below a [`Mount`](crate::middleware::Mount) it sees the rest of the path.
///
/// # Files that change
///
/// What is sent is the file that was opened, up to the length that it had then. A new file that is renamed over it changes nothing; that
/// is how to exchange files. One that is cut short while it is sent has its response cut off, so that no client takes a part for the
/// whole (HTTP-25). One that is written to while it is sent may come mixed, as from any server.
///
/// # Cost
///
/// Where the kernel has the file in memory, nothing waits and no thread is changed: on Linux and on local file systems the path and,
/// up to 64 KiB, the content are asked for without waiting for the disk. What is not in memory, and all else, is looked for by tokio's
/// blocking threads, 32 at once. Larger files are handed to the server as regions (`Writer::write_file`): no more of them is in memory
/// than a server buffers, 64 KiB.
///
/// # Examples
///
/// ```
/// use adapters::files::Files;
/// use adapters::middleware::Mount;
/// use http::HeaderValue;
/// use test_client::TestClient;
///
/// // The directory of this package.
/// let files = Files::new(env!("CARGO_MANIFEST_DIR"))?
///     .cache_control(|_| Some(HeaderValue::from_static("public, max-age=3600")));
/// let app = Mount::new().at("/package", files).build()?;
/// # test_client::run(async {
/// let client = TestClient::new(app);
/// let reply = client.get("/package/Cargo.toml").header("range", "bytes=0-8").send().await?;
/// assert_eq!((reply.status.as_u16(), reply.text()), (206, "[package]"));
/// assert_eq!(reply.header("cache-control"), Some("public, max-age=3600"));
/// assert_eq!(client.get("/package/../Cargo.toml").send().await?.status, 404);
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// # Ok::<(), adapters::middleware::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Files {
    rules: Arc<Rules>,
    threads: Arc<Semaphore>,
}

impl Files {
    /// The files of this directory. It stays the same one if it is renamed, and if another takes its name.
    ///
    /// # Errors
    ///
    /// If it is not there, is no directory, or may not be read.
    pub fn new(directory: impl Into<PathBuf>) -> Result<Self, BuildError> {
        let directory = directory.into();
        let root = Root::open(&directory).map_err(|error| {
            let shown = directory.display();
            BuildError::new(format!(
                "`{shown}` is no directory that can be served: {error}; name one that is there, relative to where the program is \
                 started"
            ))
        })?;
        let rules = Rules {
            root: Arc::new(root),
            index: index_name("index.html"),
            page: None,
            hidden: Hidden::Missing,
            codings: Vec::new(),
            types: ContentTypes::default(),
            cache_control: None,
        };
        Ok(Self {
            rules: Arc::new(rules),
            threads: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Sets the name of the file that stands for its directory; `index.html` unless this is said, and none for `None`.
    ///
    /// # Errors
    ///
    /// If it is a path.
    pub fn index<'a>(mut self, name: impl Into<Option<&'a str>>) -> Result<Self, BuildError> {
        let index = match name.into() {
            None => None,
            Some(name) => Some(index_name(name).ok_or_else(|| {
                BuildError::new(format!(
                    "`{name}` is no name of a file: write it without slashes"
                ))
            })?),
        };
        self.edit().index = index;
        Ok(self)
    }

    /// Answers with this file, by status 200, whatever is not there and is asked for by a browser that goes to a page (its `Accept` names
    /// `text/html`): for applications in the browser that have paths of their own. Pictures and scripts that are not there stay 404.
    ///
    /// # Errors
    ///
    /// If it is no path below the directory, such as `app.html`.
    pub fn page(mut self, path: &str) -> Result<Self, BuildError> {
        let target = Target::of(&format!("/{path}"), Hidden::Served);
        let page = target.filter(|target| !target.ends_with_slash);
        self.edit().page = Some(page.ok_or_else(|| {
            BuildError::new(format!(
                "`{path}` is no path of a file below the directory: write it as links do, without a slash before it"
            ))
        })?);
        Ok(self)
    }

    /// Sets what caches may do with each file, by its path below the directory. Without it nothing is said, and caches go by the age
    /// of the file (RFC 9111 section 4.2.2).
    ///
    /// # Examples
    ///
    /// For names that change with their content, as bundlers make them:
    ///
    /// ```
    /// use adapters::files::Files;
    /// use http::HeaderValue;
    ///
    /// let files = Files::new("src")?.cache_control(|path| {
    ///     Some(HeaderValue::from_static(if path.starts_with("assets") {
    ///         "public, max-age=31536000, immutable"
    ///     } else {
    ///         "no-cache"
    ///     }))
    /// });
    /// # let _ = files;
    /// # Ok::<(), adapters::middleware::BuildError>(())
    /// ```
    #[must_use]
    pub fn cache_control(
        mut self,
        decide: impl Fn(&Path) -> Option<HeaderValue> + Send + Sync + 'static,
    ) -> Self {
        self.edit().cache_control = Some(Arc::new(decide));
        self
    }

    /// Sends in place of `a.css` what lies beside it as `a.css.br`, `a.css.zst` or `a.css.gz`, to clients that take that coding; the first
    /// of these where a client has no preference. The file itself must be there too. They are made beforehand and must be of the same
    /// content: nobody compares them.
    ///
    /// Each is looked for with each request, so name those that there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use adapters::ContentCoding;
    /// use adapters::files::Files;
    ///
    /// let files = Files::new("src")?.precompressed([ContentCoding::Brotli, ContentCoding::Gzip]);
    /// # let _ = files;
    /// # Ok::<(), adapters::middleware::BuildError>(())
    /// ```
    #[must_use]
    pub fn precompressed(mut self, codings: impl IntoIterator<Item = ContentCoding>) -> Self {
        self.edit().codings = codings.into_iter().collect();
        self
    }

    /// Sets the type of files whose names end with this extension, in any case; without its dot.
    #[must_use]
    pub fn content_type(mut self, extension: &str, content_type: HeaderValue) -> Self {
        self.edit().types.set(extension, content_type);
        self
    }

    /// Sets the charset that is said of text; `utf-8` unless this is said, and nothing for `None`.
    #[must_use]
    pub fn charset<'a>(mut self, charset: impl Into<Option<&'a str>>) -> Self {
        let charset = charset.into().map(str::to_owned);
        self.edit().types.set_charset(charset);
        self
    }

    /// Serves files and directories whose names begin with a dot, too: `.git` and `.env`, if they are there.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.edit().hidden = Hidden::Served;
        self
    }

    /// Sets which symbolic links are followed.
    #[must_use]
    pub fn symlinks(mut self, symlinks: Symlinks) -> Self {
        let rules = self.edit();
        rules.root = Arc::new(rules.root.with_symlinks(symlinks));
        self
    }

    fn edit(&mut self) -> &mut Rules {
        Arc::make_mut(&mut self.rules)
    }

    async fn http(&self, http: Http) -> Result<Done, AppError> {
        match self.look(&http.scope).await? {
            None => Connection::Http(http).refuse().await,
            Some(Answer { head, body }) => {
                drop(http.body);
                send(http.responder, head, body).await
            }
        }
    }

    /// Looks at once for what the kernel has in memory, and else on a thread that may wait.
    async fn look(&self, scope: &Scope) -> Result<Option<Answer>, AppError> {
        if self.rules.root.is_quick() {
            // Whatever else it is, the thread will find it too.
            if let Ok(answer) = self.rules.answer(scope, Lookup::Cached) {
                return Ok(answer);
            }
        }
        let permit = Arc::clone(&self.threads).acquire_owned().await?;
        let (rules, scope) = (Arc::clone(&self.rules), scope.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut looked = rules.answer(&scope, Lookup::Whole);
            for _ in 1..TRIES {
                match looked {
                    Err(error) if is_passing(&error) => {
                        looked = rules.answer(&scope, Lookup::Whole);
                    }
                    other => return other,
                }
            }
            looked
        });
        looked.await?.map_err(explain)
    }
}

impl Application for Files {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            other => other.refuse().await,
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("root", &self.rules.root)
            .field("index", &self.rules.index)
            .field("codings", &self.rules.codings)
            .finish_non_exhaustive()
    }
}

async fn send(
    responder: gateway_spec::Responder,
    head: ResponseHead,
    body: Body,
) -> Result<Done, AppError> {
    match body {
        Body::Ready(bytes) => {
            let mut response = Response::from(head);
            response.body = bytes;
            responder.respond(response).await
        }
        Body::Region { file, range } => {
            let mut writer = responder.start(head).await?;
            writer.write_file(region(&Arc::new(file), range)).await?;
            writer.finish().await
        }
        Body::Multipart { file, parts } => {
            let file = Arc::new(file);
            let mut writer = responder.start(head).await?;
            for (between, range) in parts.parts {
                writer.write(between).await?;
                writer.write_file(region(&file, range)).await?;
            }
            writer.write(parts.end).await?;
            writer.finish().await
        }
    }
}

fn region(file: &Arc<std::fs::File>, range: ByteRange) -> FileRegion {
    FileRegion {
        file: Arc::clone(file),
        offset: range.first,
        length: range.length(),
    }
}

/// What may be otherwise in a moment: a file that was cut short, or names that were exchanged while they were walked.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::WouldBlock
    )
}

fn explain(error: io::Error) -> AppError {
    let is_want = matches!(
        Errno::from_io_error(&error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    );
    if is_want || is_passing(&error) {
        tracing::warn!(%error, "a file could not be opened for the moment");
        return Unavailable::for_about(AGAIN).into();
    }
    error.into()
}
