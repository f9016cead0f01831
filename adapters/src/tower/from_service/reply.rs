//! What becomes of a service's response: one event, or a stream of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_spec::{
    AppError, Done, Gone, Responder, Response, ResponseHead, Scope, SendError, Trailing, Writer,
};
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderName, Method, StatusCode, Version};
use http_body::Body;
use tokio::task::coop;

use super::BoxError;
use super::client::{Client, Stop};
use crate::io::keep_trailers;
use crate::io::pump::{Piece, pump};

/// What of a request decides about its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    is_head: bool,
    version: Version,
}

impl Asked {
    pub(super) fn by(scope: &Scope) -> Self {
        Self {
            is_head: scope.method == Method::HEAD,
            version: scope.version,
        }
    }
}

/// What a body gives at the first look.
pub(super) enum First {
    /// All of it.
    Whole(Bytes),
    /// Nothing, for it is that of a HEAD; and its length.
    Head(Option<u64>),
    /// A piece, or none yet; and how long the whole is.
    Part(Option<Piece>, Option<u64>),
}

/// Looks at a body once. One that lets wait for itself does not hold back its head.
pub(super) fn look<B>(
    mut body: Pin<&mut B>,
    asked: Asked,
    cx: &mut Context<'_>,
) -> Result<First, AppError>
where
    B: Body<Error: Into<BoxError>>,
{
    let length = body.size_hint().exact();
    if asked.is_head {
        return Ok(First::Head(length));
    }
    if body.is_end_stream() {
        return Ok(First::Whole(Bytes::new()));
    }
    Ok(match Piece::poll(body.as_mut(), cx)? {
        Poll::Ready(Piece::Data(bytes)) if body.is_end_stream() => First::Whole(bytes),
        Poll::Ready(Piece::End) => First::Whole(Bytes::new()),
        Poll::Ready(piece) => First::Part(Some(piece), length),
        Poll::Pending => First::Part(None, length),
    })
}

/// A response with all of its body.
pub(super) fn whole(parts: http::response::Parts, bytes: Bytes) -> Response {
    let mut response = Response::from(parts.status);
    response.head.headers = parts.headers.into();
    if parts.status == StatusCode::NOT_MODIFIED && bytes.is_empty() {
        leave_length_open(&mut response.head);
    }
    response.body = bytes;
    response
}

/// The head of a response, without a copy of its fields.
pub(super) fn head_of(parts: http::response::Parts) -> ResponseHead {
    let mut head = ResponseHead::new(parts.status);
    head.headers = parts.headers.into();
    head
}

/// Answers a HEAD as a GET, but that the body was not asked for anything.
pub(super) async fn head(
    parts: http::response::Parts,
    length: Option<u64>,
    responder: Responder,
) -> Result<Done, AppError> {
    let mut head = head_of(parts);
    if head.status == StatusCode::NOT_MODIFIED && length == Some(0) {
        leave_length_open(&mut head);
    }
    // An empty body says nothing of the length: frameworks take away the one that a GET would have.
    declare(&mut head, length.filter(|length| *length > 0));
    if head.headers.contains(CONTENT_LENGTH) {
        responder.respond(head).await
    } else {
        responder.start(head).await?.finish().await
    }
}

/// Takes the length of nothing out of a 304, as hyper does: the field would speak of the content that was not sent (RFC 9110
/// section 8.6), and frameworks set it to the size of the empty body.
#[cold]
fn leave_length_open(head: &mut ResponseHead) {
    if head.headers.get(CONTENT_LENGTH) == Some(b"0") {
        head.headers.remove(CONTENT_LENGTH);
    }
}

/// States the length that a body knows, unless the service did.
pub(super) fn declare(head: &mut ResponseHead, length: Option<u64>) {
    if let Some(length) = length
        && !head.headers.contains(CONTENT_LENGTH)
    {
        head.headers.append(CONTENT_LENGTH, length.into());
    }
}

/// Sends a response piece by piece, while its client is there.
pub(super) async fn stream<B>(
    head: ResponseHead,
    first: Option<Piece>,
    mut body: Pin<&mut B>,
    asked: Asked,
    responder: Responder,
    mut client: Client,
) -> Result<Done, AppError>
where
    B: Body<Error: Into<BoxError>>,
{
    let announced = announced(&head, asked.version);
    let start = responder.start_with_trailers(head, announced.as_deref());
    let mut writer = match start.await {
        Ok(writer) => writer,
        Err(SendError::Gone(gone)) => return left(gone, body, &client).await,
        Err(error) => return Err(error.into()),
    };
    let next = |writer: &Writer<Trailing>, cx: &mut Context<'_>| {
        let piece = Piece::poll(body.as_mut(), cx);
        client.poll(cx, || writer.gone(), piece)
    };
    match pump(&mut writer, first, next).await {
        Ok(None) => writer.finish().await,
        Ok(Some(mut trailers)) => {
            keep_trailers(&mut trailers, announced.as_deref());
            writer.finish_with_trailers(trailers).await
        }
        // The writer is dropped, and with it the response cut off.
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Silent) => Ok(writer.abort()),
        Err(Stop::Gone(gone)) => left(gone, body, &client).await,
    }
}

/// The client has left; the body goes on only if it is to go on all the same.
async fn left<B>(gone: Gone, mut body: Pin<&mut B>, client: &Client) -> Result<Done, AppError>
where
    B: Body<Error: Into<BoxError>>,
{
    if client.is_ignored() {
        while let Piece::Data(_) = poll_fn(|cx| Piece::poll(body.as_mut(), cx)).await? {
            // A body that never waits gives way to others on its thread (SRV-15).
            coop::consume_budget().await;
        }
    }
    Err(gone.into())
}

/// The trailers that a response names. Only HTTP/1.1 wants to know; where all are taken, none need to be named.
fn announced(head: &ResponseHead, version: Version) -> Option<Vec<HeaderName>> {
    if version != Version::HTTP_11 || !head.headers.contains(TRAILER) {
        return None;
    }
    let names = head.headers.get_all(TRAILER);
    let names = names.flat_map(|value| value.split(|&byte| byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    Some(names.collect())
}
