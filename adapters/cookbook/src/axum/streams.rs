//! Bodies that stream.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::Board;

/// The lines of one part. Alone, each would be a frame of HTTP/2 of its own, and clients take a flood of such for an attack.
const LINES_OF_A_PART: usize = 128;

/// The request's body as the response's, trailers included, no faster than the client reads.
pub(super) async fn echo(body: Body) -> Body {
    body
}

/// How many bytes came.
pub(super) async fn count(
    State(board): State<Board>,
    body: Body,
) -> Result<String, (StatusCode, String)> {
    let _watching = board.watch();
    let mut parts = body.into_data_stream();
    let mut bytes = 0;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        bytes += part.len();
    }
    Ok(bytes.to_string())
}

/// How many lines to write; without a number they go on until the client leaves.
#[derive(Debug, Deserialize)]
pub(super) struct Lines {
    count: Option<u64>,
}

pub(super) async fn lines(State(board): State<Board>, Query(lines): Query<Lines>) -> Response {
    let watching = board.watch();
    let numbers = stream::iter(0..lines.count.unwrap_or(u64::MAX));
    let parts = numbers.chunks(LINES_OF_A_PART).map(move |numbers| {
        // The stream owns it, so that it ends with the stream.
        let _watching = &watching;
        let lines = numbers.iter().map(|number| format!("line {number}\n"));
        Ok::<_, Infallible>(Bytes::from(lines.collect::<String>()))
    });
    let plain = [(header::CONTENT_TYPE, "text/plain")];
    (plain, Body::from_stream(parts)).into_response()
}
