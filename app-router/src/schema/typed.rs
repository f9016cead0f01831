//! Text as the types of a schema: what a value would be as JSON.
//!
//! Serde holds what it does not know the place of as it came (`#[serde(flatten)]`, an enum with a tag), and of text that is text: a
//! number in it is none any more. The schema still knows what each is.

use serde_json::{Map, Value};

use super::check::kind_names;
use super::resolved;
use crate::extract::boolean;

/// References and choices that are followed for one value.
const MAX_DEPTH: usize = 16;

/// The value with each text as what its schema has for it; one that is nothing else stays text.
pub(crate) fn typed(root: &Value, value: Value) -> Value {
    as_schema(root, root, value, MAX_DEPTH)
}

fn as_schema(root: &Value, schema: &Value, value: Value, depth: usize) -> Value {
    match value {
        Value::Object(members) => {
            let typed = members.into_iter().map(|(name, value)| {
                let value = match member(root, schema, &name, depth) {
                    Some(schema) => as_schema(root, schema, value, depth),
                    None => value,
                };
                (name, value)
            });
            typed.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => match schema.get("items") {
            Some(schema) => {
                let items = items.into_iter();
                items
                    .map(|item| as_schema(root, schema, item, depth))
                    .collect()
            }
            None => items.into(),
        },
        Value::String(text) => of_text(root, schema, &text, depth).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// The schemas that a schema is made of.
fn parts<'a>(root: &'a Value, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
    let lists = ["allOf", "anyOf", "oneOf"].into_iter();
    let listed = lists
        .filter_map(|name| schema.get(name)?.as_array())
        .flatten();
    listed.chain(resolved(root, schema))
}

/// The first schema of a member, in the schema or in what that is made of.
fn member<'a>(root: &'a Value, schema: &'a Value, name: &str, depth: usize) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|fields| fields.get(name));
    own.or_else(|| {
        let depth = depth.checked_sub(1)?;
        parts(root, schema).find_map(|part| member(root, part, name, depth))
    })
}

/// What a text is, if it is something else than text.
fn of_text(root: &Value, schema: &Value, text: &str, depth: usize) -> Option<Value> {
    let kinds = schema.get("type").map(kind_names).into_iter().flatten();
    let own = kinds.into_iter().find_map(|kind| match kind {
        "integer" => whole(text),
        "number" => whole(text).or_else(|| text.parse::<f64>().ok().map(Value::from)),
        "boolean" => boolean(text).map(Value::from),
        "null" => text.is_empty().then_some(Value::Null),
        "array" => {
            let item = Value::from(text);
            let typed = |schema| as_schema(root, schema, item.clone(), depth);
            Some(vec![schema.get("items").map_or(item.clone(), typed)].into())
        }
        _ => None,
    });
    own.or_else(|| {
        let depth = depth.checked_sub(1)?;
        parts(root, schema).find_map(|part| of_text(root, part, text, depth))
    })
}

fn whole(text: &str) -> Option<Value> {
    let unsigned = text.parse::<u64>().ok().map(Value::from);
    unsigned.or_else(|| text.parse::<i64>().ok().map(Value::from))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::typed;

    #[test]
    fn text_becomes_what_its_schema_says() {
        let schema = json!({
            "properties": {
                "page": {"type": ["integer", "null"]},
                "price": {"type": "number"},
                "tags": {"type": "array", "items": {"type": "boolean"}},
                "size": {"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]},
            },
            "oneOf": [{"properties": {"kind": {"const": "a"}, "least": {"type": "integer"}}}],
            "$defs": {"Size": {"type": "integer"}, "Loop": {"$ref": "#/$defs/Loop"}},
            "allOf": [{"$ref": "#/$defs/Loop"}],
        });
        for (text, expected) in [
            (
                json!({"page": "3", "price": "3"}),
                json!({"page": 3, "price": 3}),
            ),
            (
                json!({"page": "", "price": "0.5"}),
                json!({"page": null, "price": 0.5}),
            ),
            (json!({"tags": "on"}), json!({"tags": [true]})),
            (json!({"tags": ["1", "no"]}), json!({"tags": [true, false]})),
            (json!({"size": "-3"}), json!({"size": -3})),
            (
                json!({"kind": "a", "least": "1"}),
                json!({"kind": "a", "least": 1}),
            ),
            (
                json!({"other": "1", "page": "x"}),
                json!({"other": "1", "page": "x"}),
            ),
        ] {
            assert_eq!(typed(&schema, text), expected);
        }
    }
}
