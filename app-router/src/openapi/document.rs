//! The document of a route table.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::OpenApi;
use super::definitions::{joined, reachable, rename_written};
use crate::operation::{Content, Parameter, ResponseDoc, Schemas, fields, reason};
use crate::pattern::{self, Piece};
use crate::route::Docs;
use crate::routes::Route;
use crate::security::{NamedScheme, requirements};
use crate::{Operation, Part, RouterError, Routes};

/// The document of all routes that are not hidden.
///
/// # Errors
///
/// If one name stands for two security schemes.
pub(super) fn make(openapi: &OpenApi, routes: &Routes) -> Result<Value, RouterError> {
    let mut writing = Writing {
        routes,
        schemas: Some(Schemas::new()),
        paths: Map::new(),
        ids: BTreeSet::new(),
        schemes: BTreeMap::new(),
        clash: None,
    };
    for route in routes.routes() {
        writing.route(route);
    }
    let mut webhooks = Map::new();
    for (name, docs) in &openapi.webhooks {
        let operation = writing.operation(docs, |_| {});
        webhooks.insert(
            (*name).to_owned(),
            json!({ "post": body_of(docs, operation) }),
        );
    }
    if let Some(name) = writing.clash {
        return Err(RouterError::schemes(name));
    }
    let (definitions, renamed) = writing.schemas.map(joined).unwrap_or_default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": openapi.info,
        "paths": writing.paths,
    });
    for (name, list) in [("servers", &openapi.servers), ("tags", &openapi.tags)] {
        if !list.is_empty() {
            document[name] = list.clone().into();
        }
    }
    if let Some(docs) = &openapi.external_docs {
        document["externalDocs"] = docs.clone();
    }
    if !webhooks.is_empty() {
        document["webhooks"] = webhooks.into();
    }
    rename_written(&mut document, &renamed);
    let used = reachable(&document, &definitions);
    let definitions: Map<String, Value> = definitions
        .into_iter()
        .filter(|(name, _)| used.contains(name))
        .collect();
    let schemes = writing.schemes.iter();
    let schemes = schemes.map(|(name, scheme)| ((*name).to_owned(), scheme.document()));
    let mut components = Map::new();
    for (name, named) in [
        ("schemas", definitions),
        ("securitySchemes", schemes.collect()),
    ] {
        if !named.is_empty() {
            components.insert(name.to_owned(), named.into());
        }
    }
    if !components.is_empty() {
        document["components"] = components.into();
    }
    Ok(document)
}

struct Writing<'a> {
    routes: &'a Routes,
    /// Lent to each operation in turn.
    schemas: Option<Schemas>,
    paths: Map<String, Value>,
    ids: BTreeSet<String>,
    schemes: BTreeMap<&'static str, NamedScheme>,
    /// The name of two schemes, if one is.
    clash: Option<&'static str>,
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
            let endpoint = &served.endpoint;
            let mut value = self.value(route.pattern.text, method, &endpoint.docs, operation);
            if value.get("summary").is_none()
                && let Some(summary) = in_words(endpoint.function)
            {
                value["summary"] = summary.into();
            }
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
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        item[method] = value;
    }

    /// What a handler says, and then what is said of it by hand.
    fn operation(&mut self, docs: &Docs, describe: impl FnOnce(&mut Operation)) -> Operation {
        let mut operation = Operation::unwritten();
        operation.schemas = self.schemas.take();
        describe(&mut operation);
        if !docs.scopes.is_empty() {
            operation.rejects(
                StatusCode::FORBIDDEN,
                "the credential does not allow what is needed",
            );
        }
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
        for scheme in operation.security.iter().flat_map(|demand| &demand.any_of) {
            if *self.schemes.entry(scheme.name).or_insert(*scheme) != *scheme {
                self.clash = Some(scheme.name);
            }
        }
        let parameters = parameters(pattern, &operation);
        let security = requirements(&operation.security, &docs.scopes);
        let has_security = !operation.security.is_empty();
        let mut value = body_of(docs, operation);
        value["operationId"] = self.id(docs.name, method, pattern).into();
        if !parameters.is_empty() {
            value["parameters"] = parameters.into();
        }
        if has_security {
            value["security"] = security.into();
        }
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

/// What is said of an operation, but where and by whom it is asked for.
fn body_of(docs: &Docs, operation: Operation) -> Value {
    let mut value = json!({});
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
    if let Some(body) = &operation.body {
        let body = json!({ "required": true, "content": content(body) });
        set("requestBody", body);
    }
    let mut callbacks = Map::new();
    for callback in operation.callbacks {
        let method = callback.method.as_str().to_ascii_lowercase();
        let operation = body_of(&Docs::default(), callback.operation);
        callbacks.insert(
            callback.name.to_owned(),
            json!({ callback.expression: { method: operation } }),
        );
    }
    if !callbacks.is_empty() {
        set("callbacks", callbacks.into());
    }
    set("responses", responses(operation.responses));
    value
}

/// The name of a function in words; `None` for one that has none.
fn in_words(function: &str) -> Option<String> {
    let path = function.split('<').next()?;
    let name = path.rsplit("::").next()?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut words = name.replace('_', " ");
    let first = words.get_mut(..1)?;
    first.make_ascii_uppercase();
    is_name.then_some(words)
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
    let mut value = json!({ "schema": content.schema });
    if !content.examples.is_empty() {
        value["examples"] = content.examples.clone().into();
    }
    json!({ content.media_type: value })
}

/// The responses; one of any kind if nothing was said of those that succeed.
fn responses(mut responses: BTreeMap<u16, ResponseDoc>) -> Value {
    if !responses.keys().any(|status| *status < 400) {
        let description = reason(StatusCode::OK);
        responses.insert(
            200,
            ResponseDoc {
                description,
                ..ResponseDoc::default()
            },
        );
    }
    let mut value = Map::new();
    for (status, doc) in responses {
        let mut response = json!({ "description": doc.description });
        if let Some(body) = &doc.content {
            response["content"] = content(body);
        }
        if !doc.headers.is_empty() {
            response["headers"] = doc.headers.into();
        }
        value.insert(status.to_string(), response);
    }
    value.into()
}
