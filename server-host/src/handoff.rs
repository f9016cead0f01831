//! Accepts for all workers: each connection is handed to the worker that has the least to do.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_spec::Signal;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::accept::{Accepted, Faults, Takes, accept};
use crate::crew::Leaving;
use crate::gate::Gate;
use crate::listen::{Entrance, Listener};
use crate::worker::{Seat, Worker};

/// A connection for a worker.
#[derive(Debug)]
pub(crate) struct Handed {
    accepted: Accepted,
    seat: Seat,
    _waits: Waits,
}

impl Handed {
    /// What the worker has taken waits no longer.
    pub(crate) fn taken(self) -> (Accepted, Seat) {
        (self.accepted, self.seat)
    }
}

/// Counts as a connection that its worker has not taken yet, until it is dropped.
#[derive(Debug)]
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn new(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker, for who accepts for it.
#[derive(Debug)]
struct Hand {
    worker: Arc<Worker>,
    /// What it holds counts as open, so it is bounded by the limit of connections.
    channel: UnboundedSender<Handed>,
    /// Connections in the channel.
    waiting: Arc<AtomicUsize>,
}

impl Hand {
    /// Who comes first gets the next connection. A worker that has not taken what it was given is held by an application, or
    /// has much to do: it comes behind others however few connections it has.
    fn rank(&self) -> (bool, usize, usize) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        (!self.worker.has_room(), waiting, self.worker.load())
    }
}

/// The workers, for who accepts for them.
#[derive(Debug, Default)]
pub(crate) struct HandOff {
    workers: Vec<Hand>,
    freed: Arc<Notify>,
    /// Where the search begins, so that workers with as much to do have their turns.
    turn: AtomicUsize,
}

impl HandOff {
    /// `freed` is what all workers tell that a connection has ended.
    pub(crate) fn new(freed: Arc<Notify>) -> Self {
        Self {
            freed,
            ..Self::default()
        }
    }

    /// Adds a worker, which gets its connections from the channel.
    pub(crate) fn add(&mut self, worker: &Arc<Worker>) -> UnboundedReceiver<Handed> {
        let (sender, receiver) = unbounded_channel();
        self.workers.push(Hand {
            worker: Arc::clone(worker),
            channel: sender,
            waiting: Arc::default(),
        });
        receiver
    }

    /// Accepts, on a thread of its own, from when the gate opens until the shutdown begins; then the workers' channels end.
    pub(crate) fn start(
        self,
        listeners: Vec<(Listener, Arc<Entrance>)>,
        faults: Arc<Faults>,
        gate: &Gate,
        shutdown: Signal<Leaving>,
    ) -> io::Result<()> {
        let shared = Arc::new(self);
        let run = move |runtime: Runtime| {
            let _entered = runtime.enter();
            let tasks: Vec<_> = listeners
                .into_iter()
                .map(|(listener, entrance)| {
                    let ends = shutdown.wait();
                    let (takes, faults) = (Arc::clone(&shared), Arc::clone(&faults));
                    let ends = async { ends.await.queued };
                    runtime.spawn(accept(listener, entrance, takes, faults, ends))
                })
                .collect();
            drop(shared);
            runtime.block_on(async {
                for task in tasks {
                    if let Ok(Err(error)) = task.await {
                        tracing::error!(%error, "a listener could not be used");
                    }
                }
            });
        };
        gate.start("acceptor".into(), run).map(drop)
    }
}

impl Takes for Arc<HandOff> {
    fn has_room(&self) -> bool {
        self.workers.iter().any(|hand| hand.worker.has_room())
    }

    fn freed(&self) -> &Notify {
        &self.freed
    }

    fn take(&self, accepted: Accepted) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.workers.len();
        let (before, from) = self.workers.split_at(turn);
        let idlest = from.iter().chain(before).min_by_key(|hand| hand.rank());
        if let Some(hand) = idlest {
            // A worker that has failed has no channel; its end begins the shutdown.
            let _ = hand.channel.send(Handed {
                accepted,
                seat: Seat::for_connection(&hand.worker),
                _waits: Waits::new(&hand.waiting),
            });
        }
    }
}
