//! A head's bytes and the places of its fields.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::List;
use super::same_name;

/// Where one field lies in a block of bytes: its name, and its value without the spaces around it.
///
/// # Examples
///
/// ```
/// use gateway_spec::Field;
///
/// let line = "Host: a.example";
/// let field = Field::new(0..4, 6..line.len()).ok_or("too long")?;
/// assert_eq!((&line[field.name()], &line[field.value()]), ("Host", "a.example"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name_start: u32,
    value_start: u32,
    value_length: u32,
    name_length: u16,
}

impl Field {
    /// `None` when the name is longer than 65,535 bytes, when a position or a length is beyond 4 GiB, or when a range
    /// ends before it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// use gateway_spec::Field;
    ///
    /// let field = Field::new(0..4, 6..17);
    /// assert_eq!(field.map(|field| field.value()), Some(6..17));
    /// assert_eq!(Field::new(0..70_000, 70_002..70_003), None);
    /// ```
    #[inline]
    pub fn new(name: Range<usize>, value: Range<usize>) -> Option<Self> {
        Some(Self {
            name_start: u32::try_from(name.start).ok()?,
            value_start: u32::try_from(value.start).ok()?,
            value_length: u32::try_from(value.end.checked_sub(value.start)?).ok()?,
            name_length: u16::try_from(name.end.checked_sub(name.start)?).ok()?,
        })
    }

    /// The same from positions and lengths, for a server that knows its heads to be short.
    #[inline]
    pub const fn from_parts(
        name_start: u32,
        name_length: u16,
        value_start: u32,
        value_length: u32,
    ) -> Self {
        Self {
            name_start,
            value_start,
            value_length,
            name_length,
        }
    }

    /// Where the name lies.
    #[inline]
    pub fn name(self) -> Range<usize> {
        let start = self.name_start as usize;
        start..start.saturating_add(self.name_length.into())
    }

    /// Where the value lies.
    #[inline]
    pub fn value(self) -> Range<usize> {
        let start = self.value_start as usize;
        start..start.saturating_add(self.value_length as usize)
    }
}

/// Why bytes and an index do not make [`Headers`](crate::Headers).
///
/// # Examples
///
/// ```
/// use gateway_spec::{BadBlock, Field, Headers};
///
/// let field = Field::new(0..4, 6..9).ok_or("too long")?;
/// let smuggled = Headers::from_block(b"a\r\nb: x\ry".to_vec(), vec![field]);
/// assert_eq!(smuggled.err(), Some(BadBlock::Name));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBlock {
    /// A field reaches beyond the end of the bytes.
    OutOfRange,
    /// A name is empty or holds a byte that no token has (RFC 9110 section 5.6.2).
    Name,
    /// A value holds a control byte other than a tab (RFC 9110 section 5.5).
    Value,
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "a field reaches beyond the end of the bytes",
            Self::Name => "a field name is not a token (RFC 9110 section 5.6.2)",
            Self::Value => "a field value holds a control byte (RFC 9110 section 5.5)",
        })
    }
}

impl Error for BadBlock {}

/// Shared by all that have these fields, since a client that keeps its connection sends most of its heads again.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    /// Whether a map of it was asked for before.
    asked: AtomicBool,
    /// Made when a map is asked for again.
    map: OnceLock<Box<HeaderMap>>,
}

/// Blocks up to so many bytes keep their map: those of browsers with their cookies, and not those that somebody made long.
const LONGEST: usize = 4 * 1024;

impl Block {
    pub(super) fn new(bytes: Vec<u8>, fields: Vec<Field>) -> Result<Self, BadBlock> {
        for field in &fields {
            let name = bytes.get(field.name()).ok_or(BadBlock::OutOfRange)?;
            let value = bytes.get(field.value()).ok_or(BadBlock::OutOfRange)?;
            if name.is_empty() || !name.iter().copied().all(is_token) {
                return Err(BadBlock::Name);
            }
            if !value.iter().copied().all(is_value) {
                return Err(BadBlock::Value);
            }
        }
        Ok(Self {
            bytes,
            fields,
            ..Self::default()
        })
    }

    pub(super) fn refill_validated(&mut self, bytes: &[u8], fields: &mut Vec<Field>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        std::mem::swap(&mut self.fields, fields);
        fields.clear();
        *self.asked.get_mut() = false;
        self.map.take();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is(&self, bytes: &[u8], fields: &[Field]) -> bool {
        self.bytes == bytes && self.fields == fields
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The position of the first field of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.find_from(0, name.as_bytes())
    }

    /// The position of the first field of this name at `start` or later.
    pub(super) fn find_from(&self, start: usize, name: &[u8]) -> Option<usize> {
        let found = self.fields.get(start..)?.iter().position(|field| {
            usize::from(field.name_length) == name.len()
                && same_name(self.slice(field.name()), name)
        })?;
        Some(start + found)
    }

    pub(super) fn name(&self, position: usize) -> Option<&[u8]> {
        Some(self.slice(self.fields.get(position)?.name()))
    }

    pub(super) fn value(&self, position: usize) -> Option<&[u8]> {
        Some(self.slice(self.fields.get(position)?.value()))
    }

    /// Ranges were checked by `new`; those of `refill_validated` were vouched for, so a wrong one is empty here.
    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    pub(super) fn to_list(&self) -> List {
        let shared = Bytes::copy_from_slice(&self.bytes);
        let mut list = List::new();
        for (name, value) in owned(&shared, &self.fields) {
            list.append(name, value);
        }
        list
    }

    /// A map over one copy of the bytes. A map that is copied costs a tenth of one whose names and values are looked at, so the one that
    /// is asked for a second time is kept.
    pub(super) fn to_map(&self) -> HeaderMap {
        if let Some(map) = self.map.get() {
            return (**map).clone();
        }
        let is_asked_again = self.asked.swap(true, Ordering::Relaxed);
        if is_asked_again && self.bytes.len() <= LONGEST {
            let map = self.map.get_or_init(|| Box::new(self.make_map()));
            (**map).clone()
        } else {
            self.make_map()
        }
    }

    fn make_map(&self) -> HeaderMap {
        // A vector with room to spare is shared from the beginning, which saves each slice a look whether it is.
        let mut copy = Vec::with_capacity(self.bytes.len() + 1);
        copy.extend_from_slice(&self.bytes);
        map_of(&Bytes::from(copy), &self.fields)
    }
}

/// A map whose values are slices of `shared`.
fn map_of(shared: &Bytes, fields: &[Field]) -> HeaderMap {
    let mut map = HeaderMap::new();
    // A map that is too small still takes the fields, one reallocation later.
    let _ = map.try_reserve(fields.len());
    for (name, value) in owned(shared, fields) {
        if map.try_append(name, value).is_err() {
            break;
        }
    }
    map
}

fn owned<'a>(
    shared: &'a Bytes,
    fields: &'a [Field],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'a {
    fields.iter().filter_map(|field| {
        let name = HeaderName::from_bytes(shared.get(field.name())?).ok()?;
        shared.get(field.value())?;
        let value = HeaderValue::from_maybe_shared(shared.slice(field.value())).ok()?;
        Some((name, value))
    })
}

/// RFC 9110 section 5.6.2: `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 section 5.5: visible bytes, `obs-text`, space and tab.
fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
