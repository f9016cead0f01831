//! The model of the chat: people on a ground that breaks, and what must be true for all of them whatever happens.

#[path = "echo.rs"]
pub(crate) mod echo;
#[path = "inside.rs"]
pub(crate) mod inside;
#[path = "ledger.rs"]
pub(crate) mod ledger;
#[path = "ops.rs"]
pub(crate) mod ops;
#[path = "person.rs"]
pub(crate) mod person;
#[path = "record.rs"]
pub(crate) mod record;
#[path = "rules.rs"]
mod rules;
#[path = "world.rs"]
pub(crate) mod world;
