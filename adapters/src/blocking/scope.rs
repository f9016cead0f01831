//! What an application is told of a request that a thread makes.

use std::sync::Arc;

use gateway_spec::{BodyLength, ConnectionInfo, Headers, HttpScope};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Parts};
use http::{HeaderValue, Method, Uri, Version, request};

use super::upload::Upload;

/// The scope of a request, as it would be behind a wire.
pub(super) fn of_request(
    parts: request::Parts,
    connection: &Arc<ConnectionInfo>,
    upload: &mut Upload,
) -> HttpScope {
    let mut scope = HttpScope::new(Arc::clone(connection));
    scope.method = parts.method;
    scope.version = parts.version;
    scope.headers = Headers::from(parts.headers);
    scope.extensions = parts.extensions;
    locate(&mut scope, parts.uri);
    frame(&mut scope, upload);
    scope
}

/// Sends the target in the form that a client sends (RFC 9112 section 3.2), and says where it goes beside it.
fn locate(scope: &mut HttpScope, uri: Uri) {
    if let Some(scheme) = uri.scheme()
        && *scheme != scope.connection.scheme
    {
        let connection = (*scope.connection).clone().with_scheme(scheme.clone());
        scope.connection = Arc::new(connection);
    }
    if !scope.headers.contains(HOST) {
        let host = uri.authority().map_or("localhost", host_of);
        let host = HeaderValue::try_from(host)
            .expect("the characters of an authority are those of a field's value");
        scope.headers.append(HOST, host);
    }
    scope.uri = if scope.method == Method::CONNECT {
        uri
    } else {
        origin_form(uri)
    };
}

/// Host and port; who the user is does not belong into the field.
fn host_of(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_user, host)| host)
}

fn origin_form(uri: Uri) -> Uri {
    let mut origin = Parts::default();
    origin.path_and_query = uri.into_parts().path_and_query;
    Uri::from_parts(origin).unwrap_or_default()
}

/// Says how long the body is, in place of what the request said.
fn frame(scope: &mut HttpScope, upload: &mut Upload) {
    let stated = scope.headers.get_str(CONTENT_LENGTH);
    scope.body = upload.length(stated.and_then(|stated| stated.parse().ok()));
    scope.headers.remove(CONTENT_LENGTH);
    scope.headers.remove(TRANSFER_ENCODING);
    match scope.body {
        BodyLength::Known(length) => scope.headers.append(CONTENT_LENGTH, length.into()),
        BodyLength::Unknown if scope.version == Version::HTTP_11 => {
            let chunked = HeaderValue::from_static("chunked");
            scope.headers.append(TRANSFER_ENCODING, chunked);
        }
        BodyLength::Unknown | BodyLength::Empty => {}
    }
}
