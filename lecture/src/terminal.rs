//! A timeline as text.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{Moment, Row, State, Timeline};

/// What stands for what in the drawing.
///
/// # Examples
///
/// ```
/// use lecture::Marks;
///
/// assert_eq!(Marks::PLAIN.running, '#');
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marks {
    /// Queued: nobody has begun with it.
    pub queued: char,
    /// Running: it has a thread.
    pub running: char,
    /// It had one for less than half of the time of a column.
    pub moment: char,
    /// Waiting: it has none.
    pub waiting: char,
}

impl Marks {
    /// For terminals of today.
    pub const BLOCKS: Self = Self {
        queued: '░',
        running: '█',
        moment: '│',
        waiting: '─',
    };

    /// For those who want ASCII.
    pub const PLAIN: Self = Self {
        queued: '.',
        running: '#',
        moment: '|',
        waiting: '-',
    };
}

/// Draws a timeline: a line for each request, below an axis of seconds. `now` is as far as what is not over yet is drawn;
/// `width` is in columns, 40 at least.
///
/// # Examples
///
/// ```
/// use lecture::{Marks, Moment, Run, Server, Timeline, Work, draw};
///
/// let run = Run::new(Work::Awaiting, 2, 2000, 1, Server::Raw)?;
/// let drawing = draw(&Timeline::new(run), Moment::now(), 80, Marks::PLAIN);
/// assert!(drawing.starts_with("2 requests that await a timer for 2 s each, on server-raw with 1 worker\n"));
/// assert_eq!(drawing.lines().count(), 6);
/// # Ok::<(), lecture::OutOfBounds>(())
/// ```
#[must_use]
pub fn draw(timeline: &Timeline, now: Moment, width: usize, marks: Marks) -> String {
    let scale = Scale::of(timeline, now, width);
    let mut text = format!("{}\n{:NAMES$}{}\n", timeline.run(), "", scale.axis());
    for row in timeline.rows() {
        let bar: String = (0..scale.columns)
            .map(|column| scale.mark(row, column, marks))
            .collect();
        let threads = threads(row);
        let _ = writeln!(
            text,
            "{}",
            format!("{:NAMES$}{bar}  {threads}", row.name()).trim_end()
        );
    }
    let Marks {
        queued,
        running,
        moment,
        waiting,
    } = marks;
    let _ = writeln!(
        text,
        "{:NAMES$}{queued} queued  {running} has a thread  {moment} for a moment  {waiting} waits without one",
        ""
    );
    text
}

/// Columns of the names, and of the threads.
const NAMES: usize = 12;
const THREADS: usize = 18;

/// Columns for the text of a mark of the axis.
const TICK: usize = 8;

/// What a column stands for.
struct Scale {
    columns: usize,
    from: Moment,
    now: Moment,
    total: Duration,
}

impl Scale {
    fn of(timeline: &Timeline, now: Moment, width: usize) -> Self {
        let from = timeline.began().unwrap_or(now);
        let ends = |row: &Row| row.spans().last().map(|last| last.to.unwrap_or(now));
        let last = timeline.rows().iter().filter_map(ends).max();
        let so_far = last.map_or(Duration::ZERO, |last| last.since(from));
        Self {
            columns: width.max(40) - NAMES - THREADS,
            from,
            now,
            // Room for what is to come, as long as nothing has.
            total: so_far.max(timeline.run().length()),
        }
    }

    /// When a column begins; the one after the last is when all ends.
    fn begin(&self, column: usize) -> Moment {
        self.from
            .after(self.total * column as u32 / self.columns as u32)
    }

    /// What a row was at in the time of a column: a moment with a thread is seen too.
    fn mark(&self, row: &Row, column: usize, marks: Marks) -> char {
        let (begin, end) = (self.begin(column), self.begin(column + 1));
        let (mut ran, mut mark) = (None, ' ');
        for span in row.spans() {
            let (from, to) = (span.from, span.to.unwrap_or(self.now));
            if from >= end || to <= begin {
                continue;
            }
            match span.state {
                State::Queued => mark = marks.queued,
                State::Waiting => mark = marks.waiting,
                State::Running { .. } => {
                    let part = to.min(end).since(from.max(begin));
                    *ran.get_or_insert(Duration::ZERO) += part;
                }
            }
        }
        match ran {
            Some(ran) if 2 * ran < end.since(begin) => marks.moment,
            Some(_) => marks.running,
            None => mark,
        }
    }

    /// `0 s      1 s      2 s`, with each text where its time is.
    fn axis(&self) -> String {
        let total = self.total.as_millis().max(1) as usize;
        let steps = [1, 10, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 20_000];
        let fits = |step: &usize| total * TICK <= step * self.columns;
        let step = steps.into_iter().find(fits).unwrap_or(60_000);
        let mut axis = String::new();
        for time in (0..).step_by(step) {
            let column = time * self.columns / total;
            if column >= self.columns {
                break;
            }
            let _ = write!(axis, "{:1$}", "", column.saturating_sub(axis.len()));
            let _ = write!(axis, "{} s", time as f64 / 1000.0);
        }
        axis
    }
}

/// The threads that a row has had, in the order in which it had them first.
fn threads(row: &Row) -> String {
    let mut names: Vec<&str> = Vec::new();
    for span in row.spans() {
        if let State::Running { thread } = &span.state
            && !names.contains(&&**thread)
        {
            names.push(thread);
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, What};
    use crate::{Run, Server, Work};

    #[test]
    fn a_column_shows_what_had_most_of_its_time_and_a_thread_that_had_a_moment() {
        let run = Run::new(Work::Awaiting, 1, 1000, 1, Server::Raw).unwrap();
        let (mut timeline, start) = (Timeline::new(run), Moment::now());
        let at = |milliseconds| start.after(Duration::from_millis(milliseconds));
        let thread = || String::from("worker-0");
        let (row, begins) = (0, |row| What::Begins {
            row,
            thread: thread(),
        });
        let pauses = |row| What::Pauses {
            row,
            thread: thread(),
        };
        for (milliseconds, what) in [
            (0, What::Sent { row }),
            (100, begins(row)),
            (160, pauses(row)),
            (340, begins(row)),
            (380, pauses(row)),
            (999, begins(row)),
            (1000, What::Ends { row }),
        ] {
            let at = at(milliseconds);
            timeline.draw(Record { at, what });
        }
        // Ten columns of a tenth of a second.
        let drawing = draw(&timeline, at(1000), NAMES + THREADS + 10, Marks::PLAIN);
        let drawn: Vec<&str> = drawing.lines().collect();
        assert_eq!(drawn[1], "            0 s");
        assert_eq!(drawn[2], "request 1   .#-|-----|  worker-0");
        assert_eq!(drawn[3], "bystander");
    }

    #[test]
    fn what_has_just_begun_is_drawn_with_room_for_what_is_to_come() {
        let run = Run::new(Work::Blocking, 1, 1000, 1, Server::Raw).unwrap();
        let (mut timeline, start) = (Timeline::new(run), Moment::now());
        let what = What::Sent { row: 0 };
        timeline.draw(Record { at: start, what });
        let now = start.after(Duration::from_millis(200));
        let drawing = draw(&timeline, now, NAMES + THREADS + 10, Marks::PLAIN);
        assert_eq!(drawing.lines().nth(2), Some("request 1   .."));
    }
}
