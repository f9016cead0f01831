//! Bytes to the parts of a request's body (RFC 9112 sections 6.2 and 7.1).

use bytes::{Buf, Bytes, BytesMut};
use gateway_spec::Field;
use http::HeaderMap;

use crate::chunk_extension::Extension;
use crate::error::PeerError;
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

/// What is known of a body after the bytes that were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    End,
    NeedBytes,
}

impl BodyReader {
    pub(crate) const fn chunked() -> Self {
        Self::Chunked(Chunked {
            place: Place::Size { digits: 0, size: 0 },
            extension_bytes: 0,
            body_bytes: 0,
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
            Self::Sized { left } => Ok(match there(input, left) {
                0 => Part::NeedBytes,
                length => Part::Data(input.split_to(length).freeze()),
            }),
            Self::Chunked(chunked) => chunked.read(input, index, limits),
        }
    }

    /// Looks at the bytes from `passed` on, and moves it behind those that are right and of this body. What is left must
    /// be given again.
    pub(crate) fn check(
        &mut self,
        bytes: &[u8],
        passed: &mut usize,
        limits: &Limits,
    ) -> Result<Checked, PeerError> {
        match self {
            Self::Sized { left } => {
                *passed += there(&bytes[*passed..], left);
                Ok(if *left == 0 {
                    Checked::End
                } else {
                    Checked::NeedBytes
                })
            }
            Self::Chunked(chunked) => chunked.check(bytes, passed, limits),
        }
    }
}

/// How many of the next `left` bytes are there; counts them off.
fn there(input: &[u8], left: &mut u64) -> usize {
    let there = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    *left -= there as u64;
    there
}

/// A chunked body under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    place: Place,
    /// Bytes in all extensions so far.
    extension_bytes: usize,
    /// Bytes in all chunks so far, the one under way included.
    body_bytes: u64,
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
        within: Extension,
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
    Trailers(trailers::Section),
    End,
}

/// Digits in a size: sixteen are 64 bits.
const MAX_DIGITS: u8 = 16;

/// What stands next in a chunked body.
enum Next {
    /// So many bytes of data.
    Data(usize),
    /// So many bytes between data and data.
    Line(usize),
    /// Trailers of so many bytes, with the empty line behind them.
    Trailers(usize),
    End,
    /// So many bytes of a line that goes on, or none.
    NeedBytes(usize),
}

impl Chunked {
    fn read(
        &mut self,
        input: &mut BytesMut,
        index: &mut Vec<Field>,
        limits: &Limits,
    ) -> Result<Part, PeerError> {
        loop {
            match self.next(input, limits, |place| index.push(place))? {
                Next::Data(length) => return Ok(Part::Data(input.split_to(length).freeze())),
                Next::Line(length) => input.advance(length),
                Next::Trailers(length) => {
                    let trailers = trailers::take(input, length, index);
                    if !trailers.is_empty() {
                        return Ok(Part::Trailers(trailers));
                    }
                }
                Next::End => return Ok(Part::End),
                Next::NeedBytes(length) => {
                    input.advance(length);
                    return Ok(Part::NeedBytes);
                }
            }
        }
    }

    fn check(
        &mut self,
        bytes: &[u8],
        passed: &mut usize,
        limits: &Limits,
    ) -> Result<Checked, PeerError> {
        loop {
            match self.next(&bytes[*passed..], limits, |_| {})? {
                Next::Data(length) | Next::Line(length) | Next::Trailers(length) => {
                    *passed += length
                }
                Next::End => return Ok(Checked::End),
                Next::NeedBytes(length) => {
                    *passed += length;
                    return Ok(Checked::NeedBytes);
                }
            }
        }
    }

    fn next(
        &mut self,
        input: &[u8],
        limits: &Limits,
        note: impl FnMut(Field),
    ) -> Result<Next, PeerError> {
        match &mut self.place {
            Place::Data { left: 1.. } if input.is_empty() => Ok(Next::NeedBytes(0)),
            Place::Data { left: left @ 1.. } => Ok(Next::Data(there(input, left))),
            Place::Data { left: 0 } => {
                self.place = Place::DataCarriageReturn;
                self.read_line(input, limits)
            }
            Place::Trailers(section) => match section.find_end(input, limits, note)? {
                Some(length) => {
                    self.place = Place::End;
                    Ok(Next::Trailers(length))
                }
                None => Ok(Next::NeedBytes(0)),
            },
            Place::End => Ok(Next::End),
            Place::Size { .. }
            | Place::SpaceBeforeExtension { .. }
            | Place::Extension { .. }
            | Place::SizeLineFeed { .. }
            | Place::DataCarriageReturn
            | Place::DataLineFeed => self.read_line(input, limits),
        }
    }

    /// Reads the bytes between data and data.
    fn read_line(&mut self, input: &[u8], limits: &Limits) -> Result<Next, PeerError> {
        for (at, &byte) in input.iter().enumerate() {
            self.place = self.place.on(byte)?;
            match self.place {
                Place::SpaceBeforeExtension { .. } | Place::Extension { .. } => {
                    self.extension_bytes += 1;
                    if self.extension_bytes > limits.chunk_extension_bytes {
                        return Err(PeerError::ChunkExtensionsTooLarge);
                    }
                }
                Place::Data { left } => {
                    self.body_bytes = self.body_bytes.saturating_add(left);
                    if self.body_bytes > limits.chunked_body_bytes {
                        return Err(PeerError::BodyTooLarge);
                    }
                    return Ok(Next::Line(at + 1));
                }
                Place::Trailers(_) => return Ok(Next::Line(at + 1)),
                _ => {}
            }
        }
        Ok(Next::NeedBytes(input.len()))
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
                Ok(Self::Extension {
                    size,
                    within: Extension::BeforeName,
                })
            }
            (
                Self::Size { digits: 1.., size } | Self::SpaceBeforeExtension { size },
                b' ' | b'\t',
            ) => Ok(Self::SpaceBeforeExtension { size }),
            (Self::Size { .. } | Self::SpaceBeforeExtension { .. }, _) => Err(PeerError::ChunkSize),
            (Self::Extension { size, within }, b'\r') if within.may_end() => {
                Ok(Self::SizeLineFeed { size })
            }
            (Self::Extension { size, within }, _) => Ok(Self::Extension {
                size,
                within: within.on(byte)?,
            }),
            (Self::SizeLineFeed { size: 0 }, b'\n') => Ok(Self::Trailers(trailers::Section::START)),
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
