//! The whole of a serving process, for those who look at it: metrics, health, the page.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Console;
use crate::accept::Faults;
use crate::lines::Lines;
use crate::stall::Stalls;
use crate::worker::Worker;

/// The whole of a serving process.
#[derive(Debug)]
pub(crate) struct Overview {
    server: &'static str,
    phase: AtomicU8,
    started: SystemTime,
    workers: OnceLock<Vec<Arc<Worker>>>,
    faults: OnceLock<Arc<Faults>>,
    /// When the drain will be cut short.
    deadline: OnceLock<Instant>,
    sink: Option<Arc<Lines>>,
    events: Option<Console>,
    stalls: Arc<Stalls>,
}

/// How far the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The application starts.
    Starting,
    /// Requests are taken.
    Ready,
    /// A shutdown is under way.
    Draining,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Starting, Self::Ready, Self::Draining];

    pub(crate) fn is_ready(self) -> bool {
        self == Self::Ready
    }

    pub(crate) fn is_draining(self) -> bool {
        self == Self::Draining
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

impl Overview {
    /// Of a process whose access log and events go there.
    pub(crate) fn new(
        server: &'static str,
        sink: Option<Arc<Lines>>,
        events: Option<Console>,
        stalls: Arc<Stalls>,
    ) -> Self {
        Self {
            server,
            phase: AtomicU8::new(0),
            started: SystemTime::now(),
            workers: OnceLock::new(),
            faults: OnceLock::new(),
            deadline: OnceLock::new(),
            sink,
            events,
            stalls,
        }
    }

    pub(crate) fn server(&self) -> &'static str {
        self.server
    }

    pub(crate) fn phase(&self) -> Phase {
        let at = usize::from(self.phase.load(Ordering::Relaxed));
        Phase::ALL.get(at).copied().unwrap_or(Phase::Draining)
    }

    /// The application has started, and these workers serve.
    pub(crate) fn ready(&self, workers: Vec<Arc<Worker>>, faults: Arc<Faults>) {
        // There is one such moment.
        let _ = self.workers.set(workers);
        let _ = self.faults.set(faults);
        self.phase.store(1, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
        self.phase.store(2, Ordering::Relaxed);
    }

    /// How long the drain may last still, if there is one.
    pub(crate) fn drain_left(&self) -> Option<Duration> {
        let deadline = self.deadline.get()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Times that no connection could be accepted.
    pub(crate) fn accept_failures(&self) -> u64 {
        self.faults.get().map_or(0, |faults| faults.total())
    }

    /// All workers, once they serve.
    pub(crate) fn workers(&self) -> &[Arc<Worker>] {
        self.workers.get().map_or(&[], Vec::as_slice)
    }

    /// Seconds since the epoch when the process began to serve.
    pub(crate) fn started_at(&self) -> u64 {
        let since = self.started.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    /// Lines of the access log that are lost.
    pub(crate) fn lost_exchanges(&self) -> u64 {
        self.sink.as_ref().map_or(0, |sink| sink.lost())
    }

    /// Lines of events that are lost.
    pub(crate) fn lost_events(&self) -> u64 {
        self.events.as_ref().map_or(0, Console::lost)
    }

    pub(crate) fn stalls(&self) -> &Stalls {
        &self.stalls
    }
}
