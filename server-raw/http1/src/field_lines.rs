//! Cuts a section of field lines into names and values (RFC 9112 section 5), for heads and trailers alike.
//!
//! However the section arrives, no byte is looked at more than three times. What a field means is decided elsewhere.

use gateway_spec::Field;

use crate::error::PeerError;
use crate::scan;

/// How far a section was read. The bytes stay with the caller, who must not move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLines {
    /// Where the line under way begins.
    line: usize,
    within: Within,
    /// Up to where nothing ends that part of the line.
    scanned: usize,
}

/// The part of a line that the reading stopped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Name,
    Value,
}

/// A field, and where it lies in its section.
pub(crate) struct Found<'a> {
    pub(crate) name: &'a [u8],
    /// Without the white space around it.
    pub(crate) value: &'a [u8],
    pub(crate) place: Field,
}

impl FieldLines {
    pub(crate) const fn new(start: usize) -> Self {
        Self {
            line: start,
            within: Within::Name,
            scanned: start,
        }
    }

    /// Reads on, calls `each` for each field, and gives the position behind the empty line, or `None` when more bytes are
    /// needed. The same bytes must then be given again, with more behind them.
    ///
    /// A section must be shorter than 4 GiB.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Found<'_>) -> Result<(), PeerError>,
    ) -> Result<Option<usize>, PeerError> {
        if self.scanned > self.line && self.is_scanned_in_vain(bytes) {
            return Ok(None);
        }
        let mut line = self.line;
        loop {
            let colon = match scan::name_end(bytes, line) {
                Ok(colon) => colon,
                Err(end) => return self.stop_in_name(bytes, line, end),
            };
            let end = match scan::line_end(bytes, colon + 1) {
                Ok(end) => end,
                Err(end) => return self.stop_in_value(bytes, line, end),
            };
            let name = &bytes[line..colon];
            let name_length = match u16::try_from(name.len()) {
                Ok(0) => return Err(PeerError::FieldName),
                Ok(length) => length,
                // Nothing else is as long as that.
                Err(_) => return Err(PeerError::HeadTooLarge),
            };
            let (start, value) = trim(bytes, colon + 1, end);
            each(Found {
                name,
                value,
                place: Field::from_parts(
                    line as u32,
                    name_length,
                    start as u32,
                    value.len() as u32,
                ),
            })?;
            line = end + 2;
        }
    }

    /// Whether the part of the line that was not complete still is not.
    #[cold]
    fn is_scanned_in_vain(&mut self, bytes: &[u8]) -> bool {
        let (Ok(scanned) | Err(scanned)) = match self.within {
            Within::Name => scan::name_end(bytes, self.scanned),
            Within::Value => scan::line_end(bytes, self.scanned),
        };
        self.scanned = scanned;
        self.scanned == bytes.len()
    }

    /// A line whose name does not end in a colon at `end`: the empty one, one that is not yet complete, or a wrong one.
    #[cold]
    fn stop_in_name(
        &mut self,
        bytes: &[u8],
        line: usize,
        end: usize,
    ) -> Result<Option<usize>, PeerError> {
        match (end - line, bytes.get(end..).unwrap_or_default()) {
            (0, [b'\r', b'\n', ..]) => Ok(Some(line + 2)),
            (_, [b'\r', b'\n', ..]) => Err(PeerError::FieldName),
            (0, [b' ' | b'\t', ..]) => Err(PeerError::FoldedLine),
            (_, [b' ' | b'\t', ..]) => Err(PeerError::SpaceBeforeColon),
            (_, [b'!'..=b'~' | b'\x80'.., ..]) => Err(PeerError::FieldName),
            _ => {
                *self = Self {
                    line,
                    within: Within::Name,
                    scanned: end,
                };
                unfinished(bytes, end).map(|()| None)
            }
        }
    }

    /// A line whose value does not end in a line end at `end`: one that is not yet complete, or a wrong one.
    #[cold]
    fn stop_in_value(
        &mut self,
        bytes: &[u8],
        line: usize,
        end: usize,
    ) -> Result<Option<usize>, PeerError> {
        *self = Self {
            line,
            within: Within::Value,
            scanned: end,
        };
        unfinished(bytes, end).map(|()| None)
    }
}

/// Whether a line that does not go on at `at` can still be completed; else a control byte stands there.
pub(crate) fn unfinished(bytes: &[u8], at: usize) -> Result<(), PeerError> {
    match bytes.get(at..).unwrap_or_default() {
        [] | [b'\r'] => Ok(()),
        [b'\r', ..] => Err(PeerError::BareCarriageReturn),
        [b'\n', ..] => Err(PeerError::BareLineFeed),
        _ => Err(PeerError::ControlByte),
    }
}

/// The value between `start` and `end` without the white space around it, and where it then begins.
#[inline(always)]
fn trim(bytes: &[u8], start: usize, end: usize) -> (usize, &[u8]) {
    match &bytes[start..end] {
        // Nearly all values have one space before them and none behind. But for the tab, no byte of a value is smaller than a
        // space.
        [b' ', value @ ..] if value.first() > Some(&b' ') && value.last() > Some(&b' ') => {
            (start + 1, value)
        }
        _ => {
            let start = skip_spaces(bytes, start, end);
            (start, scan::trim(&bytes[start..end]))
        }
    }
}

#[cold]
fn skip_spaces(bytes: &[u8], start: usize, end: usize) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    start + bytes[start..end].iter().take_while(is_space).count()
}
