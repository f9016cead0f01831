//! One frame: its header both ways (RFC 6455 §5.2), and a frame that is ready to be written.
//!
//! Rules that a single frame can break are here; those between frames are in [`session`](crate::session).

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    error::ProtocolError,
    mask::{self, Key},
};

/// What a frame carries (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// More of the message that an earlier frame began.
    Continuation,
    /// A text, or its first part.
    Text,
    /// Bytes, or their first part.
    Binary,
    /// The close handshake.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, or comes unasked.
    Pong,
}

impl Opcode {
    /// Whether the frame is a control frame: short, whole, and allowed between the fragments of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn parse(bits: u8) -> Result<Self, ProtocolError> {
        match bits {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            _ => Err(ProtocolError::ReservedOpcode),
        }
    }
}

/// Whether the reader's peer masks its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// The peer is a client: it must.
    Required,
    /// The peer is a server: it must not.
    Refused,
}

/// What the first reserved bit means on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rsv1 {
    /// Nothing: it must be clear.
    Reserved,
    /// On the first frame of a message: the message is compressed (RFC 7692 §6).
    Compressed,
}

/// The header of a frame.
///
/// ```
/// use websocket::frame::{FrameHeader, Masking, Opcode, Rsv1};
///
/// let header = FrameHeader::new(Opcode::Text, 5);
/// let mut wire = bytes::BytesMut::new();
/// header.write(&mut wire);
/// assert_eq!(&wire[..], [0x81, 0x05]);
/// assert_eq!(FrameHeader::parse(&wire, Masking::Refused, Rsv1::Reserved), Ok(Some((header, 2))));
/// assert!(FrameHeader::parse(&wire, Masking::Required, Rsv1::Reserved).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the frame is the last of its message.
    pub fin: bool,
    /// RSV1: whether the message that starts here is compressed.
    pub compressed: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, if the sender is a client.
    pub mask: Option<Key>,
    /// Bytes of payload. What a peer declares is no reason to allocate.
    pub length: u64,
}

impl FrameHeader {
    /// The least bytes that a header takes.
    pub(crate) const LEAST_BYTES: usize = 2;
    /// The most bytes that a header takes.
    pub const MAX_BYTES: usize = 14;
    /// The most bytes of payload in a control frame.
    pub const MAX_CONTROL_BYTES: usize = 125;

    /// The header of a whole, plain, unmasked frame.
    pub const fn new(opcode: Opcode, length: u64) -> Self {
        Self {
            fin: true,
            compressed: false,
            opcode,
            mask: None,
            length,
        }
    }

    /// Reads a header from the front of `bytes`, and says how many bytes it took. `None`: it is not complete yet.
    ///
    /// # Errors
    ///
    /// As soon as the first broken byte is there, so the same error however the bytes arrive.
    pub fn parse(
        bytes: &[u8],
        masking: Masking,
        rsv1: Rsv1,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = Opcode::parse(first & 0x0f)?;
        let fin = first & 0x80 != 0;
        let compressed = first & 0x40 != 0;
        let starts_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & 0x30 != 0 || (compressed && (rsv1 == Rsv1::Reserved || !starts_message)) {
            return Err(ProtocolError::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }

        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = second & 0x7f;
        match (masking, second & 0x80 != 0) {
            (Masking::Required, false) => return Err(ProtocolError::Unmasked),
            (Masking::Refused, true) => return Err(ProtocolError::Masked),
            (Masking::Required, true) | (Masking::Refused, false) => {}
        }
        if opcode.is_control() && usize::from(short) > Self::MAX_CONTROL_BYTES {
            return Err(ProtocolError::ControlTooLong);
        }

        let Some((length, rest)) = length(short, &bytes[2..])? else {
            return Ok(None);
        };
        let (mask, rest) = match (masking, rest.split_first_chunk()) {
            (Masking::Refused, _) => (None, rest),
            (Masking::Required, Some((key, rest))) => (Some(*key), rest),
            (Masking::Required, None) => return Ok(None),
        };
        let header = Self {
            fin,
            compressed,
            opcode,
            mask,
            length,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// Appends the header to `out`, with its length in the shortest form.
    pub fn write(&self, out: &mut BytesMut) {
        let (bytes, count) = self.to_array();
        out.put_slice(&bytes[..count]);
    }

    /// The header, with its length in the shortest form, and how many bytes it is.
    #[inline]
    pub(crate) fn to_array(self) -> ([u8; Self::MAX_BYTES], usize) {
        let mut bytes = [0; Self::MAX_BYTES];
        bytes[0] = u8::from(self.fin) << 7 | u8::from(self.compressed) << 6 | self.opcode.bits();
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut count = match self.length {
            short @ 0..=125 => {
                bytes[1] = masked | short as u8;
                2
            }
            medium @ 126..=0xffff => {
                bytes[1] = masked | 126;
                bytes[2..4].copy_from_slice(&(medium as u16).to_be_bytes());
                4
            }
            long => {
                bytes[1] = masked | 127;
                bytes[2..10].copy_from_slice(&long.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            bytes[count..count + key.len()].copy_from_slice(&key);
            count += key.len();
        }
        (bytes, count)
    }
}

/// Reads the rest of a length whose first seven bits are `short`.
fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let (length, rest, least) = match short {
        126 => match bytes.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest, 126),
            None => return Ok(None),
        },
        127 => {
            // Judged from its first byte, so that eight bytes need not arrive first.
            if bytes.first().is_some_and(|top| top & 0x80 != 0) {
                return Err(ProtocolError::LengthTopBit);
            }
            match bytes.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 0x1_0000),
                None => return Ok(None),
            }
        }
        short => (u64::from(short), bytes, 0),
    };
    if length < least {
        return Err(ProtocolError::LengthNotMinimal);
    }
    Ok(Some((length, rest)))
}

/// A frame that is ready to be written: its payload is compressed and masked already, where that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a session's state assumes that its frames reach the peer"]
pub struct Frame {
    pub(crate) header: FrameHeader,
    pub(crate) payload: Bytes,
}

impl Frame {
    /// A whole frame without a mask: what a server sends.
    #[inline]
    pub(crate) fn new(opcode: Opcode, payload: Bytes) -> Self {
        Self {
            header: FrameHeader::new(opcode, payload.len() as u64),
            payload,
        }
    }

    /// The same frame as a client sends it.
    pub(crate) fn masked(mut self, key: Key) -> Self {
        let mut payload = BytesMut::from(self.payload);
        mask::apply(key, 0, &mut payload);
        self.header.mask = Some(key);
        self.payload = payload.freeze();
        self
    }

    /// The header.
    pub fn header(&self) -> FrameHeader {
        self.header
    }

    /// The payload as it goes on the wire. For large payloads, writing the header and then this saves a copy.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Appends header and payload to `out`.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(FrameHeader::MAX_BYTES + self.payload.len());
        self.header.write(out);
        out.put_slice(&self.payload);
    }

    /// Header and payload in one piece.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut out);
        out.freeze()
    }
}
