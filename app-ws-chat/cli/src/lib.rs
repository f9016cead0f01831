//! The chat in a terminal, without the terminal: what keys do, what the chat tells, and how the screen looks.
//!
//! [`App`] joins a [`chat_client::Client`] with an editor and views of rooms. Keys go in ([`App::key`]), what the client
//! was told is taken ([`App::hear`]), the screen comes out ([`App::draw`]); `main` has the terminal and the connection.
//!
//! - `editor` is the line being written, `command` what it means, `complete` what Tab makes of it.
//! - `view` is a room on the screen, `rows` its log in rows, `screen` everything around it.
//! - [`Memory`] is what one run leaves to the next.
#![forbid(unsafe_code)]

mod app;
mod command;
mod complete;
mod editor;
mod memory;
mod rows;
mod screen;
mod view;
mod words;
mod wrap;

pub use app::{App, Colours, Flow};
pub use command::{Line, LineError, Penalty};
pub use memory::{DraftMemory, Memory, RoomMemory, default_file};
