//! Where experiments are made: one at a time, and seen by everybody who looks.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;

use crate::perform::{Seen, perform};
use crate::timeline::{Change, State};
use crate::{Ground, Run, Timeline};

/// The runs of one experiment: what fits on a page.
pub const MOST_RUNS: usize = 4;

/// Makes experiments, one at a time, and keeps what was seen of the last one. Clones are the same laboratory.
///
/// What it costs is bounded: one experiment, whose runs, requests and times are ([`Run`]).
///
/// # Examples
///
/// ```
/// use lecture::{Ground, Laboratory, Run, Server, Work};
///
/// // This program, whose `main` serves `subject()` when it is told to; here nobody asks for an experiment.
/// let laboratory = Laboratory::new(std::env::current_exe()?, Ground::default());
/// assert!(!laboratory.is_busy());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Laboratory {
    shared: Arc<Shared>,
}

struct Shared {
    /// What is started with `subject` and the launcher's flags as the server of each run.
    program: PathBuf,
    ground: Ground,
    /// Tells this process's events from those of the one before it.
    epoch: u128,
    journal: Mutex<Journal>,
    /// How many events there have been.
    count: watch::Sender<u64>,
}

/// What was seen of the experiment that is under way, or of the last one.
#[derive(Default)]
struct Journal {
    /// The number of the first of `events`.
    first: u64,
    events: VecDeque<Event>,
    busy: bool,
    /// Whether somebody has seen enough of it.
    stopped: bool,
}

/// One thing that was seen. All times are in milliseconds since the run's first request was sent.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub(crate) enum Event {
    /// An experiment begins: what was drawn before is history.
    Experiment { runs: Vec<Planned> },
    /// The server of a run is up.
    Serving { run: usize, server: String },
    /// A row is at something else now; at nothing if there is no state.
    Row {
        run: usize,
        row: usize,
        at: f64,
        #[serde(flatten)]
        state: Option<State>,
    },
    /// The stall detector has found something.
    Stall {
        run: usize,
        worker: u64,
        route: String,
        text: String,
    },
    /// A run is over.
    Ended {
        run: usize,
        took: f64,
        summary: String,
    },
    /// A run, and with it the experiment, came to no end.
    Failed { run: usize, why: String },
    /// There may be another experiment.
    Over,
}

/// A run to come.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Planned {
    title: String,
    work: &'static str,
    milliseconds: u32,
    rows: Vec<String>,
}

/// There is an experiment under way.
///
/// # Examples
///
/// ```
/// assert_eq!(lecture::Busy.to_string(), "an experiment is under way");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an experiment is under way")
    }
}

impl std::error::Error for Busy {}

impl Laboratory {
    /// A laboratory of the program that serves [`subject`](crate::subject()) when its first argument is `subject`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, ground: Ground) -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let shared = Shared {
            program: program.into(),
            ground,
            epoch: epoch.map_or(0, |epoch| epoch.as_millis()),
            journal: Mutex::default(),
            count: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What it runs on.
    #[must_use]
    pub fn ground(&self) -> Ground {
        self.shared.ground
    }

    /// Whether an experiment is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.shared.journal().busy
    }

    /// Begins an experiment of these runs, on a thread of its own.
    ///
    /// # Errors
    ///
    /// If there is one under way.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST_RUNS`].
    pub fn begin(&self, runs: Vec<Run>) -> Result<(), Busy> {
        assert!(runs.len() <= MOST_RUNS, "{} runs", runs.len());
        let planned = runs.iter().copied().map(Planned::of).collect();
        self.shared.begin(Event::Experiment { runs: planned })?;
        let ending = Ending(Arc::clone(&self.shared));
        let spawned = thread::Builder::new()
            .name(String::from("laboratory"))
            .spawn(move || {
                let shared = &*ending.0;
                let _ = (0..)
                    .zip(runs)
                    .try_for_each(|(number, run)| shared.perform(number, run));
            });
        if let Err(error) = spawned {
            let why = format!("no thread for it: {error}");
            self.shared.add(Event::Failed { run: 0, why });
        }
        Ok(())
    }

    /// Ends the experiment that is under way, if there is one: its server goes at once, and all are told.
    pub fn stop(&self) {
        self.shared.journal().stopped = true;
    }

    /// What was seen since the event of this id; of the whole experiment if there is no such event any more. Each with the
    /// number that [`wait`](Self::wait) takes.
    pub(crate) fn since(&self, next: u64) -> Vec<(u64, Event)> {
        let journal = self.shared.journal();
        let skipped = next.saturating_sub(journal.first) as usize;
        let numbers = journal.first..;
        let events = numbers.zip(&journal.events).skip(skipped);
        events
            .map(|(number, event)| (number, event.clone()))
            .collect()
    }

    /// Waits until there is an event of this number. Cancel safe.
    pub(crate) async fn wait(&self, number: u64) {
        let mut count = self.shared.count.subscribe();
        // The sender lives as long as this.
        let _ = count.wait_for(|count| *count > number).await;
    }

    /// The id of an event, for clients that come back.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.shared.epoch)
    }

    /// The number of the event with this id, if it was one of this process.
    pub(crate) fn number(&self, id: &str) -> Option<u64> {
        let (epoch, number) = id.split_once('-')?;
        let epoch: u128 = epoch.parse().ok()?;
        let number = number.parse().ok()?;
        (epoch == self.shared.epoch && number < *self.shared.count.borrow()).then_some(number)
    }
}

impl fmt::Debug for Laboratory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laboratory")
            .field("program", &self.shared.program)
            .field("ground", &self.shared.ground)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn begin(&self, event: Event) -> Result<(), Busy> {
        let mut journal = self.journal();
        if std::mem::replace(&mut journal.busy, true) {
            return Err(Busy);
        }
        journal.stopped = false;
        journal.first += journal.events.len() as u64;
        journal.events.clear();
        drop(journal);
        self.add(event);
        Ok(())
    }

    /// Performs one run. `Err` if it failed, and so has the experiment.
    fn perform(&self, number: usize, run: Run) -> Result<(), ()> {
        let mut look = |seen: Seen<'_>| {
            if let Some(event) = Event::of(number, &seen) {
                self.add(event);
            }
            if self.journal().stopped {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let performed = perform(&self.program, run, &mut look);
        let result = performed.as_ref().map(drop).map_err(drop);
        self.add(match performed {
            Ok(timeline) => Event::ended(number, &timeline),
            Err(failed) => Event::Failed {
                run: number,
                why: failed.to_string(),
            },
        });
        result
    }

    fn add(&self, event: Event) {
        self.add_to(self.journal(), event);
    }

    fn finish(&self) {
        let mut journal = self.journal();
        // Together with the event: who is told of it may begin the next one.
        journal.busy = false;
        self.add_to(journal, Event::Over);
    }

    fn add_to(&self, mut journal: MutexGuard<'_, Journal>, event: Event) {
        journal.events.push_back(event);
        let count = journal.first + journal.events.len() as u64;
        drop(journal);
        // Wakers run here: the lock is not held. So counts may come out of order, and the largest stays.
        self.count.send_if_modified(|known| {
            let is_news = count > *known;
            *known = count.max(*known);
            is_news
        });
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of an experiment, however it ends.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Event {
    fn of(run: usize, seen: &Seen<'_>) -> Option<Self> {
        match seen {
            Seen::Serving(server) => Some(Self::Serving {
                run,
                server: (*server).to_owned(),
            }),
            Seen::Changed(_, Change::Row { row, at, state }) => Some(Self::Row {
                run,
                row: *row,
                at: milliseconds(*at),
                state: state.clone(),
            }),
            Seen::Changed(_, Change::Stall(stall)) => Some(Self::Stall {
                run,
                worker: stall.worker,
                route: stall.route.clone(),
                text: stall.to_string(),
            }),
            Seen::Nothing(_) => None,
        }
    }

    fn ended(run: usize, timeline: &Timeline) -> Self {
        let summary = timeline.summary();
        Self::Ended {
            run,
            took: milliseconds(summary.took),
            summary: summary.to_string(),
        }
    }
}

impl Planned {
    fn of(run: Run) -> Self {
        let timeline = Timeline::new(run);
        let names = timeline.rows().iter().map(|row| row.name().to_owned());
        Self {
            title: run.to_string(),
            work: run.work.name(),
            milliseconds: run.milliseconds,
            rows: names.collect(),
        }
    }
}

/// To the microsecond: shorter than anything that is drawn.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
