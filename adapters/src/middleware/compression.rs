//! Answers in brotli, zstd or gzip, and requests that come in them.

mod choice;
mod decoder;
mod encoder;
mod layer;
mod queue;
mod requests;
mod worker;

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_spec::{
    Abort, AppError, Application, Connection, Done, Gone, Http, HttpTransport, Layered,
    ResponseHead,
};

use super::{BuildError, layered};
use crate::ContentCoding;

pub use self::choice::is_compressible;
pub use self::requests::{Decompress, decompress};

use self::choice::{Asked, Settings, by_type};
use self::encoder::Levels;
use self::layer::Layer;
use self::worker::work;

/// Bytes below which an answer stays as it is: it goes out in one packet either way.
const MIN_LENGTH: u64 = 1024;

/// What is made, the cheapest first.
const CODINGS: [ContentCoding; 3] = [
    ContentCoding::Zstd,
    ContentCoding::Brotli,
    ContentCoding::Gzip,
];

/// Codes the answers of an application for clients that take it (RFC 9110 section 8.4; nginx: `gzip on`; ASGI: Starlette's
/// `GZipMiddleware`).
///
/// - **Which coding**: the one that weighs most in `Accept-Encoding`; among equals zstd, which costs half of the others, then brotli,
///   then gzip ([`codings`](Compress::codings)). Without the field, the answer as it is.
/// - **Which answers**: those whose type is [text or written in it](is_compressible) ([`when`](Compress::when)), and of whom is not known
///   that they have less than 1 KiB ([`min_length`](Compress::min_length)). Never those with a `Content-Encoding`, a `Content-Range`, a
///   digest (RFC 9530) or `Cache-Control: no-transform`, and no 204, 205, 206 or 304. A client that says `identity;q=0` gets
///   whatever may be coded coded.
/// - **Heads**: `Content-Encoding` and `Vary: accept-encoding` are added, `Content-Length` and `Accept-Ranges` taken away, a strong
///   `ETag` becomes weak. An answer that another client would get coded has the `Vary` too. HEAD has the head of GET. A 304 to a client
///   that holds a weak tag confirms the weak tag.
/// - **Streams**: what the application sends is flushed as soon as it sends no more for the moment, so server-sent events arrive one by one.
///   Nothing waits for a buffer to fill. Regions of files are read by tokio's blocking threads, and coded.
/// - **Lengths**: what the application declares is still held against what it sends (HTTP-24).
/// - **WebSockets**, tunnels and the **lifespan** pass: sockets have a compression of their own.
///
/// # What it costs
///
/// Work is done on the worker's thread in slices of 8 KiB, about 60 µs each for zstd and 140 µs for the others; other connections have
/// their turn in between (APP-7). Higher [levels](Compress::level) than gzip's 6, zstd's 5 and brotli's 3 work on tokio's blocking threads.
///
/// A stream's encoder exists from its first byte to its end and looks back 128 KiB at most, gzip 32 KiB. It holds about 0.3 MiB for gzip
/// and brotli and 1 MiB for zstd, whatever the body's length; before it up to 64 KiB of what the application has sent ahead, behind it 16
/// KiB. A whole answer keeps its length known up to 64 KiB of coded bytes. An answer that stays as it is costs one allocation.
///
/// Files that do not change are better coded beforehand: `adapters::files` finds them.
///
/// # Secrets
///
/// A page that shows a secret and, beside it, what a client sent tells by its length whether both are alike (the BREACH attack). Such
/// answers are to say `Cache-Control: no-transform`, or to be left out by [`when`](Compress::when).
///
/// # Examples
///
/// ```
/// use adapters::middleware::compress;
/// use gateway_spec::{Connection, application_fn};
/// use test_client::TestClient;
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => http.responder.respond("again and ".repeat(1000)).await,
///     other => other.refuse().await,
/// });
/// # test_client::run(async {
/// let client = TestClient::new(compress(app));
/// let reply = client.get("/").header("accept-encoding", "gzip, br").send().await?;
/// assert_eq!(reply.header("content-encoding"), Some("br"));
/// assert!(reply.body.len() < 100);
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
pub fn compress<A: Application>(app: A) -> Compress<A> {
    Compress {
        app,
        settings: Arc::new(Settings {
            codings: CODINGS.into(),
            levels: Levels::default(),
            min_length: MIN_LENGTH,
            when: Arc::new(by_type),
        }),
    }
}

/// An application whose answers are coded: see [`compress`].
///
/// # Examples
///
/// ```
/// use adapters::ContentCoding;
/// use adapters::middleware::{BuildError, Compress, compress};
/// use gateway_spec::BoxApplication;
///
/// fn fast(app: BoxApplication) -> Result<Compress<BoxApplication>, BuildError> {
///     compress(app)
///         .codings([ContentCoding::Zstd, ContentCoding::Gzip])
///         .min_length(512)
///         .level(ContentCoding::Gzip, 1)
/// }
/// # let _ = fast;
/// ```
#[derive(Clone)]
pub struct Compress<A> {
    app: A,
    settings: Arc<Settings>,
}

impl<A> Compress<A> {
    /// Sets what is coded in; the first of these where a client has no preference.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = ContentCoding>) -> Self {
        self.edit().codings = codings.into_iter().collect();
        self
    }

    /// Sets how much work is spent: 3 for brotli, 3 for zstd, 5 for gzip unless this is said. More makes less, and takes longer: each
    /// step about half as long again.
    ///
    /// # Errors
    ///
    /// If it is not 0 to 9 for brotli, 1 to 19 for zstd, 1 to 9 for gzip. What brotli and zstd have above that is for files, at a
    /// megabyte in seconds.
    pub fn level(mut self, coding: ContentCoding, level: u8) -> Result<Self, BuildError> {
        let levels = &mut self.edit().levels;
        let (range, slot) = match coding {
            ContentCoding::Brotli => (0..=9, &mut levels.brotli),
            ContentCoding::Zstd => (1..=19, &mut levels.zstd),
            ContentCoding::Gzip => (1..=9, &mut levels.gzip),
        };
        if !range.contains(&level) {
            let (first, last) = range.into_inner();
            return Err(BuildError::new(format!(
                "{coding} has no level {level} for answers: write one from {first} to {last}"
            )));
        }
        *slot = level;
        Ok(self)
    }

    /// Sets below how many bytes an answer stays as it is, where its length is known.
    #[must_use]
    pub fn min_length(mut self, bytes: u64) -> Self {
        self.edit().min_length = bytes;
        self
    }

    /// Sets which answers are worth it, by their heads; by their [type](is_compressible) unless this is said. What
    /// [may not be coded](compress) is not asked for.
    #[must_use]
    pub fn when(
        mut self,
        is_worth_it: impl Fn(&ResponseHead) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.edit().when = Arc::new(is_worth_it);
        self
    }

    fn edit(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl<A: Application> Compress<A> {
    async fn http(&self, http: Http) -> Result<Done, AppError> {
        let asked = Asked::of(&http.scope);
        let settings = Arc::clone(&self.settings);
        let (http, layer) = layered(http, |inner| Layer::new(inner, settings, asked));
        let _leaving = Leaving(&layer.0);
        let call = self.app.call(Connection::Http(http));
        match beside(call, &layer).await {
            Returned::Result(result) => result,
            Returned::Panic(panic) => resume_unwind(panic),
        }
    }
}

impl<A: Application> Application for Compress<A> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            other => self.app.call(other).await,
        }
    }
}

impl<A> fmt::Debug for Compress<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compress")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What a call came to. A panic is held until what was sent before it is on its way (SRV-7).
enum Returned {
    Result(Result<Done, AppError>),
    Panic(Box<dyn Any + Send>),
}

/// Drives a call, and beside it the worker, from when there is something for it until all of an ended answer is handed on.
async fn beside(
    call: impl Future<Output = Result<Done, AppError>>,
    layer: &Arc<Layered<Layer>>,
) -> Returned {
    let mut call = pin!(call);
    let mut returned = None;
    let mut worker = Worker::Unneeded;
    poll_fn(|cx| {
        if returned.is_none() {
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)));
            returned = match polled {
                Ok(Poll::Ready(result)) => Some(Returned::Result(result)),
                Ok(Poll::Pending) => None,
                Err(panic) => Some(Returned::Panic(panic)),
            };
        }
        let is_done = worker.poll(layer, cx).is_ready() || !layer.0.queue.is_ended();
        match returned.take() {
            Some(returned) if is_done => Poll::Ready(returned),
            other => {
                returned = other;
                Poll::Pending
            }
        }
    })
    .await
}

/// The worker of one exchange: boxed, so that a call without one is no larger for it.
enum Worker {
    Unneeded,
    Working(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done,
}

impl Worker {
    fn poll(&mut self, layer: &Arc<Layered<Layer>>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Unneeded = self {
            match layer.0.queue.poll_coding(cx) {
                Poll::Ready(coding) => {
                    *self = Self::Working(Box::pin(work(Arc::clone(layer), coding)));
                }
                // Whatever is sent goes by.
                Poll::Pending => return Poll::Ready(()),
            }
        }
        if let Self::Working(work) = self {
            if work.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            *self = Self::Done;
        }
        Poll::Ready(())
    }
}

/// The call ends, in whichever way: what was not ended by then never will be, and a handle that outlives it is dead.
struct Leaving<'a>(&'a Layer);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.0.queue.leave() {
            self.0.queue.finish(Some(Gone::Aborted));
            self.0.inner.abort(Abort::Dropped);
        }
    }
}
