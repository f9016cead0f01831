//! The codes that a close frame may carry.

use std::error::Error;
use std::fmt;

use super::Text;

/// A close code that may be sent (RFC 6455 section 7.4): 1000 to 1003, 1007 to 1014, 3000 to 4999.
///
/// The codes that must never be on the wire (1004, 1005, 1006, 1015) cannot be made (WS-10).
///
/// # Examples
///
/// ```
/// use gateway_spec::CloseCode;
///
/// const SLOW_READER: CloseCode = CloseCode::new(4008);
/// assert_eq!(SLOW_READER.get(), 4008);
/// assert!(CloseCode::try_from(1006).is_err());
/// ```
///
/// In a constant, a wrong one does not compile:
///
/// ```compile_fail
/// # use gateway_spec::CloseCode;
/// const LOST: CloseCode = CloseCode::new(1006);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the socket is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// This side goes away, as a page does that is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that this side cannot take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A text that is not UTF-8, or data that is not what it says.
    pub const INVALID_DATA: Self = Self(1007);
    /// The message breaks a rule of the application.
    pub const POLICY: Self = Self(1008);
    /// The message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// This side failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts; come again.
    pub const RESTART: Self = Self(1012);
    /// The server is overloaded; come again later.
    pub const TRY_AGAIN: Self = Self(1013);
    /// What this server stands in front of failed.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code of this number.
    ///
    /// # Panics
    ///
    /// If it must not be sent: in a constant that is a compile error. For numbers that come at run time there is
    /// `TryFrom`.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        assert!(sendable(code), "this close code must never be sent (WS-10)");
        Self(code)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

const fn sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl TryFrom<u16> for CloseCode {
    type Error = BadCloseCode;

    fn try_from(code: u16) -> Result<Self, BadCloseCode> {
        if sendable(code) {
            Ok(Self(code))
        } else {
            Err(BadCloseCode(code))
        }
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is no close code, or one that must never be sent.
///
/// # Examples
///
/// ```
/// use gateway_spec::{BadCloseCode, CloseCode};
///
/// let refused: Result<CloseCode, BadCloseCode> = 1006.try_into();
/// assert_eq!(refused.unwrap_err().to_string(), "close code 1006 must never be sent (WS-10)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCloseCode(pub u16);

impl fmt::Display for BadCloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close code {} must never be sent (WS-10)", self.0)
    }
}

impl Error for BadCloseCode {}

/// What a close frame says: a code and a reason of at most 123 bytes.
///
/// # Examples
///
/// ```
/// use gateway_spec::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::POLICY, "é".repeat(100));
/// assert_eq!(frame.reason.len(), 122);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// Why, in words for people.
    pub reason: Text,
}

impl CloseFrame {
    /// The longest reason in bytes: a control frame's 125 less the code.
    pub const REASON_BYTES: usize = 123;

    /// A frame of this code; a reason over the limit is cut at a character's boundary.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Text>) -> Self {
        let reason: Text = reason.into();
        if reason.len() <= Self::REASON_BYTES {
            return Self { code, reason };
        }
        let cut = reason.floor_char_boundary(Self::REASON_BYTES);
        Self {
            code,
            reason: Text::from(&reason[..cut]),
        }
    }
}
