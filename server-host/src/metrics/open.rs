//! What is counted while it is open.

use std::sync::Arc;

use super::{Count, Counts};

/// What is counted while it is open, by the worker's own thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gauge {
    WebSockets,
    /// Those of HTTP/2.
    Streams,
    /// Calls that go on after their exchange.
    LeftBehind,
}

/// Something that is open, and counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    counts: Arc<Counts>,
    gauge: Gauge,
}

impl Open {
    pub(crate) fn new(counts: &Arc<Counts>, gauge: Gauge) -> Self {
        let open = Self {
            counts: Arc::clone(counts),
            gauge,
        };
        open.count().add(1);
        open
    }

    fn count(&self) -> &Count {
        match self.gauge {
            Gauge::WebSockets => &self.counts.websockets,
            Gauge::Streams => &self.counts.streams,
            Gauge::LeftBehind => &self.counts.left_behind,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count().subtract(1);
    }
}

/// A stream of HTTP/2, which counts as open until this is dropped: for an operator to see. See
/// [`Context::open_stream`](crate::Context::open_stream).
#[derive(Debug)]
#[must_use = "the stream counts until this is dropped"]
pub struct OpenStream(#[expect(dead_code, reason = "it counts by being there")] Open);

impl OpenStream {
    pub(crate) fn new(counts: &Arc<Counts>) -> Self {
        Self(Open::new(counts, Gauge::Streams))
    }
}
