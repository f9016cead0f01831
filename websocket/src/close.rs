//! Close codes and the payload of a close frame (RFC 6455 §5.5.1, §7.4).
//!
//! A [`CloseCode`] is always one that may stand on the wire: 1005, 1006 and 1015 cannot be built.

use std::{error::Error, fmt};

use bytes::{BufMut, BytesMut};

use crate::{error::ProtocolError, message::Text};

/// A code that may be sent in a close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of message that this endpoint does not take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: a message whose bytes do not fit its kind, such as a text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: against this endpoint's rules.
    pub const POLICY: Self = Self(1008);
    /// 1009: too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: the server met something unexpected.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; a client may come again.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; a client may come again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// The number on the wire.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, InvalidCloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(InvalidCloseCode(())),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number is not a close code that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCloseCode(());

impl fmt::Display for InvalidCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a close code that must not be sent")
    }
}

impl Error for InvalidCloseCode {}

/// What a close frame says, if it says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Text,
}

impl CloseFrame {
    /// Bytes that a reason may have: what 125 bytes leave after the code.
    pub const REASON_BYTES: usize = 123;

    /// A close frame with a code and a reason.
    ///
    /// A reason over [`REASON_BYTES`](Self::REASON_BYTES) is cut at the last character that fits: it is a hint for people, and no
    /// ground to fail a close.
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let end = reason.floor_char_boundary(Self::REASON_BYTES);
        Self {
            code,
            reason: Text::from(&reason[..end]),
        }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, often empty.
    pub fn reason(&self) -> &str {
        self.reason.as_str()
    }

    /// Reads the payload of a close frame.
    pub(crate) fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::CloseTooShort),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::try_from(code).map_err(|_| ProtocolError::CloseCode)?;
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::NotUtf8)?;
        Ok(Some(Self {
            code,
            reason: Text::from(reason),
        }))
    }

    /// The mirror image of [`parse`](Self::parse).
    pub(crate) fn payload(frame: Option<&Self>) -> BytesMut {
        let mut payload = BytesMut::new();
        if let Some(frame) = frame {
            payload.put_u16(frame.code.0);
            payload.put_slice(frame.reason.as_bytes());
        }
        payload
    }
}

impl From<ProtocolError> for CloseFrame {
    fn from(error: ProtocolError) -> Self {
        Self::new(error.code(), &error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_must_not_be_sent_cannot_be_built() {
        let valid: Vec<u16> = (0..=u16::MAX)
            .filter(|&code| CloseCode::try_from(code).is_ok())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(valid, expected);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = CloseFrame::new(CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(frame.reason(), "é".repeat(61));
        assert_eq!(CloseFrame::payload(Some(&frame)).len(), 124);
    }
}
