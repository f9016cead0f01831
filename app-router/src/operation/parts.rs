//! What an operation is made of.

use std::any::{TypeId, type_name};

use http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Operation;
use crate::Part;

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
    /// By their names.
    pub(crate) examples: Map<String, Value>,
}

impl Content {
    pub(super) fn new(media_type: &'static str, schema: Value) -> Self {
        Self {
            media_type,
            schema,
            examples: Map::new(),
        }
    }
}

/// A request that the application sends because of this one.
pub(crate) struct Callback {
    pub(crate) name: &'static str,
    pub(crate) expression: &'static str,
    pub(crate) method: Method,
    pub(crate) operation: Operation,
}

/// A response of one status.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseDoc {
    pub(crate) description: String,
    pub(crate) content: Option<Content>,
    pub(crate) headers: Map<String, Value>,
}

/// A dependency by its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl Need {
    pub(crate) fn of<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        }
    }
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
