//! JSON Lines: a stream of values, one a line.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use futures_core::Stream;
use gateway_spec::{AppError, Gone, ResponseHead};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::operation::reason;
use crate::stream::{self, Source};
use crate::{IntoReply, Operation, Reply};

/// A stream of values as JSON Lines (`application/jsonl`): each on a line of its own, sent before the next is asked for.
///
/// It ends with its source, when the server begins to drain, and when the client is gone. Once it has begun, a value that
/// JSON cannot hold, or an error of the source, cuts it off. FastAPI: a path operation that yields.
///
/// # Examples
///
/// ```
/// use app_router::JsonLines;
///
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Row {
///     n: u64,
/// }
///
/// async fn rows() -> JsonLines<Row> {
///     JsonLines::produce(async |lines| {
///         for n in 0..1_000_000 {
///             lines.send(Row { n }).await?;
///         }
///         Ok(())
///     })
/// }
/// # let _ = app_router::Router::new().get("/rows", rows);
/// ```
pub struct JsonLines<T> {
    source: Source<T>,
}

/// The sending end that [`JsonLines::produce`] gives to its function.
///
/// # Examples
///
/// See [`JsonLines`].
#[derive(Debug, Clone)]
pub struct LineSender<T> {
    lines: mpsc::Sender<T>,
}

impl<T: Send + 'static> JsonLines<T> {
    /// The values of a stream.
    pub fn new(values: impl Stream<Item = T> + Send + 'static) -> Self {
        Self {
            source: stream::of(values),
        }
    }

    /// The values that an async function sends. It runs while the stream does, at most one value ahead.
    pub fn produce<F, Fut>(produce: F) -> Self
    where
        F: FnOnce(LineSender<T>) -> Fut,
        Fut: Future<Output = Result<(), AppError>> + Send + 'static,
    {
        Self {
            source: stream::produced(|lines| produce(LineSender { lines })),
        }
    }
}

impl<T> LineSender<T> {
    /// Sends a value, waiting while the client is slower than the source.
    ///
    /// # Errors
    ///
    /// If the stream has ended, which only a sender moved to another task lives to see.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it resolved, nothing was sent and the value is lost.
    pub async fn send(&self, value: T) -> Result<(), Gone> {
        self.lines.send(value).await.map_err(|_| Gone::Finished)
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> IntoReply for JsonLines<T> {
    fn into_reply(self) -> Result<Reply, AppError> {
        let head = ResponseHead::new(StatusCode::OK)
            .with_header(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
        Ok(Reply::stream(head, |writer, drain| {
            stream::pump(self.source, line, None, writer, drain)
        }))
    }

    fn describe(operation: &mut Operation) {
        operation.response_of::<T>(StatusCode::OK, "application/jsonl", reason(StatusCode::OK));
    }
}

fn line<T: Serialize>(value: T) -> Result<Bytes, AppError> {
    let mut line = serde_json::to_vec(&value)?;
    line.push(b'\n');
    Ok(line.into())
}

impl<T> fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}
