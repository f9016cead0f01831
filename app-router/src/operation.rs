//! What a handler says of itself before any request: what it reads, needs and answers. The router checks it when it is
//! built, and makes the OpenAPI document of it.

use std::any::{TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::{Part, Rejection};

/// What one method of one path reads and answers: filled in by [`Extract::describe`](crate::Extract::describe) and
/// [`IntoReply::describe`](crate::IntoReply::describe), and by hand in [`Route::describe`](crate::Route::describe).
///
/// # Examples
///
/// ```
/// use app_router::{Operation, Router, route};
/// use http::StatusCode;
///
/// async fn item() -> &'static str {
///     "an item"
/// }
///
/// let item = route(item).describe(|operation: &mut Operation| {
///     operation.response(StatusCode::NOT_FOUND, "there is no such item");
/// });
/// # let _ = Router::new().get("/item/{id}", item);
/// ```
pub struct Operation {
    /// What makes schemas, while a document is made.
    pub(crate) schemas: Option<Schemas>,
    pub(crate) parameters: Vec<Parameter>,
    /// The schema of what reads the path: of one value, of a tuple, or of a struct.
    pub(crate) path: Vec<Value>,
    pub(crate) body: Option<Content>,
    pub(crate) responses: BTreeMap<u16, ResponseDoc>,
    pub(crate) needs: Vec<Need>,
    pub(crate) takers: Vec<&'static str>,
    /// Whether a thread of the pool may be needed.
    pub(crate) blocks: bool,
    /// Whether something is to be undone, however the handler ends.
    pub(crate) tears_down: bool,
}

/// The schemas of what comes and of what goes: a type with defaults may have two.
pub(crate) struct Schemas {
    pub(crate) read: SchemaGenerator,
    pub(crate) written: SchemaGenerator,
}

/// A parameter of the head.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) part: Part,
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) schema: Value,
}

/// A body of one type.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    pub(crate) schema: Value,
}

/// A response of one status.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseDoc {
    pub(crate) description: String,
    pub(crate) content: Option<Content>,
}

/// A dependency by its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }
}

impl Operation {
    /// One that collects what the check of a router needs. It makes no schemas but of paths, unless it is lent what does.
    pub(crate) fn unwritten() -> Self {
        Self {
            schemas: None,
            parameters: Vec::new(),
            path: Vec::new(),
            body: None,
            responses: BTreeMap::new(),
            needs: Vec::new(),
            takers: Vec::new(),
            blocks: false,
            tears_down: false,
        }
    }

    /// Says that the body is taken, which only one argument can do. `what` names it in the error that refuses two.
    pub fn takes_body(&mut self, what: &'static str) {
        self.takers.push(what);
    }

    /// Says that a value of the router's providers is needed: [`Depends<T>`](crate::Depends).
    pub fn needs<T: 'static>(&mut self) {
        self.needs.push(Need {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        });
    }

    /// Describes the parameters of the path as the fields of a struct, the places of a tuple, or one value.
    pub fn path_parameters<T: JsonSchema + 'static>(&mut self) {
        self.can_be_invalid();
        let schema = match &mut self.schemas {
            Some(schemas) => resolved(schemas.read.subschema_for::<T>().to_value(), &schemas.read),
            None => crate::schema::of::<T>().as_value().clone(),
        };
        self.path.push(schema);
    }

    /// Describes parameters of another part as the fields of a struct, whose names on the wire are `name` of theirs.
    pub fn parameters<T: JsonSchema>(&mut self, part: Part, name: impl Fn(&str) -> String) {
        self.can_be_invalid();
        let Some(schemas) = &mut self.schemas else {
            return;
        };
        let schema = resolved(schemas.read.subschema_for::<T>().to_value(), &schemas.read);
        for (field, schema, required) in fields(&schema) {
            self.parameters.push(Parameter {
                part,
                name: name(field),
                required,
                schema: schema.clone(),
            });
        }
    }

    /// Describes the body as JSON, or as what else serde reads into this type.
    pub fn body_of<T: JsonSchema>(&mut self, media_type: &'static str) {
        self.can_be_invalid();
        let Some(schemas) = &mut self.schemas else {
            return;
        };
        let schema = schemas.read.subschema_for::<T>().to_value();
        self.body = Some(Content { media_type, schema });
    }

    /// Describes the body as bytes of some type.
    pub fn body_of_bytes(&mut self, media_type: &'static str) {
        // OpenAPI 3.1 has no schema for what is not text: an empty one stands for any bytes.
        self.body = Some(Content {
            media_type,
            schema: json!({}),
        });
    }

    /// Adds a response without a body, or sets what is said of one.
    pub fn response(&mut self, status: StatusCode, description: impl Into<String>) {
        self.responses
            .entry(status.as_u16())
            .or_default()
            .description = description.into();
    }

    /// Adds a response with a body that serde writes from this type.
    pub fn response_of<T: JsonSchema>(
        &mut self,
        status: StatusCode,
        media_type: &'static str,
        description: impl Into<String>,
    ) {
        self.response(status, description);
        let Some(schemas) = &mut self.schemas else {
            return;
        };
        let schema = schemas.written.subschema_for::<T>().to_value();
        self.set_content(status, Content { media_type, schema });
    }

    /// Adds a response with a body of some type that has no schema: a page, a stream, a file.
    pub fn response_of_bytes(
        &mut self,
        status: StatusCode,
        media_type: &'static str,
        description: impl Into<String>,
    ) {
        self.response(status, description);
        let schema = json!({});
        self.set_content(status, Content { media_type, schema });
    }

    /// Adds a response that is a [`Rejection`].
    pub fn rejects(&mut self, status: StatusCode, description: impl Into<String>) {
        self.response_of::<Rejection>(status, "application/problem+json", description);
    }

    /// Gives the responses that were described so far, but for rejections of what was read, another status.
    pub(crate) fn with_status(&mut self, status: StatusCode, describe: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.responses);
        describe(self);
        let described = std::mem::replace(&mut self.responses, before);
        for (_, mut doc) in described {
            doc.description = reason(status);
            self.responses.insert(status.as_u16(), doc);
        }
    }

    fn set_content(&mut self, status: StatusCode, content: Content) {
        self.responses.entry(status.as_u16()).or_default().content = Some(content);
    }

    fn can_be_invalid(&mut self) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        if self.schemas.is_some() && !self.responses.contains_key(&status.as_u16()) {
            self.rejects(status, "values of the request are not valid");
        }
    }
}

/// What a status is called in a document that says nothing else of it.
pub(crate) fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Response").to_owned()
}

/// The fields of an object's schema: name, schema, whether it must be there.
pub(crate) fn fields(schema: &Value) -> impl Iterator<Item = (&str, &Value, bool)> {
    let required = schema.get("required").and_then(Value::as_array);
    let properties: Option<&Map<String, Value>> =
        schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(move |(name, schema)| {
        let is_required = required.is_some_and(|names| names.iter().any(|known| known == name));
        (name.as_str(), schema, is_required)
    })
}

/// The schema that a reference stands for, or the schema.
fn resolved(schema: Value, generator: &SchemaGenerator) -> Value {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next());
    name.and_then(|name| generator.definitions().get(name))
        .cloned()
        .unwrap_or(schema)
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("parameters", &self.parameters)
            .field("body", &self.body)
            .field("responses", &self.responses)
            .finish_non_exhaustive()
    }
}
