//! Bytes with an entity tag: sent once, and then only asked about.

use bytes::Bytes;
use gateway_spec::{Headers, Response};
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

/// The tag of these bytes, without its quotes: other bytes have another one.
pub(crate) fn tag_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether the client has what this tag stands for (RFC 9110 section 13.1.2, weak comparison).
pub(crate) fn is_known(headers: &Headers, tag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH);
    let tags = fields.flat_map(|field| field.split(|&byte| byte == b','));
    tags.map(<[u8]>::trim_ascii).any(|known| {
        let known = known.strip_prefix(b"W/").unwrap_or(known);
        let opaque = known
            .strip_prefix(b"\"")
            .and_then(|known| known.strip_suffix(b"\""));
        known == b"*" || opaque == Some(tag.as_bytes())
    })
}

/// The client has it.
pub(crate) fn not_modified(tag: &str) -> Response {
    with_tag(Response::from(StatusCode::NOT_MODIFIED), tag)
}

/// The bytes. They are what they are said to be, and nothing that a browser may take them for.
pub(crate) fn response(content_type: &str, bytes: impl Into<Bytes>, tag: &str) -> Response {
    let mut response = Response::typed("application/octet-stream", bytes.into());
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        let fields = &mut response.head.headers;
        fields.insert(http::header::CONTENT_TYPE, content_type);
    }
    with_tag(response, tag).with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

fn with_tag(response: Response, tag: &str) -> Response {
    // Asked about each time, seldom sent again: a new one is seen with the next visit.
    let response = response.with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    match HeaderValue::try_from(format!("\"{tag}\"")) {
        Ok(tag) => response.with_header(ETAG, tag),
        Err(_) => response,
    }
}
