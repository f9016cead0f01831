//! The fields behind a chunked body (RFC 9112 section 7.1.2).

use bytes::{Buf, BytesMut};
use gateway_spec::{Field, Headers};
use http::HeaderMap;

use crate::error::PeerError;
use crate::field_lines::{FieldLines, Fields, Found, Plain};
use crate::limits::Limits;

/// How far the trailers of a body were read. The bytes stay with the caller, who must not move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    lines: FieldLines,
    fields: usize,
}

impl Section {
    pub(crate) const START: Self = Self {
        lines: FieldLines::new(0),
        fields: 0,
    };

    /// How many bytes of `input` are the trailers that it begins with, if they are complete.
    pub(crate) fn find_end(
        &mut self,
        input: &[u8],
        limits: &Limits,
        note: impl FnMut(Field),
    ) -> Result<Option<usize>, PeerError> {
        let window = &input[..input.len().min(limits.trailer_bytes)];
        let mut taken = Taken {
            fields: &mut self.fields,
            limit: limits.trailer_fields,
            note,
        };
        let end = self.lines.read(window, &mut taken);
        match end.map_err(in_trailers)? {
            None if window.len() >= limits.trailer_bytes => Err(PeerError::TrailersTooLarge),
            end => Ok(end),
        }
    }
}

/// Looks at each trailer.
struct Taken<'a, F> {
    fields: &'a mut usize,
    limit: usize,
    note: F,
}

impl<F: FnMut(Field)> Fields for Taken<'_, F> {
    /// Each is looked at.
    fn room(&self) -> usize {
        0
    }

    fn takes(&mut self, _: &Plain<'_>) -> bool {
        false
    }
    fn note(&mut self, field: Found<'_>) -> Result<(), PeerError> {
        if *self.fields >= self.limit {
            return Err(PeerError::TrailersTooLarge);
        }
        if is_forbidden_trailer(field.name) {
            return Err(PeerError::ForbiddenTrailer);
        }
        *self.fields += 1;
        (self.note)(field.place);
        Ok(())
    }
}

/// Makes a map of the trailers that `input` begins with, and takes them out of it.
pub(crate) fn take(input: &mut BytesMut, length: usize, index: &mut Vec<Field>) -> HeaderMap {
    let mut trailers = Headers::new();
    trailers.refill_validated(&input[..length], index);
    input.advance(length);
    trailers.into_map()
}

const fn in_trailers(error: PeerError) -> PeerError {
    match error {
        PeerError::HeadTooLarge => PeerError::TrailersTooLarge,
        other => other,
    }
}

/// Whether a field may not stand behind a body, since it says how to frame, route, authenticate or understand the message
/// (RFC 9110 section 6.5.1).
pub fn is_forbidden_trailer(name: &[u8]) -> bool {
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
