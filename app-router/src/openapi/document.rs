//! The document of a route table.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::OpenApi;
use crate::operation::{Content, Parameter, ResponseDoc, Schemas, fields, reason};
use crate::pattern::{self, Piece};
use crate::route::Docs;
use crate::routes::Route;
use crate::{Operation, Part, Routes};

/// Where schemas of types stand in a document.
const SCHEMAS: &str = "#/components/schemas/";

/// The document of all routes that are not hidden.
pub(super) fn make(openapi: &OpenApi, routes: &Routes) -> Value {
    let mut writing = Writing {
        routes,
        schemas: Some(Schemas::new()),
        paths: Map::new(),
        ids: BTreeSet::new(),
        written: Vec::new(),
    };
    for route in routes.routes() {
        writing.route(route);
    }
    let Writing {
        schemas,
        mut paths,
        written,
        ..
    } = writing;
    let (definitions, renamed) = schemas.map(joined).unwrap_or_default();
    for (path, method) in written {
        if let Some(responses) = paths
            .get_mut(&path)
            .and_then(|item| item.get_mut(&method))
            .and_then(|operation| operation.get_mut("responses"))
        {
            rename(responses, &renamed);
        }
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": openapi.info(),
        "paths": paths,
    });
    let used = reachable(&document, &definitions);
    let definitions: Map<String, Value> = definitions
        .into_iter()
        .filter(|(name, _)| used.contains(name))
        .collect();
    if !definitions.is_empty() {
        document["components"] = json!({ "schemas": definitions });
    }
    document
}

struct Writing<'a> {
    routes: &'a Routes,
    /// Lent to each operation in turn.
    schemas: Option<Schemas>,
    paths: Map<String, Value>,
    ids: BTreeSet<String>,
    /// The operations so far, by path and method.
    written: Vec<(String, String)>,
}

impl Writing<'_> {
    fn route(&mut self, route: &Route) {
        let path = template(route.pattern.text);
        let providers = self.routes.providers();
        for (method, served) in &route.methods {
            // What a path item has no place for is left out.
            if !METHODS.contains(&method.as_str()) || served.endpoint.docs.hidden {
                continue;
            }
            let operation = self.operation(&served.endpoint.docs, |about| {
                (served.endpoint.describe)(about);
                providers.describe(&served.about.plan, about);
            });
            let value = self.value(route.pattern.text, method, &served.endpoint.docs, operation);
            self.put(&path, method, value);
        }
        let has_get = route
            .methods
            .iter()
            .any(|(method, _)| *method == Method::GET);
        if let Some(served) = &route.socket
            && !has_get
            && !served.endpoint.docs.hidden
        {
            let operation = self.operation(&served.endpoint.docs, |about| {
                about.response(StatusCode::SWITCHING_PROTOCOLS, "a WebSocket is open");
                (served.endpoint.describe)(about);
                providers.describe(&served.about.plan, about);
            });
            let mut value = self.value(
                route.pattern.text,
                &Method::GET,
                &served.endpoint.docs,
                operation,
            );
            value["x-websocket"] = true.into();
            self.put(&path, &Method::GET, value);
        }
    }

    fn put(&mut self, path: &str, method: &Method, value: Value) {
        let method = method.as_str().to_ascii_lowercase();
        self.written.push((path.to_owned(), method.clone()));
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        item[method] = value;
    }

    /// What a handler says, and then what is said of it by hand.
    fn operation(&mut self, docs: &Docs, describe: impl FnOnce(&mut Operation)) -> Operation {
        let mut operation = Operation::unwritten();
        operation.schemas = self.schemas.take();
        describe(&mut operation);
        for by_hand in &docs.describe {
            by_hand(&mut operation);
        }
        self.schemas = operation.schemas.take();
        operation
    }

    fn value(
        &mut self,
        pattern: &'static str,
        method: &Method,
        docs: &Docs,
        operation: Operation,
    ) -> Value {
        let mut value = json!({ "operationId": self.id(docs.name, method, pattern) });
        let mut set = |name: &str, member: Value| value[name] = member;
        if let Some(summary) = &docs.summary {
            set("summary", summary.as_str().into());
        }
        if let Some(description) = &docs.description {
            set("description", description.as_str().into());
        }
        if !docs.tags.is_empty() {
            set("tags", docs.tags.clone().into());
        }
        if docs.deprecated {
            set("deprecated", true.into());
        }
        let parameters = parameters(pattern, &operation);
        if !parameters.is_empty() {
            set("parameters", parameters.into());
        }
        if let Some(body) = &operation.body {
            set(
                "requestBody",
                json!({ "required": true, "content": content(body) }),
            );
        }
        set("responses", responses(operation.responses));
        value
    }

    /// A name for the operation that no other has.
    fn id(&mut self, name: Option<&str>, method: &Method, pattern: &str) -> String {
        let words = pattern
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty());
        let made = || {
            let method = method.as_str().to_ascii_lowercase();
            words.fold(method, |id, word| format!("{id}_{word}"))
        };
        let mut id = name.map_or_else(made, str::to_owned);
        while !self.ids.insert(id.clone()) {
            id.push('_');
            id.push_str(&method.as_str().to_ascii_lowercase());
        }
        id
    }
}

/// The methods that a path item has (OpenAPI 3.1 section 4.8.9).
const METHODS: [&str; 8] = [
    "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE",
];

/// The pattern as a template: a catch-all is a parameter like any other.
fn template(pattern: &'static str) -> String {
    let mut template = String::new();
    for piece in pattern::pieces(pattern) {
        match piece {
            Piece::Text(text) => template.push_str(&text),
            Piece::Param(name) | Piece::CatchAll(name) => {
                template.extend(["{", name, "}"]);
            }
        }
    }
    template
}

/// All parameters; each one of the path is there, whether something reads it or not.
fn parameters(pattern: &'static str, operation: &Operation) -> Vec<Value> {
    let names: Vec<&str> = pattern::names(pattern).collect();
    let mut all: BTreeMap<(usize, &str), Value> = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        let schema = operation
            .path
            .iter()
            .find_map(|schema| of_path(schema, place, name));
        let schema = schema.unwrap_or_else(|| json!({ "type": "string" }));
        all.insert((place, name), parameter(Part::Path, name, true, schema));
    }
    for (place, read) in operation.parameters.iter().enumerate() {
        let Parameter {
            part,
            name,
            required,
            schema,
        } = read;
        // These fields are described by other parts of a document (OpenAPI 3.1 section 4.8.12.2.1).
        let is_elsewhere =
            *part == Part::Header && ["accept", "content-type", "authorization"].contains(&&**name);
        let is_known = all
            .values()
            .any(|known| known["name"] == **name && known["in"] == part.to_string());
        if !is_elsewhere && !is_known {
            all.insert(
                (names.len() + place, name),
                parameter(*part, name, *required, schema.clone()),
            );
        }
    }
    all.into_values().collect()
}

/// The schema of one parameter of the path in that of all.
fn of_path(schema: &Value, place: usize, name: &str) -> Option<Value> {
    if schema.get("properties").is_some() {
        let field = fields(schema).find(|(field, ..)| *field == name);
        return field.map(|(_, schema, _)| schema.clone());
    }
    match schema.get("prefixItems") {
        Some(places) => places.get(place).cloned(),
        None => schema.get("items").or(Some(schema)).cloned(),
    }
}

fn parameter(part: Part, name: &str, required: bool, mut schema: Value) -> Value {
    let mut value = json!({ "name": name, "in": part.to_string() });
    if required {
        value["required"] = true.into();
    }
    if let Some(description) = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("description"))
    {
        value["description"] = description;
    }
    value["schema"] = schema;
    value
}

fn content(content: &Content) -> Value {
    json!({ content.media_type: { "schema": content.schema } })
}

/// The responses; one of any kind if nothing was said of those that succeed.
fn responses(mut responses: BTreeMap<u16, ResponseDoc>) -> Value {
    if !responses.keys().any(|status| *status < 400) {
        let description = reason(StatusCode::OK);
        responses.insert(
            200,
            ResponseDoc {
                description,
                content: None,
            },
        );
    }
    let mut value = Map::new();
    for (status, doc) in responses {
        let mut response = json!({ "description": doc.description });
        if let Some(body) = &doc.content {
            response["content"] = content(body);
        }
        value.insert(status.to_string(), response);
    }
    value.into()
}

/// The definitions of both directions as one map. A type that is written otherwise than it is read has two: the new names
/// of what is written are given too.
fn joined(mut schemas: Schemas) -> (Map<String, Value>, BTreeMap<String, String>) {
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
fn reachable(document: &Value, definitions: &Map<String, Value>) -> BTreeSet<String> {
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
