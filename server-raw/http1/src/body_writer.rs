//! The body of a reply to bytes: the mirror image of `body_reader`.

use http::HeaderMap;

use crate::error::UsageError;
use crate::event::Payload;
use crate::framing::ReplyFraming;
use crate::trailers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyWriter {
    /// The reply has no body, whatever the application writes.
    Nothing,
    /// So many bytes were announced, and so many of them are owed.
    Sized {
        declared: u64,
        left: u64,
    },
    Chunked,
    UntilClose,
}

impl BodyWriter {
    pub(crate) const fn new(framing: ReplyFraming) -> Self {
        match framing {
            ReplyFraming::Nothing { .. } => Self::Nothing,
            ReplyFraming::Sized(declared) => Self::Sized {
                declared,
                left: declared,
            },
            ReplyFraming::Chunked => Self::Chunked,
            ReplyFraming::UntilClose => Self::UntilClose,
        }
    }

    /// Writes what stands before `length` bytes of data.
    pub(crate) fn frame(
        &mut self,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<Payload, UsageError> {
        match self {
            Self::Nothing => Ok(Payload::Skip),
            Self::Sized { declared, left } => {
                let declared = *declared;
                *left = left
                    .checked_sub(length as u64)
                    .ok_or(UsageError::TooMuchData { declared })?;
                Ok(Payload::Write { suffix: b"" })
            }
            // A chunk of no bytes would end the body (RFC 9112 section 7.1).
            Self::Chunked if length == 0 => Ok(Payload::Skip),
            Self::Chunked => {
                put_chunk_size(length, out);
                Ok(Payload::Write { suffix: b"\r\n" })
            }
            Self::UntilClose => Ok(Payload::Write { suffix: b"" }),
        }
    }

    /// Whether `length` bytes are the rest of the body.
    pub(crate) fn check_last(self, length: usize) -> Result<(), UsageError> {
        match self {
            Self::Sized { left, .. } if left > length as u64 => Err(UsageError::TooLittleData {
                missing: left - length as u64,
            }),
            // Too much is found when it is written.
            Self::Sized { .. } | Self::Nothing | Self::Chunked | Self::UntilClose => Ok(()),
        }
    }

    /// Writes the end of the body. Trailers are written if the body is chunked: no other has a place for them.
    pub(crate) fn end(
        self,
        trailers: Option<&HeaderMap>,
        out: &mut Vec<u8>,
    ) -> Result<(), UsageError> {
        match self {
            Self::Sized {
                left: missing @ 1..,
                ..
            } => return Err(UsageError::TooLittleData { missing }),
            Self::Nothing | Self::Sized { left: 0, .. } | Self::UntilClose => {}
            Self::Chunked => match trailers {
                None => out.extend_from_slice(b"0\r\n\r\n"),
                Some(trailers) => end_with_trailers(trailers, out)?,
            },
        }
        Ok(())
    }
}

fn put_chunk_size(length: usize, out: &mut Vec<u8>) {
    let digits = length.checked_ilog(16).map_or(1, |power| power + 1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[length >> (4 * place) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

fn end_with_trailers(trailers: &HeaderMap, out: &mut Vec<u8>) -> Result<(), UsageError> {
    if trailers
        .keys()
        .any(|name| trailers::is_forbidden_trailer(name.as_str().as_bytes()))
    {
        return Err(UsageError::ForbiddenTrailer);
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        crate::reply_head::put_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}
