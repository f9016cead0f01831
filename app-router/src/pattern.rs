//! What a route's pattern may be, and what is read from it: its parameters' names and its form on the wire.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::RouterError;
use crate::error::Name;
use crate::operation::fields;
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
        return Err(NO_SLASH);
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

/// A pattern, and the names of its parameters in order.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: &'static str,
    pub(crate) names: Box<[&'static str]>,
}

/// What is known of a pattern. Kept for as long as the process lives, as the pattern itself is: once, however many routers have
/// it.
pub(crate) fn known(text: &'static str) -> &'static Pattern {
    static KNOWN: Mutex<Option<HashMap<&str, &Pattern>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known
        .get_or_insert_default()
        .entry(text)
        .or_insert_with(|| {
            let names = names(text).collect();
            Box::leak(Box::new(Pattern { text, names }))
        })
}

/// The names of a pattern's parameters, in order; that of a catch-all without its `*`.
pub(crate) fn names(pattern: &'static str) -> impl Iterator<Item = &'static str> {
    let mut rest = pattern;
    std::iter::from_fn(move || next_name(&mut rest))
}

/// The next parameter's name in the rest of a pattern, which becomes what follows it.
fn next_name(rest: &mut &'static str) -> Option<&'static str> {
    loop {
        // Patterns are short: a plain loop is less than what a searcher needs to begin.
        let open = rest.bytes().position(|byte| byte == b'{')?;
        *rest = &rest[open + 1..];
        // A doubled brace stands for itself.
        if let Some(after) = rest.strip_prefix('{') {
            *rest = after;
            continue;
        }
        let close = rest.bytes().position(|byte| byte == b'}')?;
        let name = &rest[..close];
        *rest = &rest[close + 1..];
        return Some(name.strip_prefix('*').unwrap_or(name));
    }
}

/// A part of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text, as clients send it.
    Text(String),
    Param(&'static str),
    CatchAll(&'static str),
}

/// The parts of a pattern, in order.
pub(crate) fn pieces(pattern: &'static str) -> Vec<Piece> {
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut pieces = Vec::new();
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(next) = rest.find(['{', '}']) {
        text.push_str(&rest[..next]);
        let brace = &rest[next..next + 1];
        rest = &rest[next + 1..];
        // A doubled brace stands for itself.
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let Some((name, after)) = rest.split_once('}') else {
            break;
        };
        pieces.push(Piece::Text(encoded(&std::mem::take(&mut text))));
        pieces.push(match name.strip_prefix('*') {
            Some(name) => Piece::CatchAll(name),
            None => Piece::Param(name),
        });
        rest = after;
    }
    text.push_str(rest);
    pieces.push(Piece::Text(encoded(&text)));
    pieces
}

const NO_SLASH: &str = "a pattern begins with `/`";

/// A pattern below a prefix. It is leaked once, as patterns live as long as the process.
///
/// # Errors
///
/// If it would be the rest of the prefix's last word.
pub(crate) fn joined(
    prefix: &'static str,
    pattern: &'static str,
) -> Result<&'static str, &'static str> {
    match (prefix, pattern) {
        (_, pattern) if !pattern.starts_with('/') => Err(NO_SLASH),
        ("/", pattern) => Ok(pattern),
        (prefix, "/") => Ok(prefix),
        (prefix, pattern) => Ok(format!("{prefix}{pattern}").leak()),
    }
}

/// That what reads the path asks for what the pattern has.
pub(crate) fn check(name: Name<'_>, schema: &Value) -> Result<(), RouterError> {
    let has: Vec<&str> = names(name.pattern).collect();
    if schema.get("properties").is_some() {
        let missing = fields(schema).find(|(field, _, required)| *required && !has.contains(field));
        return match missing {
            Some((field, ..)) => Err(RouterError::path(
                name,
                format_args!("`{field}`, which is none of its parameters"),
            )),
            None => Ok(()),
        };
    }
    let wants = match schema.get("prefixItems").and_then(Value::as_array) {
        Some(places) => places.len(),
        // A list or a map takes any number.
        None if ["array", "object"]
            .iter()
            .any(|kind| schema.get("type") == Some(&(*kind).into())) =>
        {
            return Ok(());
        }
        None => 1,
    };
    if wants == has.len() {
        return Ok(());
    }
    let wants = format_args!("{wants} of its parameters, and there are {}", has.len()).to_string();
    Err(RouterError::path(name, wants))
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
    fn patterns_fall_into_pieces_and_join_below_prefixes() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces("/é/{a}/x-{b}.png/{{c}}/{*rest}"),
            [
                text("/%C3%A9/"),
                Piece::Param("a"),
                text("/x-"),
                Piece::Param("b"),
                text(".png/{c}/"),
                Piece::CatchAll("rest"),
                text(""),
            ]
        );
        for (prefix, pattern, whole) in [
            ("/", "/", "/"),
            ("/", "/a", "/a"),
            ("/a", "/", "/a"),
            ("/a/{b}", "/c", "/a/{b}/c"),
        ] {
            assert_eq!(joined(prefix, pattern), Ok(whole));
        }
        for pattern in ["", "c", "{c}"] {
            assert!(joined("/a", pattern).is_err(), "{pattern}");
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
