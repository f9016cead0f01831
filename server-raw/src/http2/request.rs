//! Heads become scopes.

use gateway_spec::{BodyLength, HttpScope};
use h2::RecvStream;
use h2::ext::Protocol;
use http::Request;
use http::header::CONTENT_LENGTH;

/// How long the body is. `h2` has checked the field, and checks the body against it.
pub(super) fn length(request: &Request<RecvStream>) -> BodyLength {
    if request.body().is_end_stream() {
        return BodyLength::Empty;
    }
    let declared = request.headers().get(CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    declared.map_or(BodyLength::Unknown, BodyLength::Known)
}

/// Moves a head into a scope.
pub(super) fn fill<B>(scope: &mut HttpScope, request: &mut Request<B>, body: BodyLength) {
    std::mem::swap(&mut scope.method, request.method_mut());
    std::mem::swap(&mut scope.uri, request.uri_mut());
    scope.version = request.version();
    scope.headers = std::mem::take(request.headers_mut()).into();
    scope.body = body;
    let protocol = request.extensions_mut().remove::<Protocol>();
    scope.protocol = protocol.map(|protocol| protocol.as_str().into());
}
