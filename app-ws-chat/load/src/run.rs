//! The phases: gather, rest, speak, settle, end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::ledger::Ledger;
use crate::member::{Phase, Place, Shared, live};
use crate::plan::{Load, PlanError};
use crate::process::{Memory, Process};
use crate::report::Report;
use crate::tally::Tally;

/// How often what is waited for is looked at; also the finest peak of the server's memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Load {
    /// Carries it out, in threads of its own, and writes the JSON file if one is asked for.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if it cannot begin, or the report not be written. What goes wrong in between is in the report.
    pub fn run(self) -> Result<Report, PlanError> {
        allow_descriptors(self.descriptors())?;
        let server = self.plan.pid.map(Process);
        let mut memory = Memory::default();
        if let Some(server) = server {
            let failed = |error| PlanError::Process(server.0, error);
            memory.before = server.resident().map_err(failed)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.plan.threads.get() as usize)
            .enable_all()
            .build()
            .map_err(PlanError::Runtime)?;
        let report = runtime.block_on(Course::new(self, server, memory).run());
        report.save()?;
        Ok(report)
    }
}

/// The process needs a descriptor for each connection.
fn allow_descriptors(needed: u64) -> Result<(), PlanError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    if allowed < needed || setrlimit(Resource::Nofile, raised).is_err() {
        return Err(PlanError::Descriptors { needed, allowed });
    }
    Ok(())
}

/// A run under way.
struct Course {
    shared: Arc<Shared>,
    server: Option<Process>,
    memory: Memory,
    patience: Duration,
}

impl Course {
    fn new(load: Load, server: Option<Process>, memory: Memory) -> Self {
        let patience = Duration::from_secs_f64(load.plan.patience);
        let ledgers = (0..load.rooms()).map(|_| Ledger::default()).collect();
        Self {
            shared: Arc::new(Shared {
                load,
                ledgers,
                tally: Tally::new(),
                settled: AtomicU32::new(0),
                start: Instant::now(),
            }),
            server,
            memory,
            patience,
        }
    }

    async fn run(mut self) -> Report {
        let (phase, seen) = watch::channel(Phase::Gather);
        let mut members = JoinSet::new();
        let clients = self.shared.load.clients();
        for number in 0..clients {
            members.spawn(live(number, Arc::clone(&self.shared), seen.clone()));
        }
        let ramp = self.shared.load.connects_after(clients);
        let gathered = self.until(ramp, |s| s.tally.counts().here >= clients).await;
        let gathering = gathered.then(|| self.shared.start.elapsed());
        sleep(self.seconds(|plan| plan.rest)).await;
        self.memory.connected = self.resident();

        let used = self.processor();
        phase.send_replace(Phase::Speak(Instant::now()));
        self.speak().await;
        // Late ones have their turn too.
        let sayings = self.shared.load.sayings();
        self.until(Duration::ZERO, |shared| {
            shared.tally.counts().said >= sayings
        })
        .await;
        let used = self.processor().saturating_sub(used);

        phase.send_replace(Phase::Answer);
        self.until(Duration::ZERO, |shared| {
            let counts = shared.tally.counts();
            counts.kept + counts.refused >= counts.said
        })
        .await;
        phase.send_replace(Phase::Settle);
        self.until(Duration::ZERO, |shared| {
            shared.settled.load(Ordering::Relaxed) >= clients
        })
        .await;
        self.memory.after = self.resident();

        phase.send_replace(Phase::End);
        let places = members.join_all().await;
        self.report(gathering, used, &places)
    }

    /// Waits until something is so, for its time and the plan's patience at most. Gives whether it is.
    async fn until(&self, time: Duration, is_so: impl Fn(&Shared) -> bool) -> bool {
        let end = Instant::now() + time + self.patience;
        while !is_so(&self.shared) {
            if end <= Instant::now() {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }

    async fn speak(&mut self) {
        let end = Instant::now() + self.seconds(|plan| plan.seconds);
        while Instant::now() < end {
            self.memory.peak = self.memory.peak.max(self.resident());
            sleep_until((Instant::now() + LOOK_EVERY).min(end).into()).await;
        }
    }

    fn seconds(&self, of: impl Fn(&crate::plan::Plan) -> f64) -> Duration {
        Duration::from_secs_f64(of(&self.shared.load.plan))
    }

    /// 0 of a process that has gone.
    fn resident(&self) -> u64 {
        let read = self.server.and_then(|server| server.resident().ok());
        read.unwrap_or_default()
    }

    fn processor(&self) -> Duration {
        let read = self.server.and_then(|server| server.processor().ok());
        read.unwrap_or_default()
    }

    fn report(&self, gathering: Option<Duration>, used: Duration, places: &[Place]) -> Report {
        let ledgers = &self.shared.ledgers;
        let untold = places
            .iter()
            .map(|at| ledgers[at.room as usize].newest().saturating_sub(at.last));
        let unanswered = places.iter().map(|at| at.unanswered);
        let mut report = Report::of(&self.shared.load, &self.shared.tally.counts());
        report.gathering_seconds = gathering.map(|time| time.as_secs_f64());
        report.missing += untold.sum::<u64>();
        report.unanswered = unanswered.sum();
        if self.server.is_some() {
            report.server_kib = Some(self.memory);
            report.server_seconds = Some(used.as_secs_f64());
        }
        report
    }
}
