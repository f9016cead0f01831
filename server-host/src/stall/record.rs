//! How often and for how long workers were held, and the warnings of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Held, Holder};
use crate::metrics::{OTHERS, ROUTES};

/// Between two warnings of one route.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// How often and for how long the workers of a process were held.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    routes: Mutex<BTreeMap<String, Stall>>,
    held: Held,
}

/// Those of one route.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stall {
    pub(crate) count: u64,
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
    warned: Option<Instant>,
}

impl Stalls {
    /// Workers that are held right now.
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }

    /// By route.
    pub(crate) fn routes(&self) -> BTreeMap<String, Stall> {
        self.lock().clone()
    }

    pub(super) fn began(&self) {
        self.held.one_more();
    }

    /// A worker is held still.
    pub(super) fn goes_on(&self, worker: usize, holder: Holder<'_>, so_far: Duration) {
        let route = holder.route();
        tracing::warn!(
            worker,
            route,
            so_far_ms = so_far.as_millis() as u64,
            "the application's code holds a worker, and is still at it: all else on it waits"
        );
    }

    /// A worker was held for so long.
    pub(crate) fn ended(&self, worker: usize, holder: Holder<'_>, took: Duration) {
        self.held.one_less();
        let route = holder.route();
        let Some(stall) = self.count(route, took) else {
            return;
        };
        let (method, path) = match holder {
            Holder::Exchange(scope) => (scope.method.as_str(), scope.uri.path()),
            Holder::Socket { path, .. } => ("GET", path),
            Holder::Call { .. } | Holder::Task => ("-", "-"),
        };
        tracing::warn!(
            worker,
            route,
            method,
            path,
            took_ms = took.as_millis() as u64,
            times = stall.count,
            longest_ms = stall.longest.as_millis() as u64,
            "the application's code held a worker, and all else on it waited: blocking work belongs on threads of its own"
        );
    }

    /// Counts it; whether it is to be warned of.
    fn count(&self, route: &str, took: Duration) -> Option<Stall> {
        let now = Instant::now();
        let mut routes = self.lock();
        let is_known = routes.contains_key(route) || routes.len() < ROUTES;
        let name = if is_known { route } else { OTHERS };
        let stall = routes.entry(name.to_owned()).or_default();
        stall.count += 1;
        stall.total += took;
        stall.longest = stall.longest.max(took);
        let is_due = stall
            .warned
            .is_none_or(|warned| now - warned >= BETWEEN_WARNINGS);
        is_due.then(|| {
            stall.warned = Some(now);
            *stall
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stall>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder<'_> {
    /// What the application calls it.
    fn route(&self) -> &str {
        match self {
            Self::Exchange(scope) => scope.label.get().unwrap_or(UNLABELLED),
            Self::Call { label } | Self::Socket { label, .. } => label.unwrap_or(UNLABELLED),
            Self::Task => "(a task beside the exchanges)",
        }
    }
}

const UNLABELLED: &str = "(no label)";
