//! What the application sends, as hyper takes it: a response, and the frames of its body.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use gateway_spec::{Headers, HttpScope, ResponseHead, Scope};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Response, StatusCode, Version};
use hyper::body::{Body, Frame, SizeHint};
use server_host::{
    BodyAllowed, CONNECTION_FIELDS, ReplyLength, is_bodiless, is_connection_field, lists,
};

use crate::io::Shared;
use crate::service::{Refused, Serving};

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
    /// It is taken frame by frame; this is its beginning.
    Follows(Bytes),
    /// It is not sent, whatever the application writes.
    Suppressed,
}

/// Makes the response as hyper takes it, to the request in `scope`.
pub(crate) fn fill(
    response: &mut Response<ReplyBody>,
    head: &mut ResponseHead,
    length: ReplyLength,
    first: Bytes,
    scope: &HttpScope,
    serving: &Shared<Serving>,
) -> Framing {
    fill_head(response, head);
    match length {
        _ if is_bodiless(response.status()) => {
            settle_length(response, scope.version);
            Framing::Suppressed
        }
        _ if scope.method == Method::HEAD => {
            if !first.is_empty()
                && length == ReplyLength::Whole
                && !response.headers().contains_key(CONTENT_LENGTH)
            {
                let length = HeaderValue::from(first.len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            Framing::Suppressed
        }
        ReplyLength::Whole if first.len() <= FRAME => {
            *response.body_mut() = ReplyBody::Whole(first);
            Framing::Complete
        }
        length => {
            *response.body_mut() = ReplyBody::Stream(ReplyStream {
                serving: serving.clone(),
                length: match length {
                    ReplyLength::Whole => Some(first.len() as u64),
                    ReplyLength::Known(length) => Some(length),
                    ReplyLength::Unknown => None,
                },
            });
            Framing::Follows(first)
        }
    }
}

/// Gives a fresh response memory for its fields: `spare`, or that of the request's if it was a map, of HTTP/2, and the application has let
/// go of it. Hyper fills it again for the next request.
pub(crate) fn use_again(
    spare: &mut Option<HeaderMap>,
    scope: &mut Scope,
    response: &mut Response<ReplyBody>,
) {
    let fields = response.headers_mut();
    if let Some(map) = spare.take() {
        // A fresh map has no memory: there is nothing to drop, which each response would pay for.
        std::mem::forget(std::mem::replace(fields, map));
        return;
    }
    let unused = scope.reuse().map(|scope| &mut scope.headers);
    if let Some(map) = unused.and_then(Headers::as_map_mut) {
        std::mem::swap(map, fields);
    }
}

/// What a response that never has a body may say of its length.
fn settle_length(response: &mut Response<ReplyBody>, version: Version) {
    match response.status() {
        StatusCode::NO_CONTENT => {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        StatusCode::RESET_CONTENT => {
            // It may say that there is nothing, and nothing else (RFC 9110 section 15.3.6).
            let nothing = HeaderValue::from_static("0");
            response.headers_mut().insert(CONTENT_LENGTH, nothing);
        }
        _ => {
            // Hyper's HTTP/1 lets the field stand only if there seems to be a body, for which it then never asks.
            if version != Version::HTTP_2
                && let Some(length) = declared(response.headers())
            {
                *response.body_mut() = ReplyBody::Told(length);
            }
        }
    }
}

/// Has hyper close the connection after a response, which may say so already.
pub(crate) fn close_after(response: &mut Response<ReplyBody>) {
    let fields = response.headers_mut();
    if !lists(fields, CONNECTION, b"close") {
        fields.append(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Takes the field out that HTTP/2 does not have; whether it asks for the connection's end.
pub(crate) fn take_connection(response: &mut Response<ReplyBody>) -> bool {
    let fields = response.headers_mut();
    // Nearly none has it, and a walk along a few names is cheaper than to look for one.
    if !fields.keys().any(|name| *name == CONNECTION) {
        return false;
    }
    let closes = lists(fields, CONNECTION, b"close");
    fields.remove(CONNECTION);
    closes
}

/// Makes a response the one that makes the connection, or the stream, a tunnel.
pub(crate) fn switch(
    response: &mut Response<ReplyBody>,
    mut head: ResponseHead,
) -> Result<(), CutOff> {
    let protocol = head.headers.get(UPGRADE).map(HeaderValue::from_bytes);
    fill_head(response, &mut head);
    response.headers_mut().remove(CONTENT_LENGTH);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some(Ok(protocol)) = protocol else {
            return Err(CutOff);
        };
        response.headers_mut().insert(UPGRADE, protocol);
        let upgrade = HeaderValue::from_static("upgrade");
        response.headers_mut().insert(CONNECTION, upgrade);
    }
    Ok(())
}

/// The answer to a request of HTTP/2 that is none.
pub(crate) fn refusal(refused: Refused) -> Response<ReplyBody> {
    let Refused { refusal, body } = refused;
    let text = Bytes::from(format!("{refusal}\n"));
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = refusal.status();
    if body == BodyAllowed::Head {
        let length = HeaderValue::from(text.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    } else {
        *response.body_mut() = ReplyBody::Whole(text);
    }
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn fill_head(response: &mut Response<ReplyBody>, head: &mut ResponseHead) {
    *response.status_mut() = head.status;
    let fields = response.headers_mut();
    head.headers.move_into(fields);
    if fields.keys().any(is_connection_field) {
        own_the_connection(fields, head.status);
    }
}

fn own_the_connection(fields: &mut HeaderMap, status: StatusCode) {
    let close = lists(fields, CONNECTION, b"close");
    // Which protocol is required, must be said (RFC 9110 section 15.5.22).
    let required = match status {
        StatusCode::UPGRADE_REQUIRED => fields.remove(UPGRADE),
        _ => None,
    };
    for name in &CONNECTION_FIELDS {
        fields.remove(name);
    }
    if let Some(protocol) = required {
        fields.insert(UPGRADE, protocol);
        fields.append(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if close {
        fields.append(CONNECTION, HeaderValue::from_static("close"));
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

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// The fields that hyper gets for those of the application, each `name: value`.
    #[track_caller]
    fn check(status: StatusCode, given: &[(HeaderName, &'static str)], expected: &[&str]) {
        let mut head = ResponseHead::new(status);
        for (name, value) in given {
            head = head.with_header(name.clone(), HeaderValue::from_static(value));
        }
        let mut response = Response::new(ReplyBody::Empty);
        // What is in the map that is used again, must not come back.
        let old = (CONTENT_TYPE, HeaderValue::from_static("old"));
        *response.headers_mut() = HeaderMap::from_iter([old]);
        fill_head(&mut response, &mut head);
        let fields: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
            .collect();
        assert_eq!(fields, expected);
        assert_eq!(response.status(), status);
    }

    #[test]
    fn the_connection_is_not_the_application_s() {
        let (ok, required) = (StatusCode::OK, StatusCode::UPGRADE_REQUIRED);
        let other = HeaderName::from_static("x-other-7");
        check(ok, &[], &[]);
        check(ok, &[(CONTENT_TYPE, "a/b")], &["content-type: a/b"]);
        check(ok, &[(other, "1")], &["x-other-7: 1"]);
        check(
            ok,
            &[
                (CONNECTION, "keep-alive, x"),
                (HeaderName::from_static("keep-alive"), "timeout=5"),
                (HeaderName::from_static("proxy-connection"), "close"),
                (http::header::TRANSFER_ENCODING, "chunked"),
                (UPGRADE, "x"),
            ],
            &[],
        );
        check(ok, &[(CONNECTION, "x, Close")], &["connection: close"]);
        check(
            required,
            &[(UPGRADE, "x")],
            &["upgrade: x", "connection: upgrade"],
        );
    }

    #[test]
    fn a_response_says_once_that_it_is_the_last() {
        let mut response = Response::new(ReplyBody::Empty);
        for _ in 0..2 {
            close_after(&mut response);
            let said = response.headers().get_all(CONNECTION).iter();
            assert_eq!(said.collect::<Vec<_>>(), ["close"]);
        }
    }

    #[test]
    fn a_switch_says_to_which_protocol() {
        let head = || ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS);
        let mut response = Response::new(ReplyBody::Empty);
        assert!(switch(&mut response, head()).is_err());
        let named = head().with_header(UPGRADE, HeaderValue::from_static("echo"));
        switch(&mut response, named).expect("it is named");
        assert_eq!(response.headers()[UPGRADE], "echo");
        assert_eq!(response.headers()[CONNECTION], "upgrade");
        let mut response = Response::new(ReplyBody::Empty);
        let connected = ResponseHead::new(StatusCode::OK)
            .with_header(CONTENT_LENGTH, HeaderValue::from_static("5"));
        switch(&mut response, connected).expect("a CONNECT names none");
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_body_says_how_long_it_is() {
        for (body, length, end) in [
            (ReplyBody::Empty, 0, true),
            (ReplyBody::Told(7), 7, false),
            (ReplyBody::Whole(Bytes::new()), 0, true),
            (ReplyBody::Whole(Bytes::from_static(b"abc")), 3, false),
        ] {
            assert_eq!(body.size_hint().exact(), Some(length));
            assert_eq!(body.is_end_stream(), end);
        }
    }
}
