//! Bytes to the parts of a request's body (RFC 9112 sections 6.2 and 7.1).

use bytes::{Buf, Bytes, BytesMut};
use gateway_spec::Field;
use http::HeaderMap;

use crate::error::PeerError;
use crate::field_lines::FieldLines;
use crate::limits::Limits;
use crate::trailers;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyReader {
    /// So many bytes are to come.
    Sized {
        left: u64,
    },
    Chunked(Chunked),
}

pub(crate) enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    NeedBytes,
}

impl BodyReader {
    pub(crate) const fn chunked() -> Self {
        Self::Chunked(Chunked {
            place: Place::Size { digits: 0, size: 0 },
            extension_bytes: 0,
        })
    }

    pub(crate) fn read(
        &mut self,
        input: &mut BytesMut,
        index: &mut Vec<Field>,
        limits: &Limits,
    ) -> Result<Part, PeerError> {
        match self {
            Self::Sized { left: 0 } => Ok(Part::End),
            Self::Sized { left } => Ok(take(input, left)),
            Self::Chunked(chunked) => chunked.read(input, index, limits),
        }
    }
}

/// As much of the next `left` bytes as is there.
fn take(input: &mut BytesMut, left: &mut u64) -> Part {
    let there = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    if there == 0 {
        return Part::NeedBytes;
    }
    *left -= there as u64;
    Part::Data(input.split_to(there).freeze())
}

/// A chunked body under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    place: Place,
    /// Bytes in all extensions so far.
    extension_bytes: usize,
}

/// Between which bytes of the chunked coding the reading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a chunk size of so many digits so far.
    Size {
        digits: u8,
        size: u64,
    },
    /// In white space behind a size, which only an extension makes right.
    SpaceBeforeExtension {
        size: u64,
    },
    Extension {
        size: u64,
    },
    /// Behind the carriage return of a size line.
    SizeLineFeed {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// Behind the data of a chunk.
    DataCarriageReturn,
    DataLineFeed,
    Trailers(FieldLines),
    End,
}

/// Digits in a size: sixteen are 64 bits.
const MAX_DIGITS: u8 = 16;

impl Chunked {
    fn read(
        &mut self,
        input: &mut BytesMut,
        index: &mut Vec<Field>,
        limits: &Limits,
    ) -> Result<Part, PeerError> {
        loop {
            match &mut self.place {
                Place::Data { left: 0 } => self.place = Place::DataCarriageReturn,
                Place::Data { left } => return Ok(take(input, left)),
                Place::Trailers(lines) => {
                    let Some(trailers) = trailers::read(input, lines, index, limits)? else {
                        return Ok(Part::NeedBytes);
                    };
                    self.place = Place::End;
                    if !trailers.is_empty() {
                        return Ok(Part::Trailers(trailers));
                    }
                }
                Place::End => return Ok(Part::End),
                Place::Size { .. }
                | Place::SpaceBeforeExtension { .. }
                | Place::Extension { .. }
                | Place::SizeLineFeed { .. }
                | Place::DataCarriageReturn
                | Place::DataLineFeed => {
                    if !self.read_line(input, limits)? {
                        return Ok(Part::NeedBytes);
                    }
                }
            }
        }
    }

    /// Takes the bytes between data and data, and says whether it came to the end of them.
    fn read_line(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<bool, PeerError> {
        let mut taken = 0;
        for &byte in input.iter() {
            if matches!(self.place, Place::Data { .. } | Place::Trailers(_)) {
                break;
            }
            self.place = self.place.on(byte)?;
            if matches!(
                self.place,
                Place::SpaceBeforeExtension { .. } | Place::Extension { .. }
            ) {
                self.extension_bytes += 1;
                if self.extension_bytes > limits.chunk_extension_bytes {
                    return Err(PeerError::ChunkExtensionsTooLarge);
                }
            }
            taken += 1;
        }
        input.advance(taken);
        Ok(matches!(
            self.place,
            Place::Data { .. } | Place::Trailers(_)
        ))
    }
}

impl Place {
    fn on(self, byte: u8) -> Result<Self, PeerError> {
        match (self, byte) {
            (Self::Size { digits, size }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if digits < MAX_DIGITS =>
            {
                Ok(Self::Size {
                    digits: digits + 1,
                    size: size << 4 | u64::from(hexadecimal(byte)),
                })
            }
            (Self::Size { digits: 1.., size }, b'\r') => Ok(Self::SizeLineFeed { size }),
            (Self::Size { digits: 1.., size } | Self::SpaceBeforeExtension { size }, b';') => {
                Ok(Self::Extension { size })
            }
            (
                Self::Size { digits: 1.., size } | Self::SpaceBeforeExtension { size },
                b' ' | b'\t',
            ) => Ok(Self::SpaceBeforeExtension { size }),
            (Self::Size { .. } | Self::SpaceBeforeExtension { .. }, _) => Err(PeerError::ChunkSize),
            (Self::Extension { size }, b'\r') => Ok(Self::SizeLineFeed { size }),
            (Self::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                Ok(Self::Extension { size })
            }
            (Self::Extension { .. }, _) => Err(PeerError::ChunkExtension),
            (Self::SizeLineFeed { size: 0 }, b'\n') => Ok(Self::Trailers(FieldLines::new(0))),
            (Self::SizeLineFeed { size }, b'\n') => Ok(Self::Data { left: size }),
            (Self::SizeLineFeed { .. }, _) => Err(PeerError::BareCarriageReturn),
            (Self::DataCarriageReturn, b'\r') => Ok(Self::DataLineFeed),
            (Self::DataLineFeed, b'\n') => Ok(Self::Size { digits: 0, size: 0 }),
            (Self::DataCarriageReturn | Self::DataLineFeed, _) => Err(PeerError::ChunkEnd),
            (Self::Data { .. } | Self::Trailers(_) | Self::End, _) => Ok(self),
        }
    }
}

const fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
