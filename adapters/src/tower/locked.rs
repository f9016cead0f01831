//! A service that is not `Sync`, made so.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tower_service::Service;

/// A service that many threads may clone, though it is not `Sync`: such as tower's `BoxCloneService`.
///
/// A lock is held while it is cloned and at no other time: a clone is called by whoever has it alone.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use adapters::tower::{Locked, from_service};
/// use gateway_spec::RequestBody;
/// use http::{Request, Response};
/// use tower::util::BoxCloneService;
///
/// let service = tower::service_fn(async |_: Request<RequestBody>| {
///     Ok::<_, Infallible>(Response::new(String::from("Hello, world!")))
/// });
/// let app = from_service(Locked::new(BoxCloneService::new(service)));
/// # fn assert(_: impl gateway_spec::Application) {}
/// # assert(app);
/// ```
pub struct Locked<S> {
    service: Mutex<S>,
}

impl<S> Locked<S> {
    /// Makes the service `Sync`.
    pub const fn new(service: S) -> Self {
        Self {
            service: Mutex::new(service),
        }
    }

    fn get(&mut self) -> &mut S {
        self.service
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Clone> Clone for Locked<S> {
    fn clone(&self) -> Self {
        // One whose clone panics is as whole as it was: it is only looked at.
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        Self::new(service.clone())
    }
}

impl<S: Service<R>, R> Service<R> for Locked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.get().poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.get().call(request)
    }
}

impl<S> fmt::Debug for Locked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked").finish_non_exhaustive()
    }
}
