//! Fields in the order of appending, the first two without an allocation.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::same_name;

type Entry = (HeaderName, HeaderValue);

/// Filled from the front: `rest` is empty while a place in `first` is.
#[derive(Clone, Default)]
pub(super) struct List {
    first: [Option<Entry>; INLINE],
    rest: Vec<Entry>,
}

/// Most answers have a content type and at most one field more.
const INLINE: usize = 2;

impl List {
    pub(super) const fn new() -> Self {
        Self {
            first: [const { None }; INLINE],
            rest: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((name, value)),
            None => self.rest.push((name, value)),
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
        self.first.iter().flatten().count() + self.rest.len()
    }

    /// The position of the first field of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.find_from(0, name.as_bytes())
    }

    /// The position of the first field of this name at `start` or later.
    pub(super) fn find_from(&self, start: usize, name: &[u8]) -> Option<usize> {
        (start..self.len()).find(|&position| {
            self.entry(position)
                .is_some_and(|(other, _)| same_name(other.as_str().as_bytes(), name))
        })
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

    pub(super) fn into_map(self) -> HeaderMap {
        let mut map = HeaderMap::new();
        // A map that is too small still takes the fields, one reallocation later.
        let _ = map.try_reserve(self.len());
        for (name, value) in self.into_entries() {
            if map.try_append(name, value).is_err() {
                break;
            }
        }
        map
    }

    /// Places that were allocated.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.rest.capacity()
    }

    fn entry(&self, position: usize) -> Option<&Entry> {
        match self.first.get(position) {
            Some(place) => place.as_ref(),
            None => self.rest.get(position - INLINE),
        }
    }

    fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.first.into_iter().flatten().chain(self.rest)
    }
}
