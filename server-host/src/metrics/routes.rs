//! Exchanges by what the application calls them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Routes of a worker that are told apart: an application that labels by what a client sends must not fill the memory, nor the
/// collector's.
const ROUTES: usize = 256;

/// What all others are called.
const OTHERS: &str = "(others)";

/// Exchanges by label. Only the worker locks it, but for who collects.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: Mutex<HashMap<String, Route>>,
}

/// The exchanges of one label.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) exchanges: u64,
    pub(crate) took: Duration,
}

impl Routes {
    pub(crate) fn add(&self, label: &str, took: Duration) {
        let mut routes = self.lock();
        let route = match routes.get_mut(label) {
            Some(route) => route,
            None => {
                let is_new = routes.len() < ROUTES;
                let name = if is_new { label } else { OTHERS };
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
    fn labels_without_end_are_bounded() {
        let routes = Routes::default();
        for n in 0..2 * ROUTES {
            routes.add(&n.to_string(), Duration::from_secs(1));
        }
        routes.add("7", Duration::from_secs(1));
        let mut all = HashMap::new();
        routes.add_to(&mut all);
        assert_eq!(all.len(), ROUTES + 1);
        assert_eq!(all["7"].exchanges, 2);
        assert_eq!(all[OTHERS].exchanges, ROUTES as u64);
    }
}
