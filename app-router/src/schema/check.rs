//! What in a value does not fit a schema, by walking through both.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::bounds::BOUNDS;
use super::pattern::Patterns;
use super::{Written, integer, range_of};
use crate::extract::boolean;
use crate::{Issue, Part, Step};

/// Mistakes that one answer tells. A client with more has another problem, and an answer must not be much larger than
/// its request.
pub(super) const MAX_ISSUES: usize = 32;

/// References and choices that are followed for one value, so that no schema that refers to itself is followed for ever.
/// How deep values lie in each other, `serde_json` bounds.
const MAX_DEPTH: usize = 128;

const FITS_NONE: &str = "fits none of the forms that it may have";

/// A walk through a schema and a value beside each other.
pub(super) struct Check<'a> {
    root: &'a Value,
    pub(super) patterns: &'a Patterns,
    part: Part,
    pub(super) written: Written,
    path: Vec<Step>,
    issues: Vec<Issue>,
}

impl<'a> Check<'a> {
    pub(super) const fn new(
        schema: &'a Value,
        patterns: &'a Patterns,
        part: Part,
        written: Written,
    ) -> Self {
        Self {
            root: schema,
            patterns,
            part,
            written,
            path: Vec::new(),
            issues: Vec::new(),
        }
    }

    /// All that does not fit.
    pub(super) fn run(mut self, value: &Value) -> Vec<Issue> {
        self.value(self.root, value, MAX_DEPTH);
        self.issues
    }

    fn value(&mut self, schema: &'a Value, value: &Value, depth: usize) {
        let Some(schema) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                self.add("unknown", "is not known");
            }
            return;
        };
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if let Some(target) = schema.get("$ref").and_then(|to| self.resolve(to)) {
            self.value(target, value, depth);
        }
        for part in list(schema, "allOf") {
            self.value(part, value, depth);
        }
        for choice in ["anyOf", "oneOf"] {
            if schema.contains_key(choice) {
                self.choice(list(schema, choice), value, depth);
            }
        }
        self.values(schema, value);
        if !self.types(schema, value) {
            return;
        }
        self.bounds(schema, value);
        match value {
            Value::Object(members) => self.members(schema, members),
            Value::Array(items) => self.items(schema, items),
            _ if self.written == Written::Text && schema.contains_key("items") => {
                self.items(schema, std::slice::from_ref(value));
            }
            _ => {}
        }
    }

    fn resolve(&self, reference: &Value) -> Option<&'a Value> {
        self.root.pointer(reference.as_str()?.strip_prefix('#')?)
    }

    /// One of the alternatives has to fit. If none does, the mistakes of the only one that could are told, else that.
    fn choice(&mut self, choices: &'a [Value], value: &Value, depth: usize) {
        let mut nearest: Vec<Vec<Issue>> = Vec::new();
        for choice in choices {
            let mut attempt = Self {
                root: self.root,
                patterns: self.patterns,
                part: self.part,
                written: self.written,
                path: self.path.clone(),
                issues: Vec::new(),
            };
            attempt.value(choice, value, depth);
            if attempt.issues.is_empty() {
                return;
            }
            // One that is wrong as a whole was not meant, nor one whose tag is another's. One that only breaks a bound was.
            let depth = self.path.len();
            let is_meant = |issue: &Issue| {
                let at = issue.path().len();
                let is_within = at > depth && (at > depth + 1 || issue.kind() != "enum");
                is_within || BOUNDS.contains(&issue.kind())
            };
            if attempt.issues.iter().all(is_meant) {
                nearest.push(attempt.issues);
            }
        }
        match nearest.pop() {
            Some(issues) if nearest.is_empty() => {
                issues.into_iter().for_each(|issue| self.push(issue))
            }
            _ => self.add("choice", self.choice_text(choices)),
        }
    }

    fn choice_text(&self, choices: &[Value]) -> String {
        let mut names: Vec<String> = Vec::new();
        for choice in choices {
            if let Some(constant) = choice.get("const") {
                names.push(constant.to_string());
            } else if let Some(kinds) = choice.get("type") {
                names.extend(kind_names(kinds).map(|kind| with_article(kind).to_owned()));
                // Objects differ in what they hold.
                if names.iter().filter(|name| *name == "an object").count() > 1 {
                    return FITS_NONE.to_owned();
                }
            } else {
                return FITS_NONE.to_owned();
            }
        }
        format!("is none of {}", names.join(", "))
    }

    /// `enum` and `const`.
    fn values(&mut self, schema: &Map<String, Value>, value: &Value) {
        let written = self.written;
        let equal = |allowed: &Value| {
            allowed == value || (written == Written::Text && written_as(allowed, value))
        };
        if let Some(constant) = schema.get("const")
            && !equal(constant)
        {
            self.add("enum", format!("is not {constant}"));
        }
        let allowed = list(schema, "enum");
        if !allowed.is_empty() && !allowed.iter().any(equal) {
            let names: Vec<String> = allowed.iter().map(Value::to_string).collect();
            self.add("enum", format!("is none of {}", names.join(", ")));
        }
    }

    /// Whether the type fits.
    fn types(&mut self, schema: &Map<String, Value>, value: &Value) -> bool {
        let Some(kinds) = schema.get("type") else {
            return true;
        };
        if kind_names(kinds).any(|kind| self.is_of(kind, value)) {
            return self.format(schema, value);
        }
        let names: Vec<&str> = kind_names(kinds).map(with_article).collect();
        self.add("type", format!("is not {}", names.join(" or ")));
        false
    }

    fn is_of(&self, kind: &str, value: &Value) -> bool {
        if self.written == Written::Text
            && let Value::String(text) = value
        {
            return match kind {
                "integer" => text.parse::<i128>().is_ok(),
                "number" => text.parse::<f64>().is_ok(),
                "boolean" => boolean(text).is_some(),
                "null" => text.is_empty(),
                "string" | "array" => true,
                _ => false,
            };
        }
        match kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        }
    }

    /// The range that the format of an integer has, where serde refuses what is outside.
    fn format(&mut self, schema: &Map<String, Value>, value: &Value) -> bool {
        let Some(format) = schema.get("format").and_then(Value::as_str) else {
            return true;
        };
        let Some(number) = integer(value) else {
            return true;
        };
        let Some(range) = range_of(format) else {
            return true;
        };
        if range.contains(&number) {
            return true;
        }
        self.add(
            "range",
            format!("is not within {} and {}", range.start(), range.end()),
        );
        false
    }

    fn members(&mut self, schema: &'a Map<String, Value>, members: &Map<String, Value>) {
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.within(name.into(), |check| check.add("missing", "is missing"));
            }
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in members {
            let known = properties.and_then(|properties| properties.get(name));
            if let Some(schema) = known.or(others) {
                self.within(name.as_str().into(), |check| {
                    check.value(schema, value, MAX_DEPTH)
                });
            }
        }
    }

    fn items(&mut self, schema: &'a Map<String, Value>, items: &[Value]) {
        let places = list(schema, "prefixItems");
        let rest = schema.get("items");
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = places.get(index).or(rest) {
                self.within(index.into(), |check| check.value(schema, item, MAX_DEPTH));
            }
        }
    }

    fn within(&mut self, step: Step, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    pub(super) fn add(&mut self, kind: &str, detail: impl Into<Cow<'static, str>>) {
        self.push(Issue::at(
            self.part,
            self.path.clone(),
            kind.to_owned(),
            detail,
        ));
    }

    fn push(&mut self, issue: Issue) {
        if self.issues.len() < MAX_ISSUES {
            self.issues.push(issue);
        }
    }
}

fn list<'a>(schema: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    schema
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], |list| &list[..])
}

/// `type` is a name or a list of them.
pub(super) fn kind_names(kinds: &Value) -> impl Iterator<Item = &str> {
    let list = kinds
        .as_array()
        .map_or(std::slice::from_ref(kinds), |list| &list[..]);
    list.iter().filter_map(Value::as_str)
}

fn with_article(kind: &str) -> &str {
    match kind {
        "null" => "null",
        "boolean" => "a boolean",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// Whether a text is how a number or a truth value is written.
fn written_as(allowed: &Value, value: &Value) -> bool {
    let written = allowed.to_string();
    value.as_str() == Some(&*written)
}
