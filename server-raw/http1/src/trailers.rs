//! The fields behind a chunked body (RFC 9112 section 7.1.2).

use bytes::{Buf, BytesMut};
use gateway_spec::{Field, Headers};
use http::HeaderMap;

use crate::error::PeerError;
use crate::field_lines::FieldLines;
use crate::limits::Limits;

/// Reads the trailers that `input` begins with, and takes them out of it when they are complete.
///
/// `index` is empty when the section begins.
pub(crate) fn read(
    input: &mut BytesMut,
    lines: &mut FieldLines,
    index: &mut Vec<Field>,
    limits: &Limits,
) -> Result<Option<HeaderMap>, PeerError> {
    let window = &input[..input.len().min(limits.trailer_bytes)];
    let end = lines
        .read(window, |field| {
            if index.len() >= limits.trailer_fields {
                return Err(PeerError::TrailersTooLarge);
            }
            if is_forbidden(field.name) {
                return Err(PeerError::ForbiddenTrailer);
            }
            index.push(field.place);
            Ok(())
        })
        .map_err(in_trailers)?;
    let Some(length) = end else {
        if window.len() >= limits.trailer_bytes {
            return Err(PeerError::TrailersTooLarge);
        }
        return Ok(None);
    };
    let mut trailers = Headers::new();
    trailers.refill_validated(&window[..length], index);
    input.advance(length);
    Ok(Some(trailers.into_map()))
}

const fn in_trailers(error: PeerError) -> PeerError {
    match error {
        PeerError::HeadTooLarge => PeerError::TrailersTooLarge,
        other => other,
    }
}

/// Whether a field may not stand behind a body, since it says how to frame, route, authenticate or understand the message
/// (RFC 9110 section 6.5.1).
pub(crate) fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}

const FORBIDDEN: &[&str] = &[
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];
