//! Who accepts from which listeners.

use std::sync::Arc;

use crate::listen::{Bound, Entrance, Listener, SocketFile};

/// Listeners, each with who accepts from it.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) by_worker: Vec<Vec<(Listener, Arc<Entrance>)>>,
    /// Those of which there are too few for each worker to have one: one thread accepts from them, for all.
    pub(crate) for_all: Vec<(Listener, Arc<Entrance>)>,
    pub(crate) files: Vec<SocketFile>,
}

impl Shares {
    /// Shares listeners out to so many workers.
    pub(crate) fn of(bound: Vec<Bound>, workers: usize) -> Self {
        let mut shares = Self {
            by_worker: (0..workers).map(|_| Vec::new()).collect(),
            for_all: Vec::new(),
            files: Vec::new(),
        };
        for bound in bound {
            shares.files.extend(bound.file);
            let is_enough = bound.listeners.len() >= workers;
            for (number, listener) in bound.listeners.into_iter().enumerate() {
                let of_one = (listener, Arc::clone(&bound.entrance));
                if is_enough {
                    shares.by_worker[number % workers].push(of_one);
                } else {
                    shares.for_all.push(of_one);
                }
            }
        }
        shares
    }
}
