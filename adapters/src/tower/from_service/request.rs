//! What a service is given of an exchange: the request.

use std::sync::LazyLock;
#[cfg(feature = "axum")]
use std::{
    any::Any,
    pin::Pin,
    task::{Context, Poll, Waker},
};

#[cfg(feature = "axum")]
use bytes::Bytes;
#[cfg(feature = "axum")]
use gateway_spec::BodyError;
use gateway_spec::{RequestBody, Scope};
use http::uri::PathAndQuery;
use http::{Extensions, Request, Uri};
#[cfg(feature = "axum")]
use http_body::Body as _;
#[cfg(feature = "axum")]
use http_body_util::{BodyExt as _, Full, Limited};
use tower_service::Service;

use super::Hook;
#[cfg(feature = "axum")]
use crate::tower::BoxError;

/// A router of axum with all its handlers made routes, once and not for each request: as `axum::serve` does. Any other
/// service is left as it is.
#[cfg_attr(
    not(feature = "axum"),
    expect(unused_mut, reason = "only a router is changed")
)]
pub(super) fn finished<S: 'static>(mut service: S) -> S {
    #[cfg(feature = "axum")]
    if let Some(router) = (&mut service as &mut dyn Any).downcast_mut::<axum::Router>() {
        *router = std::mem::take(router).with_state(());
    }
    service
}

/// Calls a service. A router of axum puts every body that is not its own into a box, so it gets a request without content
/// with the empty one that it has; and it knows a body that is too large by one error alone, so it gets that.
pub(super) fn call<S>(service: &mut S, request: Request<RequestBody>) -> S::Future
where
    S: Service<Request<RequestBody>> + 'static,
{
    #[cfg(feature = "axum")]
    if let Some(router) = (service as &mut dyn Any).downcast_mut::<axum::Router>() {
        let mut work = Some(router.call(request.map(body_for_axum)));
        let work = (&mut work as &mut dyn Any).downcast_mut::<Option<S::Future>>();
        // It has one future for bodies of all kinds.
        return work
            .and_then(Option::take)
            .expect("the future of a router is that of a router");
    }
    service.call(request)
}

#[cfg(feature = "axum")]
fn body_for_axum(body: RequestBody) -> axum::body::Body {
    if body.is_end_stream() {
        return axum::body::Body::empty();
    }
    axum::body::Body::new(body.map_err(|error| match error {
        BodyError::TooLarge { .. } => too_large(),
        other => other.into(),
    }))
}

/// The error for which axum's extractors answer 413. Only a body that is over its limit makes one.
#[cfg(feature = "axum")]
#[cold]
fn too_large() -> BoxError {
    let mut body = Limited::new(Full::new(Bytes::from_static(b"more")), 0);
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => error,
        _ => unreachable!("it has more than nothing"),
    }
}

/// Extensions with nothing in them, and room for what is put there and what a router of axum adds: a map that grows
/// from nothing does so twice for each request.
static ROOM: LazyLock<Extensions> = LazyLock::new(|| {
    let mut room = Extensions::new();
    room.insert(0_u8);
    room.insert(0_u16);
    room.insert(0_u32);
    room.insert(0_u64);
    room.clear();
    room
});

/// The request of a scope.
pub(super) fn of(scope: &Scope, body: RequestBody, hook: Option<&Hook>) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = scope.method.clone();
    *request.uri_mut() = scope.uri.clone();
    *request.version_mut() = scope.version;
    // The server keeps the scope too, so nothing can be moved out of it.
    *request.headers_mut() = scope.headers.to_map();
    let extensions = request.extensions_mut();
    *extensions = match scope.extensions.is_empty() {
        true => ROOM.clone(),
        false => scope.extensions.clone(),
    };
    #[cfg(feature = "axum")]
    if let Some(gateway_spec::Address::Tcp(client)) = scope.connection.client {
        extensions.insert(axum::extract::ConnectInfo(client));
    }
    extensions.insert(scope.clone());
    if !scope.root_path().is_empty() {
        mount(scope, &mut request);
    }
    match hook {
        Some(hook) => changed(request, scope, hook),
        None => request,
    }
}

#[cold]
fn changed(request: Request<RequestBody>, scope: &Scope, hook: &Hook) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    hook(scope, &mut parts);
    Request::from_parts(parts, body)
}

/// Leaves of the target what is below the mounts.
#[cold]
fn mount<B>(scope: &Scope, request: &mut Request<B>) {
    #[cfg(feature = "axum")]
    request
        .extensions_mut()
        .insert(axum::extract::OriginalUri(scope.uri.clone()));
    let mut uri = scope.uri.clone().into_parts();
    let below = match scope.query() {
        Some(query) => format!("{}?{query}", scope.path()),
        None => scope.path().to_owned(),
    };
    uri.path_and_query = Some(
        PathAndQuery::try_from(below).expect("the end of a path that begins with a slash is one"),
    );
    *request.uri_mut() =
        Uri::from_parts(uri).expect("with another path a target has the same form");
}
