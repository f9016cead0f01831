//! Heads become scopes: those of HTTP/1 as `http1` reads them, which hyper is then told the gist of, and those of HTTP/2 as hyper has them.

use std::io;

use gateway_spec::{BodyLength, HttpScope};
use http::request::Parts;
use http::{Method, Version};
use http1::{BodyFraming, Expectation, HeadFacts, Persistence, RequestHead, Trailers, Upgrade};
use hyper::body::{Body, Incoming};
use hyper::ext::Protocol;
use server_host::{BodyAllowed, Facts, Informational, Limits, TrailersTaken, UpgradeAsked};
use tokio::io::ReadBuf;

use crate::body::Continue;

/// The limits of the operator, as the protocol package has them.
pub(crate) fn limits(limits: &Limits) -> http1::Limits {
    http1::Limits::default()
        .with_head_bytes(limits.head_bytes)
        .with_target_bytes(limits.target_bytes)
        .with_fields(limits.header_fields)
        .with_trailer_bytes(limits.trailer_bytes)
        .with_trailer_fields(limits.trailer_fields)
        .with_chunk_extension_bytes(limits.chunk_extension_bytes)
        .with_chunked_body_bytes(limits.body_bytes)
}

/// Bytes that a restated head has at the most: with a method of 32 and a length of 20 digits it is less than half of them.
const RESTATED: usize = 512;

/// Says of a head what hyper needs to frame the body and the reply, and to know whether the connection goes on: nothing else of it.
///
/// # Errors
///
/// If there is no room, which hyper always has.
#[inline(always)]
pub(crate) fn restate(
    method: &Method,
    facts: HeadFacts,
    persistence: Persistence,
    into: &mut ReadBuf<'_>,
) -> io::Result<()> {
    if into.remaining() < RESTATED {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    if *method == Method::GET && facts == PLAIN && persistence == Persistence::KeepOpen {
        into.put_slice(b"GET / HTTP/1.1\r\n\r\n");
    } else {
        restate_in_full(method, facts, persistence, into);
    }
    Ok(())
}

#[inline(never)]
fn restate_in_full(
    method: &Method,
    facts: HeadFacts,
    persistence: Persistence,
    into: &mut ReadBuf<'_>,
) {
    into.put_slice(method.as_str().as_bytes());
    into.put_slice(match facts.version {
        Version::HTTP_10 => b" / HTTP/1.0\r\n",
        _ => b" / HTTP/1.1\r\n",
    });
    match (facts.version, persistence) {
        (Version::HTTP_10, Persistence::KeepOpen) => {
            into.put_slice(b"connection: keep-alive\r\n");
        }
        (Version::HTTP_10, Persistence::Close) | (_, Persistence::KeepOpen) => {}
        (_, Persistence::Close) => into.put_slice(b"connection: close\r\n"),
    }
    match facts.framing {
        BodyFraming::Empty => {}
        BodyFraming::Sized(length) => {
            into.put_slice(b"content-length: ");
            into.put_slice(itoa::Buffer::new().format(length.min(LONGEST)).as_bytes());
            into.put_slice(b"\r\n");
        }
        BodyFraming::Chunked => into.put_slice(b"transfer-encoding: chunked\r\n"),
    }
    if facts.expectation == Expectation::Continue {
        into.put_slice(b"expect: 100-continue\r\n");
    }
    if facts.upgrade == Upgrade::Offered {
        into.put_slice(b"upgrade: any\r\n");
    }
    if facts.trailers == Trailers::Wanted {
        into.put_slice(b"te: trailers\r\n");
    }
    into.put_slice(b"\r\n");
}

/// The longest body that hyper can tell from one without a length; nobody sends as much.
const LONGEST: u64 = u64::MAX - 2;

/// What nearly all heads say.
const PLAIN: HeadFacts = HeadFacts {
    version: Version::HTTP_11,
    framing: BodyFraming::Empty,
    expectation: Expectation::None,
    upgrade: Upgrade::None,
    trailers: Trailers::Unasked,
};

/// What of a request decides about its reply.
pub(crate) fn facts(method: &Method, head: HeadFacts) -> Facts {
    let HeadFacts {
        version,
        framing,
        upgrade,
        trailers,
        ..
    } = head;
    Facts {
        body: if *method == Method::HEAD {
            BodyAllowed::Head
        } else {
            BodyAllowed::Yes
        },
        upgrade: match (upgrade, framing) {
            (Upgrade::Offered, BodyFraming::Empty) => UpgradeAsked::Yes,
            _ if *method == Method::CONNECT => UpgradeAsked::Yes,
            (Upgrade::Unlisted, BodyFraming::Empty) => UpgradeAsked::Unlisted,
            _ => UpgradeAsked::No,
        },
        informational: Informational::Dropped,
        trailers: match (version, trailers) {
            (Version::HTTP_11, Trailers::Wanted) => TrailersTaken::Announced,
            _ => TrailersTaken::None,
        },
    }
}

/// Puts a head of HTTP/1 that was read elsewhere into a scope.
pub(crate) fn show(head: RequestHead, scope: &mut HttpScope) {
    scope.method = head.method;
    scope.uri = head.uri;
    scope.headers = head.headers;
    note(head.facts, scope);
}

/// Notes what a head of HTTP/1 says beside its method, its target and its fields.
#[inline]
pub(crate) fn note(head: HeadFacts, scope: &mut HttpScope) {
    scope.version = head.version;
    scope.body = match head.framing {
        BodyFraming::Empty => BodyLength::Empty,
        BodyFraming::Sized(length) => BodyLength::Known(length),
        BodyFraming::Chunked => BodyLength::Unknown,
    };
}

/// Whether the peer waits to be asked for its body.
pub(crate) fn waits(head: HeadFacts) -> Continue {
    match head.expectation {
        Expectation::Continue => Continue::Expected,
        Expectation::None => Continue::NotExpected,
    }
}

/// Moves a head of HTTP/2 into a scope, part by part: as a whole it would be copied several times.
pub(crate) fn fill(scope: &mut HttpScope, mut head: Parts, body: BodyLength) {
    scope.method = head.method;
    scope.uri = head.uri;
    scope.version = head.version;
    match scope.headers.as_map_mut() {
        Some(fields) => *fields = head.headers,
        None => scope.headers = head.headers.into(),
    }
    scope.body = body;
    if !head.extensions.is_empty() {
        let protocol = head.extensions.remove::<Protocol>();
        scope.protocol = protocol.map(|protocol| protocol.as_str().into());
    }
}

/// How long the body is.
pub(crate) fn length(body: &Incoming) -> BodyLength {
    if body.is_end_stream() {
        return BodyLength::Empty;
    }
    match body.size_hint().exact() {
        Some(length) => BodyLength::Known(length),
        None => BodyLength::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use http1::{Check, Verdict};

    use super::*;

    /// What hyper is told of a head.
    #[track_caller]
    fn check(head: &str, restated: &str) {
        let mut read = RequestHead::default();
        let passed = Check::new(http1::Limits::default()).pass(head.as_bytes(), &mut read);
        let Verdict::Head(persistence) = passed.verdict else {
            panic!("{head} must be right");
        };
        let mut room = [0; RESTATED];
        let mut into = ReadBuf::new(&mut room);
        restate(&read.method, read.facts, persistence, &mut into).expect("there is room");
        assert_eq!(
            into.filled().escape_ascii().to_string(),
            restated.escape_default().to_string()
        );
    }

    #[test]
    fn hyper_is_told_what_it_needs_and_nothing_else() {
        for (head, restated) in [
            (
                "GET /a?b HTTP/1.1\r\nHost: c\r\nConnection: keep-alive\r\nCookie: d\r\n\r\n",
                "GET / HTTP/1.1\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
                "GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\nExpect: 100-Continue\r\n\r\n",
                "POST / HTTP/1.1\r\ncontent-length: 18446744073709551613\r\nexpect: 100-continue\r\n\r\n",
            ),
            (
                "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: x, trailers\r\n\r\n",
                "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\nte: trailers\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                "GET / HTTP/1.1\r\nupgrade: any\r\n\r\n",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
                "GET / HTTP/1.1\r\n\r\n",
            ),
            (
                "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
                "CONNECT / HTTP/1.1\r\n\r\n",
            ),
            ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            ),
        ] {
            check(head, restated);
        }
    }
}
