//! Handlers that block: plain functions, each called on a thread of a pool.
//!
//! How a call gets to its thread and back is the `adapters` package's; here is what is called there.

use std::sync::Arc;

use adapters::{Pool, PoolSettings, SyncAdapter};
use gateway_spec::{
    AppError, BoxApplication, Done, Scope, SyncApplication, SyncBody, SyncHttp, SyncResponder,
};

use crate::handler::{Endpoint, EndpointKind};
use crate::params::Matched;
use crate::{Handler, IntoReply, Params, Rejection, Request, shape};

/// A handler that blocks, with its type erased.
pub(crate) trait BlockingCall: Send + Sync {
    fn call(&self, http: SyncHttp, params: Params) -> Result<Done, AppError>;
}

impl<F> BlockingCall for F
where
    F: Fn(SyncHttp, Params) -> Result<Done, AppError> + Send + Sync,
{
    fn call(&self, http: SyncHttp, params: Params) -> Result<Done, AppError> {
        self(http, params)
    }
}

impl<F, R> Handler<shape::BlockingConstant> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, _| {
            let SyncHttp {
                body, responder, ..
            } = http;
            drop(body);
            answer(self(), responder)
        })
    }
}

impl<F, R> Handler<shape::Blocking> for F
where
    F: Fn(Request<SyncBody>) -> R + Send + Sync + 'static,
    R: IntoReply,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, params| {
            let SyncHttp {
                scope,
                body,
                responder,
            } = http;
            answer(
                self(Request {
                    scope,
                    params,
                    body,
                }),
                responder,
            )
        })
    }
}

impl<F> Handler<shape::BlockingRaw> for F
where
    F: Fn(SyncHttp) -> Result<Done, AppError> + Send + Sync + 'static,
{
    fn into_endpoint(self) -> Endpoint {
        endpoint(move |http, _| self(http))
    }
}

fn endpoint(call: impl BlockingCall + 'static) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Blocking(Arc::new(call)),
    }
}

fn answer(value: impl IntoReply, responder: SyncResponder) -> Result<Done, AppError> {
    match value.into_reply() {
        Ok(reply) => match reply.into_whole() {
            Some(response) => responder.respond(response),
            // Its writer is async, and nothing on this thread could drive it.
            None => Err(AppError::message(
                "a handler that blocks cannot return a stream: make it async, or take `SyncHttp` and write",
            )),
        },
        Err(error) => match Rejection::response_of(&error) {
            Some(response) => responder.respond(response),
            None => Err(error),
        },
    }
}

/// What runs all handlers of a router that block. Each request's scope says which one, by [`direct`].
pub(crate) fn application(pool: Option<Pool>) -> BoxApplication {
    let pool = pool.unwrap_or_else(|| Pool::new("router", PoolSettings::default()));
    BoxApplication::new(SyncAdapter::new(Directed).with_pool(pool))
}

/// Says which handler [`application`] has to call for this request.
pub(crate) fn direct(scope: &mut Scope, handler: &Arc<dyn BlockingCall>, matched: Matched) {
    let direction = Direction {
        handler: Arc::clone(handler),
        matched,
    };
    scope.edit().extensions.insert(direction);
}

#[derive(Clone)]
struct Direction {
    handler: Arc<dyn BlockingCall>,
    matched: Matched,
}

struct Directed;

impl SyncApplication for Directed {
    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        let direction = http.scope.extensions.get::<Direction>();
        let Direction { handler, matched } = direction.expect("the router inserted it").clone();
        let params = matched.of(&http.scope);
        handler.call(http, params)
    }
}
