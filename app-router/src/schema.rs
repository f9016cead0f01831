//! JSON Schemas of types (2020-12, by schemars), and what in a value does not fit one.
//!
//! Serde stops at the first mistake, which is what a request that is right costs. Of one that is not, all mistakes are
//! told: the value is held against the schema of its type.

mod bounds;
mod check;
mod pattern;
mod typed;

use std::any::TypeId;
use std::hash::{Hash as _, Hasher};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use self::bounds::BOUNDS;
use self::check::Check;
use self::pattern::Patterns;
pub(crate) use self::typed::typed;
use crate::{Issue, Part};

/// What is known of the schema of a type as it is read, made once. As many are kept as the program has types that
/// requests are read into.
pub(crate) fn of<T: JsonSchema + 'static>() -> &'static Known {
    static KNOWN: [Types; TYPES] = [const { Types(OnceLock::new()) }; TYPES];
    let id = TypeId::of::<T>();
    let mut types = &KNOWN[hash(id) % TYPES];
    loop {
        let entry = types.0.get_or_init(|| {
            Box::new(Entry {
                id,
                known: Known::new(SchemaGenerator::default().into_root_schema_for::<T>()),
                next: Types(OnceLock::new()),
            })
        });
        if entry.id == id {
            return &entry.known;
        }
        types = &entry.next;
    }
}

/// More than most programs have types, so that a look-up is seldom more than one comparison.
const TYPES: usize = 256;

/// Types that share a place, the next behind the one that came before it. Each request asks for some, so no lock is taken to read it.
struct Types(OnceLock<Box<Entry>>);

struct Entry {
    id: TypeId,
    known: Known,
    next: Types,
}

/// A type's id is a hash already.
fn hash(id: TypeId) -> usize {
    #[derive(Default)]
    struct Same(u64);

    impl Hasher for Same {
        fn write(&mut self, bytes: &[u8]) {
            for &byte in bytes {
                self.0 = self.0.rotate_left(8) ^ u64::from(byte);
            }
        }

        fn write_u64(&mut self, part: u64) {
            self.0 ^= part;
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }

    let mut hasher = Same::default();
    id.hash(&mut hasher);
    hasher.finish() as usize
}

/// A schema, and what is made of it once.
pub(crate) struct Known {
    schema: Schema,
    patterns: Patterns,
    has_bounds: bool,
}

impl Known {
    fn new(schema: Schema) -> Self {
        Self {
            patterns: Patterns::of(schema.as_value()),
            has_bounds: has_bounds(schema.as_value()),
            schema,
        }
    }

    /// The schema as JSON.
    pub(crate) fn as_value(&self) -> &Value {
        self.schema.as_value()
    }

    /// The first of its patterns that is no regular expression, and why. What has one is not to be served.
    pub(crate) fn mistake(&self) -> Option<&str> {
        self.patterns.mistake()
    }
}

/// What a value breaks of the bounds that its type's schema has beyond what serde checks: lengths, ranges, sizes, patterns.
/// `value` is asked for only if it has any.
pub(crate) fn out_of_bounds<T: JsonSchema + 'static>(
    part: Part,
    written: Written,
    value: impl FnOnce(&Schema) -> Value,
) -> Vec<Issue> {
    let known = of::<T>();
    if !known.has_bounds {
        return Vec::new();
    }
    let mut found = issues(known, &value(&known.schema), part, written);
    // Serde took the value. What else a schema says, such as the name of a field that has another beside it, is not the
    // whole truth.
    found.retain(|issue| BOUNDS.contains(&issue.kind()));
    found
}

/// Whether a schema has bounds that are not those of a type of integers.
fn has_bounds(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let format = members.get("format").and_then(Value::as_str);
            let natural = format.and_then(range_of);
            let is_bound = |(name, bound): (&String, &Value)| {
                let is_natural = natural.as_ref().is_some_and(|range| match &**name {
                    "minimum" => integer(bound) == Some(*range.start()),
                    "maximum" => integer(bound) == Some(*range.end()),
                    _ => false,
                });
                BOUNDS.contains(&&**name) && !is_natural
            };
            members.iter().any(is_bound) || members.values().any(has_bounds)
        }
        Value::Array(items) => items.iter().any(has_bounds),
        _ => false,
    }
}

/// Whether a schema allows `null`, as that of an `Option` does.
pub(crate) fn is_nullable(schema: &Value) -> bool {
    let is_null = |kinds: &Value| check::kind_names(kinds).any(|kind| kind == "null");
    let choices = schema.get("anyOf").and_then(Value::as_array);
    schema.get("type").is_some_and(is_null)
        || choices.is_some_and(|choices| choices.iter().any(is_nullable))
}

/// How the values of a part are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// As JSON: a number is a number.
    Json,
    /// As text: a number is digits, and a list may have one member or none.
    Text,
}

/// Everything in a value that does not fit the schema, at most [`check::MAX_ISSUES`].
pub(crate) fn issues(known: &Known, value: &Value, part: Part, written: Written) -> Vec<Issue> {
    Check::new(known.as_value(), &known.patterns, part, written).run(value)
}

/// What a reference in a schema stands for, if the schema is one.
fn resolved<'a>(root: &'a Value, schema: &Value) -> Option<&'a Value> {
    let target = schema.get("$ref")?.as_str()?;
    root.pointer(target.strip_prefix('#')?)
}

/// The numbers that a format of integers has.
fn range_of(format: &str) -> Option<RangeInclusive<i128>> {
    Some(match format {
        "int8" => i8::MIN.into()..=i8::MAX.into(),
        "int16" => i16::MIN.into()..=i16::MAX.into(),
        "int32" => i32::MIN.into()..=i32::MAX.into(),
        "int64" | "int" => i64::MIN.into()..=i64::MAX.into(),
        "uint8" => 0..=u8::MAX.into(),
        "uint16" => 0..=u16::MAX.into(),
        "uint32" => 0..=u32::MAX.into(),
        "uint64" | "uint" => 0..=u64::MAX.into(),
        _ => return None,
    })
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number.as_i128(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
