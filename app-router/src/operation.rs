//! What a handler says of itself before any request: what it reads, needs and answers. The router checks it when it is
//! built, and makes the OpenAPI document of it.

mod parts;

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;

use http::{Method, StatusCode};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) use self::parts::{Callback, Content, Need, Parameter, ResponseDoc, Schemas};
use crate::security::Demand;
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
    pub(crate) callbacks: Vec<Callback>,
    /// What proves who asks.
    pub(crate) security: Vec<Demand>,
    /// Whether something holds the client to the scopes of the route.
    pub(crate) reads_scopes: bool,
    /// What is wrong with the types that are read.
    pub(crate) mistakes: Vec<String>,
    pub(crate) needs: Vec<Need>,
    pub(crate) takers: Vec<&'static str>,
    /// Whether a thread of the pool may be needed.
    pub(crate) blocks: bool,
    /// Whether something is to be undone, however the handler ends.
    pub(crate) tears_down: bool,
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
            callbacks: Vec::new(),
            security: Vec::new(),
            reads_scopes: false,
            mistakes: Vec::new(),
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
        self.needs.push(Need::of::<T>());
    }

    /// Describes the parameters of the path as the fields of a struct, the places of a tuple, or one value.
    pub fn path_parameters<T: JsonSchema + 'static>(&mut self) {
        self.reads::<T>();
        let schema = match &mut self.schemas {
            Some(schemas) => resolved(schemas.read.subschema_for::<T>().to_value(), &schemas.read),
            None => crate::schema::of::<T>().as_value().clone(),
        };
        self.path.push(schema);
    }

    /// Describes parameters of another part as the fields of a struct, whose names on the wire are `name` of theirs.
    pub fn parameters<T: JsonSchema + 'static>(
        &mut self,
        part: Part,
        name: impl Fn(&str) -> String,
    ) {
        self.reads::<T>();
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

    /// That the fields of a struct have names that stand for fields of the head.
    pub(crate) fn fields_of_the_head<T: JsonSchema + 'static>(&mut self) {
        let stands_for_none = |name: &str| name.contains(|c: char| c == '-' || c.is_uppercase());
        let schema = crate::schema::of::<T>().as_value();
        let mut names = fields(schema).map(|(name, ..)| name);
        if let Some(name) = names.find(|name| stands_for_none(name)) {
            let wanted = name.to_lowercase().replace('-', "_");
            self.mistakes.push(format!(
                "reads `{}`: no field of the head is read as `{name}`: call it `{wanted}`",
                type_name::<T>()
            ));
        }
    }

    /// Describes the body as JSON, or as what else serde reads into this type.
    ///
    /// For a form with files, whose parts a handler reads one by one, a type that is never made can say what they are; a
    /// file in it is an [`Upload`](crate::Upload):
    ///
    /// ```
    /// use app_router::{Multipart, Upload, route};
    ///
    /// #[derive(schemars::JsonSchema)]
    /// #[expect(dead_code, reason = "for the document alone")]
    /// struct Photo {
    ///     title: String,
    ///     #[schemars(with = "Upload")]
    ///     file: (),
    /// }
    ///
    /// # let upload = async |_: Multipart| "";
    /// let upload = route(upload).describe(|operation| operation.body_of::<Photo>("multipart/form-data"));
    /// # let _ = app_router::Router::new().post("/photos", upload);
    /// ```
    pub fn body_of<T: JsonSchema + 'static>(&mut self, media_type: &'static str) {
        self.reads::<T>();
        let Some(schemas) = &mut self.schemas else {
            return;
        };
        let schema = schemas.read.subschema_for::<T>().to_value();
        self.body = Some(Content::new(media_type, schema));
    }

    /// Adds an example of the body to the document, by a name of its own. Types have theirs by `#[schemars(example = ..)]`.
    pub fn body_example(&mut self, name: &str, value: impl Serialize) {
        if let Some(body) = &mut self.body {
            body.examples.insert(name.to_owned(), example(value));
        }
    }

    /// Describes the body as bytes of some type.
    pub fn body_of_bytes(&mut self, media_type: &'static str) {
        // OpenAPI 3.1 has no schema for what is not text: an empty one stands for any bytes.
        self.body = Some(Content::new(media_type, json!({})));
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
        self.set_content(status, Content::new(media_type, schema));
    }

    /// Adds a response with a body of some type that has no schema: a page, a stream, a file.
    pub fn response_of_bytes(
        &mut self,
        status: StatusCode,
        media_type: &'static str,
        description: impl Into<String>,
    ) {
        self.response(status, description);
        self.set_content(status, Content::new(media_type, json!({})));
    }

    /// Says that a response has a field, whose text is read as this type.
    pub fn response_header<T: JsonSchema>(
        &mut self,
        status: StatusCode,
        name: &str,
        description: impl Into<String>,
    ) {
        let Some(schemas) = &mut self.schemas else {
            return;
        };
        let schema = schemas.written.subschema_for::<T>().to_value();
        let header = json!({ "description": description.into(), "schema": schema });
        let headers = &mut self.responses.entry(status.as_u16()).or_default().headers;
        headers.insert(name.to_owned(), header);
    }

    /// Adds an example of a response's body, by a name of its own. The response was described before.
    pub fn response_example(&mut self, status: StatusCode, name: &str, value: impl Serialize) {
        let response = self.responses.get_mut(&status.as_u16());
        if let Some(content) = response.and_then(|response| response.content.as_mut()) {
            content.examples.insert(name.to_owned(), example(value));
        }
    }

    /// Says that the application sends a request to an address that the client names, such as
    /// `{$request.body#/callback_url}` (OpenAPI 3.1 section 4.8.18), and what that request is. FastAPI: `callbacks`.
    ///
    /// # Examples
    ///
    /// ```
    /// use app_router::{Json, Status, route};
    /// use http::{Method, StatusCode};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// struct Order {
    ///     callback_url: String,
    /// }
    ///
    /// async fn order(_: Json<Order>) -> StatusCode {
    ///     StatusCode::ACCEPTED
    /// }
    ///
    /// let order = route(order).describe(|operation| {
    ///     operation.callback("paid", "{$request.body#/callback_url}", Method::POST, |paid| {
    ///         paid.body_of::<Order>("application/json");
    ///         paid.response(StatusCode::NO_CONTENT, "it was heard");
    ///     });
    /// });
    /// # let _ = app_router::Router::new().post("/orders", order);
    /// ```
    pub fn callback(
        &mut self,
        name: &'static str,
        expression: &'static str,
        method: Method,
        describe: impl FnOnce(&mut Self),
    ) {
        let mut operation = Self::unwritten();
        operation.schemas = self.schemas.take();
        describe(&mut operation);
        self.schemas = operation.schemas.take();
        // The application says what it refuses, not what the receiver does.
        operation.responses.remove(&422);
        self.callbacks.push(Callback {
            name,
            expression,
            method,
            operation,
        });
    }

    /// Says what proves who asks.
    pub(crate) fn demands(&mut self, demand: Demand) {
        self.security.push(demand);
        self.rejects(
            StatusCode::UNAUTHORIZED,
            "no credential was sent, or none that is good",
        );
    }

    /// Says that values are read as this type, which may not fit.
    fn reads<T: JsonSchema + 'static>(&mut self) {
        let known = crate::schema::of::<T>();
        if let Some(mistake) = known.mistake() {
            let name = type_name::<T>();
            self.mistakes.push(format!("reads `{name}`: {mistake}"));
        }
        self.can_be_invalid();
    }

    /// Adds a response that is a [`Rejection`].
    pub fn rejects(&mut self, status: StatusCode, description: impl Into<String>) {
        self.response_of::<Rejection>(status, "application/problem+json", description);
    }

    /// Gives the responses that were described so far, but for rejections of what was read, another status.
    pub(crate) fn with_status(&mut self, status: StatusCode, describe: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.responses);
        describe(self);
        let mut described = std::mem::replace(&mut self.responses, before);
        if described.is_empty() {
            // A reply without a body says nothing of itself.
            described.insert(status.as_u16(), ResponseDoc::default());
        }
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

/// An example object (OpenAPI 3.1 section 4.8.19). What JSON cannot hold is `null`.
fn example(value: impl Serialize) -> Value {
    json!({ "value": serde_json::to_value(value).unwrap_or_default() })
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
