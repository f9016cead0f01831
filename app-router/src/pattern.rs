//! What a route's pattern may be, and what is read from it: its parameters' names and its form on the wire.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::params::MAX_PARAMS;

/// What no client sends as it is. Braces are the pattern's own.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// The pattern as clients send it: what is not ASCII is percent-encoded.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub(crate) fn on_the_wire(pattern: &'static str) -> Result<Cow<'static, str>, &'static str> {
    if !pattern.starts_with('/') {
        return Err("a pattern begins with `/`");
    }
    if pattern.contains(['?', '#']) {
        return Err("a pattern is a path: no query (`?`) and no fragment (`#`)");
    }
    if names(pattern).any(|name| {
        !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }) {
        return Err("a parameter's name has ASCII letters, digits and `_` only");
    }
    if names(pattern).count() > MAX_PARAMS {
        return Err("a pattern has at most 8 parameters");
    }
    if names(pattern)
        .enumerate()
        .any(|(n, name)| names(pattern).take(n).any(|earlier| earlier == name))
    {
        return Err("two parameters have the same name");
    }
    Ok(utf8_percent_encode(pattern, ENCODED).into())
}

/// The same for a mount's prefix, which has no parameters; `/` is the empty prefix.
pub(crate) fn prefix_on_the_wire(prefix: &'static str) -> Result<Cow<'static, str>, &'static str> {
    if prefix == "/" {
        return Ok(Cow::Borrowed(""));
    }
    if prefix.ends_with('/') {
        return Err("a mount's prefix does not end with `/`");
    }
    if prefix.contains(['{', '}']) {
        return Err("a mount's prefix has no parameters");
    }
    on_the_wire(prefix)
}

/// The names of a pattern's parameters, in order; that of a catch-all without its `*`.
pub(crate) fn names(pattern: &'static str) -> impl Iterator<Item = &'static str> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('{')? + 1..];
            // A doubled brace stands for itself.
            if let Some(after) = rest.strip_prefix('{') {
                rest = after;
                continue;
            }
            let name;
            (name, rest) = rest.split_once('}')?;
            return Some(name.strip_prefix('*').unwrap_or(name));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_order_and_doubled_braces_are_none() {
        for (pattern, expected) in [
            ("/", &[][..]),
            ("/user/{id}", &["id"]),
            ("/{a}/x-{b}.png/{*rest}", &["a", "b", "rest"]),
            ("/{{a}}/{b}", &["b"]),
        ] {
            assert_eq!(names(pattern).collect::<Vec<_>>(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_encoded_as_clients_send_it() {
        assert_eq!(
            on_the_wire("/café au lait/{id}").unwrap(),
            "/caf%C3%A9%20au%20lait/{id}"
        );
        assert_eq!(prefix_on_the_wire("/").unwrap(), "");
        assert_eq!(prefix_on_the_wire("/é").unwrap(), "/%C3%A9");
    }

    #[test]
    fn patterns_that_can_never_match_are_refused() {
        for pattern in [
            "",
            "user",
            "/search?q=1",
            "/page#top",
            "/{ä}",
            "/{a}/{a}",
            "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}",
        ] {
            assert!(on_the_wire(pattern).is_err(), "{pattern}");
        }
        for prefix in ["api", "/api/", "/{id}"] {
            assert!(prefix_on_the_wire(prefix).is_err(), "{prefix}");
        }
    }
}
