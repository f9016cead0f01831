//! Heads become scopes.

use gateway_spec::{BodyLength, HttpScope};
use http::{Method, Version};
use http1::{BodyFraming, HeadFacts, HeadParts, Trailers, Upgrade};
use server_host::{BodyAllowed, Facts, Informational, Limits, TrailersTaken, UpgradeAsked};

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

/// The same for a GET by HTTP/1.1 that has no body and is [plain](PLAIN).
#[inline]
pub(crate) fn complete_plain(scope: &mut HttpScope) {
    scope.version = Version::HTTP_11;
    scope.body = BodyLength::Empty;
}

/// Whether a scope is complete as [`complete_plain`] makes it.
#[inline]
pub(crate) fn is_plain(scope: &HttpScope) -> bool {
    scope.version == Version::HTTP_11 && scope.body == BodyLength::Empty
}

/// What decides about the reply to a request that says nothing of it.
pub(crate) const PLAIN: Facts = Facts {
    body: BodyAllowed::Yes,
    upgrade: UpgradeAsked::No,
    informational: Informational::Sent,
    trailers: TrailersTaken::None,
};

/// What of a request decides about its reply.
#[inline]
fn facts(method: &Method, head: HeadFacts) -> Facts {
    Facts {
        body: if *method == Method::HEAD {
            BodyAllowed::Head
        } else {
            BodyAllowed::Yes
        },
        upgrade: match (head.upgrade, head.framing) {
            (Upgrade::Offered, BodyFraming::Empty) => UpgradeAsked::Yes,
            _ if *method == Method::CONNECT => UpgradeAsked::Yes,
            (Upgrade::Unlisted, BodyFraming::Empty) => UpgradeAsked::Unlisted,
            _ => UpgradeAsked::No,
        },
        informational: Informational::Sent,
        trailers: match (head.version, head.trailers) {
            (Version::HTTP_11, Trailers::Wanted) => TrailersTaken::Announced,
            _ => TrailersTaken::None,
        },
    }
}

/// The places of a scope for the parts of a head, so that none of them is moved.
#[inline]
pub(crate) fn parts<'a>(scope: &'a mut HttpScope, facts: &'a mut HeadFacts) -> HeadParts<'a> {
    HeadParts {
        method: &mut scope.method,
        uri: &mut scope.uri,
        headers: &mut scope.headers,
        facts,
    }
}

/// Says in a scope what its parts do not, and what of it decides about the reply.
#[inline]
pub(crate) fn complete(scope: &mut HttpScope, head: HeadFacts) -> Facts {
    scope.version = head.version;
    scope.body = match head.framing {
        BodyFraming::Empty => BodyLength::Empty,
        BodyFraming::Sized(length) => BodyLength::Known(length),
        BodyFraming::Chunked => BodyLength::Unknown,
    };
    facts(&scope.method, head)
}
