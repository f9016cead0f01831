//! What happens after a handler: teardown in two scopes, and work in the background.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adapters::Pool;
use gateway_spec::AppError;

use crate::call::caught;
use crate::{Extract, Operation, RequestParts};

/// How a handler came to its end, as teardown is told.
///
/// # Examples
///
/// See [`Teardown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It returned an answer, whatever its status; of a WebSocket, that it was closed in order.
    Returned,
    /// It, or something that it needed, returned an error. After the response: that the response could not be sent whole.
    Failed,
    /// It panicked. After the response: the function that streams it did.
    Panicked,
}

/// Registers what undoes or completes something that a provider, or a handler, began. What `yield` in a dependency is to
/// FastAPI.
///
/// Both scopes run in the reverse order of registering, so what needs a thing is torn down before it:
///
/// | scope | begins when | an error in it | for |
/// |---|---|---|---|
/// | [handler](Self::after_handler) | the handler has returned, nothing was sent | is answered in the place of the answer | a transaction, whose commit may fail |
/// | [response](Self::after_response) | the answer and its background work are over | is logged by the server | what a streamed body still reads |
///
/// Of a WebSocket the handler's scope ends when its handler returns, and the response's right after. Teardown runs when the
/// handler, or what streams its answer, failed or panicked too, when a later dependency was not made, and when other teardown
/// panicked, which is its error. It does not when the server drops the whole
/// call at the end of its grace period, nor when middleware drops it because the client left: what must happen then
/// belongs in a `Drop`.
///
/// # Examples
///
/// ```
/// use app_router::{Depends, Ending, Router, Teardown};
/// use gateway_spec::AppError;
///
/// struct Transaction { /* .. */ }
///
/// impl Transaction {
///     async fn begin() -> Result<Self, AppError> { Ok(Self {}) }
///     async fn commit(&self) -> Result<(), AppError> { Ok(()) }
///     async fn roll_back(&self) -> Result<(), AppError> { Ok(()) }
/// }
///
/// async fn transaction(teardown: Teardown) -> Result<Depends<Transaction>, AppError> {
///     let transaction = Depends::new(Transaction::begin().await?);
///     let ended = transaction.clone();
///     teardown.after_handler(async move |ending| match ending {
///         Ending::Returned => ended.commit().await,
///         Ending::Failed | Ending::Panicked => ended.roll_back().await,
///     });
///     Ok(transaction)
/// }
///
/// async fn order(_transaction: Depends<Transaction>) -> &'static str {
///     "ordered"
/// }
/// # Router::new().provide(transaction).post("/order", order).build().unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Teardown {
    after: Arc<Afterwards>,
}

/// Work that is done after the answer was sent. What `BackgroundTasks` is to FastAPI.
///
/// It never holds the connection: the next request on it is served meanwhile (SRV-9). It counts in the drain, so that a
/// server that stops waits for it within its grace period. Pieces run one after another in the order of adding, before
/// the response's [teardown](Teardown), so they may use what the handler used. They run whatever became of the handler and of the
/// answer. The server logs an error, or a panic; those after it run all the same.
///
/// # Examples
///
/// ```
/// use app_router::Background;
/// use http::StatusCode;
///
/// async fn register(background: Background) -> StatusCode {
///     background.add(async {
///         // send the mail
///         Ok(())
///     });
///     background.add_blocking(|| std::fs::write("/tmp/registered", "1").map_err(Into::into));
///     StatusCode::ACCEPTED
/// }
/// # let _ = app_router::Router::new().post("/register", register);
/// ```
#[derive(Debug, Clone)]
pub struct Background {
    after: Arc<Afterwards>,
}

type Later = Pin<Box<dyn Future<Output = Result<(), AppError>> + Send>>;
type Outcome = Result<(), AppError>;

/// Something to do later, which is told how the handler ended.
enum Work {
    Async(Box<dyn FnOnce(Ending) -> Later + Send>),
    Blocking(Box<dyn FnOnce(Ending) -> Outcome + Send>),
}

impl Work {
    async fn run(self, ending: Ending, pool: &Pool) -> Outcome {
        match self {
            Self::Async(work) => work(ending).await,
            Self::Blocking(work) => {
                let ran = pool.run(None, move || work(ending)).await;
                ran.unwrap_or_else(|error| Err(error.into()))
            }
        }
    }
}

/// A panic of one piece of work as its error: the others are done all the same.
fn panicked(panic: &(dyn Any + Send)) -> AppError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    AppError::message(format!(
        "what was to be done after a handler panicked: {}",
        text.unwrap_or("something that is no text")
    ))
}

/// All that was noted for one request.
#[derive(Default)]
pub(crate) struct Afterwards {
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    handler: Vec<Work>,
    background: Vec<Work>,
    response: Vec<Work>,
}

fn in_future<F, Fut>(work: F) -> Work
where
    F: FnOnce(Ending) -> Fut + Send + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    Work::Async(Box::new(move |ending| Box::pin(work(ending))))
}

impl Teardown {
    /// Runs after the handler, before its answer is sent.
    pub fn after_handler<F, Fut>(&self, teardown: F)
    where
        F: FnOnce(Ending) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), AppError>> + Send + 'static,
    {
        self.after.lock().handler.push(in_future(teardown));
    }

    /// The same for a function that blocks: it runs in the router's pool.
    pub fn after_handler_blocking(
        &self,
        teardown: impl FnOnce(Ending) -> Result<(), AppError> + Send + 'static,
    ) {
        self.after
            .lock()
            .handler
            .push(Work::Blocking(Box::new(teardown)));
    }

    /// Runs when the answer was sent and the background work is over.
    pub fn after_response<F, Fut>(&self, teardown: F)
    where
        F: FnOnce(Ending) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), AppError>> + Send + 'static,
    {
        self.after.lock().response.push(in_future(teardown));
    }

    /// The same for a function that blocks: it runs in the router's pool.
    pub fn after_response_blocking(
        &self,
        teardown: impl FnOnce(Ending) -> Result<(), AppError> + Send + 'static,
    ) {
        self.after
            .lock()
            .response
            .push(Work::Blocking(Box::new(teardown)));
    }
}

impl Background {
    /// Adds a piece of work. What is added by another piece runs too.
    pub fn add(&self, work: impl Future<Output = Result<(), AppError>> + Send + 'static) {
        self.after.lock().background.push(in_future(move |_| work));
    }

    /// Adds a piece that blocks: it runs in the router's pool.
    pub fn add_blocking(&self, work: impl FnOnce() -> Result<(), AppError> + Send + 'static) {
        self.after
            .lock()
            .background
            .push(Work::Blocking(Box::new(move |_| work())));
    }
}

impl Extract for Teardown {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let after = Arc::clone(request.after());
        Ok(Self { after })
    }

    fn describe(operation: &mut Operation) {
        operation.tears_down = true;
    }
}

impl Extract for Background {
    async fn extract(request: &RequestParts) -> Result<Self, AppError> {
        let after = Arc::clone(request.after());
        Ok(Self { after })
    }

    fn describe(operation: &mut Operation) {
        // It is not forgotten when the handler panics.
        operation.tears_down = true;
    }
}

impl Afterwards {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handler's scope ends.
    pub(crate) async fn end_handler(&self, ending: Ending, pool: &Pool) -> Result<(), AppError> {
        self.run(ending, pool, |noted| noted.handler.pop()).await
    }

    /// The answer was sent: the background work, then the response's scope.
    pub(crate) async fn end_response(&self, ending: Ending, pool: &Pool) -> Result<(), AppError> {
        let next =
            |noted: &mut Noted| (!noted.background.is_empty()).then(|| noted.background.remove(0));
        let worked = self.run(ending, pool, next).await;
        // What was registered for the handler's scope after its end.
        let late = self.run(ending, pool, |noted| noted.handler.pop()).await;
        let torn_down = self.run(ending, pool, |noted| noted.response.pop()).await;
        worked.and(late).and(torn_down)
    }

    /// Runs all, each whatever became of those before; gives the first error.
    async fn run(
        &self,
        ending: Ending,
        pool: &Pool,
        mut next: impl FnMut(&mut Noted) -> Option<Work>,
    ) -> Result<(), AppError> {
        let mut result = Ok(());
        loop {
            let work = next(&mut self.lock());
            let Some(work) = work else {
                return result;
            };
            let done = caught(work.run(ending, pool)).await;
            result = result.and(done.unwrap_or_else(|panic| Err(panicked(&*panic))));
        }
    }
}

impl fmt::Debug for Afterwards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = self.lock();
        f.debug_struct("Afterwards")
            .field("handler", &noted.handler.len())
            .field("background", &noted.background.len())
            .field("response", &noted.response.len())
            .finish()
    }
}
