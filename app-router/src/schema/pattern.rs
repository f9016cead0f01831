//! The `pattern`s of schemas, as regular expressions that take a time linear in the text.
//!
//! A schema has them in the language of ECMA-262 with its `u` flag (JSON Schema 2020-12 section 6.4), not anchored. What
//! both languages write alike is taken as it is; what means something else here is written as this one has it; and what
//! would need backtracking (`(?=..)`, `\1`) is refused when the router is built.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

/// All patterns of a schema.
#[derive(Default)]
pub(super) struct Patterns {
    expressions: HashMap<String, Regex>,
    mistake: Option<String>,
}

impl Patterns {
    pub(super) fn of(schema: &Value) -> Self {
        let mut patterns = Self::default();
        patterns.add_all(schema);
        patterns
    }

    fn add_all(&mut self, schema: &Value) {
        match schema {
            Value::Object(members) => {
                for (name, value) in members {
                    match (&**name, value) {
                        ("pattern", Value::String(pattern)) => self.add(pattern),
                        // Names here are the application's.
                        ("properties" | "$defs", Value::Object(named)) => {
                            named.values().for_each(|schema| self.add_all(schema));
                        }
                        // These hold values, not schemas.
                        ("const" | "default" | "enum" | "examples", _) => {}
                        _ => self.add_all(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add_all(item)),
            _ => {}
        }
    }

    fn add(&mut self, pattern: &str) {
        if self.expressions.contains_key(pattern) {
            return;
        }
        match translated(pattern).and_then(|ours| Regex::new(&ours).map_err(|why| why.to_string()))
        {
            Ok(expression) => {
                self.expressions.insert(pattern.to_owned(), expression);
            }
            Err(why) => {
                let mistake = format!("the pattern `{pattern}` cannot be checked: {why}");
                self.mistake.get_or_insert(mistake);
            }
        }
    }

    pub(super) fn mistake(&self) -> Option<&str> {
        self.mistake.as_deref()
    }

    /// Whether a text has what a pattern of the schema asks for.
    pub(super) fn allow(&self, pattern: &str, text: &str) -> bool {
        let expression = self.expressions.get(pattern);
        expression.is_none_or(|expression| expression.is_match(text))
    }
}

/// A pattern of ECMA-262 in the language of the `regex` crate.
///
/// # Errors
///
/// If it has what there means one thing and here another.
fn translated(pattern: &str) -> Result<String, String> {
    let mut ours = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut is_in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                // ASCII there, Unicode here.
                Some('d') => ours.push_str("[0-9]"),
                Some('D') => ours.push_str("[^0-9]"),
                Some('w') => ours.push_str("[0-9A-Za-z_]"),
                Some('W') => ours.push_str("[^0-9A-Za-z_]"),
                Some('b') if !is_in_class => ours.push_str("(?-u:\\b)"),
                Some(escaped) => ours.extend(['\\', escaped]),
                None => ours.push('\\'),
            },
            '[' if !is_in_class => {
                is_in_class = true;
                ours.push('[');
            }
            ']' if is_in_class => {
                is_in_class = false;
                ours.push(']');
            }
            // Here they open a class within the class, or join two.
            '[' | '&' | '~' if is_in_class => ours.extend(['\\', character]),
            '-' if is_in_class && characters.peek() == Some(&'-') => {
                return Err(String::from("write `--` within a class as `\\-`"));
            }
            other => ours.push(other),
        }
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Patterns;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], fails: &[&str]) {
        let patterns = Patterns::of(&json!({"items": {"pattern": pattern}}));
        assert_eq!(patterns.mistake(), None);
        for text in fits {
            assert!(patterns.allow(pattern, text), "{pattern} {text:?}");
        }
        for text in fails {
            assert!(!patterns.allow(pattern, text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_ecmascript() {
        check("b", &["abc"], &["ac", ""]);
        check("^[a-z]+$", &["abc"], &["abc\n", "Abc", ""]);
        // Digits and words are ASCII.
        check(r"^\d\w$", &["1a"], &["١a", "1é"]);
        check(r"^[\d-]+$", &["1-2"], &["١"]);
        check(r"^\D$", &["١"], &["1"]);
        check(r"^[\W]$", &["é"], &["e"]);
        check(r"\bcat\b", &["a cat."], &["cats"]);
        // Within a class, these are characters.
        check(r"^[[&~]+$", &["[&~"], &["a"]);
        check(r"^[a&&b]+$", &["a&b"], &["c"]);
        check(r"^[^[]$", &["a"], &["["]);
        check(r"^\/\p{Lu}\u00e9$", &["/Éé"], &["/éé"]);
    }

    #[test]
    fn what_cannot_be_checked_is_a_mistake() {
        for pattern in ["(", r"(?=a)", r"(a)\1", "[a--b]", "a{100000}{100000}", "\\"] {
            let patterns = Patterns::of(&json!({"pattern": pattern}));
            assert!(patterns.mistake().is_some(), "{pattern}");
        }
        // A member of that name is no pattern, nor is a value.
        let named =
            json!({"properties": {"pattern": {"type": "string"}}, "examples": [{"pattern": "("}]});
        assert_eq!(Patterns::of(&named).mistake(), None);
    }
}
