//! Turns a panic into an answer of the application's own.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use gateway_spec::{Abort, AppError, Application, Connection, Done, Gone, Label, Response};
use http::StatusCode;

use super::stand_in::{HttpStand, Release, SocketStand, Stand, Start, Unchanged, plain};

/// Gives a panic of the application to a handler, and answers what it makes of it if nothing was started yet; else what was
/// started is cut off.
///
/// - **HTTP** and **WebSocket**: an open socket is closed with 1011 (WS-14).
/// - **Lifespan**: passes through, since a panic there is a failed startup (LIFE-3).
///
/// Servers confine panics by themselves and answer 500 (SRV-7): this is for applications that want a page of their own, or to
/// report it. The server then hears nothing of it; [`Panic::logged`] logs it. The panic hook has run by then.
///
/// The application's future is dropped and never polled again. What it has shared with other exchanges may be half done: that
/// is for it to know, as on any server. A program that is built with `panic = "abort"` ends before anything is caught.
///
/// # Panics
///
/// If the handler does: the server, or what is around this, answers that one.
///
/// # Cost
///
/// One small allocation.
///
/// # Examples
///
/// ```
/// use adapters::middleware::{Panic, catch_panic};
/// use gateway_spec::{Connection, Response, application_fn};
/// use http::StatusCode;
/// use test_client::TestClient;
///
/// # test_client::run(async {
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(_) => panic!("at the disco"),
///     other => other.refuse().await,
/// });
/// let app = catch_panic(app, |panic: Panic| {
///     assert_eq!(panic.text(), "at the disco");
///     Response::html("<h1>Something broke</h1>").with_status(StatusCode::INTERNAL_SERVER_ERROR)
/// });
/// let reply = TestClient::new(app).get("/").send().await?;
/// assert_eq!((reply.status.as_u16(), reply.text()), (500, "<h1>Something broke</h1>"));
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
pub fn catch_panic<A, F, R>(app: A, handler: F) -> CatchPanic<A, F>
where
    A: Application,
    F: Fn(Panic) -> R + Send + Sync + 'static,
    R: Into<Response>,
{
    CatchPanic { app, handler }
}

/// An application whose panics are handled: see [`catch_panic`].
///
/// # Examples
///
/// The plain 500 of servers, and a line in the log:
///
/// ```
/// use adapters::middleware::{CatchPanic, Panic, catch_panic};
/// use gateway_spec::{BoxApplication, Connection, Response, application_fn};
///
/// let app = BoxApplication::new(application_fn(|c: Connection| c.refuse()));
/// let app: CatchPanic<BoxApplication, fn(Panic) -> Response> = catch_panic(app, Panic::logged);
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct CatchPanic<A, F> {
    app: A,
    handler: F,
}

/// A panic of an application.
///
/// # Examples
///
/// ```
/// use adapters::middleware::Panic;
/// use gateway_spec::Response;
///
/// fn report(panic: Panic) -> Response {
///     println!("{:?} broke: {}", panic.label(), panic.text());
///     panic.logged()
/// }
/// # let _ = report;
/// ```
pub struct Panic {
    payload: Box<dyn Any + Send>,
    label: Label,
    is_answered: bool,
}

impl Panic {
    /// What the panic said.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.payload.downcast_ref::<&str>().copied();
        text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("something that is no text")
    }

    /// What it was raised with, for those that panic with values of their own.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }

    /// The exchange's label, if the application had set it.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.get()
    }

    /// Whether the application had begun its answer: what the handler makes is then not sent.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Logs the panic as an error, and answers 500: the handler for those who need no other.
    #[must_use]
    pub fn logged(self) -> Response {
        tracing::error!(
            label = self.label(),
            "the application panicked: {}",
            hosting::printable(self.text())
        );
        plain(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("text", &self.text())
            .field("label", &self.label())
            .field("is_answered", &self.is_answered)
            .finish()
    }
}

impl<A, F, R> CatchPanic<A, F>
where
    F: Fn(Panic) -> R + Send + Sync,
    R: Into<Response>,
{
    async fn guard<S: Stand, C>(
        &self,
        stand: &S,
        label: Label,
        call: impl FnOnce() -> C,
    ) -> Result<Done, AppError>
    where
        C: Future<Output = Result<Done, AppError>>,
    {
        // Dropped last, also while a panic of the handler goes through here.
        let _release = Release(stand);
        let payload = match run(stand, call).await {
            Ok(result) => return result,
            Err(payload) => payload,
        };
        let takes_over = stand.stage().take();
        let panic = Panic {
            payload,
            label,
            is_answered: !takes_over,
        };
        let mut unanswered = Unanswered(takes_over.then_some(stand));
        let response = (self.handler)(panic).into();
        unanswered.0 = None;
        if takes_over {
            return stand.answer(response).await;
        }
        stand.cut_off();
        Err(Gone::Aborted.into())
    }
}

/// An exchange that was taken over and is not answered yet. Dropped by a panic of the handler, it is given up: whatever is around it
/// answers instead.
struct Unanswered<'a, S: Stand>(Option<&'a S>);

impl<S: Stand> Drop for Unanswered<'_, S> {
    fn drop(&mut self) {
        if let Some(stand) = self.0 {
            stand.hand_on(Abort::Dropped);
        }
    }
}

/// Runs a call to its end, or its panic. It is dropped here, and polled no more.
async fn run<S: Stand, C: Future>(
    stand: &S,
    call: impl FnOnce() -> C,
) -> Result<C::Output, Box<dyn Any + Send>> {
    // Whatever a panic left half done is the application's, which is not called again for this exchange.
    let mut call = pin!(Some(catch_unwind(AssertUnwindSafe(call))?));
    let polled = poll_fn(|cx| {
        let Some(future) = call.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        stand.hold();
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => {
                stand.release();
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    // Dropping it runs the application's code too.
    let dropped = catch_unwind(AssertUnwindSafe(|| call.set(None)));
    polled.and_then(|output| dropped.map(|()| output))
}

impl<A, F, R> Application for CatchPanic<A, F>
where
    A: Application,
    F: Fn(Panic) -> R + Send + Sync + 'static,
    R: Into<Response> + Send + 'static,
{
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => {
                let label = http.scope.label.clone();
                let (http, stand) = HttpStand::around(http, Start::Held, Unchanged);
                let call = || self.app.call(Connection::Http(http));
                self.guard(&stand.0, label, call).await
            }
            Connection::WebSocket(socket) => {
                let label = socket.scope.label.clone();
                let (socket, stand) = SocketStand::around(socket, Start::Held, Unchanged);
                let call = || self.app.call(Connection::WebSocket(socket));
                self.guard(&stand.0, label, call).await
            }
            other => self.app.call(other).await,
        }
    }
}

impl<A, F> fmt::Debug for CatchPanic<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchPanic").finish_non_exhaustive()
    }
}
