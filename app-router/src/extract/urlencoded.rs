//! Queries and forms (`application/x-www-form-urlencoded`) as serde reads them, out of the text itself: nothing is collected.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::de::value::Error;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::text::{self, Value, Values};

/// A struct or a map of pairs.
pub(super) fn named<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    if text.len() > SHORT {
        return text::named(form_urlencoded::parse(text.as_bytes()).collect());
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
    rest: &'a str,
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
    /// Whether nothing of it is encoded.
    is_plain: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        // A run of separators has nothing between them.
        while let Some(rest) = self.rest.strip_prefix('&') {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let (mut equals, mut end, mut is_plain) = (None, self.rest.len(), true);
        for (place, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'=' if equals.is_none() => equals = Some(place),
                b'&' => {
                    end = place;
                    break;
                }
                b'%' | b'+' => is_plain = false,
                _ => {}
            }
        }
        let (pair, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (name, value) = match equals {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, ""),
        };
        Some(Pair {
            name,
            value,
            is_plain,
        })
    }
}

impl<'a> Pair<'a> {
    #[inline]
    fn name(self) -> Cow<'a, str> {
        self.decoded(self.name)
    }

    #[inline]
    fn value(self) -> Cow<'a, str> {
        self.decoded(self.value)
    }

    #[inline]
    fn decoded(self, text: &'a str) -> Cow<'a, str> {
        if self.is_plain {
            return Cow::Borrowed(text);
        }
        Cow::Owned(decode(text))
    }

    #[inline]
    fn is_named_as(self, other: Self) -> bool {
        self.name == other.name
            || (!(self.is_plain && other.is_plain) && self.name() == other.name())
    }
}

/// Apart, as few texts need it.
#[inline(never)]
fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The values of a name behind the first.
#[derive(Clone)]
struct Others<'a> {
    first: Pair<'a>,
    rest: Pairs<'a>,
}

impl<'a> Iterator for Others<'a> {
    type Item = Cow<'a, str>;

    #[inline]
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

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        loop {
            let Some(pair) = self.rest.next() else {
                return Ok(None);
            };
            let was_given = self.given & 1 == 1;
            self.given >>= 1;
            if was_given {
                continue;
            }
            let mut others = Pairs { rest: "" };
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
        let others = self
            .value
            .take()
            .expect("serde asks for a key before its value");
        seed.deserialize(Values {
            first: others.first.value(),
            others,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Read as it is, and behind so many other pairs that it is no longer short.
    #[track_caller]
    fn check(text: &str, expected: &[(&str, &[&str])]) {
        let expected: HashMap<String, Vec<String>> = expected
            .iter()
            .map(|(name, values)| ((*name).into(), values.iter().map(|v| (*v).into()).collect()))
            .collect();
        let short: HashMap<String, Vec<String>> = named(text).unwrap();
        assert_eq!(short, expected, "{text}");
        let padded = format!("{text}&padding={}", "x".repeat(SHORT));
        let mut long: HashMap<String, Vec<String>> = named(&padded).unwrap();
        assert!(long.remove("padding").is_some());
        assert_eq!(long, expected, "{padded}");
    }

    #[test]
    fn pairs_are_read_as_browsers_write_them() {
        check("", &[]);
        check("&&", &[]);
        check("a=1", &[("a", &["1"])]);
        check(
            "a=1&b=2&a=3&&c&a=",
            &[("a", &["1", "3", ""]), ("b", &["2"]), ("c", &[""])],
        );
        check("=1&a==", &[("", &["1"]), ("a", &["="])]);
        check(
            "%61=%2B+x&a=y&b%3D=1%26",
            &[("a", &["+ x", "y"]), ("b=", &["1&"])],
        );
        check(
            "caf%C3%A9=%FF&%=%4",
            &[("café", &["\u{fffd}"]), ("%", &["%4"])],
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_no_single_value() {
        let one: Result<HashMap<String, u8>, _> = named("a=1&b=2&%61=3");
        assert_eq!(one.unwrap_err().to_string(), "is given more than once");
        let all: HashMap<String, u8> = named("a=1&b=2&c=3").unwrap();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn as_many_pairs_as_fit_are_told_apart() {
        let text = "a&b&".repeat(SHORT / 4);
        let pairs: HashMap<String, Vec<String>> = named(&text).unwrap();
        assert_eq!((pairs["a"].len(), pairs["b"].len()), (SHORT / 4, SHORT / 4));
    }
}
