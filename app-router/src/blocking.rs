//! Functions that block and take a whole exchange: each called on a thread of a pool.
//!
//! How a call gets to its thread and back is the `adapters` package's; here is what is called there.

use std::sync::{Arc, Mutex, PoisonError};

use adapters::{Pool, SyncAdapter};
use gateway_spec::{
    AppError, BoxApplication, Done, Scope, SyncApplication, SyncHttp, SyncResponder,
};

use crate::{Rejection, Reply};

/// Sends what a function returned.
pub(crate) fn answer(
    reply: Result<Reply, AppError>,
    responder: SyncResponder,
) -> Result<Done, AppError> {
    match reply {
        Ok(reply) => match reply.into_whole() {
            Some(response) => responder.respond(response),
            // Its writer is async, and nothing on this thread could drive it.
            None => Err(AppError::message(
                "a handler that takes a `Request<SyncBody>` cannot return a stream: take `SyncHttp` and write",
            )),
        },
        Err(error) => match Rejection::response_of(&error) {
            Some(response) => responder.respond(response),
            None => Err(error),
        },
    }
}

/// What runs all of them. Each request's scope says which one, by [`direct`].
pub(crate) fn application(pool: Pool) -> BoxApplication {
    BoxApplication::new(SyncAdapter::new(Directed).with_pool(pool))
}

/// Says what [`application`] has to call for this request.
pub(crate) fn direct(
    scope: &mut Scope,
    call: impl FnOnce(SyncHttp) -> Result<Done, AppError> + Send + 'static,
) {
    let call: Box<Direct> = Box::new(call);
    scope
        .edit()
        .extensions
        .insert(Direction(Arc::new(Mutex::new(Some(call)))));
}

type Direct = dyn FnOnce(SyncHttp) -> Result<Done, AppError> + Send;

#[derive(Clone)]
struct Direction(Arc<Mutex<Option<Box<Direct>>>>);

struct Directed;

impl SyncApplication for Directed {
    fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
        let direction = http.scope.extensions.get::<Direction>();
        let call = direction.and_then(|direction| {
            let mut slot = direction.0.lock().unwrap_or_else(PoisonError::into_inner);
            slot.take()
        });
        call.expect("the router inserted it, and each request is called once")(http)
    }
}
