//! What becomes of a service's response: one event, or a stream of them.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use gateway_spec::{
    AppError, Done, Gone, Headers, Responder, Response, ResponseHead, Scope, SendError, Trailing,
    Writer,
};
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{HeaderMap, HeaderName, Method, StatusCode, Version};
use http_body::Body;

use super::BoxError;
use super::client::{Client, Stop};
use crate::io::pump::{Piece, pump};

/// What of an exchange decides about its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    is_head: bool,
    version: Version,
    /// Whether the server writes field by field, and does not make a map of them.
    by_field: bool,
}

impl Asked {
    pub(super) fn by(scope: &Scope) -> Self {
        Self {
            is_head: scope.method == Method::HEAD,
            version: scope.version,
            // Those that keep the order across names have no map.
            by_field: scope.connection.capabilities.wire_order(),
        }
    }
}

/// The head of a response, without a copy of its fields.
pub(super) fn head_of(status: StatusCode, fields: HeaderMap, asked: Asked) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.headers = match asked.by_field {
        true => list(fields),
        false => fields.into(),
    };
    head
}

/// The fields of a map one by one: walked along, looked through and dropped for less than a map.
fn list(fields: HeaderMap) -> Headers {
    let mut list = Headers::new();
    let mut before = None;
    for (name, value) in fields {
        // Further values of a name come without it.
        let Some(name) = name.or_else(|| before.clone()) else {
            continue;
        };
        before = Some(name.clone());
        list.append(name, value);
    }
    list
}

/// Sends a response, while its client is there.
pub(super) async fn send<B>(
    response: http::Response<B>,
    asked: Asked,
    responder: Responder,
    client: Client,
) -> Result<Done, AppError>
where
    B: Body<Error: Into<BoxError>>,
{
    let (parts, body) = response.into_parts();
    let mut head = head_of(parts.status, parts.headers, asked);
    let size = body.size_hint().exact();
    if head.status == StatusCode::NOT_MODIFIED && size == Some(0) {
        leave_length_open(&mut head);
    }
    if asked.is_head {
        return without_body(head, size, responder).await;
    }
    let mut body = pin!(body);
    // A look and no wait: a body that lets wait for itself does not hold back the head.
    let first = poll_fn(|cx| Poll::Ready(look(body.as_mut(), cx))).await;
    let first = match first {
        // An application inside of the service has given its exchange up before the start (HTTP-29).
        Poll::Ready(Err(error)) if error.gone() == Some(Gone::Aborted) => {
            return Ok(responder.abort());
        }
        Poll::Ready(piece) => Some(piece?),
        Poll::Pending => None,
    };
    let whole = match first {
        Some(Piece::Data(bytes)) if body.is_end_stream() => Ok(bytes),
        Some(Piece::End) => Ok(Bytes::new()),
        other => Err(other),
    };
    match whole {
        Ok(bytes) => {
            let mut response = Response::from(head);
            response.body = bytes;
            responder.respond(response).await
        }
        Err(first) => {
            declare(&mut head, size);
            stream(head, first, body, asked, responder, client).await
        }
    }
}

/// Answers a HEAD as a GET, but that the body is not asked for anything.
async fn without_body(
    mut head: ResponseHead,
    size: Option<u64>,
    responder: Responder,
) -> Result<Done, AppError> {
    // An empty body says nothing of the length: frameworks take away the one that a GET would have.
    declare(&mut head, size.filter(|size| *size > 0));
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
fn declare(head: &mut ResponseHead, size: Option<u64>) {
    if let Some(size) = size
        && !head.headers.contains(CONTENT_LENGTH)
    {
        head.headers.append(CONTENT_LENGTH, size.into());
    }
}

async fn stream<B>(
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
            if let Some(names) = &announced {
                keep(&mut trailers, names);
            }
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
        while let Piece::Data(_) = poll_fn(|cx| Piece::poll(body.as_mut(), cx)).await? {}
    }
    Err(gone.into())
}

/// The first piece of a body, which may say without being asked that it is empty.
fn look<B>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Result<Piece, AppError>>
where
    B: Body<Error: Into<BoxError>>,
{
    if body.is_end_stream() {
        return Poll::Ready(Ok(Piece::End));
    }
    Piece::poll(body, cx)
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

/// Leaves out what was not announced, as hyper does.
fn keep(trailers: &mut HeaderMap, names: &[HeaderName]) {
    let others = trailers.keys().filter(|name| !names.contains(name));
    for name in others.cloned().collect::<Vec<_>>() {
        trailers.remove(name);
    }
}
