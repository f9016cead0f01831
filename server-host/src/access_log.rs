//! The access log: a line for each exchange, gathered by each worker and written by a thread of its own.
//!
//! A worker formats into its own memory, which goes to the [`Sink`] at each tick, or sooner when much has come together.
//! So no exchange waits for a disk or a pipe.

mod field;
mod format;
mod json;
mod sink;
mod target;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_spec::Address;

pub use format::LogFormat;
pub(crate) use json::string as json_string;
pub(crate) use sink::Sink;
pub use target::LogTarget;

use crate::date::HttpDate;
use crate::observe::{Observed, Refused};
use field::Entry;

/// Bytes after which lines are given to the sink without waiting for the tick.
const FULL: usize = 16 * 1024;

/// The access log of one worker.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: LogFormat,
    sink: Arc<Sink>,
    lines: Mutex<String>,
}

impl AccessLog {
    pub(crate) fn new(format: LogFormat, sink: Arc<Sink>) -> Self {
        Self {
            format,
            sink,
            lines: Mutex::default(),
        }
    }

    pub(crate) fn exchange(&self, observed: &Observed<'_>, date: HttpDate) {
        self.add(&Entry::of(observed, date));
    }

    /// A request that was refused before it was one.
    pub(crate) fn refused(&self, from: Option<&Address>, refused: &Refused<'_>, date: HttpDate) {
        self.add(&Entry::refused(from, refused, date));
    }

    fn add(&self, entry: &Entry<'_>) {
        let mut lines = self.lock();
        self.format.write(entry, &mut lines);
        lines.push('\n');
        self.give_if(lines, FULL);
    }

    pub(crate) fn flush(&self) {
        self.give_if(self.lock(), 1);
    }

    fn give_if(&self, mut lines: MutexGuard<'_, String>, at_least: usize) {
        if lines.len() < at_least {
            return;
        }
        let full = std::mem::replace(&mut *lines, self.sink.spare());
        drop(lines);
        self.sink.take(full);
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
