//! Heads become scopes.

use gateway_spec::{BodyLength, HttpScope};
use http::{Method, Version};
use http1::{BodyFraming, RequestHead, Trailers, Upgrade};
use server_host::{BodyAllowed, Facts, Informational, Limits, TrailersTaken, UpgradeAsked};

/// The limits of the operator, as the protocol package has them.
pub(crate) fn limits(limits: &Limits) -> http1::Limits {
    http1::Limits::default()
        .with_head_bytes(limits.head_bytes)
        .with_target_bytes(limits.target_bytes)
        .with_fields(limits.header_fields)
        .with_chunked_body_bytes(limits.body_bytes)
}

/// What of a request decides about its reply.
pub(crate) fn facts(head: &RequestHead) -> Facts {
    Facts {
        body: if head.method == Method::HEAD {
            BodyAllowed::Head
        } else {
            BodyAllowed::Yes
        },
        upgrade: match (head.upgrade, head.framing) {
            (Upgrade::Offered, BodyFraming::Empty) => UpgradeAsked::Yes,
            _ if head.method == Method::CONNECT => UpgradeAsked::Yes,
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

/// Moves a head into a scope; the memory of the scope's last fields comes back with the head.
pub(crate) fn fill(scope: &mut HttpScope, head: &mut RequestHead) {
    std::mem::swap(&mut scope.method, &mut head.method);
    std::mem::swap(&mut scope.uri, &mut head.uri);
    std::mem::swap(&mut scope.headers, &mut head.headers);
    scope.version = head.version;
    scope.body = match head.framing {
        BodyFraming::Empty => BodyLength::Empty,
        BodyFraming::Sized(length) => BodyLength::Known(length),
        BodyFraming::Chunked => BodyLength::Unknown,
    };
}
