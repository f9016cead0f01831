//! Walking over the fields of any form.

use std::fmt;
use std::iter::FusedIterator;

use http::HeaderValue;
use http::header;

use super::HeaderKey;
use super::block::Block;
use super::list::List;

/// All fields of a [`Headers`](crate::Headers), in the order that [`iter`](crate::Headers::iter) states.
///
/// # Examples
///
/// ```
/// use gateway_spec::Headers;
/// use http::header::{ACCEPT, HeaderValue};
///
/// let headers: Headers = [(ACCEPT, HeaderValue::from_static("*/*"))].into_iter().collect();
/// let mut fields = headers.iter();
/// assert_eq!(fields.next(), Some(("accept", &b"*/*"[..])));
/// assert_eq!(fields.next(), None);
/// ```
pub struct Iter<'a>(Walk<'a>);

enum Walk<'a> {
    Block { block: &'a Block, next: usize },
    Map(header::Iter<'a, HeaderValue>),
    List { list: &'a List, next: usize },
}

impl<'a> Iter<'a> {
    pub(super) fn block(block: &'a Block) -> Self {
        Self(Walk::Block { block, next: 0 })
    }

    pub(super) fn map(iter: header::Iter<'a, HeaderValue>) -> Self {
        Self(Walk::Map(iter))
    }

    pub(super) fn list(list: &'a List) -> Self {
        Self(Walk::List { list, next: 0 })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Block { block, next } => {
                let (name, value) = (block.name(*next)?, block.value(*next)?);
                *next += 1;
                // Tokens are ASCII, so only a name that was wrongly vouched for is no text.
                Some((str::from_utf8(name).unwrap_or_default(), value))
            }
            Walk::Map(iter) => iter
                .next()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
            Walk::List { list, next } => {
                let (name, value) = (list.name(*next)?, list.value(*next)?);
                *next += 1;
                Some((name.as_str(), value.as_bytes()))
            }
        }
    }

    /// Looks once and not for each field which form they have: for `for_each`, as responses are written.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        match self.0 {
            Walk::Map(iter) => iter.fold(init, |folded, (name, value)| {
                f(folded, (name.as_str(), value.as_bytes()))
            }),
            Walk::List { list, next } => {
                let fields = (next..list.len())
                    .filter_map(|position| Some((list.name(position)?, list.value(position)?)));
                fields.fold(init, |folded, (name, value)| {
                    f(folded, (name.as_str(), value.as_bytes()))
                })
            }
            walk @ Walk::Block { .. } => {
                let mut folded = init;
                for field in Self(walk) {
                    folded = f(folded, field);
                }
                folded
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Block { block, next } => exactly(block.len() - next),
            Walk::Map(iter) => iter.size_hint(),
            Walk::List { list, next } => exactly(list.len() - next),
        }
    }
}

impl FusedIterator for Iter<'_> {}

fn exactly(left: usize) -> (usize, Option<usize>) {
    (left, Some(left))
}

impl fmt::Debug for Iter<'_> {
    /// Prints no fields: their values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

/// The values of one name, in order.
///
/// # Examples
///
/// ```
/// use gateway_spec::Headers;
/// use http::header::{HeaderValue, VARY};
///
/// let mut headers = Headers::new();
/// headers.append(VARY, HeaderValue::from_static("accept"));
/// headers.append(VARY, HeaderValue::from_static("origin"));
/// assert!(headers.get_all("vary").eq([b"accept", b"origin"]));
/// ```
pub struct GetAll<'a>(Values<'a>);

/// A position is that of the next value.
enum Values<'a> {
    Block {
        block: &'a Block,
        next: Option<usize>,
    },
    Map(header::ValueIter<'a, HeaderValue>),
    List {
        list: &'a List,
        next: Option<usize>,
    },
}

impl<'a> GetAll<'a> {
    pub(super) fn block(block: &'a Block, name: &str) -> Self {
        let next = block.find(name);
        Self(Values::Block { block, next })
    }

    pub(super) fn map(values: header::ValueIter<'a, HeaderValue>) -> Self {
        Self(Values::Map(values))
    }

    #[inline]
    pub(super) fn list(list: &'a List, name: &impl HeaderKey) -> Self {
        let next = list.find_key(name);
        Self(Values::List { list, next })
    }
}

impl<'a> Iterator for GetAll<'a> {
    type Item = &'a [u8];

    /// The name asked for is not kept: that of the value found last stands for it.
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Values::Block { block, next } => {
                let found = (*next)?;
                *next = block.find_from(found + 1, block.name(found)?);
                block.value(found)
            }
            Values::Map(values) => values.next().map(HeaderValue::as_bytes),
            Values::List { list, next } => {
                let found = (*next)?;
                *next = list.find_from(found + 1, list.name(found)?.as_str().as_bytes());
                Some(list.value(found)?.as_bytes())
            }
        }
    }
}

impl FusedIterator for GetAll<'_> {}

impl fmt::Debug for GetAll<'_> {
    /// Prints no fields: their values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetAll").finish_non_exhaustive()
    }
}
