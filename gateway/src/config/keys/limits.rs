//! Sizes that a peer cannot exceed.

use super::Key;
use crate::config::form::{Bytes, Count, CountOrZero};

pub(super) fn keys() -> Vec<Key> {
    vec![
        Key::one::<Bytes, _>(
            "head-bytes",
            "Bytes of a request's head, its target included: room for large cookies, little for an attacker. 431 above it",
            |config| &mut config.settings.limits.head_bytes,
        ),
        Key::one::<Bytes, _>(
            "target-bytes",
            "Bytes of a request's target: what RFC 9112 section 3 recommends at least. 414 above it",
            |config| &mut config.settings.limits.target_bytes,
        ),
        Key::one::<Count, _>(
            "header-fields",
            "Fields of a request's head. 431 above it",
            |config| &mut config.settings.limits.header_fields,
        ),
        Key::one::<Bytes, _>(
            "trailer-bytes",
            "Bytes of a request's trailers: checksums and signatures are short. 400 above it",
            |config| &mut config.settings.limits.trailer_bytes,
        ),
        Key::one::<CountOrZero, _>(
            "trailer-fields",
            "Fields of a request's trailers. 400 above it",
            |config| &mut config.settings.limits.trailer_fields,
        ),
        Key::one::<Bytes, _>(
            "chunk-extension-bytes",
            "Bytes of all chunk extensions of a body: nothing reads them, but some clients sign each chunk. 400 above it",
            |config| &mut config.settings.limits.chunk_extension_bytes,
        ),
        Key::one::<Bytes, _>(
            "body-bytes",
            "Bytes of a request's body: what a forgotten limit of the application's own may cost. 413 above it",
            |config| &mut config.settings.limits.body_bytes,
        ),
        Key::one::<Bytes, _>(
            "discard-bytes",
            "Bytes of an unread body that are thrown away so that the connection can be kept; more stays with the client \
             until the answer, and then the connection is closed",
            |config| &mut config.settings.limits.discard_bytes,
        ),
        Key::one::<Count, _>(
            "connections",
            "Connections of one worker; more wait in the kernel",
            |config| &mut config.settings.limits.connections,
        ),
        Key::one::<Count, _>(
            "exchanges",
            "Exchanges that one worker runs at once, WebSockets and work behind an answer among them. 503 with \
             Retry-After above it",
            |config| &mut config.settings.limits.exchanges,
        ),
        Key::one::<Count, _>(
            "requests",
            "Requests of one connection, which then ends in order, so that load spreads anew over workers and machines",
            |config| &mut config.settings.limits.requests,
        ),
        Key::one::<Count, _>(
            "streams",
            "Requests that an HTTP/2 connection may have open at a time",
            |config| &mut config.settings.limits.streams,
        ),
        Key::one::<CountOrZero, _>(
            "resets",
            "Streams that the peer of an HTTP/2 connection may cancel within --resets-window; above it the connection \
             is closed (CVE-2023-44487)",
            |config| &mut config.settings.limits.resets,
        ),
        Key::one::<CountOrZero, _>(
            "unseen-resets",
            "Streams that the peer may cancel before the server has looked at them; above it the connection is closed",
            |config| &mut config.settings.limits.unseen_resets,
        ),
        Key::one::<CountOrZero, _>(
            "error-resets",
            "Streams that the server resets for what the peer does wrong on them; above it the connection is closed \
             (CVE-2025-8671)",
            |config| &mut config.settings.limits.error_resets,
        ),
    ]
}
