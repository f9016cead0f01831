//! The schemas of types that a document defines once and refers to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::operation::Schemas;

/// Where schemas of types stand in a document.
const SCHEMAS: &str = "#/components/schemas/";

/// The definitions of both directions as one map. A type that is written otherwise than it is read has two: the new names
/// of what is written are given too.
pub(super) fn joined(mut schemas: Schemas) -> (Map<String, Value>, BTreeMap<String, String>) {
    let mut all = schemas.read.take_definitions(true);
    let mut written = schemas.written.take_definitions(true);
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    loop {
        // What refers to a type that has two names has two itself.
        let differs = |name: &String, schema: &Value| {
            let refers = |target: &String| refers_to(schema, target);
            all.get(name).is_some_and(|read| read != schema)
                || (all.contains_key(name) && renamed.keys().any(refers))
        };
        let next = written
            .iter()
            .find(|(name, schema)| !renamed.contains_key(*name) && differs(name, schema));
        let Some((name, _)) = next else { break };
        renamed.insert(name.clone(), format!("{name}Written"));
    }
    for schema in written.values_mut() {
        rename(schema, &renamed);
    }
    for (name, schema) in written {
        let name = renamed.get(&name).cloned().unwrap_or(name);
        all.entry(name).or_insert(schema);
    }
    (all, renamed)
}

fn refers_to(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(key, value)| {
            (key == "$ref" && target(value) == Some(name)) || refers_to(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, name)),
        _ => false,
    }
}

fn target(reference: &Value) -> Option<&str> {
    reference.as_str()?.strip_prefix(SCHEMAS)
}

/// Lets what is written, the responses of all operations, refer to the new names.
pub(super) fn rename_written(document: &mut Value, names: &BTreeMap<String, String>) {
    match document {
        Value::Object(members) => {
            for (key, value) in members {
                if key == "responses" {
                    rename(value, names);
                } else {
                    rename_written(value, names);
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename_written(item, names)),
        _ => {}
    }
}

/// Lets all references point to the new names.
fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let new = target(value)
                    .filter(|_| key == "$ref")
                    .and_then(|name| names.get(name));
                match new {
                    Some(new) => *value = format!("{SCHEMAS}{new}").into(),
                    None => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// The definitions that a document refers to, and those that they do.
pub(super) fn reachable(document: &Value, definitions: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(target)
                    && found.insert(name.to_owned())
                {
                    left.extend(definitions.get(name));
                }
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    found
}
