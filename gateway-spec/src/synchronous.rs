//! The blocking twin: the same scope and the same order of calls, for code that may block its thread.
//!
//! The handles park the thread on the transport's own `poll_*`: no channel, no copy, the same backpressure.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io::{self, BufRead, Read, Write};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::{Buf, Bytes};
use http::HeaderMap;

use crate::application::done;
use crate::{
    AppError, BodyError, Done, Http, RequestBody, Responder, Response, ResponseHead, Scope,
    SendError, Start, State, Writer,
};

/// An application that blocks: one function of a request, called on a thread of a pool.
///
/// # Contract
///
/// - It is called on a thread that may block, never on a server's worker (SYNC-1); any number of calls run at once.
/// - It answers by exactly one terminal call (APP-2). There is no cancellation: a client that left makes reading and
///   writing fail (SYNC-4).
///
/// WSGI: `application(environ, start_response)`.
///
/// # Errors
///
/// As [`Application`](crate::Application).
///
/// # Panics
///
/// A panic ends this exchange alone (SRV-7); the thread lives on.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use gateway_spec::{AppError, Done, ResponseHead, SyncApplication, SyncHttp};
/// use http::StatusCode;
///
/// struct Shout;
///
/// impl SyncApplication for Shout {
///     fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
///         let SyncHttp { mut body, responder, .. } = http;
///         let mut text = String::new();
///         body.read_to_string(&mut text)?;
///         let mut writer = responder.start(ResponseHead::new(StatusCode::OK))?;
///         writer.write_all(text.to_uppercase().as_bytes())?;
///         writer.finish()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a synchronous gateway application",
    label = "this must implement `SyncApplication`",
    note = "implement `SyncApplication`, or wrap a function in `sync_application_fn(f)`; it takes a `SyncHttp` and returns `Result<Done, AppError>`"
)]
pub trait SyncApplication: Send + Sync + 'static {
    /// Serves one request to its end.
    ///
    /// # Errors
    ///
    /// If it could not do its work.
    fn call(&self, http: SyncHttp) -> Result<Done, AppError>;

    /// Called once, before the first request; what it gives is in every scope (LIFE-5).
    ///
    /// # Errors
    ///
    /// A failed startup: the server says why and exits.
    fn startup(&self) -> Result<State, AppError> {
        Ok(State::new())
    }

    /// Called once, after the last request.
    ///
    /// # Errors
    ///
    /// A failed shutdown: the server logs it and its exit code says so.
    fn shutdown(&self) -> Result<(), AppError> {
        Ok(())
    }
}

/// Makes a synchronous application of a function or closure.
///
/// # Examples
///
/// ```
/// use gateway_spec::{SyncHttp, sync_application_fn};
///
/// let app = sync_application_fn(|http: SyncHttp| http.responder.respond("Hello, world!"));
/// # fn assert(_: impl gateway_spec::SyncApplication) {}
/// # assert(app);
/// ```
pub fn sync_application_fn<F>(function: F) -> SyncApplicationFn<F>
where
    F: Fn(SyncHttp) -> Result<Done, AppError> + Send + Sync + 'static,
{
    SyncApplicationFn { function }
}

/// A synchronous application made by [`sync_application_fn`].
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, SyncApplicationFn, SyncHttp, sync_application_fn};
///
/// fn hello(http: SyncHttp) -> Result<Done, AppError> {
///     http.responder.respond("Hello, world!")
/// }
/// let app: SyncApplicationFn<_> = sync_application_fn(hello);
/// # let _ = app;
/// ```
#[derive(Clone, Copy)]
pub struct SyncApplicationFn<F> {
    function: F,
}

impl<F> SyncApplication for SyncApplicationFn<F>
where
    F: Fn(SyncHttp) -> Result<Done, AppError> + Send + Sync + 'static,
{
    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        (self.function)(http)
    }
}

impl<F> fmt::Debug for SyncApplicationFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncApplicationFn").finish_non_exhaustive()
    }
}

/// One HTTP exchange with blocking handles.
///
/// # Examples
///
/// ```
/// use std::io::BufRead;
/// use gateway_spec::{AppError, Done, SyncHttp};
///
/// fn count_lines(http: SyncHttp) -> Result<Done, AppError> {
///     let SyncHttp { scope, body, responder } = http;
///     let mut lines = 0;
///     for line in body.lines() {
///         line?;
///         lines += 1;
///     }
///     responder.respond(format!("{lines} lines to {}", scope.path()))
/// }
/// # let _ = count_lines;
/// ```
#[derive(Debug)]
pub struct SyncHttp {
    /// What is known of the request before its body. WSGI: `environ`.
    pub scope: Scope,
    /// The request's body. WSGI: `wsgi.input`.
    pub body: SyncBody,
    /// The one chance to answer. WSGI: `start_response`.
    pub responder: SyncResponder,
}

impl SyncHttp {
    /// Blocking handles over an exchange.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self::over(http, None)
    }

    /// Blocking handles whose [`SyncResponder::respond`] does not wait: the whole response is left in the
    /// [`Handoff`] for whoever started the call, which saves a wake-up across threads. The application then does not
    /// learn whether the client could be reached.
    #[must_use]
    pub fn with_handoff(http: Http) -> (Self, Handoff) {
        let handoff = Handoff::default();
        (Self::over(http, Some(handoff.clone())), handoff)
    }

    /// The asynchronous handles of the same exchange, for an adapter that has an asynchronous application answer it.
    /// Nothing is lost: what [`BufRead`] has taken from the server and was not consumed comes first. A [`Handoff`] stays
    /// empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::{AppError, Done, SyncHttp};
    ///
    /// /// `run` drives a future to its end on some runtime.
    /// fn forward(
    ///     http: SyncHttp,
    ///     run: impl Fn(std::pin::Pin<Box<dyn Future<Output = Result<Done, AppError>>>>) -> Result<Done, AppError>,
    /// ) -> Result<Done, AppError> {
    ///     let http = http.into_http();
    ///     run(Box::pin(http.responder.respond("Hello, world!")))
    /// }
    /// ```
    #[must_use]
    pub fn into_http(self) -> Http {
        let Self {
            scope,
            body: SyncBody { body, piece },
            responder: SyncResponder { responder, .. },
        } = self;
        let http = Http {
            scope,
            body,
            responder,
        };
        http.put_back(piece)
    }

    fn over(http: Http, handoff: Option<Handoff>) -> Self {
        let body = SyncBody {
            body: http.body,
            piece: Bytes::new(),
        };
        Self {
            scope: http.scope,
            body,
            responder: SyncResponder {
                responder: http.responder,
                handoff,
            },
        }
    }
}

/// Where a whole response waits for whoever started a synchronous call.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, Http, SyncApplication, SyncHttp};
///
/// /// `blocking` runs a closure on another thread and waits for it.
/// async fn serve<F>(
///     app: &'static impl SyncApplication,
///     http: Http,
///     blocking: impl FnOnce(Box<dyn FnOnce() -> Result<Done, AppError> + Send>) -> F,
/// ) -> Result<Done, AppError>
/// where
///     F: Future<Output = Result<Done, AppError>>,
/// {
///     let (http, handoff) = SyncHttp::with_handoff(http);
///     let done = blocking(Box::new(move || app.call(http))).await?;
///     match handoff.take() {
///         Some((responder, response)) => responder.respond(response).await,
///         None => Ok(done),
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Handoff {
    slot: Arc<Mutex<Option<(Responder, Response)>>>,
}

impl Handoff {
    /// The response and the right to send it, if the call left one.
    #[must_use]
    pub fn take(&self) -> Option<(Responder, Response)> {
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// The request's body, as [`Read`] and [`BufRead`].
///
/// Errors are [`BodyError`]s inside an [`io::Error`], and keep their meaning when an application returns them.
///
/// # Panics
///
/// Reading panics on a server's worker thread, which it would stop (SYNC-1).
///
/// # Examples
///
/// ```
/// use std::io::{self, Read};
/// use gateway_spec::SyncBody;
///
/// fn magic(body: &mut SyncBody) -> io::Result<[u8; 4]> {
///     let mut magic = [0; 4];
///     body.read_exact(&mut magic)?;
///     Ok(magic)
/// }
/// # let _ = magic;
/// ```
pub struct SyncBody {
    body: RequestBody,
    piece: Bytes,
}

impl SyncBody {
    /// The next part without a copy; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::chunk`].
    pub fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        if !self.piece.is_empty() {
            return Ok(Some(std::mem::take(&mut self.piece)));
        }
        block_on(self.body.chunk())
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::collect`].
    pub fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let first = std::mem::take(&mut self.piece);
        block_on(self.body.collect_after(first, limit))
    }

    /// The trailers, once the body was read to its end.
    ///
    /// # Errors
    ///
    /// As [`RequestBody::trailers`].
    pub fn trailers(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        self.piece.clear();
        block_on(self.body.trailers())
    }
}

impl BufRead for SyncBody {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece.is_empty() {
            self.piece = block_on(self.body.chunk())?.unwrap_or_default();
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl Read for SyncBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl fmt::Debug for SyncBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}

/// The one chance to answer, blocking. See [`Responder`].
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, SyncResponder};
/// use http::StatusCode;
///
/// fn rows(responder: SyncResponder) -> Result<Done, AppError> {
///     let rows = (0..3).map(|n| format!("{n}\n"));
///     responder.respond_with(StatusCode::OK, rows)
/// }
/// # let _ = rows;
/// ```
#[must_use = "an exchange that is not answered is a 500"]
#[derive(Debug)]
pub struct SyncResponder {
    responder: Responder,
    handoff: Option<Handoff>,
}

impl SyncResponder {
    /// Answers with a whole response. Terminal.
    ///
    /// # Errors
    ///
    /// As [`Responder::respond`]; with a [`Handoff`], none.
    ///
    /// # Panics
    ///
    /// As [`SyncBody`].
    pub fn respond(self, response: impl Into<Response>) -> Result<Done, AppError> {
        match self.handoff {
            Some(handoff) => {
                let left = (self.responder, response.into());
                *handoff.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
                Ok(done())
            }
            None => block_on(self.responder.respond(response)),
        }
    }

    /// Sends the head, then each part of an iterator: WSGI's iterable. Terminal.
    ///
    /// The first part is taken before the head is sent, so that an iterator that panics at once gives 500 (SYNC-10).
    ///
    /// The iterator is dropped exactly once on every path, when it is exhausted, when it panics or when the client
    /// leaves: WSGI's `close()` (SYNC-5).
    ///
    /// # Errors
    ///
    /// As [`SyncWriter::write_bytes`].
    ///
    /// # Panics
    ///
    /// As [`SyncBody`].
    pub fn respond_with<I>(self, head: impl Into<ResponseHead>, parts: I) -> Result<Done, AppError>
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        let mut parts = parts.into_iter();
        let first = parts.next().map(Into::into).unwrap_or_default();
        let start = Start::with_first(self.responder, head.into(), first);
        let mut writer = SyncWriter {
            writer: block_on(start)?,
        };
        for part in parts {
            writer.write_bytes(part)?;
        }
        writer.finish()
    }

    /// Sends the head; the body follows by the [`SyncWriter`].
    ///
    /// # Errors
    ///
    /// As [`Responder::start`].
    ///
    /// # Panics
    ///
    /// As [`SyncBody`].
    pub fn start(self, head: impl Into<ResponseHead>) -> Result<SyncWriter, SendError> {
        Ok(SyncWriter {
            writer: block_on(self.responder.start(head))?,
        })
    }

    /// Gives the exchange up without an answer. Terminal.
    pub fn abort(self) -> Done {
        self.responder.abort()
    }
}

/// The body of a response, as [`Write`]. See [`Writer`].
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use gateway_spec::{AppError, Done, SyncWriter};
///
/// fn table(mut writer: SyncWriter) -> Result<Done, AppError> {
///     for n in 0..3 {
///         writeln!(writer, "{n}\t{}", n * n)?;
///     }
///     writer.finish()
/// }
/// # let _ = table;
/// ```
#[must_use = "call `finish`, or the client sees a response that was cut off"]
#[derive(Debug)]
pub struct SyncWriter {
    writer: Writer,
}

impl SyncWriter {
    /// Sends a part without a copy, waiting while the client is slow.
    ///
    /// # Errors
    ///
    /// As [`Writer::write`].
    ///
    /// # Panics
    ///
    /// As [`SyncBody`].
    pub fn write_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), SendError> {
        block_on(self.writer.write(bytes))
    }

    /// Ends the body. Terminal.
    ///
    /// # Errors
    ///
    /// As [`Writer::finish`].
    ///
    /// # Panics
    ///
    /// As [`SyncBody`].
    pub fn finish(self) -> Result<Done, AppError> {
        block_on(self.writer.finish())
    }

    /// Cuts the response off. Terminal.
    pub fn abort(self) -> Done {
        self.writer.abort()
    }
}

impl Write for SyncWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let writing = std::future::poll_fn(|cx| self.writer.poll_write(cx, bytes));
        Ok(block_on(writing)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        block_on(self.writer.flush()).map_err(|gone| SendError::Gone(gone).into())
    }
}

/// A mark on a server's worker thread: while it lives, blocking handles panic there instead of stopping the worker
/// (SYNC-1).
///
/// # Examples
///
/// ```
/// use gateway_spec::WorkerThread;
///
/// let mark = WorkerThread::enter();
/// assert!(WorkerThread::is_current());
/// drop(mark);
/// assert!(!WorkerThread::is_current());
/// ```
#[derive(Debug)]
pub struct WorkerThread {
    outer: bool,
    // The mark belongs to the thread that set it.
    not_send: PhantomData<*const ()>,
}

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

impl WorkerThread {
    /// Marks this thread. A mark within a mark changes nothing.
    #[must_use = "the mark is gone when this is dropped"]
    pub fn enter() -> Self {
        Self {
            outer: IS_WORKER.replace(true),
            not_send: PhantomData,
        }
    }

    /// Whether this thread is marked.
    #[must_use]
    pub fn is_current() -> bool {
        IS_WORKER.get()
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        IS_WORKER.set(self.outer);
    }
}

/// Drives a future on this thread, parked while it waits.
fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        !WorkerThread::is_current(),
        "a blocking handle was used on a server's worker thread (SYNC-1)"
    );
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            // An unpark between the poll and the park makes the park return at once.
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
