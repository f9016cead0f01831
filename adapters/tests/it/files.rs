//! A directory as an application, by the test client.

mod conditions;
mod names;
mod ranges;
mod support;
mod variants;
