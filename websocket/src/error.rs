//! What the peer or the caller did wrong, sorted by culprit; each peer's error knows its close code.
//!
//! Refused handshakes are errors of their own: [`HandshakeError`](crate::handshake::HandshakeError).

use std::{error::Error, fmt};

use gateway_spec::{CloseCode, CloseFrame, Text};

/// A peer broke RFC 6455 or RFC 7692, or passed one of our limits.
///
/// The session that reported it reads nothing more. Answer with a close frame of [`code`](Self::code), then end the
/// connection. The list is exhaustive: a new rule is a new variant, and a breaking change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolError {
    /// A reserved bit is set that no extension gave a meaning to at this place (RFC 6455 §5.2, RFC 7692 §6).
    ReservedBits,
    /// An opcode that RFC 6455 §5.2 reserves.
    ReservedOpcode,
    /// A control frame without FIN (RFC 6455 §5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// A client's frame that is not masked (RFC 6455 §5.1).
    Unmasked,
    /// A server's frame that is masked (RFC 6455 §5.1).
    Masked,
    /// A length that would have fitted a shorter form (RFC 6455 §5.2).
    LengthNotMinimal,
    /// A 64-bit length whose top bit is set (RFC 6455 §5.2).
    LengthTopBit,
    /// A continuation frame, but no message was begun (RFC 6455 §5.4).
    NothingToContinue,
    /// A text or binary frame in the middle of another message (RFC 6455 §5.4).
    MessageInMessage,
    /// A close frame with one byte of payload, which is no code (RFC 6455 §5.5.1).
    CloseTooShort,
    /// A close code that must not be sent (RFC 6455 §7.4).
    CloseCode,
    /// A text message or close reason that is not UTF-8 (RFC 6455 §8.1).
    NotUtf8,
    /// A compressed message that is not a DEFLATE stream (RFC 7692 §6.2).
    NotDeflate,
    /// A frame longer than [`Limits::frame_bytes`](crate::Limits::frame_bytes).
    FrameTooLarge,
    /// A message longer than [`Limits::wire_bytes`](crate::Limits::wire_bytes), or after inflation than
    /// [`Limits::message_bytes`](crate::Limits::message_bytes).
    MessageTooLarge,
    /// A message of more frames than [`Limits::fragments`](crate::Limits::fragments).
    TooManyFragments,
}

impl ProtocolError {
    /// The code to close with: 1002, 1007 or 1009.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::Unmasked
            | Self::Masked
            | Self::LengthNotMinimal
            | Self::LengthTopBit
            | Self::NothingToContinue
            | Self::MessageInMessage
            | Self::CloseTooShort
            | Self::CloseCode => CloseCode::PROTOCOL_ERROR,
            Self::NotUtf8 | Self::NotDeflate => CloseCode::INVALID_DATA,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments => {
                CloseCode::TOO_BIG
            }
        }
    }

    /// The error in words.
    const fn text(self) -> &'static str {
        match self {
            Self::ReservedBits => "a reserved bit is set",
            Self::ReservedOpcode => "the opcode is reserved",
            Self::FragmentedControl => "a control frame is fragmented",
            Self::ControlTooLong => "a control frame is longer than 125 bytes",
            Self::Unmasked => "a frame of the client is not masked",
            Self::Masked => "a frame of the server is masked",
            Self::LengthNotMinimal => "the length is not in its shortest form",
            Self::LengthTopBit => "the top bit of the length is set",
            Self::NothingToContinue => "a continuation without a message",
            Self::MessageInMessage => "a message inside another message",
            Self::CloseTooShort => "the close frame holds half a code",
            Self::CloseCode => "the close code must not be sent",
            Self::NotUtf8 => "the text is not UTF-8",
            Self::NotDeflate => "the compressed message is not a DEFLATE stream",
            Self::FrameTooLarge => "the frame is too large",
            Self::MessageTooLarge => "the message is too large",
            Self::TooManyFragments => "the message has too many fragments",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for ProtocolError {}

/// What to tell the peer.
impl From<ProtocolError> for CloseFrame {
    fn from(error: ProtocolError) -> Self {
        Self::new(error.code(), Text::from_static(error.text()))
    }
}

/// Why a session did not take something to send. Nothing was written, and the session is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSent {
    /// A close frame was sent or received, or the session failed: RFC 6455 §5.5.1 allows nothing more.
    Closed,
    /// A ping or pong of more than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the socket is closing or closed",
            Self::ControlTooLong => "a ping or pong holds at most 125 bytes",
        })
    }
}

impl Error for NotSent {}
