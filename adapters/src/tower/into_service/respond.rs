//! The future of the service: drives the call until it has a response, and lets it go on elsewhere then.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{Gone, ResponseHead};
use hosting::{Outgoing, ReplyLength, is_bodiless};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE};
use http::{Method, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use super::body::ResponseBody;
use super::drive::Drive;
use super::peer::Peer;
use super::tunnel;

/// What of a request decides about the response of a service.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
    /// How long a tunnel's client may take nothing of what is sent.
    pub(super) write_timeout: Duration,
}

/// The future of an [`IntoService`](super::IntoService): resolves with the response as soon as there is a head.
///
/// # Cancel safety
///
/// Dropped before, the client has left: the application learns it, and runs on (SRV-1).
#[must_use = "dropped, the client has left"]
pub struct Responding {
    /// `None` once there is a response.
    under_way: Option<UnderWay>,
}

struct UnderWay {
    drive: Box<Drive>,
    peer: Arc<Peer>,
    asked: Asked,
    on_upgrade: Option<OnUpgrade>,
}

impl Responding {
    pub(super) fn new(
        drive: Drive,
        peer: Arc<Peer>,
        asked: Asked,
        on_upgrade: Option<OnUpgrade>,
    ) -> Self {
        Self {
            under_way: Some(UnderWay {
                drive: Box::new(drive),
                peer,
                asked,
                on_upgrade,
            }),
        }
    }
}

impl Future for Responding {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(under_way) = &mut self.under_way else {
            return Poll::Pending;
        };
        // Most calls return in their first turn, and cost no task.
        let driven = Pin::new(&mut *under_way.drive).poll(cx);
        let outgoing = ready!(under_way.peer.client().poll_next(cx));
        let Some(under_way) = self.under_way.take() else {
            return Poll::Pending;
        };
        let UnderWay {
            drive,
            peer,
            asked,
            on_upgrade,
        } = under_way;
        let response = respond(outgoing, &peer, &asked, on_upgrade);
        if driven.is_pending() {
            // The outer server asks for the body only while it can send it; the application's timers must not stand still meanwhile.
            peer.runtime.spawn(drive);
        }
        Poll::Ready(Ok(response))
    }
}

impl Drop for Responding {
    fn drop(&mut self) {
        if let Some(UnderWay { drive, peer, .. }) = self.under_way.take() {
            peer.leave();
            peer.runtime.spawn(drive);
        }
    }
}

impl fmt::Debug for Responding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responding")
            .field("is_under_way", &self.under_way.is_some())
            .finish_non_exhaustive()
    }
}

fn respond(
    outgoing: Option<Outgoing>,
    peer: &Arc<Peer>,
    asked: &Asked,
    on_upgrade: Option<OnUpgrade>,
) -> Response<ResponseBody> {
    match outgoing {
        Some(Outgoing::Head {
            head,
            length,
            first,
        }) => answer(head, length, first, peer, asked),
        Some(Outgoing::Upgrade(head)) => match (switch(head, asked), on_upgrade) {
            (Some(response), Some(on_upgrade)) => {
                let tunnel = tunnel::run(Arc::clone(peer), on_upgrade, asked.write_timeout);
                peer.runtime.spawn(tunnel);
                response
            }
            _ => {
                peer.client().leave(Gone::Aborted);
                nothing()
            }
        },
        _ => nothing(),
    }
}

fn answer(
    head: ResponseHead,
    length: ReplyLength,
    first: Bytes,
    peer: &Arc<Peer>,
    asked: &Asked,
) -> Response<ResponseBody> {
    let mut response = with_head(head);
    if peer.has_bad_body() && asked.version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().append(CONNECTION, close);
    }
    if is_bodiless(response.status()) || asked.method == Method::HEAD {
        let told = settle_length(&mut response, asked.version);
        *response.body_mut() = ResponseBody::suppressed(told);
        peer.outlive();
        return response;
    }
    *response.body_mut() = match length {
        ReplyLength::Whole => ResponseBody::whole(first),
        ReplyLength::Known(length) => ResponseBody::stream(Arc::clone(peer), first, Some(length)),
        ReplyLength::Unknown => ResponseBody::stream(Arc::clone(peer), first, None),
    };
    response
}

/// What a response without a body may say of its length, and what its body has to say for hyper to let it stand.
fn settle_length<B>(response: &mut Response<B>, version: Version) -> Option<u64> {
    let status = response.status();
    let headers = response.headers_mut();
    match status {
        StatusCode::NO_CONTENT => {
            headers.remove(CONTENT_LENGTH);
            None
        }
        StatusCode::RESET_CONTENT => {
            // It may say that there is nothing, and nothing else (RFC 9110 section 15.3.6).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            None
        }
        // hyper's HTTP/1 lets the field stand only if there seems to be a body, for which it then never asks.
        StatusCode::NOT_MODIFIED if version < Version::HTTP_2 => {
            let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
            length.parse().ok()
        }
        _ => None,
    }
}

/// The response that makes of the connection, or of the stream, a tunnel. Each kind of request has one status for it (RFC 9110 sections
/// 9.3.6 and 15.2.2), whichever the application knows.
fn switch(mut head: ResponseHead, asked: &Asked) -> Option<Response<ResponseBody>> {
    head.headers.remove(CONTENT_LENGTH);
    let mut response = with_head(head);
    let headers = response.headers_mut();
    if asked.method == Method::CONNECT {
        headers.remove(UPGRADE);
        headers.remove(CONNECTION);
        if !response.status().is_success() {
            *response.status_mut() = StatusCode::OK;
        }
        return Some(response);
    }
    // It says to which.
    if !headers.contains_key(UPGRADE) {
        return None;
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    Some(response)
}

fn with_head(head: ResponseHead) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.into_map();
    response
}

/// What tower can say of an exchange that was given up without an answer (HTTP-29). hyper does not send a head whose body has failed
/// by then: it closes the connection, or resets the stream.
fn nothing() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::nothing());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
