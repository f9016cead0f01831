//! The access log: a line for each exchange, gathered by each worker and written by a thread of its own.
//!
//! A worker formats into its own memory, which goes to the [`Lines`] at each tick, or sooner when much has come together.
//! So no exchange waits for a disk or a pipe.

mod field;
mod format;
mod json;
mod target;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_spec::Address;

pub use format::LogFormat;
pub(crate) use json::string as json_string;
pub use target::LogTarget;

use crate::ServeError;
use crate::date::HttpDate;
use crate::lines::output::{self, Output};
use crate::lines::{Lines, Losses, OpenLines};
use crate::observe::{Observed, Refused};
use field::Entry;

/// Bytes that may wait to be written: half a minute's at ten thousand lines a second.
const WAITING: usize = 32 * 1024 * 1024;

/// Between two warnings that lines are lost.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// Bytes after which lines are given to the sink without waiting for the tick.
const FULL: usize = 16 * 1024;

/// Opens the access log, if there is to be one.
pub(crate) fn open(target: &LogTarget) -> Result<Option<OpenLines>, ServeError> {
    let opened = Output::open(target).map_err(|source| cannot_write(target, source))?;
    let start = |output| Lines::start("access-log", output, WAITING, Warnings::of(target));
    opened.map(start).transpose().map_err(ServeError::Runtime)
}

/// Whether it can be opened, as far as can be known without doing it.
pub(crate) fn check(target: &LogTarget) -> Result<(), ServeError> {
    output::check(target).map_err(|source| cannot_write(target, source))
}

fn cannot_write(target: &LogTarget, source: io::Error) -> ServeError {
    ServeError::AccessLog {
        target: target.clone(),
        source,
    }
}

/// Says by events what is wrong with the access log, whose own lines have the form that others read. It does not make
/// things worse.
#[derive(Debug)]
struct Warnings {
    target: LogTarget,
    last: Option<Instant>,
}

impl Warnings {
    fn of(target: &LogTarget) -> Self {
        Self {
            target: target.clone(),
            last: None,
        }
    }

    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.last.is_none_or(|last| now - last >= BETWEEN_WARNINGS);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

impl Losses for Warnings {
    fn failed(&mut self, error: &io::Error, lost: u64) {
        if self.is_due() {
            tracing::error!(%error, target = %self.target, lost, "the access log cannot be written: lines are lost, clients are served");
        }
    }

    fn line(&self, _: u64) -> Option<String> {
        None
    }

    fn over(&mut self, lost: u64) {
        tracing::warn!(target = %self.target, "the access log is written again: {lost} lines were lost");
    }

    fn kept(&self, error: &io::Error) {
        tracing::error!(%error, target = %self.target, "the access log cannot be opened anew: the old file is kept");
    }
}

/// The access log of one worker.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: LogFormat,
    sink: Arc<Lines>,
    lines: Mutex<String>,
}

impl AccessLog {
    pub(crate) fn new(format: LogFormat, sink: Arc<Lines>) -> Self {
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
