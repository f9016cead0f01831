//! A market of second-hand things: the sample application of `app-router`.
//!
//! Whoever has an account puts things up, with a picture; everybody looks for them, and sees in the same moment what
//! others change. It is a small service that people recognise, and it uses each part of the framework where a service would.
//!
//! # Where to read
//!
//! - [`routes()`]: the table of all that is served, and what each route needs. Read this first.
//! - [`market`]: the same in its middleware: sessions, other sites, guessed passwords.
//! - [`Database`]: SQLite from async code, and the [`Transaction`] that a handler gets as a dependency.
//! - [`Item`], [`Draft`]: what is sold, and what is checked of it.
//! - [`Account`]: who sells, and how their passwords are kept.
//!
//! The README tells file by file what there is to see.
#![forbid(unsafe_code)]

mod account;
mod assets;
mod change;
mod database;
mod export;
mod item;
mod live;
pub mod options;
mod pages;
mod picture;
mod routes;
mod settings;
mod tagged;
mod transaction;
mod watch;

pub use account::{Account, Credentials, NewAccount, Visitor};
pub use database::Database;
pub use item::{Draft, Item, Mine, Page, Search, Tag};
pub use routes::{guarded, market, routes};
pub use settings::{KeyError, Settings};
pub use transaction::Transaction;

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
