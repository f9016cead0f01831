//! Decides how long a body is (RFC 9112 section 6.3), for requests and for replies.
//!
//! No other module reads Content-Length or Transfer-Encoding.

use http::{StatusCode, Version};

use crate::error::{PeerError, UsageError};
use crate::scan;
use crate::state::{MethodKind, Request};

/// How long the body of a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body, or one of no bytes: the request ends with its head.
    #[default]
    Empty,
    /// So many bytes; never none.
    Sized(u64),
    /// Chunks, and perhaps trailers.
    Chunked,
}

/// What the framing fields of a request said, one noted after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    length: Length,
    coding: Coding,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Absent,
    Bytes(u64),
    Malformed,
    Repeated,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Absent,
    Chunked,
    /// Codings that we do not know, and `chunked` behind them.
    Unknown,
    /// Anything else: the end of such a body cannot be told.
    Malformed,
}

impl Lengths {
    pub(crate) const NONE: Self = Self {
        length: Length::Absent,
        coding: Coding::Absent,
    };

    pub(crate) fn note_content_length(&mut self, value: &[u8]) {
        self.length = match (self.length, decimal(value)) {
            (Length::Absent, Some(bytes)) => Length::Bytes(bytes),
            (Length::Absent, None) => Length::Malformed,
            (Length::Bytes(_) | Length::Malformed | Length::Repeated, _) => Length::Repeated,
        };
    }

    pub(crate) fn note_transfer_encoding(&mut self, value: &[u8]) {
        self.coding = match self.coding {
            Coding::Absent => coding(value),
            // Lines could be joined to a list. No client sends several, and where they were read differently, requests
            // were smuggled.
            Coding::Chunked | Coding::Unknown | Coding::Malformed => Coding::Malformed,
        };
    }

    pub(crate) fn framing(self, version: Version) -> Result<BodyFraming, PeerError> {
        match (self.coding, self.length) {
            (Coding::Absent, Length::Absent | Length::Bytes(0)) => Ok(BodyFraming::Empty),
            (Coding::Absent, Length::Bytes(bytes)) => Ok(BodyFraming::Sized(bytes)),
            (Coding::Absent, Length::Malformed) => Err(PeerError::ContentLength),
            (Coding::Absent, Length::Repeated) => Err(PeerError::RepeatedContentLength),
            (_, Length::Bytes(_) | Length::Malformed | Length::Repeated) => {
                Err(PeerError::TwoLengths)
            }
            (_, Length::Absent) if version == Version::HTTP_10 => Err(PeerError::CodingInHttp10),
            (Coding::Chunked, Length::Absent) => Ok(BodyFraming::Chunked),
            (Coding::Unknown, Length::Absent) => Err(PeerError::UnknownCoding),
            (Coding::Malformed, Length::Absent) => Err(PeerError::TransferEncoding),
        }
    }
}

/// How much of the body of a reply is known when its head is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// So many bytes, and no trailers.
    Whole(u64),
    /// Unknown, unless the fields have a content-length.
    Stream,
    /// As [`Stream`](Self::Stream), of which so many bytes are here: a content-length below is refused before the head is
    /// written.
    Begins(u64),
}

/// How the body of a reply is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyFraming {
    /// No body follows. The length is what the head says of a body that another request would have got.
    Nothing { declared: Option<u64> },
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// Decides for a reply whose fields had this content-length.
pub(crate) fn of_reply(
    request: Request,
    status: StatusCode,
    body: ReplyBody,
    content_length: Option<u64>,
) -> Result<ReplyFraming, UsageError> {
    match (request.method, status.as_u16()) {
        (_, 100..200) => Err(UsageError::Status),
        (MethodKind::Connect, 200..300) => Err(UsageError::Tunnel),
        (_, 204) => Ok(ReplyFraming::Nothing { declared: None }),
        // It may say that there is nothing, and nothing else (RFC 9110 section 15.3.6).
        (_, 205) => Ok(ReplyFraming::Nothing { declared: Some(0) }),
        (_, 304) => Ok(ReplyFraming::Nothing {
            declared: content_length,
        }),
        (MethodKind::Head, _) => Ok(ReplyFraming::Nothing {
            declared: content_length.or(length_of(body)),
        }),
        (MethodKind::Connect | MethodKind::Other, _) => match (body, content_length) {
            (ReplyBody::Whole(length) | ReplyBody::Begins(length), Some(declared))
                if length > declared =>
            {
                Err(UsageError::TooMuchData { declared })
            }
            (ReplyBody::Whole(length), Some(declared)) if length < declared => {
                let missing = declared - length;
                Err(UsageError::TooLittleData { missing })
            }
            (ReplyBody::Whole(length), _) => Ok(ReplyFraming::Sized(length)),
            (ReplyBody::Stream | ReplyBody::Begins(_), Some(declared)) => {
                Ok(ReplyFraming::Sized(declared))
            }
            (ReplyBody::Stream | ReplyBody::Begins(_), None)
                if request.version == Version::HTTP_10 =>
            {
                Ok(ReplyFraming::UntilClose)
            }
            (ReplyBody::Stream | ReplyBody::Begins(_), None) => Ok(ReplyFraming::Chunked),
        },
    }
}

/// What HEAD may say of the body that GET would have got. An application that knows HEAD gives no body, so none says nothing.
fn length_of(body: ReplyBody) -> Option<u64> {
    match body {
        ReplyBody::Whole(0) | ReplyBody::Stream | ReplyBody::Begins(_) => None,
        ReplyBody::Whole(length) => Some(length),
    }
}

/// A number of 64 bits in digits alone: no sign, no list, no space.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn coding(value: &[u8]) -> Coding {
    if scan::is(value, b"chunked") {
        return Coding::Chunked;
    }
    let mut others = 0;
    let mut chunked = 0;
    for member in value.split(|&byte| byte == b',').map(scan::trim) {
        if member.is_empty() || chunked > 0 || !member.iter().copied().all(scan::is_token) {
            return Coding::Malformed;
        }
        if scan::is(member, b"chunked") {
            chunked += 1;
        } else {
            others += 1;
        }
    }
    match (others, chunked) {
        (1.., 1) => Coding::Unknown,
        _ => Coding::Malformed,
    }
}
