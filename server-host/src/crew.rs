//! The workers of a process, and who accepts for them: how they start, and how they end.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use gateway_spec::{Application, Signal, State};
use tokio::sync::{Notify, mpsc};

use crate::accept::{Faults, Queued};
use crate::app::App;
use crate::clock::Clock;
use crate::gate::Gate;
use crate::handoff::HandOff;
use crate::listen::{Bound, SocketFile};
use crate::metrics::Counts;
use crate::opens::Sources;
use crate::operation::Operation;
use crate::share::Shares;
use crate::worker::{Equipment, WhenFull, Worker};
use crate::{Protocol, Settings};

/// What workers are told when they are to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    pub(crate) deadline: Instant,
    pub(crate) queued: Queued,
}

/// Workers that serve, each on a thread of its own. None of them accepts before the crew is [opened](Crew::open).
pub(crate) struct Crew {
    pub(crate) workers: Vec<Arc<Worker>>,
    pub(crate) faults: Arc<Faults>,
    gate: Gate,
    leave: Signal<Leaving>,
    ended: mpsc::Receiver<io::Result<()>>,
    files: Vec<SocketFile>,
}

impl Crew {
    /// Starts as many as the settings say.
    pub(crate) fn start<P: Protocol>(
        protocol: &Arc<P>,
        app: &Arc<impl Application>,
        state: &State,
        settings: &Arc<Settings>,
        bound: Vec<Bound>,
        operation: &Operation,
    ) -> io::Result<Self> {
        let count = settings.workers.get();
        let shares = Shares::of(bound, count);
        let (faults, freed) = (Arc::new(Faults::default()), Arc::new(Notify::new()));
        let mut hand_off = HandOff::new(Arc::clone(&freed));
        let labels = Arc::default();
        let (ending, ended) = mpsc::channel(count);
        let mut crew = Self {
            workers: Vec::with_capacity(count),
            faults,
            gate: Gate::default(),
            leave: Signal::new(),
            ended,
            files: shares.files,
        };
        for (number, listeners) in shares.by_worker.into_iter().enumerate() {
            let (forced, clock) = (Signal::new(), Arc::new(Clock::new()));
            let counts = Arc::new(Counts::new(&labels));
            let worker = Arc::new(Worker::new(Equipment {
                number,
                app: App::new(Arc::clone(app), settings, &forced, &clock, &counts),
                state: state.clone(),
                settings: Arc::clone(settings),
                capabilities: protocol.capabilities(),
                forced,
                clock,
                closed: Arc::clone(&freed),
                counts,
                turns: Arc::default(),
                stalls: Arc::clone(operation.stalls()),
                access_log: operation.access_log(),
                observing: operation.observing(),
                when_full: WhenFull::NewWait,
            }));
            let sources = Sources {
                listeners,
                handed: (!shares.for_all.is_empty()).then(|| hand_off.add(&worker)),
                faults: Arc::clone(&crew.faults),
            };
            crew.workers.push(Arc::clone(&worker));
            crew.run(worker, Arc::clone(protocol), sources, ending.clone())?;
        }
        if !shares.for_all.is_empty() {
            let (faults, leave) = (Arc::clone(&crew.faults), crew.leave.clone());
            hand_off.start(shares.for_all, faults, &crew.gate, leave)?;
        }
        Ok(crew)
    }

    fn run<P: Protocol>(
        &self,
        worker: Arc<Worker>,
        protocol: Arc<P>,
        sources: Sources,
        ending: mpsc::Sender<io::Result<()>>,
    ) -> io::Result<()> {
        let (name, leave) = (format!("worker-{}", worker.number()), self.leave.clone());
        let run = move |runtime| {
            let result = worker.run(runtime, protocol, sources, &leave);
            // As many results are waited for as there are workers, so there is room.
            let _ = ending.try_send(result);
        };
        self.gate.start(name, run).map(drop)
    }

    /// Lets them accept.
    pub(crate) fn open(&self) {
        self.gate.decide(true);
    }

    /// The process before this one has let go: with this one go the files of its sockets.
    pub(crate) fn take_files_over(&mut self) {
        self.files.iter_mut().for_each(SocketFile::take_over);
    }

    /// Waits until one of them has ended before it was told to. Cancel safe.
    pub(crate) async fn one_ended(&mut self) -> io::Result<()> {
        match self.ended.recv().await {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    /// Tells all to leave. What the kernel has accepted is left to another process, or theirs.
    pub(crate) fn leave(&mut self, leaving: Leaving) {
        match leaving.queued {
            Queued::Left => self.files.iter_mut().for_each(SocketFile::share),
            // What is this process's alone goes before the drain, while listeners are still open: until then another server is
            // told that it is in use, and from then on may have its own there.
            Queued::Taken => self.files.retain(SocketFile::is_shared),
        }
        self.leave.raise(leaving);
    }

    /// Waits until all have ended; with them go the files of sockets at which nobody listens any more.
    pub(crate) async fn all_ended(&mut self) {
        while let Some(result) = self.ended.recv().await {
            if let Err(error) = result {
                tracing::error!(%error, "a worker failed");
            }
        }
        self.files.clear();
    }
}

/// Threads that were not let go on end.
impl Drop for Crew {
    fn drop(&mut self) {
        self.gate.decide(false);
    }
}
