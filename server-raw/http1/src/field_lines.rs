//! Cuts a section of field lines into names and values (RFC 9112 section 5), for heads and trailers alike.
//!
//! However the section arrives, no byte is looked at more than five times. What a field means is decided elsewhere.

use gateway_spec::Field;

use crate::error::PeerError;
use crate::scan;

/// How far a section was read. The bytes stay with the caller, who must not move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLines {
    /// Where the line under way begins.
    line: u32,
    /// Up to where nothing ends the part of the line that it is in.
    scanned: u32,
    within: Within,
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

impl<'a> Found<'a> {
    fn at(place: Field, bytes: &'a [u8]) -> Self {
        Self {
            name: &bytes[place.name()],
            value: &bytes[place.value()],
            place,
        }
    }
}

/// What becomes of the fields of a section.
pub(crate) trait Fields {
    /// How many can be taken at once.
    fn room(&self) -> usize;

    /// Takes the field of a line, if that can be done at once. Not one without a name.
    fn takes(&mut self, line: &Plain<'_>) -> bool;

    /// Takes any field.
    fn note(&mut self, field: Found<'_>) -> Result<(), PeerError>;
}

impl FieldLines {
    pub(crate) const fn new(start: usize) -> Self {
        Self {
            line: start as u32,
            within: Within::Name,
            scanned: start as u32,
        }
    }

    /// Reads on, gives each field to `fields`, and gives the position behind the empty line, or `None` when more bytes are
    /// needed. The same bytes must then be given again, with more behind them.
    ///
    /// A section must be shorter than 4 GiB.
    #[inline(always)]
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        fields: &mut impl Fields,
    ) -> Result<Option<usize>, PeerError> {
        if self.scanned > self.line && self.is_scanned_in_vain(bytes) {
            return Ok(None);
        }
        let mut line = self.line as usize;
        loop {
            if bytes[line..].starts_with(b"\r\n") {
                return Ok(Some(line + 2));
            }
            let next = read_plain(bytes, line, fields);
            if next > line {
                line = next;
            } else if let Some(next) = self.read_line(bytes, line, fields)? {
                line = next;
            } else {
                return Ok(None);
            }
        }
    }

    /// Reads one line, whatever it looks like; where the next begins.
    #[inline(never)]
    fn read_line(
        &mut self,
        bytes: &[u8],
        line: usize,
        fields: &mut impl Fields,
    ) -> Result<Option<usize>, PeerError> {
        let plain = Plain::split(&bytes[line..], line);
        if let Some(place) = plain.and_then(|(plain, _)| plain.place()) {
            fields.note(Found::at(place, bytes))?;
            return Ok(Some(place.value().end + 2));
        }
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
        fields.note(Found {
            name,
            value,
            place: Field::from_parts(line as u32, name_length, start as u32, value.len() as u32),
        })?;
        Ok(Some(end + 2))
    }

    /// Whether the part of the line that was not complete still is not.
    #[cold]
    fn is_scanned_in_vain(&mut self, bytes: &[u8]) -> bool {
        let (Ok(scanned) | Err(scanned)) = match self.within {
            Within::Name => scan::name_end(bytes, self.scanned as usize),
            Within::Value => scan::line_end(bytes, self.scanned as usize),
        };
        self.scanned = scanned as u32;
        scanned == bytes.len()
    }

    /// A line whose name does not end in a colon at `end`: one that is not yet complete, or a wrong one.
    #[cold]
    fn stop_in_name(
        &mut self,
        bytes: &[u8],
        line: usize,
        end: usize,
    ) -> Result<Option<usize>, PeerError> {
        match (end - line, bytes.get(end..).unwrap_or_default()) {
            (_, [b'\r', b'\n', ..]) => Err(PeerError::FieldName),
            (0, [b' ' | b'\t', ..]) => Err(PeerError::FoldedLine),
            (_, [b' ' | b'\t', ..]) => Err(PeerError::SpaceBeforeColon),
            (_, [b'!'..=b'~' | b'\x80'.., ..]) => Err(PeerError::FieldName),
            _ => {
                *self = Self {
                    line: line as u32,
                    within: Within::Name,
                    scanned: end as u32,
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
            line: line as u32,
            within: Within::Value,
            scanned: end as u32,
        };
        unfinished(bytes, end).map(|()| None)
    }
}

/// A line as nearly all are: a name of letters and hyphens, a colon, and a value of visible bytes and spaces. What is none of these may be
/// right all the same.
pub(crate) struct Plain<'a> {
    start: usize,
    /// Bytes in the name; none are wrong.
    name: usize,
    /// What begins with the colon.
    colon: &'a [u8],
    /// Bytes behind the colon.
    value: usize,
    /// What the line begins with.
    begin: [u8; 4],
}

impl<'a> Plain<'a> {
    /// The line at the beginning of `line`, if it is plain and so far from the end that whole lanes can be looked at; and what is behind it.
    #[inline(always)]
    fn split(line: &'a [u8], start: usize) -> Option<(Self, &'a [u8])> {
        let (name, colon) = scan::plain_name(line)?;
        let begin = *line.first_chunk()?;
        let value = colon.strip_prefix(b":")?;
        let end = scan::behind_plain_value(value)?;
        let behind = end.strip_prefix(b"\r\n")?;
        let plain = Self {
            start,
            name,
            colon,
            value: value.len() - end.len(),
            begin,
        };
        Some((plain, behind))
    }

    /// The first letter, whatever its case, as a number below 32.
    #[inline(always)]
    pub(crate) const fn first_letter(&self) -> u32 {
        u32::from_le_bytes(self.begin) & 31
    }

    #[inline(always)]
    pub(crate) const fn name_length(&self) -> usize {
        self.name
    }

    /// Where it lies, if it has a name, and one space stands before the value and none behind.
    #[inline(always)]
    pub(crate) fn place(&self) -> Option<Field> {
        // No other byte of a value is smaller than a space, but for the carriage return behind it.
        let [b':', b' ', b'!'..=u8::MAX, ..] = self.colon else {
            return None;
        };
        let value = self.start + self.name + 2;
        let is_trimmed = self.colon.get(self.value)? > &b' ';
        (self.name > 0 && is_trimmed).then_some(Field::from_parts(
            self.start as u32,
            self.name as u16,
            value as u32,
            self.value as u32 - 1,
        ))
    }
}

/// Gives `fields` the lines from `line` on, up to one that they do not take at once, or that is not plain. Where that begins.
///
/// A function of its own, in which nothing is called, so that all it works with stays in registers.
#[inline(never)]
fn read_plain(bytes: &[u8], line: usize, fields: &mut impl Fields) -> usize {
    let mut rest = &bytes[line..];
    for _ in 0..fields.room() {
        let Some((plain, behind)) = Plain::split(rest, bytes.len() - rest.len()) else {
            break;
        };
        if !fields.takes(&plain) {
            break;
        }
        rest = behind;
    }
    bytes.len() - rest.len()
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
