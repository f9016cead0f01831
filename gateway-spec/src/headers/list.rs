//! Fields in the order of appending, the first two without an allocation.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{HeaderKey, same_name};

type Entry = (HeaderName, HeaderValue);

/// Not both forms at once: an answer is moved by every layer that it passes, and its size is what that costs.
#[derive(Clone)]
pub(super) enum List {
    /// Filled from the front.
    Short([Option<Entry>; INLINE]),
    /// All of them.
    Long(Vec<Entry>),
}

/// Most answers have a content type and at most one field more.
const INLINE: usize = 2;

/// Room for what most longer answers have, so that they allocate once.
const FIRST_CAPACITY: usize = 8;

impl List {
    #[inline]
    pub(super) const fn new() -> Self {
        Self::Short([const { None }; INLINE])
    }

    #[inline]
    pub(super) const fn one(name: HeaderName, value: HeaderValue) -> Self {
        Self::Short([Some((name, value)), None])
    }

    #[inline]
    pub(super) const fn only(&self) -> Option<(&HeaderName, &HeaderValue)> {
        match self {
            Self::Short([Some((name, value)), None]) => Some((name, value)),
            Self::Short(_) | Self::Long(_) => None,
        }
    }

    #[inline]
    pub(super) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        match self {
            Self::Short(places) => match places.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some((name, value)),
                None => self.grow().push((name, value)),
            },
            Self::Long(entries) => entries.push((name, value)),
        }
    }

    pub(super) fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        if self.find(name.as_str()).is_none() {
            return self.append(name, value);
        }
        let mut value = Some(value);
        for (other, old) in std::mem::take(self).into_entries() {
            if other != name {
                self.append(other, old);
            } else if let Some(value) = value.take() {
                self.append(other, value);
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> usize {
        if self.find(name).is_none() {
            return 0;
        }
        let before = self.len();
        for (other, value) in std::mem::take(self).into_entries() {
            if !same_name(other.as_str().as_bytes(), name.as_bytes()) {
                self.append(other, value);
            }
        }
        before - self.len()
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Short(places) => places.iter().flatten().count(),
            Self::Long(entries) => entries.len(),
        }
    }

    /// The position of the first field of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.find_from(0, name.as_bytes())
    }

    /// The position of the first field of this name at `start` or later.
    pub(super) fn find_from(&self, start: usize, name: &[u8]) -> Option<usize> {
        let is_it = |(other, _): &Entry| same_name(other.as_str().as_bytes(), name);
        let found = match self {
            Self::Short(places) => {
                let places = places.get(start..)?.iter();
                places.map_while(Option::as_ref).position(is_it)
            }
            Self::Long(entries) => entries.get(start..)?.iter().position(is_it),
        };
        Some(start + found?)
    }

    /// The same, by a comparison that costs little where both names are known ones.
    #[inline(always)]
    pub(super) fn find_key(&self, name: &impl HeaderKey) -> Option<usize> {
        let is_it = |(other, _): &Entry| name.is(other);
        match self {
            Self::Short(places) => places.iter().map_while(Option::as_ref).position(is_it),
            Self::Long(entries) => entries.iter().position(is_it),
        }
    }

    pub(super) fn name(&self, position: usize) -> Option<&HeaderName> {
        Some(&self.entry(position)?.0)
    }

    pub(super) fn value(&self, position: usize) -> Option<&HeaderValue> {
        Some(&self.entry(position)?.1)
    }

    pub(super) fn is_marked_sensitive(&self, name: &str) -> bool {
        (0..self.len())
            .filter_map(|position| self.entry(position))
            .any(|(other, value)| {
                same_name(other.as_str().as_bytes(), name.as_bytes()) && value.is_sensitive()
            })
    }

    pub(super) fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.clone().move_into(&mut map);
        map
    }

    /// Moves all fields behind those of the map, as many as it can hold.
    pub(super) fn move_into(&mut self, map: &mut HeaderMap) {
        match self {
            Self::Short(places) => {
                // Filled from the front.
                append_all(places.iter_mut().map_while(Option::take), map);
            }
            Self::Long(entries) => {
                // A map that is too small still takes the fields, one reallocation later.
                let _ = map.try_reserve(entries.len());
                append_all(entries.drain(..), map);
            }
        }
    }

    /// Places that were allocated.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Short(_) => 0,
            Self::Long(entries) => entries.capacity(),
        }
    }

    fn entry(&self, position: usize) -> Option<&Entry> {
        match self {
            Self::Short(places) => places.get(position)?.as_ref(),
            Self::Long(entries) => entries.get(position),
        }
    }

    /// The long form, with what the short one held.
    #[cold]
    fn grow(&mut self) -> &mut Vec<Entry> {
        let mut entries = Vec::with_capacity(FIRST_CAPACITY);
        entries.extend(std::mem::take(self).into_entries());
        *self = Self::Long(entries);
        match self {
            Self::Long(entries) => entries,
            Self::Short(_) => unreachable!("it was made long above"),
        }
    }

    fn into_entries(self) -> impl Iterator<Item = Entry> {
        let (short, long) = match self {
            Self::Short(places) => (places, Vec::new()),
            Self::Long(entries) => ([const { None }; INLINE], entries),
        };
        short.into_iter().flatten().chain(long)
    }
}

/// As many as the map can hold.
fn append_all(entries: impl IntoIterator<Item = Entry>, map: &mut HeaderMap) {
    for (name, value) in entries {
        if map.try_append(name, value).is_err() {
            break;
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}
