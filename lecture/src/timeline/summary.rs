//! What a run comes to, in numbers and in words.

use std::fmt;
use std::time::Duration;

use crate::{Moment, Row, Run, Timeline};

/// What a run comes to; its [`Display`](fmt::Display) says it in words.
///
/// # Examples
///
/// ```
/// use lecture::{Run, Server, Timeline, Work};
///
/// let run = Run::new(Work::Awaiting, 1, 1, 1, Server::Raw)?;
/// assert!(Timeline::new(run).summary().took.is_zero(), "it has not begun");
/// # Ok::<(), lecture::OutOfBounds>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// From the first request sent to the last one answered, without the bystander's.
    pub took: Duration,
    /// How many requests had a thread at the same time, at most. Moments aside: below a twentieth of what
    /// each was asked to take.
    pub ran_at_once: usize,
    /// How many requests waited without a thread at the same time, at most; moments aside.
    pub waited_at_once: usize,
    /// How long the bystander was kept waiting before anybody looked at it.
    pub bystander_queued: Duration,
}

impl Summary {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let (bystander, requests) = timeline.rows().split_last().expect("a bystander's");
        let ran = requests.iter().flat_map(Row::running);
        let ran = ran.map(|(from, to, _)| (from, to));
        let waited = requests.iter().flat_map(Row::waiting);
        let (first, least) = (timeline.began(), least(timeline.run()));
        let last = requests
            .iter()
            .filter_map(|row| row.spans().last()?.to)
            .max();
        let took = first.zip(last).map(|(first, last)| last.since(first));
        let queued = bystander.spans().first();
        let queued = queued.and_then(|span| Some(span.to?.since(span.from)));
        Self {
            took: took.unwrap_or_default(),
            ran_at_once: most_at_once(ran, least),
            waited_at_once: most_at_once(waited, least),
            bystander_queued: queued.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            took,
            ran_at_once,
            waited_at_once,
            bystander_queued,
        } = self;
        let held = match ran_at_once {
            0 => String::from("None held a thread for more than a moment"),
            1 => String::from("One at a time held a thread"),
            many => format!("Up to {many} held a thread at once"),
        };
        let waited = match waited_at_once {
            0 => "none waited without one",
            1 => "one at a time waited without one",
            many => &format!("up to {many} waited without one"),
        };
        let bystander = match bystander_queued.as_millis() {
            0..20 => "at once".to_owned(),
            late => format!("after {} s", seconds(Duration::from_millis(late as u64))),
        };
        write!(
            f,
            "Together {} s. {held}, {waited}. The bystander was served {bystander}.",
            seconds(*took)
        )
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

/// How long a span is that counts: a twentieth of what was asked for, and 5 milliseconds at least. A handler that awaits has its
/// worker for microseconds, or somewhat longer on a machine that is busy with other things.
fn least(run: &Run) -> Duration {
    (run.length() / 20).max(Duration::from_millis(5))
}

/// How many of some spans hold at the same time, at most. One that begins when another ends is after it.
fn most_at_once(spans: impl Iterator<Item = (Moment, Moment)>, least: Duration) -> usize {
    let mut turns: Vec<(Moment, bool)> = spans
        .filter(|(from, to)| to.since(*from) >= least)
        .flat_map(|(from, to)| [(from, true), (to, false)])
        .collect();
    turns.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, begins) in turns {
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = most.max(now);
    }
    most
}
