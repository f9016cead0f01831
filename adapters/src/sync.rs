//! A [`SyncApplication`] as an [`Application`]: each request on a thread of a [`Pool`].
//!
//! What becomes of one request is in [`call`], what its handles send in [`held`], the threads in
//! [`pool`](crate::pool).

mod call;
mod held;

use std::fmt;
use std::sync::Arc;

use gateway_spec::{AppError, Application, Connection, Done, Http, Lifespan, SyncApplication};

use self::call::{Abandoned, Call, Outcome};
use crate::beside::beside;
use crate::pool::{Member, Pool, Ticket};

/// Makes an application of a synchronous one, with a pool of its own and the default bounds.
///
/// # Examples
///
/// ```
/// use gateway_spec::{SyncHttp, sync_application_fn};
///
/// let app = adapters::sync(sync_application_fn(|http: SyncHttp| {
///     http.responder.respond("Hello, world!")
/// }));
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub fn sync<S: SyncApplication>(app: S) -> SyncAdapter<S> {
    SyncAdapter::new(app)
}

/// A synchronous application on any server.
///
/// - A request takes a thread only when its body is complete, or 64 KiB of it have come: uploads that dribble do not
///   keep threads from others. A client that waits for `100 Continue` is told so by then.
/// - Reading and writing park the thread until the client has sent or taken more; nothing is copied or collected.
/// - A response that is sent whole goes out when `call` returns, so work after `respond` delays it, and the
///   application does not learn whether the client could be reached. Streamed parts go out as they are written.
/// - While every thread is busy requests wait in the pool's queue. If that is full, or their time in it is over, the
///   answer is 503 with `Retry-After`. Those whose client leaves are dropped from it at once, unseen.
/// - A panic is an error of that request alone; the thread lives on.
/// - There is no cancellation (SYNC-4): a client that left makes reading and writing fail. Dropping the future of
///   [`call`](Application::call) makes them fail too, and a request that still waits is not run.
/// - `startup` and `shutdown` run on a thread of their own beside the pool's, so that busy ones cannot keep the
///   server from stopping. Before `shutdown`, the pool stops, or has other users and goes on without this one: what is
///   queued is refused, threads that wait for clients are released, and those in the application's own code are waited for
///   within [`join_grace`](crate::PoolSettings::join_grace); a warning counts the ones that did not come back.
/// - WebSockets are refused: a conversation would keep a thread for as long as it lasts.
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use adapters::{Pool, PoolSettings, SyncAdapter};
/// use gateway_spec::{SyncHttp, sync_application_fn};
///
/// let threads = NonZeroUsize::new(20).unwrap(); // as many as the database takes connections
/// let app = SyncAdapter::new(sync_application_fn(|http: SyncHttp| http.responder.respond("report")))
///     .with_pool(Pool::new("reports", PoolSettings::default().with_threads(threads)));
/// assert_eq!(app.pool().name(), "reports");
/// ```
pub struct SyncAdapter<S> {
    app: Arc<S>,
    pool: Pool,
    member: Arc<Member>,
}

impl<S: SyncApplication> SyncAdapter<S> {
    /// The application with a pool of its own.
    #[must_use]
    pub fn new(app: S) -> Self {
        Self {
            app: Arc::new(app),
            pool: Pool::default(),
            member: Arc::default(),
        }
    }

    /// Runs the application on this pool, which others may use too.
    #[must_use]
    pub fn with_pool(mut self, pool: Pool) -> Self {
        self.pool = pool;
        self
    }

    /// The pool, whose [`stats`](Pool::stats) are for metrics.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    async fn exchange(&self, http: Http) -> Result<Done, AppError> {
        http.body.buffered(READY_BYTES).await?;
        let call = Arc::new(Call::new(
            Arc::clone(&self.app),
            Arc::clone(&self.member),
            http,
        ));
        let ticket = self.pool.submit(Arc::clone(&call) as _);
        let _place = Place {
            call: &*call,
            ticket: &ticket,
        };
        // Who finds a thread free is not worth watching.
        let gone = ticket.has_to_wait().then(|| call.gone());
        match call.outcome(gone).await {
            Outcome::Returned { result, handoff } => {
                let sent = match handoff.take() {
                    Some((responder, response)) => Some(responder.respond(response).await),
                    None => None,
                };
                // In the same turn as the result, so that the server sees them together.
                call.let_go();
                match (result, sent) {
                    (Ok(_), Some(sent)) => sent,
                    (result, _) => result,
                }
            }
            Outcome::Refused(http) => {
                // It has a place still if its client left.
                ticket.withdraw();
                let Http {
                    body, responder, ..
                } = http;
                drop(body);
                let unavailable = self.pool.settings().retry_after();
                responder
                    .respond(AppError::from(unavailable).response())
                    .await
            }
        }
    }

    async fn lifespan(&self, lifespan: Lifespan) -> Result<Done, AppError> {
        let lease = self.pool.lease(&self.member);
        let app = Arc::clone(&self.app);
        let state = beside(self.pool.name(), move || app.startup()).await?;
        let running = lifespan.started(state);
        let deadline = running.shutdown_requested().await;
        let app = Arc::clone(&self.app);
        let shutdown = move || {
            lease.end(deadline);
            app.shutdown()
        };
        beside(self.pool.name(), shutdown).await?;
        Ok(running.stopped())
    }
}

/// The body that must be there before a thread is taken, in bytes: a form or a JSON document whole, and of an upload
/// as much as servers buffer. An uploader that is slow after it holds a thread, within the server's own timeouts.
const READY_BYTES: usize = 64 * 1024;

impl<S: SyncApplication> Application for SyncAdapter<S> {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.exchange(http).await,
            Connection::Lifespan(lifespan) => self.lifespan(lifespan).await,
            other => other.refuse().await,
        }
    }
}

impl<S> fmt::Debug for SyncAdapter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncAdapter")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// What a call has of the pool, given up when its future is dropped; after its end this does nothing.
struct Place<'a, S: SyncApplication> {
    call: &'a Call<S>,
    ticket: &'a Ticket,
}

impl<S: SyncApplication> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if self.call.abandon() == Abandoned::Unrun {
            self.ticket.withdraw();
        }
    }
}
