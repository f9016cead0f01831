//! Applications of four worlds on any gateway server: the code that `adapters/README.md` speaks of.
//!
//! Each is a file here and a program in `examples/` or `src/bin/`, and is tested on both servers and, where it has one, on the server
//! that it was written for:
//!
//! | world | here | its program |
//! |---|---|---|
//! | axum | [`axum`](mod@axum) | `cargo run -p cookbook --example axum -- --server hyper` |
//! | Flask | [`flask`] | `cargo run -p cookbook --bin flask -- --server hyper` |
//! | tokio's readers and writers | [`pipes`] | `ORIGIN=127.0.0.1:5432 cargo run -p cookbook --bin pipes -- --server hyper` |
#![forbid(unsafe_code)]

pub mod axum;
pub mod flask;
pub mod on_gateway;
pub mod pipes;
pub mod tonic;

/// Compiles the examples of the texts.
#[cfg(doctest)]
#[doc = include_str!("../flask.md")]
#[doc = include_str!("../pipes.md")]
struct Texts;
