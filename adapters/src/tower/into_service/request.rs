//! What an application is told of a request: its scope.

use std::any::Any;
use std::sync::Arc;

use gateway_spec::{
    BodyLength, Capabilities, ConnectionInfo, GoneSignal, HttpScope, RequestBody, Scope,
};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri, Version};
use http_body::Body;
use hyper::ext::Protocol;

use super::Config;

/// What tower lets an application do on every connection.
pub(super) const CAPABILITIES: Capabilities = Capabilities::new("into_service");

/// How long a body is: as it says itself, or as the head does of one that a layer has wrapped and that does not.
pub(super) fn length<B: Body>(body: &B, headers: &HeaderMap) -> BodyLength {
    if body.is_end_stream() {
        return BodyLength::Empty;
    }
    if let Some(length) = body.size_hint().exact() {
        return BodyLength::Known(length);
    }
    let mut declared = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(length), None) = (declared.next(), declared.next()) else {
        return BodyLength::Unknown;
    };
    let length = length.to_str().ok().and_then(|length| length.parse().ok());
    length.map_or(BodyLength::Unknown, BodyLength::Known)
}

/// Whether nothing in the head frames a body.
pub(super) fn frames_nothing(headers: &HeaderMap) -> bool {
    !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING)
}

/// Where the body is that of an exchange around this one, its client's life is known.
pub(super) fn origin_of<B: 'static>(body: &B) -> Option<GoneSignal> {
    let body: &dyn Any = body;
    body.downcast_ref().map(RequestBody::gone)
}

/// The scope of a request whose body is so long.
pub(super) fn scope_of(mut parts: Parts, body: BodyLength, config: &Config) -> HttpScope {
    let origin = parts.extensions.remove::<Scope>();
    let info = connection(&parts, origin.as_ref(), config);
    let mut scope = HttpScope::new(Arc::new(info));
    scope.method = parts.method;
    scope.version = parts.version;
    scope.headers = parts.headers.into();
    scope.body = body;
    let protocol = parts.extensions.remove::<Protocol>();
    scope.protocol = protocol.map(|protocol| protocol.as_str().into());
    scope.uri = parts.uri;
    place(&mut scope, &parts.extensions, origin.as_ref());
    scope.extensions = parts.extensions;
    if let Some(origin) = &origin {
        scope.state = origin.state.clone();
        // Which is the same label, so that the outer server's log has it.
        scope.label = origin.label.clone();
    }
    if let Some(state) = &config.state {
        scope.state = state.clone();
    }
    scope
}

fn connection(parts: &Parts, origin: Option<&Scope>, config: &Config) -> ConnectionInfo {
    let capabilities =
        Capabilities::new("into_service").with_trailers(parts.version > Version::HTTP_10);
    let mut info = match origin {
        Some(origin) => {
            let mut info = ConnectionInfo::clone(&origin.connection);
            let continues = info.capabilities.continue_on_read();
            info.capabilities = capabilities.with_continue_on_read(continues);
            info
        }
        // hyper does it when it is first asked for the body, but not on HTTP/2.
        None => {
            let continues = parts.version == Version::HTTP_11;
            ConnectionInfo::new(capabilities.with_continue_on_read(continues))
        }
    };
    #[cfg(feature = "axum")]
    if origin.is_none()
        && let Some(axum::extract::ConnectInfo(client)) = parts.extensions.get()
    {
        let client: &std::net::SocketAddr = client;
        info = info.with_client((*client).into());
    }
    if let Some(drain) = &config.drain {
        info = info.with_drain(drain.clone());
    }
    match &config.describe {
        Some(describe) => describe(info, parts),
        None => info,
    }
}

/// Gives back what mounts have cut off the target, as the scope has it: used up, and still there (SCOPE-5).
fn place(scope: &mut HttpScope, extensions: &Extensions, origin: Option<&Scope>) {
    let Some(whole) = whole_target(extensions, origin) else {
        return;
    };
    let Some(cut) = mounted(whole, &scope.uri) else {
        // Somebody has rewritten it: there is no other path than that.
        return;
    };
    let before = origin.map_or(0, |origin| origin.root_path().len());
    let mount = cut.max(before);
    scope.uri = whole.clone();
    if mount > 0 {
        scope.mount(mount);
    }
}

/// The target before anything was cut off, where somebody kept it.
fn whole_target<'a>(extensions: &'a Extensions, origin: Option<&'a Scope>) -> Option<&'a Uri> {
    if let Some(origin) = origin {
        return Some(&origin.uri);
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(whole)) = extensions.get() {
        return Some(whole);
    }
    let _ = extensions;
    None
}

/// Bytes of the path that mounts have used up, if `rest` is what they have left of `whole`.
fn mounted(whole: &Uri, rest: &Uri) -> Option<usize> {
    if whole.query() != rest.query() {
        return None;
    }
    let (whole, rest) = (whole.path(), rest.path());
    match whole.strip_suffix(rest) {
        Some(mount) if rest.starts_with('/') || mount.is_empty() => Some(mount.len()),
        // Of what ends where its mount does, a slash is left.
        None if rest == "/" => Some(whole.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_what_is_missing_at_the_front() {
        for (whole, rest, expected) in [
            ("/api/users", "/users", Some(4)),
            ("/api/users", "/api/users", Some(0)),
            ("/api/users?a=b", "/users?a=b", Some(4)),
            ("/api", "/", Some(4)),
            ("/api/", "/", Some(4)),
            ("/", "/", Some(0)),
            ("http://a.example/api/x", "http://a.example/x", Some(4)),
            ("*", "*", Some(0)),
            ("/api/users?a=b", "/users", None),
            ("/api/users", "/other", None),
            ("/api/users", "/sers", None),
        ] {
            let (whole, rest) = (whole.parse().unwrap(), rest.parse().unwrap());
            assert_eq!(mounted(&whole, &rest), expected, "{whole} {rest}");
        }
    }
}
