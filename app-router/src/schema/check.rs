//! What in a value does not fit a schema, by walking through both.

use std::borrow::Cow;
use std::collections::HashMap;
use std::{mem, ptr};

use serde_json::{Map, Value};

use super::bounds::BOUNDS;
use super::pattern::Patterns;
use super::{Written, integer, range_of, resolved};
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
    /// How many alternatives lie around what is looked at.
    trying: usize,
    /// What was found within alternatives, by the schema that was referred to and the value. Several of them may hold the same value
    /// against the same schema, and each of its own again: without this, a value that lies a hundred deep would be looked at as often
    /// as there are ways through the alternatives.
    found: HashMap<(usize, usize), Vec<Issue>>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
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
            trying: 0,
            found: HashMap::new(),
        }
    }

    /// All that does not fit.
    pub(super) fn run(mut self, value: &Value) -> Vec<Issue> {
        self.value(self.root, value, MAX_DEPTH);
        self.issues
    }

    fn value(&mut self, whole: &'a Value, value: &Value, depth: usize) {
        let Some(schema) = whole.as_object() else {
            if whole == &Value::Bool(false) {
                self.add("unknown", "is not known");
            }
            return;
        };
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if let Some(target) = resolved(self.root, whole) {
            self.referred(target, value, depth);
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

    /// What a reference stands for; within alternatives it is held against each value once.
    fn referred(&mut self, target: &'a Value, value: &Value, depth: usize) {
        if self.trying == 0 {
            return self.value(target, value, depth);
        }
        let pair = (ptr::from_ref(target).addr(), ptr::from_ref(value).addr());
        let issues = match self.found.get(&pair) {
            Some(known) => known.clone(),
            None => {
                let issues = self.attempt(target, value, depth);
                self.found.insert(pair, issues.clone());
                issues
            }
        };
        issues.into_iter().for_each(|issue| self.push(issue));
    }

    /// What does not fit, apart from what was found before.
    fn attempt(&mut self, schema: &'a Value, value: &Value, depth: usize) -> Vec<Issue> {
        let before = mem::take(&mut self.issues);
        self.trying += 1;
        self.value(schema, value, depth);
        self.trying -= 1;
        mem::replace(&mut self.issues, before)
    }

    /// One of the alternatives has to fit. If none does, the mistakes of the only one that could are told, or of the first that
    /// only breaks bounds, as that is the one that serde takes; else that none does.
    fn choice(&mut self, choices: &'a [Value], value: &Value, depth: usize) {
        let mut nearest: Vec<Vec<Issue>> = Vec::new();
        for choice in choices {
            let issues = self.attempt(choice, value, depth);
            if issues.is_empty() {
                return;
            }
            // One that is wrong as a whole was not meant, nor one whose tag is another's. One that only breaks a bound was.
            let depth = self.path.len();
            let is_meant = |issue: &Issue| {
                let at = issue.path().len();
                let is_within = at > depth && (at > depth + 1 || issue.kind() != "enum");
                is_within || BOUNDS.contains(&issue.kind())
            };
            if issues.iter().all(is_meant) {
                nearest.push(issues);
            }
        }
        let only_breaks_bounds =
            |issues: &Vec<Issue>| issues.iter().all(|issue| BOUNDS.contains(&issue.kind()));
        let told = match nearest.len() {
            1 => nearest.pop(),
            _ => nearest.into_iter().find(only_breaks_bounds),
        };
        match told {
            Some(issues) => issues.into_iter().for_each(|issue| self.push(issue)),
            None => self.add("choice", self.choice_text(choices)),
        }
    }

    fn choice_text(&self, choices: &[Value]) -> String {
        let mut names: Vec<String> = Vec::new();
        for choice in choices {
            let choice = resolved(self.root, choice).unwrap_or(choice);
            if let Some(constant) = choice.get("const") {
                names.push(constant.to_string());
            } else if let Some(values) = choice.get("enum").and_then(Value::as_array) {
                names.extend(values.iter().map(Value::to_string));
            } else if let Some(kinds) = choice.get("type") {
                names.extend(self.told(kinds).map(str::to_owned));
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
        let names: Vec<&str> = self.told(kinds).collect();
        self.add("type", format!("is not {}", names.join(" or ")));
        false
    }

    /// The types in words. Nobody can write `null` as text.
    fn told<'k>(&self, kinds: &'k Value) -> impl Iterator<Item = &'k str> {
        let written = self.written;
        kind_names(kinds)
            .filter(move |kind| written == Written::Json || *kind != "null")
            .map(with_article)
    }

    fn is_of(&self, kind: &str, value: &Value) -> bool {
        if self.written == Written::Text
            && let Value::String(text) = value
        {
            return match kind {
                "integer" => text.parse::<i128>().is_ok(),
                "number" => text.parse().is_ok_and(f64::is_finite),
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
        if format == "float" && self.written == Written::Text {
            return self.single(value);
        }
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

    /// A number of single precision, which text is refused as that has more.
    fn single(&mut self, value: &Value) -> bool {
        let text = value.as_str().unwrap_or_default();
        let fits = text.parse().map_or(true, f32::is_finite);
        if !fits {
            let most = f32::MAX;
            self.add("range", format!("is not within -{most:e} and {most:e}"));
        }
        fits
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
