//! What a handler sees of its request.

use std::net::SocketAddr;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{ConnectInfo, MatchedPath, OriginalUri, Request};
use axum::http::HeaderMap;
use serde::Serialize;

/// A request, described.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    method: String,
    uri: String,
    original_uri: String,
    matched_path: String,
    version: String,
    fields: Vec<(String, String)>,
    client: SocketAddr,
    body_bytes: Option<u64>,
}

pub(super) async fn describe(
    OriginalUri(original_uri): OriginalUri,
    matched_path: MatchedPath,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    request: Request,
) -> Json<Asked> {
    let field = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_string(), value.into_owned())
    };
    Json(Asked {
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        original_uri: original_uri.to_string(),
        matched_path: matched_path.as_str().to_owned(),
        version: format!("{:?}", request.version()),
        fields: headers.iter().map(field).collect(),
        client,
        body_bytes: request.body().size_hint().exact(),
    })
}
