//! The one trait that most people implement, and the proof of having answered.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{AppError, Connection};

/// An application: one asynchronous function of a connection.
///
/// # Contract
///
/// - It is called once for each connection, any number of times at once (APP-1).
/// - It answers by exactly one terminal call, whose [`Done`] it returns (APP-2), and refuses the kinds that it does
///   not serve (APP-3).
/// - It must not block its thread (APP-7); [`SyncApplication`](crate::SyncApplication) may.
/// - It is polled inside an entered tokio runtime with time and I/O, so it may sleep and spawn (SRV-11).
///
/// ASGI: `application(scope, receive, send)`.
///
/// # Errors
///
/// An `Err` is logged and answered with its status (500 unless it says otherwise) if nothing was started; later the
/// response is cut off so that the client sees it. An error that says that the client is [gone](AppError::gone) is
/// neither logged nor answered.
///
/// # Panics
///
/// A panic ends this exchange as an `Err` would, and no other (SRV-7).
///
/// # Cancel safety
///
/// The future is never dropped because a client left (SRV-1): it sees [`Gone`](crate::Gone) and goes on. Only the end
/// of the shutdown's grace period drops it.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Application, Connection, Done};
///
/// struct Hello;
///
/// impl Application for Hello {
///     async fn call(&self, connection: Connection) -> Result<Done, AppError> {
///         match connection {
///             Connection::Http(http) => http.responder.respond("Hello, world!").await,
///             other => other.refuse().await,
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a gateway application",
    label = "this must implement `Application`",
    note = "wrap an async function in `application_fn(f)`; it takes a `Connection` and returns `Result<Done, AppError>`",
    note = "wrap a `SyncApplication` in the synchronous adapter"
)]
pub trait Application: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send;
}

/// Proof that a terminal call was made: `respond`, `finish`, `close`, `refuse`, `abort`, `stopped` ….
///
/// An application that forgets to answer has no `Done` to return and does not compile. It proves nothing else: a
/// server goes by the state of the exchange, and `Ok(Done)` of another exchange is an application's error (SRV-12).
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Done, Http};
///
/// async fn count_then_answer(http: Http, counter: &mut u64) -> Result<Done, AppError> {
///     let done = http.responder.respond("counted").await?;
///     // It may be kept while something else is done, and is returned in the end.
///     *counter += 1;
///     Ok(done)
/// }
/// ```
#[must_use = "return it from `call`: it proves that the connection was answered"]
pub struct Done(());

// Not a method: the compiler would propose it to those who try to make a `Done` by hand.
pub(crate) const fn done() -> Done {
    Done(())
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

/// Makes an application of an async function or closure.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(|connection: Connection| connection.refuse());
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn application_fn<F, Fut>(function: F) -> ApplicationFn<F>
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    ApplicationFn { function }
}

/// An application made by [`application_fn`].
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, ApplicationFn, Connection, Done, application_fn};
///
/// async fn refuse(connection: Connection) -> Result<Done, AppError> {
///     connection.refuse().await
/// }
/// let app: ApplicationFn<_> = application_fn(refuse);
/// let again = app;
/// # let _ = (app, again);
/// ```
#[derive(Clone, Copy)]
pub struct ApplicationFn<F> {
    function: F,
}

impl<F, Fut> Application for ApplicationFn<F>
where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        (self.function)(connection)
    }
}

impl<F> fmt::Debug for ApplicationFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationFn").finish_non_exhaustive()
    }
}

impl<A: Application> Application for Arc<A> {
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        A::call(self, connection)
    }
}

/// Any application behind one type: the one place where the type is erased. Costs an allocation a call.
///
/// # Examples
///
/// ```
/// use gateway_spec::{Application, BoxApplication, Connection, application_fn};
///
/// let apps: Vec<BoxApplication> = vec![
///     BoxApplication::new(application_fn(|c: Connection| c.refuse())),
///     BoxApplication::new(application_fn(async |c: Connection| c.refuse().await)),
/// ];
/// # let _ = apps;
/// ```
#[derive(Clone)]
pub struct BoxApplication {
    erased: Arc<dyn Erased>,
}

impl BoxApplication {
    /// Erases the type of an application.
    pub fn new(app: impl Application) -> Self {
        Self {
            erased: Arc::new(app),
        }
    }
}

impl Application for BoxApplication {
    fn call(&self, connection: Connection) -> impl Future<Output = Result<Done, AppError>> + Send {
        self.erased.call_boxed(connection)
    }
}

impl fmt::Debug for BoxApplication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxApplication").finish_non_exhaustive()
    }
}

type BoxFuture<'a> = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send + 'a>>;

trait Erased: Send + Sync + 'static {
    fn call_boxed(&self, connection: Connection) -> BoxFuture<'_>;
}

impl<A: Application> Erased for A {
    fn call_boxed(&self, connection: Connection) -> BoxFuture<'_> {
        Box::pin(self.call(connection))
    }
}
