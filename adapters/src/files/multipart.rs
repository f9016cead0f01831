//! Several ranges in one body: `multipart/byteranges` (RFC 9110 section 14.6).

use bytes::Bytes;
use http::HeaderValue;

use super::answer::content_range;
use super::range::ByteRange;

/// Parts, each with the bytes that stand before it.
#[derive(Debug)]
pub(super) struct Multipart {
    boundary: String,
    pub(super) parts: Vec<(Bytes, ByteRange)>,
    /// What stands behind the last.
    pub(super) end: Bytes,
}

impl Multipart {
    /// Of a representation of this length and type.
    pub(super) fn new(ranges: &[ByteRange], length: u64, content_type: &HeaderValue) -> Self {
        // Nobody has to guess it, and what is in the files was there before it.
        let boundary = format!("{:032x}", fastrand::u128(..));
        let head = |range: &ByteRange| {
            let mut head = Vec::new();
            head.extend_from_slice(b"\r\n--");
            head.extend_from_slice(boundary.as_bytes());
            head.extend_from_slice(b"\r\ncontent-type: ");
            head.extend_from_slice(content_type.as_bytes());
            head.extend_from_slice(b"\r\ncontent-range: ");
            head.extend_from_slice(content_range(*range, length).as_bytes());
            head.extend_from_slice(b"\r\n\r\n");
            (Bytes::from(head), *range)
        };
        Self {
            parts: ranges.iter().map(head).collect(),
            end: format!("\r\n--{boundary}--\r\n").into(),
            boundary,
        }
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let value = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::try_from(value).expect("a boundary is of digits")
    }

    /// Of all that is sent.
    pub(super) fn length(&self) -> u64 {
        let parts = self.parts.iter();
        let sum: u64 = parts
            .map(|(head, range)| head.len() as u64 + range.length())
            .sum();
        sum + self.end.len() as u64
    }
}
