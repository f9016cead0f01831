//! A run as it is drawn: a row for each request, and in it who had a thread when. Pure.

mod summary;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::record::{Record, What};
use crate::{Moment, Run};

pub use summary::Summary;

/// The rows of a run, from the records of its server and its client.
///
/// # Examples
///
/// ```
/// use lecture::{Run, Server, Timeline, Work};
///
/// let run = Run::new(Work::Blocking, 2, 2000, 1, Server::Raw)?;
/// let timeline = Timeline::new(run);
/// let names: Vec<&str> = timeline.rows().iter().map(|row| row.name()).collect();
/// assert_eq!(names, ["request 1", "request 2", "bystander"]);
/// # Ok::<(), lecture::OutOfBounds>(())
/// ```
#[derive(Debug, Clone)]
pub struct Timeline {
    run: Run,
    began: Option<Moment>,
    rows: Vec<Row>,
    stalls: Vec<Stall>,
    fences: usize,
}

/// One request.
///
/// # Examples
///
/// ```
/// use lecture::{Row, State};
///
/// /// Who was at it, in the order of time.
/// fn threads(row: &Row) -> Vec<&str> {
///     let threads = row.spans().iter().filter_map(|span| match &span.state {
///         State::Running { thread } => Some(&**thread),
///         State::Queued | State::Waiting => None,
///     });
///     threads.collect()
/// }
/// # let _: fn(&Row) -> Vec<&str> = threads;
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    spans: Vec<Span>,
    /// Threads that are at it now.
    threads: Vec<String>,
    ended: bool,
    answered: bool,
}

/// A part of a row's time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// What the request was at.
    pub state: State,
    /// When it began to be.
    pub from: Moment,
    /// And when that was over; `None` if it is not yet.
    pub to: Option<Moment>,
}

/// What a request is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It was sent, and nobody has begun with it.
    Queued,
    /// It has this thread, and nobody else has.
    Running {
        /// The thread's name.
        thread: String,
    },
    /// It was begun with and has no thread: it waits for a timer, or for another thread.
    Waiting,
}

/// What the stall detector has found; its [`Display`](fmt::Display) says it in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stall {
    /// The worker that was held.
    pub worker: u64,
    /// The route that held it.
    pub route: String,
    /// For how long, in milliseconds, as far as it was told.
    pub milliseconds: u64,
    /// What is known of its end.
    pub end: End,
}

/// What is known of the end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It lasts.
    None,
    /// The detector has told it.
    Told,
    /// It was there, as all is answered, and the detector has not told it: it does not repeat itself about one route.
    Untold,
}

/// What has changed in the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A row is at something else now.
    Row {
        /// The row's place among [`rows`](Timeline::rows).
        row: usize,
        /// When, since the first request was sent.
        at: Duration,
        /// What it is at; nothing more if it is `None`.
        state: Option<State>,
    },
    /// The stall detector has found something.
    Stall(Stall),
}

impl Timeline {
    /// The rows of a run before it begins: one a request, and the bystander's.
    #[must_use]
    pub fn new(run: Run) -> Self {
        let names = (1..=run.requests).map(|number| format!("request {number}"));
        let rows = names.chain([String::from("bystander")]).map(|name| Row {
            name,
            spans: Vec::new(),
            threads: Vec::new(),
            ended: false,
            answered: false,
        });
        Self {
            run,
            began: None,
            rows: rows.collect(),
            stalls: Vec::new(),
            fences: 0,
        }
    }

    /// What was asked for.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// When the first request was sent.
    #[must_use]
    pub const fn began(&self) -> Option<Moment> {
        self.began
    }

    /// The requests in the order in which they were sent, and the bystander last.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What the stall detector has found.
    #[must_use]
    pub fn stalls(&self) -> &[Stall] {
        &self.stalls
    }

    /// What it comes to.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// Whether every request has been answered, and every worker has said all.
    pub(crate) fn is_over(&self) -> bool {
        let answered = |row: &Row| row.ended && row.answered;
        self.rows.iter().all(answered) && self.fences == self.rows.len()
    }

    /// Draws what happened; what has changed by it. A row that is not there changes nothing.
    pub(crate) fn draw(&mut self, record: Record) -> Option<Change> {
        let at = record.at;
        match record.what {
            What::Sent { row } => {
                self.began.get_or_insert(at);
                self.change(row, at, |_| Some(State::Queued))
            }
            What::Begins { row, thread } => self.change(row, at, |row| {
                row.threads.push(thread);
                row.state()
            }),
            What::Pauses { row, thread } => self.change(row, at, |row| {
                row.threads.retain(|other| *other != thread);
                row.state()
            }),
            What::Ends { row } => self.change(row, at, |row| {
                row.ended = true;
                None
            }),
            What::Answered { row } => {
                self.rows.get_mut(row)?.answered = true;
                None
            }
            What::Stall {
                worker,
                route,
                milliseconds,
                is_over,
            } => {
                let stall = Stall {
                    worker,
                    route,
                    milliseconds,
                    end: if is_over { End::Told } else { End::None },
                };
                // What was said of it meanwhile is said better now.
                let same = |told: &Stall| told.worker == stall.worker && told.route == stall.route;
                self.stalls
                    .retain(|told| told.end != End::None || !same(told));
                self.stalls.push(stall.clone());
                Some(Change::Stall(stall))
            }
            What::Fence => {
                self.fences += 1;
                None
            }
            What::Failed { .. } => None,
        }
    }

    /// All is over, and so is every hold; what has changed by it.
    pub(crate) fn settle(&mut self) -> Vec<Change> {
        let lasting = self
            .stalls
            .iter_mut()
            .filter(|stall| stall.end == End::None);
        let settled = lasting.map(|stall| {
            stall.end = End::Untold;
            Change::Stall(stall.clone())
        });
        settled.collect()
    }

    fn change(
        &mut self,
        number: usize,
        at: Moment,
        change: impl FnOnce(&mut Row) -> Option<State>,
    ) -> Option<Change> {
        let began = self.began?;
        let row = self.rows.get_mut(number)?;
        let state = change(row);
        if let Some(last) = row.spans.last_mut() {
            if state.as_ref() == Some(&last.state) {
                return None;
            }
            last.to.get_or_insert(at);
        }
        if let Some(state) = state.clone() {
            row.spans.push(Span {
                state,
                from: at,
                to: None,
            });
        }
        Some(Change::Row {
            row: number,
            at: at.since(began),
            state,
        })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worker,
            route,
            milliseconds,
            end,
        } = self;
        let verb = if *end == End::None { "is" } else { "was" };
        write!(f, "worker {worker} {verb} held by {route} for ")?;
        match end {
            End::None => write!(f, "{milliseconds} ms so far"),
            End::Told => write!(f, "{milliseconds} ms"),
            End::Untold => write!(f, "{milliseconds} ms at least"),
        }
    }
}

impl Row {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was at, in the order of time and without gaps.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// When it had a thread: from, to, and whose.
    pub fn running(&self) -> impl Iterator<Item = (Moment, Moment, &str)> {
        self.spans.iter().filter_map(|span| match &span.state {
            State::Running { thread } => Some((span.from, span.to?, &**thread)),
            State::Queued | State::Waiting => None,
        })
    }

    /// When it had none, though it was begun with: from, to.
    pub fn waiting(&self) -> impl Iterator<Item = (Moment, Moment)> {
        let waiting = self
            .spans
            .iter()
            .filter(|span| span.state == State::Waiting);
        waiting.filter_map(|span| Some((span.from, span.to?)))
    }

    /// Of several threads the one that has been at it for longest: a worker looks in while another thread works.
    fn state(&self) -> Option<State> {
        Some(match self.threads.first() {
            Some(thread) => State::Running {
                thread: thread.clone(),
            },
            None => State::Waiting,
        })
    }
}

#[cfg(test)]
mod tests;
