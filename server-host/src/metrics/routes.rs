//! Exchanges by what the application calls them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Routes of the whole process that are told apart, all workers' together: an application that labels by what a client sends must
/// not fill the memory, nor the collector's.
pub(crate) const ROUTES: usize = 256;

/// What all others are called.
pub(crate) const OTHERS: &str = "(others)";

/// The labels that are told apart, for all workers of a process.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    labels: Mutex<HashSet<String>>,
    /// Whether it was said that there are more.
    said: OnceLock<()>,
}

impl Labels {
    /// Whether this one is told apart: it is one of the first.
    fn admit(&self, label: &str) -> bool {
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        if labels.contains(label) {
            return true;
        }
        let has_room = labels.len() < ROUTES;
        if has_room {
            labels.insert(label.to_owned());
        }
        drop(labels);
        if !has_room && self.said.set(()).is_ok() {
            tracing::warn!(
                label,
                "the application has labelled more routes than the {ROUTES} that the metrics of a process tell apart: others are counted as {OTHERS}"
            );
        }
        has_room
    }
}

/// Exchanges by label. Only the worker locks it, but for who collects.
#[derive(Debug)]
pub(crate) struct Routes {
    labels: Arc<Labels>,
    routes: Mutex<HashMap<String, Route>>,
}

/// The exchanges of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) exchanges: u64,
    pub(crate) took: Duration,
}

impl Routes {
    /// Those of one worker, with the labels of its process.
    pub(crate) fn new(labels: &Arc<Labels>) -> Self {
        Self {
            labels: Arc::clone(labels),
            routes: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, label: &str, took: Duration) {
        let mut routes = self.lock();
        let route = match routes.get_mut(label) {
            Some(route) => route,
            None => {
                let name = match self.labels.admit(label) {
                    true => label,
                    false => OTHERS,
                };
                routes.entry(name.to_owned()).or_default()
            }
        };
        route.exchanges += 1;
        route.took += took;
    }

    /// Adds these to those of others.
    pub(crate) fn add_to(&self, all: &mut HashMap<String, Route>) {
        for (label, route) in self.lock().iter() {
            let sum = all.entry(label.clone()).or_default();
            sum.exchanges += route.exchanges;
            sum.took += route.took;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_end_are_bounded_for_all_workers_together() {
        let labels = Arc::new(Labels::default());
        let (one, other) = (Routes::new(&labels), Routes::new(&labels));
        let second = Duration::from_secs(1);
        for n in 0..ROUTES {
            one.add(&n.to_string(), second);
            other.add(&(ROUTES / 2 + n).to_string(), second);
        }
        one.add("7", second);
        other.add("7", second);
        let mut all = HashMap::new();
        one.add_to(&mut all);
        other.add_to(&mut all);
        assert_eq!(all.len(), ROUTES + 1);
        assert_eq!(all["7"].exchanges, 3, "of both");
        let counted: u64 = all.values().map(|route| route.exchanges).sum();
        assert_eq!(counted, 2 * ROUTES as u64 + 2, "none is lost");
        assert!(all[OTHERS].exchanges > 0);
    }
}
