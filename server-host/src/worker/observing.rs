//! What a worker tells of its exchanges, to those who want to know.

use std::time::Instant;

use gateway_spec::{Address, Gone, HttpScope};
use hosting::Sent;

use super::Worker;
use crate::Exchange;
use crate::observe::{Began, ExchangeId, Fate, Observed, Outcome, Refused};
use crate::stall::{Holder, Mark};

/// Who wants to know of exchanges. Where nobody does, none of it is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observing {
    pub(crate) counts: bool,
    pub(crate) spans: bool,
    /// Whether the log shows fields of requests.
    pub(crate) fields: bool,
    /// Tells this run of the process from others.
    pub(crate) run: u16,
}

impl Observing {
    pub(crate) const fn off(run: u16) -> Self {
        Self {
            counts: false,
            spans: false,
            fields: false,
            run,
        }
    }
}

impl Worker {
    /// Exchanges that have begun, if they are observed.
    pub(crate) fn exchanges(&self) -> u64 {
        self.observed.get()
    }

    /// An exchange begins that somebody wants to know of, in a place that may have had others.
    pub(crate) fn begin_observation(&self, place: &Exchange) -> Began {
        self.observed.add(1);
        Began {
            at: Instant::now(),
            id: ExchangeId {
                run: self.observing.run,
                worker: self.number as u16,
                number: self.observed.get(),
            },
            received: place.received(),
            fate: Fate::Called,
            kept: None,
        }
    }

    /// An exchange that was observed is over.
    pub(crate) fn exchange_over(
        &self,
        began: &Began,
        scope: &HttpScope,
        sent: Sent,
        received: u64,
        gone: Gone,
    ) {
        let observed = Observed {
            scope,
            id: began.id,
            sent,
            received,
            took: began.at.elapsed(),
            outcome: Outcome::of(gone, began.fate),
        };
        if self.observing.counts {
            self.counts.exchange(&observed);
        }
        if let Some(log) = &self.access_log {
            log.exchange(&observed, self.dates.get(&self.clock));
        }
    }

    /// A request was refused before the application saw it.
    pub(crate) fn refused(&self, client: Option<&Address>, refused: &Refused<'_>) {
        if self.observing.counts {
            self.counts.refused(refused.status);
        }
        if let Some(log) = &self.access_log {
            log.refused(client, refused, self.dates.get(&self.clock));
        }
    }

    /// A poll of a call held the worker, since then at the least.
    #[cold]
    pub(crate) fn was_held(&self, scope: &HttpScope, since: Instant) {
        self.stalls
            .ended(self.number, Holder::Exchange(scope), since.elapsed());
    }

    /// The same, of a socket, whose scope is the application's alone.
    #[cold]
    pub(crate) fn was_held_by_socket(&self, mark: &Mark, path: &str, since: Instant) {
        let label = mark.shown();
        let label = label.as_deref();
        let holder = Holder::Socket { label, path };
        self.stalls.ended(self.number, holder, since.elapsed());
    }
}
