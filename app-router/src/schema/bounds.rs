//! The bounds that a schema sets beyond types: of numbers, texts, lists and objects. Serde does not look at them.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::slice;

use serde_json::{Map, Value};

use super::Written;
use super::check::{Check, kind_names};

/// The keywords of the bounds, which are also the kinds of their issues.
pub(super) const BOUNDS: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// A number as exact as it was written: an `f64` does not hold every `u64`.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        let whole = number.as_i128().map(Self::Whole);
        whole.or_else(|| number.as_f64().map(Self::Real))
    }

    fn of_text(text: &str) -> Option<Self> {
        let whole = text.parse().ok().map(Self::Whole);
        whole.or_else(|| text.parse().ok().map(Self::Real))
    }

    const fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            _ => self.real().partial_cmp(&other.real()),
        }
    }

    fn is_multiple_of(self, step: Self) -> bool {
        if let (Self::Whole(number), Self::Whole(step)) = (self, step) {
            return step != 0 && number % step == 0;
        }
        let times = self.real() / step.real();
        // 0.3 is a multiple of 0.1, and no `f64` is either of them: each is rounded, and so is the quotient.
        (times - times.round()).abs() <= 2.0 * f64::EPSILON * times.abs().max(1.0)
    }
}

impl Check<'_> {
    /// All bounds that a schema sets for a value of a type that it allows.
    pub(super) fn bounds(&mut self, schema: &Map<String, Value>, value: &Value) {
        if let Some(number) = self.number(schema, value) {
            self.range(schema, number);
        }
        match value {
            // A list of one, as text has it.
            Value::String(_) if schema.contains_key("items") => {
                self.list_bounds(schema, slice::from_ref(value));
            }
            Value::String(text) => self.text_bounds(schema, text),
            Value::Array(items) => self.list_bounds(schema, items),
            Value::Object(members) => {
                let names = ["minProperties", "maxProperties"];
                self.size(schema, members.len(), "member", names);
            }
            _ => {}
        }
    }

    fn range(&mut self, schema: &Map<String, Value>, number: Number) {
        let bound = |name: &str| schema.get(name).and_then(Number::of);
        let is = |name: &str, which: &[Ordering]| {
            let order = bound(name).and_then(|bound| number.compare(bound));
            order.is_some_and(|order| which.contains(&order))
        };
        let (less, equal, greater) = (Ordering::Less, Ordering::Equal, Ordering::Greater);
        let is_no_multiple = bound("multipleOf").is_some_and(|step| !number.is_multiple_of(step));
        for (name, fails, text) in [
            ("minimum", is("minimum", &[less]), "is less than"),
            ("maximum", is("maximum", &[greater]), "is greater than"),
            (
                "exclusiveMinimum",
                is("exclusiveMinimum", &[less, equal]),
                "is not greater than",
            ),
            (
                "exclusiveMaximum",
                is("exclusiveMaximum", &[greater, equal]),
                "is not less than",
            ),
            ("multipleOf", is_no_multiple, "is no multiple of"),
        ] {
            if fails {
                self.add(name, format!("{text} {}", schema[name]));
            }
        }
    }

    fn text_bounds(&mut self, schema: &Map<String, Value>, text: &str) {
        let names = ["minLength", "maxLength"];
        self.size(schema, text.chars().count(), "character", names);
        let pattern = schema.get("pattern").and_then(Value::as_str);
        if let Some(pattern) = pattern
            && !self.patterns.allow(pattern, text)
        {
            self.add("pattern", format!("does not match {pattern}"));
        }
    }

    fn list_bounds(&mut self, schema: &Map<String, Value>, items: &[Value]) {
        let names = ["minItems", "maxItems"];
        self.size(schema, items.len(), "item", names);
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            // Not each against each: a body may have a hundred thousand.
            let mut seen = HashSet::new();
            if !items.iter().all(|item| seen.insert(item)) {
                self.add("uniqueItems", "has an item twice");
            }
        }
    }

    fn size(
        &mut self,
        schema: &Map<String, Value>,
        size: usize,
        unit: &str,
        [least, most]: [&str; 2],
    ) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        let size = size as u64;
        let counted = |bound: u64| {
            let ending = if bound == 1 { "" } else { "s" };
            format!("{bound} {unit}{ending}")
        };
        if let Some(bound) = bound(least).filter(|bound| size < *bound) {
            self.add(least, format!("must have at least {}", counted(bound)));
        }
        if let Some(bound) = bound(most).filter(|bound| size > *bound) {
            self.add(most, format!("must have at most {}", counted(bound)));
        }
    }

    fn number(&self, schema: &Map<String, Value>, value: &Value) -> Option<Number> {
        match value {
            Value::Number(_) => Number::of(value),
            Value::String(text) if self.written == Written::Text => {
                let mut kinds = schema.get("type").map(kind_names).into_iter().flatten();
                let is_number = kinds.any(|kind| kind == "integer" || kind == "number");
                is_number.then(|| Number::of_text(text)).flatten()
            }
            _ => None,
        }
    }
}
