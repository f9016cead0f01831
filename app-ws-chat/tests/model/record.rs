//! What happened in a case, in its order: told by one that fails.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The last lines of a case, which are told: a whole one of the longest.
const LINES: usize = 20_000;

/// Of a line: a welcome brings a whole room.
const BYTES: usize = 500;

/// Written by all who take part in a case.
#[derive(Clone)]
pub(crate) struct Record {
    begun: Instant,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Record {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            lines: Arc::default(),
        }
    }

    /// Notes something, with the time of the machine.
    pub(crate) fn note(&self, what: impl fmt::Display) {
        let at = self.begun.elapsed().as_secs_f64();
        let mut line = format!("{at:8.3} {what}");
        line.truncate(line.floor_char_boundary(BYTES));
        let mut lines = self.lines.lock().expect("nobody panics half-way");
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.lock().expect("nobody panics half-way");
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
