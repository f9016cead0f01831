//! Cuts a section of field lines into names and values (RFC 9112 section 5), for heads and trailers alike.
//!
//! Each byte is looked at once, however the section arrives. What a field means is decided elsewhere.

use gateway_spec::Field;

use crate::error::PeerError;
use crate::scan;

/// How far a section was read. The bytes stay with the caller, who must not move them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldLines {
    /// Where the line under way begins.
    line: usize,
    /// The next byte to look at.
    next: usize,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Value { colon: usize },
}

pub(crate) enum Line {
    Field(Field),
    /// The empty line; the position is that of the byte behind it.
    End(usize),
    NeedBytes,
}

impl FieldLines {
    pub(crate) const fn new(start: usize) -> Self {
        Self {
            line: start,
            next: start,
            part: Part::Name,
        }
    }

    /// Reads the next line of `bytes`.
    ///
    /// The same bytes must be given again, with more behind them, after `NeedBytes`.
    #[inline(always)]
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Line, PeerError> {
        let colon = match self.part {
            Part::Value { colon } => colon,
            Part::Name => {
                let end = scan::token_end(bytes, self.next);
                if bytes.get(end) != Some(&b':') || end == self.line {
                    return self.line_without_field(bytes, end);
                }
                self.next = end + 1;
                end
            }
        };
        let end = scan::value_end(bytes, self.next);
        if !bytes
            .get(end..)
            .is_some_and(|rest| rest.starts_with(b"\r\n"))
        {
            self.part = Part::Value { colon };
            self.next = end;
            return unfinished(bytes, end);
        }
        let mut value = colon + 1..end;
        while value.start < value.end && is_space(bytes[value.start]) {
            value.start += 1;
        }
        while value.start < value.end && is_space(bytes[value.end - 1]) {
            value.end -= 1;
        }
        // A name or a head beyond what an index holds is beyond any sensible limit too.
        let field = Field::new(self.line..colon, value).ok_or(PeerError::HeadTooLarge)?;
        *self = Self::new(end + 2);
        Ok(Line::Field(field))
    }

    /// A line whose name does not end in a colon at `end`: the empty one, one that is not yet complete, or a wrong one.
    #[inline(never)]
    fn line_without_field(&mut self, bytes: &[u8], end: usize) -> Result<Line, PeerError> {
        self.next = end;
        match bytes.get(end) {
            Some(b'\r') if end == self.line => match bytes.get(end + 1) {
                Some(b'\n') => Ok(Line::End(end + 2)),
                _ => unfinished(bytes, end),
            },
            Some(b'\r') if bytes.get(end + 1) == Some(&b'\n') => Err(PeerError::FieldName),
            Some(b' ' | b'\t') if end == self.line => Err(PeerError::FoldedLine),
            Some(b' ' | b'\t') => Err(PeerError::SpaceBeforeColon),
            Some(b'!'..=b'~') => Err(PeerError::FieldName),
            Some(b'\x80'..) => Err(PeerError::FieldName),
            Some(_) | None => unfinished(bytes, end),
        }
    }
}

/// What it means that a line does not go on at `at`: more bytes are needed, or a control byte stands there.
pub(crate) fn unfinished(bytes: &[u8], at: usize) -> Result<Line, PeerError> {
    match bytes.get(at..).unwrap_or_default() {
        [] | [b'\r'] => Ok(Line::NeedBytes),
        [b'\r', ..] => Err(PeerError::BareCarriageReturn),
        [b'\n', ..] => Err(PeerError::BareLineFeed),
        _ => Err(PeerError::ControlByte),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
