//! The lecture's experiment, live: what blocking and awaiting, pools and workers do to the requests of a server.
//!
//! Some requests are fired at a server of this workspace at the same time, and what becomes of each is drawn as a bar:
//! queued until somebody begins with it, running while it has a thread, waiting while it has none. So one sees what is said
//! of event loops: that code which blocks serves one after the other, and that those who await overlap.
//!
//! What is drawn is the server. It is a process of its own with as many workers as were asked for, so that the page stays
//! alive while they are held; a client on a thread of its own fires the requests over loopback, each on a connection to a
//! worker that is known; and the server says when it begins with each, pauses and ends.
//!
//! # Where to read
//!
//! - [`subject()`]: the handlers under experiment, and what sees when they are polled. Read this first.
//! - [`Run`], [`Experiment`]: what can be asked for, and what the lecture asks for.
//! - [`perform()`]: one run: the server's process, the client, the records of both.
//! - [`Timeline`]: records to rows and a [`Summary`]; [`draw()`] is the drawing in a terminal.
//! - [`Laboratory`], [`page()`]: experiments one at a time, for everybody who looks.
//!
//! `docs/lecture.md` is the text to it.
#![forbid(unsafe_code)]

mod experiment;
mod laboratory;
mod moment;
mod page;
mod perform;
mod record;
mod run;
mod subject;
mod terminal;
mod timeline;

pub use experiment::{Experiment, Ground};
pub use laboratory::{Busy, Laboratory, MOST_RUNS};
pub use moment::Moment;
pub use page::page;
pub use perform::{Failed, Seen, perform};
pub use run::{
    MOST_MILLISECONDS, MOST_REQUESTS, MOST_WORKERS, OutOfBounds, POOL_THREADS, Run, Server,
    Unknown, Work,
};
pub use subject::{attach, subject};
pub use terminal::{Marks, draw};
pub use timeline::{Change, End, Row, Span, Stall, State, Summary, Timeline};

/// Compiles the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
