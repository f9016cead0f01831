//! What the application sends, as hyper takes it: a response, and the frames of its body.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{HttpScope, ResponseHead};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Response, StatusCode, Version};
use http1::PeerError;
use hyper::body::{Body, Frame, SizeHint};
use server_host::ReplyLength;

use crate::io::Shared;
use crate::request::lists;
use crate::service::Serving;

/// Bytes of a body that hyper gets at a time: it copies them behind the head, and keeps the memory.
pub(crate) const FRAME: usize = 16 * 1024;

/// The body of a response.
pub(crate) enum ReplyBody {
    Empty,
    /// There is none, but the head says how long it would be.
    Told(u64),
    /// All of it, and not much.
    Whole(Bytes),
    Stream(ReplyStream),
}

/// A body that comes in parts, from the exchange.
pub(crate) struct ReplyStream {
    serving: Shared<Serving>,
    length: Option<u64>,
}

/// The reply ends in a way that the peer can see is not clean.
#[derive(Debug)]
pub(crate) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is cut off")
    }
}

impl std::error::Error for CutOff {}

/// What becomes of a response's body.
pub(crate) enum Framing {
    /// It is all in the response.
    Complete,
    /// It is taken frame by frame.
    Follows,
    /// It is not sent, whatever the application writes.
    Suppressed,
}

/// Makes the response as hyper takes it. `spare` is a map that is not used any more.
pub(crate) fn fill(
    response: &mut Response<ReplyBody>,
    head: &mut ResponseHead,
    length: ReplyLength,
    first: &Bytes,
    request: &HttpScope,
    serving: &Shared<Serving>,
    spare: HeaderMap,
) -> Framing {
    fill_head(response, head, spare);
    match (length, response.status()) {
        (_, StatusCode::NO_CONTENT) => {
            response.headers_mut().remove(CONTENT_LENGTH);
            Framing::Suppressed
        }
        (_, StatusCode::NOT_MODIFIED) => {
            // Hyper's HTTP/1 lets the field stand only if there seems to be a body, for which it then never asks.
            if request.version != Version::HTTP_2
                && let Some(length) = declared(response.headers())
            {
                *response.body_mut() = ReplyBody::Told(length);
            }
            Framing::Suppressed
        }
        _ if request.method == Method::HEAD => {
            if !first.is_empty()
                && length == ReplyLength::Whole
                && !response.headers().contains_key(CONTENT_LENGTH)
            {
                let length = HeaderValue::from(first.len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            Framing::Suppressed
        }
        (ReplyLength::Whole, _) if first.len() <= FRAME => {
            *response.body_mut() = ReplyBody::Whole(first.clone());
            Framing::Complete
        }
        (length, _) => {
            *response.body_mut() = ReplyBody::Stream(ReplyStream {
                serving: serving.clone(),
                length: match length {
                    ReplyLength::Whole => Some(first.len() as u64),
                    ReplyLength::Known(length) => Some(length),
                    ReplyLength::Unknown => None,
                },
            });
            Framing::Follows
        }
    }
}

/// Has hyper close the connection after a response.
pub(crate) fn close_after(response: &mut Response<ReplyBody>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// The response that makes the connection, or the stream, a tunnel.
pub(crate) fn switch(mut head: ResponseHead) -> Result<Response<ReplyBody>, CutOff> {
    let protocol = head.headers.get(UPGRADE).map(HeaderValue::from_bytes);
    let mut response = Response::new(ReplyBody::Empty);
    fill_head(&mut response, &mut head, HeaderMap::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(Ok(protocol)) = protocol else {
            return Err(CutOff);
        };
        response.headers_mut().insert(UPGRADE, protocol);
        let upgrade = HeaderValue::from_static("upgrade");
        response.headers_mut().insert(CONNECTION, upgrade);
    }
    Ok(response)
}

/// The answer to a peer whose bytes are no request.
pub(crate) fn refusal(error: PeerError) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(format!("{error}\n").into()));
    *response.status_mut() = error.status();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    close_after(&mut response);
    response
}

fn fill_head(response: &mut Response<ReplyBody>, head: &mut ResponseHead, spare: HeaderMap) {
    *response.status_mut() = head.status;
    let fields = std::mem::take(&mut head.headers).into_map_with(spare);
    let own = fields.keys().any(is_own);
    *response.headers_mut() = fields;
    if own {
        own_the_connection(response.headers_mut());
    }
}

/// Whether a field says how the connection goes on, which is not the application's to say.
fn is_own(name: &HeaderName) -> bool {
    match name.as_str().len() {
        7 | 10 | 16 | 17 => OWN.contains(name),
        _ => false,
    }
}

const OWN: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

fn own_the_connection(fields: &mut HeaderMap) {
    let close = lists(fields, CONNECTION, b"close");
    for name in &OWN {
        fields.remove(name);
    }
    if close {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn declared(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.get_mut() {
            Self::Empty | Self::Told(_) => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream(stream) => stream.serving.lock().poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Told(_) | Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Told(length) => SizeHint::with_exact(*length),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream
                .length
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        self.serving.lock().let_go();
    }
}
