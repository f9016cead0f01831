//! What the stall detector says, as records: it speaks through `tracing`, like every part of a server.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Fields};
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::record::{What, say};

/// Listens from now on, for the whole process.
pub(super) fn listen() -> Result<(), SetGlobalDefaultError> {
    set_global_default(Listener)
}

/// A subscriber of warnings: those of stalls become records, all others lines on standard error.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        match seen.stall() {
            Some(stall) => say(stall),
            None => eprintln!("{}", seen.text),
        }
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Fields<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Seen {
    text: String,
    worker: Option<u64>,
    route: Option<String>,
    took: Option<u64>,
    so_far: Option<u64>,
}

impl Seen {
    /// If it is of the stall detector: nobody else names a worker, a route and a time.
    fn stall(&mut self) -> Option<What> {
        let (worker, milliseconds) = (self.worker?, self.took.or(self.so_far)?);
        Some(What::Stall {
            worker,
            route: self.route.take()?,
            milliseconds,
            is_over: self.took.is_some(),
        })
    }
}

impl Visit for Seen {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "worker" => self.worker = Some(value),
            "took_ms" => self.took = Some(value),
            "so_far_ms" => self.so_far = Some(value),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "route" => self.route = Some(value.to_owned()),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?} "),
            name => write!(self.text, "{name}={value:?} "),
        };
    }
}
