//! The map of a head that its connection repeats, so that it is made once.
//!
//! A client that keeps its connection sends most of its heads again, byte for byte but for the request line. A map that is
//! copied costs a tenth of one whose names and values are looked at. Nothing is kept of a head that was not seen twice, but
//! the bytes to know it by.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

use super::block::Field;

/// Heads up to so many bytes are kept, twice for each connection that asks for maps: those of browsers with their cookies,
/// and not those that somebody made long.
const LONGEST: usize = 4 * 1024;

/// What is known of the heads before.
#[derive(Default)]
pub(super) struct Repeat {
    last: Mutex<Option<Box<Last>>>,
}

/// The head before.
struct Last {
    /// From the first name to the last value.
    lines: Vec<u8>,
    /// Where the fields lie in the lines.
    fields: Vec<Field>,
    /// Once it was seen twice.
    map: Option<HeaderMap>,
}

impl Repeat {
    /// The map of these fields: a copy of the last one, or what `make` makes.
    pub(super) fn map(
        &self,
        bytes: &[u8],
        fields: &[Field],
        make: impl FnOnce() -> HeaderMap,
    ) -> HeaderMap {
        let (Some(first), Some(end)) = (fields.first(), fields.last()) else {
            return make();
        };
        let Some(lines) = bytes.get(first.name().start..end.value().end) else {
            return make();
        };
        if lines.len() > LONGEST {
            return make();
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get_or_insert_with(|| Box::new(Last::new()));
        if !last.is(lines, fields) {
            last.become_this(lines, fields);
            return make();
        }
        last.map.get_or_insert_with(make).clone()
    }
}

impl Last {
    const fn new() -> Self {
        Self {
            lines: Vec::new(),
            fields: Vec::new(),
            map: None,
        }
    }

    fn is(&self, lines: &[u8], fields: &[Field]) -> bool {
        self.lines == lines
            && self.fields.len() == fields.len()
            && self.fields.iter().copied().eq(from_first(fields))
    }

    fn become_this(&mut self, lines: &[u8], fields: &[Field]) {
        self.lines.clear();
        self.lines.extend_from_slice(lines);
        self.fields.clear();
        self.fields.extend(from_first(fields));
        self.map = None;
    }
}

/// The fields, counted from the first of them: request lines differ in length.
fn from_first(fields: &[Field]) -> impl Iterator<Item = Field> + '_ {
    let start = fields.first().map_or(0, |first| first.start());
    fields.iter().map(move |field| field.from(start))
}
