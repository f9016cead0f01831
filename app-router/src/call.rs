//! How a route's function is called: its dependencies made, its arguments read, its reply sent, what came after it done.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use adapters::Pool;
use gateway_spec::{
    AppError, Application, BoxApplication, Connection, Done, Http, Responder, SendError, SyncBody,
    SyncHttp, WebSocket,
};

use crate::after::{Afterwards, Ending};
use crate::depends::{Graph, Plan, Resolved, resolve};
use crate::error::Name;
use crate::handler::{Apply, ApplyTo};
use crate::params::Matched;
use crate::route::Docs;
use crate::urls::Names;
use crate::{
    Extract, IntoReply, Operation, Params, Rejection, Reply, Request, RequestParts, RouterError,
    blocking, pattern, reply, security,
};

/// A call under way: the one allocation that a route costs.
pub(crate) type Calling<'a> = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send + 'a>>;

/// What is needed to call any route of a router.
pub(crate) struct Env {
    pub(crate) pool: Pool,
    /// What runs functions that take a whole exchange and block, in the same pool.
    pub(crate) sync: BoxApplication,
    pub(crate) names: Names,
}

/// What a route has besides its function, learnt when the router is built.
pub(crate) struct About {
    pub(crate) plan: Plan,
    pub(crate) body_limit: usize,
    /// Whether a thread of the pool may be needed.
    pub(crate) blocks: bool,
    /// What takes its body, if something does.
    pub(crate) taker: Option<&'static str>,
}

impl About {
    /// What a function says of itself, and the providers that it needs.
    ///
    /// # Errors
    ///
    /// If it reads what it cannot, or needs what nothing provides.
    pub(crate) fn learn(
        name: Name<'_>,
        describe: fn(&mut Operation),
        docs: &Docs,
        body_limit: usize,
        providers: &Graph,
    ) -> Result<Self, RouterError> {
        let mut operation = Operation::unwritten();
        describe(&mut operation);
        operation.needs.extend(&docs.needs);
        let plan = providers.plan(name, &mut operation)?;
        providers.describe(&plan, &mut operation);
        for schema in &operation.path {
            pattern::check(name, schema)?;
        }
        if let Some(mistake) = operation.mistakes.first() {
            return Err(RouterError::schema(name, mistake));
        }
        security::check(name, &docs.scopes, &operation)?;
        let plan = plan.with_scopes(&docs.scopes);
        Ok(Self {
            plan,
            body_limit,
            blocks: operation.blocks,
            taker: operation.takers.first().copied(),
        })
    }
}

/// A handler of exchanges (`C` is [`Http`]) or of sockets, behind one type.
pub(crate) trait Call<C>: Send + Sync {
    fn call<'a>(
        &'a self,
        connection: C,
        matched: Matched,
        about: &'a About,
        env: &'a Arc<Env>,
    ) -> Calling<'a>;
}

/// A function whose reply is sent for it.
pub(crate) struct Answering<S, A>(pub(crate) S, pub(crate) PhantomData<fn() -> A>);

/// A function that answers by itself.
pub(crate) struct Whole<F, A>(pub(crate) F, pub(crate) PhantomData<fn() -> A>);

/// A function that blocks and answers by itself.
pub(crate) struct BlockingWhole<F, A>(pub(crate) Arc<F>, pub(crate) PhantomData<fn() -> A>);

/// A function that blocks and takes a [`Request`].
pub(crate) struct BlockingRequest<F>(pub(crate) Arc<F>);

/// How a function comes to a reply.
pub(crate) trait Serve<A>: Send + Sync {
    fn serve(
        &self,
        arguments: A,
        responder: &Responder,
        pool: &Pool,
    ) -> impl Future<Output = Result<Reply, AppError>> + Send;
}

/// An async function.
pub(crate) struct Replying<F>(pub(crate) F);

/// A function that blocks.
pub(crate) struct Blocking<F>(pub(crate) Arc<F>);

impl<F, A> Serve<A> for Replying<F>
where
    F: Apply<A>,
    F::Output: Future<Output: IntoReply> + Send,
    A: Extract,
{
    #[inline]
    fn serve(
        &self,
        arguments: A,
        _: &Responder,
        _: &Pool,
    ) -> impl Future<Output = Result<Reply, AppError>> + Send {
        let reply = self.0.apply(arguments);
        async move { reply.await.into_reply() }
    }
}

impl<F, A> Serve<A> for Blocking<F>
where
    F: Apply<A>,
    F::Output: IntoReply,
    A: Extract,
{
    async fn serve(
        &self,
        arguments: A,
        responder: &Responder,
        pool: &Pool,
    ) -> Result<Reply, AppError> {
        let function = Arc::clone(&self.0);
        // What it returns is made a reply on the thread too: writing JSON is work.
        pool.run(responder.gone(), move || {
            function.apply(arguments).into_reply()
        })
        .await?
    }
}

impl<S: Serve<A>, A: Extract> Call<Http> for Answering<S, A> {
    fn call<'a>(
        &'a self,
        http: Http,
        matched: Matched,
        about: &'a About,
        env: &'a Arc<Env>,
    ) -> Calling<'a> {
        if about.plan.is_plain() {
            let Http {
                scope,
                body,
                responder,
            } = http;
            let resolved = Resolved::default();
            let limit = about.body_limit;
            let request = RequestParts::new(scope, matched, Some(body), limit, env, resolved);
            Box::pin(plain(&self.0, request, responder, &env.pool))
        } else {
            Box::pin(with_dependencies(&self.0, http, matched, about, env))
        }
    }
}

/// Serves a route that needs nothing to be made.
///
/// Made as a block, which holds what it is called with once: each request carries this future, and pays for its size.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` would hold its arguments twice"
)]
fn plain<'a, S: Serve<A>, A: Extract>(
    serve: &'a S,
    mut request: RequestParts,
    mut responder: Responder,
    pool: &'a Pool,
) -> impl Future<Output = Result<Done, AppError>> + Send + 'a {
    async move {
        let arguments = A::extract(&request).await;
        // What nobody asked for is not waited for either.
        let after = request.end_extraction();
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(error) => {
                return Box::pin(other_than_whole(
                    Err(error),
                    after,
                    request,
                    responder,
                    pool,
                ))
                .await;
            }
        };
        let reply = serve.serve(arguments, &responder, pool).await;
        // Looked at and not taken apart: where a reply moves on its way, it is copied, and kept twice if that is waited for.
        if after.is_none() && reply.as_ref().is_ok_and(Reply::is_whole) {
            responder.ready().await.map_err(SendError::Gone)?;
            return responder.respond_now(reply?.into_response());
        }
        Box::pin(other_than_whole(reply, after, request, responder, pool)).await
    }
}

/// Ends a plain request by what is rarer than a whole reply. Its callers box it, so that their futures are no larger for it.
async fn other_than_whole(
    reply: Result<Reply, AppError>,
    after: Option<Arc<Afterwards>>,
    request: RequestParts,
    responder: Responder,
    pool: &Pool,
) -> Result<Done, AppError> {
    let (scope, ..) = request.into_rest();
    match after {
        None => reply::answer(reply, scope, responder).await,
        Some(after) => answer_and_end(reply, scope, responder, &after, pool).await,
    }
}

/// Serves a route with dependencies, or one that undoes something: however it ends, what was begun is ended.
async fn with_dependencies<S: Serve<A>, A: Extract>(
    serve: &S,
    http: Http,
    matched: Matched,
    about: &About,
    env: &Arc<Env>,
) -> Result<Done, AppError> {
    let Http {
        scope,
        body,
        responder,
    } = http;
    let resolved = Resolved::of(&about.plan);
    let request = RequestParts::new(scope, matched, Some(body), about.body_limit, env, resolved);
    let reply = caught(async {
        let arguments = arguments::<A>(&request, &about.plan, &env.pool).await?;
        request.drop_body();
        serve.serve(arguments, &responder, &env.pool).await
    })
    .await;
    let (scope, _, after) = request.into_rest();
    match (reply, after) {
        (Ok(reply), None) => reply::answer(reply, scope, responder).await,
        (Ok(reply), Some(after)) => {
            answer_and_end(reply, scope, responder, &after, &env.pool).await
        }
        (Err(panic), after) => {
            if let Some(after) = after {
                // The panic is what is told, as it is the cause of what else fails.
                let _ = end(Ending::Panicked, &after, &env.pool).await;
            }
            resume_unwind(panic)
        }
    }
}

/// The dependencies, then the arguments, or all that is wrong with either.
async fn arguments<A: Extract>(
    request: &RequestParts,
    plan: &Plan,
    pool: &Pool,
) -> Result<A, AppError> {
    let mut failures = resolve(plan, request, pool).await?;
    match A::extract(request).await {
        Ok(arguments) if failures.is_empty() => Ok(arguments),
        Ok(_) => Err(failures.into_error()),
        Err(error) => {
            failures.add(error);
            Err(failures.into_error())
        }
    }
}

/// Ends the handler's scope, sends the reply or what went wrong in its place, and ends the response's.
async fn answer_and_end(
    reply: Result<Reply, AppError>,
    scope: gateway_spec::Scope,
    responder: Responder,
    after: &Afterwards,
    pool: &Pool,
) -> Result<Done, AppError> {
    let torn_down = after.end_handler(ending_of(&reply), pool).await;
    // The first error is the cause of the others.
    let reply = reply.and_then(|reply| torn_down.map(|()| reply));
    // What streams it is the application's, too.
    let sent = caught(reply::answer(reply, scope, responder)).await;
    let ending = match &sent {
        Ok(sent) => ending_of(sent),
        Err(_) => Ending::Panicked,
    };
    let ended = after.end_response(ending, pool).await;
    match sent {
        Ok(sent) => sent.and_then(|done| ended.map(|()| done)),
        Err(panic) => resume_unwind(panic),
    }
}

async fn end(ending: Ending, after: &Afterwards, pool: &Pool) -> Result<(), AppError> {
    let handler = after.end_handler(ending, pool).await;
    let response = after.end_response(ending, pool).await;
    handler.and(response)
}

const fn ending_of<T>(result: &Result<T, AppError>) -> Ending {
    match result {
        Ok(_) => Ending::Returned,
        Err(_) => Ending::Failed,
    }
}

/// What a future comes to, or the panic in it. What that may have torn is the application's own, and the server does the
/// same a moment later.
pub(crate) async fn caught<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}

/// A connection that a function answers by itself.
trait Whose: Send + 'static {
    fn take_apart(&mut self, matched: Matched, about: &About, env: &Arc<Env>) -> RequestParts;
    /// The body goes back to it.
    fn give_back(&mut self, body: Option<gateway_spec::RequestBody>);
    fn refuse(self, error: AppError) -> impl Future<Output = Result<Done, AppError>> + Send;
}

impl Whose for Http {
    fn take_apart(&mut self, matched: Matched, about: &About, env: &Arc<Env>) -> RequestParts {
        let ended = self.body.ended();
        let body = std::mem::replace(&mut self.body, ended);
        let resolved = Resolved::of(&about.plan);
        RequestParts::new(
            self.scope.clone(),
            matched,
            Some(body),
            about.body_limit,
            env,
            resolved,
        )
    }

    fn give_back(&mut self, body: Option<gateway_spec::RequestBody>) {
        if let Some(body) = body {
            self.body = body;
        }
    }

    async fn refuse(self, error: AppError) -> Result<Done, AppError> {
        reply::answer(Err(error), self.scope, self.responder).await
    }
}

impl Whose for WebSocket {
    fn take_apart(&mut self, matched: Matched, about: &About, env: &Arc<Env>) -> RequestParts {
        let resolved = Resolved::of(&about.plan);
        RequestParts::new(
            self.scope.clone(),
            matched,
            None,
            about.body_limit,
            env,
            resolved,
        )
    }

    fn give_back(&mut self, _body: Option<gateway_spec::RequestBody>) {}

    async fn refuse(self, error: AppError) -> Result<Done, AppError> {
        match Rejection::response_of(&error) {
            Some(response) => self.handshake.deny(response).await,
            None => Err(error),
        }
    }
}

/// Serves a function that answers by itself.
async fn whole<C, A, F, Fut>(
    mut connection: C,
    matched: Matched,
    about: &About,
    env: &Arc<Env>,
    serve: F,
) -> Result<Done, AppError>
where
    C: Whose,
    A: Extract,
    F: FnOnce(C, A) -> Fut,
    Fut: Future<Output = Result<Done, AppError>>,
{
    let request = connection.take_apart(matched, about, env);
    let mut refused = None;
    let result = caught(async {
        match arguments::<A>(&request, &about.plan, &env.pool).await {
            Ok(arguments) => {
                connection.give_back(request.take_body().ok());
                serve(connection, arguments).await
            }
            Err(error) => {
                refused = Some(connection);
                Err(error)
            }
        }
    })
    .await;
    let (_, _, after) = request.into_rest();
    let ending = match &result {
        Ok(Ok(_)) => Ending::Returned,
        Ok(Err(_)) => Ending::Failed,
        Err(_) => Ending::Panicked,
    };
    let handler = match &after {
        Some(after) => after.end_handler(ending, &env.pool).await,
        None => Ok(()),
    };
    let answered = match (result, refused) {
        (Ok(Err(error)), Some(connection)) => Ok(connection.refuse(error).await),
        (result, _) => result,
    };
    let response = match &after {
        Some(after) => after.end_response(ending, &env.pool).await,
        None => Ok(()),
    };
    match answered {
        Ok(result) => result.and_then(|done| handler.and(response).map(|()| done)),
        Err(panic) => resume_unwind(panic),
    }
}

impl<C, F, A> Call<C> for Whole<F, A>
where
    C: Whose,
    F: ApplyTo<C, A>,
    F::Output: Future<Output = Result<Done, AppError>> + Send,
    A: Extract,
{
    fn call<'a>(
        &'a self,
        connection: C,
        matched: Matched,
        about: &'a About,
        env: &'a Arc<Env>,
    ) -> Calling<'a> {
        let serve = |connection, arguments| self.0.apply_to(connection, arguments);
        Box::pin(whole::<C, A, _, _>(connection, matched, about, env, serve))
    }
}

impl<F, A> Call<Http> for BlockingWhole<F, A>
where
    F: ApplyTo<SyncHttp, A, Output = Result<Done, AppError>>,
    A: Extract,
{
    fn call<'a>(
        &'a self,
        http: Http,
        matched: Matched,
        about: &'a About,
        env: &'a Arc<Env>,
    ) -> Calling<'a> {
        let serve = |http, arguments| {
            let function = Arc::clone(&self.0);
            on_a_thread(http, env, move |http| function.apply_to(http, arguments))
        };
        Box::pin(whole::<Http, A, _, _>(http, matched, about, env, serve))
    }
}

impl<F, R> Call<Http> for BlockingRequest<F>
where
    F: Fn(Request<SyncBody>) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn call<'a>(
        &'a self,
        http: Http,
        matched: Matched,
        about: &'a About,
        env: &'a Arc<Env>,
    ) -> Calling<'a> {
        let serve = |http, (params,): (Params,)| {
            let function = Arc::clone(&self.0);
            on_a_thread(http, env, move |http| {
                let SyncHttp {
                    scope,
                    body,
                    responder,
                } = http;
                let returned = function(Request::new(scope, params, body));
                blocking::answer(returned.into_reply(), responder)
            })
        };
        Box::pin(whole::<Http, (Params,), _, _>(
            http, matched, about, env, serve,
        ))
    }
}

async fn on_a_thread(
    mut http: Http,
    env: &Arc<Env>,
    call: impl FnOnce(SyncHttp) -> Result<Done, AppError> + Send + 'static,
) -> Result<Done, AppError> {
    blocking::direct(&mut http.scope, call);
    env.sync.call(Connection::Http(http)).await
}
