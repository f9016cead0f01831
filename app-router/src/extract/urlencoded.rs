//! Queries and forms (`application/x-www-form-urlencoded`) as serde reads them, out of the text itself: nothing is collected.

use std::borrow::Cow;

use serde::de::value::Error;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::text::{self, Value, Values};

/// A struct or a map of pairs.
pub(super) fn named<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Error> {
    if text.len() > SHORT {
        return text::named(form_urlencoded::parse(text).collect());
    }
    T::deserialize(Named {
        rest: Pairs { rest: text },
        given: 0,
        value: None,
    })
}

/// Bytes of a text in which each name may be compared with all others: they have no more pairs than [`Named`] has bits.
const SHORT: usize = 128;

/// The pairs of a text, as they are written.
#[derive(Clone, Copy)]
struct Pairs<'a> {
    rest: &'a [u8],
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    name: &'a [u8],
    /// With the `=` before it, if there is one.
    value: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        while let [_, ..] = self.rest {
            let is_end = |byte: &u8| matches!(byte, b'&');
            let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
            let (pair, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            if pair.is_empty() {
                continue;
            }
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
            return Some(Pair { name, value });
        }
        None
    }
}

impl<'a> Pair<'a> {
    fn name(self) -> Cow<'a, str> {
        if is_plain(self.name) {
            return String::from_utf8_lossy(self.name);
        }
        let decoded = form_urlencoded::parse(self.name).next();
        decoded.map(|(name, _)| name).unwrap_or_default()
    }

    fn value(self) -> Cow<'a, str> {
        let value = self.value.get(1..).unwrap_or_default();
        if is_plain(value) {
            return String::from_utf8_lossy(value);
        }
        let decoded = form_urlencoded::parse(self.value).next();
        decoded.map(|(_, value)| value).unwrap_or_default()
    }

    fn is_named_as(self, other: Self) -> bool {
        self.name == other.name
            || (!(is_plain(self.name) && is_plain(other.name)) && self.name() == other.name())
    }
}

fn is_plain(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

/// The values of a name behind the first.
#[derive(Clone)]
struct Others<'a> {
    first: Pair<'a>,
    rest: Pairs<'a>,
}

impl<'a> Iterator for Others<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let first = self.first;
        let next = self.rest.find(|pair| pair.is_named_as(first))?;
        Some(next.value())
    }
}

/// Pairs by their names, in the order in which the names first came.
struct Named<'a> {
    rest: Pairs<'a>,
    /// Which of the next pairs were given with an earlier one of their name.
    given: u64,
    value: Option<Others<'a>>,
}

impl<'de> Deserializer<'de> for Named<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Named<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        loop {
            let Some(pair) = self.rest.next() else {
                return Ok(None);
            };
            let was_given = self.given & 1 == 1;
            self.given >>= 1;
            if was_given {
                continue;
            }
            let mut others = Pairs { rest: &[] };
            for (place, other) in self.rest.enumerate() {
                if other.is_named_as(pair) {
                    self.given |= 1 << place;
                    others = self.rest;
                }
            }
            self.value = Some(Others {
                first: pair,
                rest: others,
            });
            return seed.deserialize(Value(pair.name())).map(Some);
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let others = self.value.take().expect("serde asks for a key before its value");
        seed.deserialize(Values {
            first: others.first.value(),
            others,
        })
    }
}
