//! Applications of four worlds on any gateway server: the code that `adapters/README.md` speaks of.
//!
//! Each is a file here and a program in `examples/`, and is tested on both servers and, where it has one, on the server
//! that it was written for:
//!
//! | world | here | its program |
//! |---|---|---|
//! | axum | [`axum`](mod@axum) | `cargo run -p cookbook --example axum -- --server hyper` |
#![forbid(unsafe_code)]

pub mod axum;
pub mod flask;
pub mod on_gateway;
pub mod pipes;
pub mod tonic;

/// Compiles the examples of the text.
#[cfg(doctest)]
#[doc = include_str!("../flask.md")]
struct Flask;
