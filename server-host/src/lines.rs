//! Lines of a log, which many give and a thread of its own writes: what a full disk or a stuck pipe holds up is this thread.

pub(crate) mod output;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use output::{Cut, Output};

/// Empty buffers that are kept for who gives lines.
const SPARE: usize = 8;

/// How long the end waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is said of lines that are lost.
pub(crate) trait Losses: Send + 'static {
    /// They could not be written; `lost` is how many it is in all.
    fn failed(&mut self, error: &io::Error, lost: u64);

    /// So many were lost before those that are written next: a line to be written between them, if that is its place.
    fn line(&self, lost: u64) -> Option<String>;

    /// It flows again.
    fn over(&mut self, lost: u64);

    /// The file could not be opened anew.
    fn kept(&self, error: &io::Error);
}

/// Lines that wait to be written, and the thread that writes them. Whoever gives some waits for no disk and no pipe: what there is
/// no room for is lost, and counted.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Bytes that may wait.
    room: usize,
    queue: Mutex<Queue>,
    /// Something is to be done, was done, or all is.
    changed: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    spare: Vec<String>,
    /// Lines that were lost since the last batch was taken.
    gap: u64,
    /// Batches that were taken, and those of them that are dealt with.
    taken: u64,
    done: u64,
    /// Somebody waited in vain, and nothing was done since.
    is_stuck: bool,
    /// The last batch could not be written.
    has_failed: bool,
    reopen: bool,
    phase: Phase,
}

/// Whole lines.
#[derive(Debug, Default)]
struct Batch {
    lines: String,
    /// Lines that were lost before them.
    lost_before: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// What is there is written, and no more.
    Closing,
    Closed,
}

impl Lines {
    fn new(room: usize) -> Self {
        Self {
            room,
            queue: Mutex::default(),
            changed: Condvar::new(),
            lost: AtomicU64::new(0),
        }
    }

    /// Starts the thread, by this name.
    pub(crate) fn start(
        name: &str,
        output: Output,
        room: usize,
        losses: impl Losses,
    ) -> io::Result<OpenLines> {
        let lines = Arc::new(Self::new(room));
        let writing = Arc::clone(&lines);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writing.run(output, losses))?;
        Ok(OpenLines(lines))
    }

    /// An empty buffer.
    pub(crate) fn spare(&self) -> String {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Takes whole lines, if there is room.
    pub(crate) fn take(&self, lines: String) {
        let mut queue = self.lock();
        if queue.phase != Phase::Open || queue.bytes + lines.len() > self.room {
            return self.lose(&mut queue, count(lines.as_bytes()));
        }
        queue.bytes += lines.len();
        queue.taken += 1;
        let lost_before = std::mem::take(&mut queue.gap);
        queue.batches.push_back(Batch { lines, lost_before });
        drop(queue);
        self.changed.notify_all();
    }

    /// Opens the file anew before the next line is written.
    pub(crate) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// Lines that could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all that was taken is written, for so long at most; not at all if somebody has waited in vain, and nothing was
    /// written since. Whether all is.
    pub(crate) fn flush(&self, at_most: Duration) -> bool {
        let mut queue = self.lock();
        let (taken, until) = (queue.taken, Instant::now() + at_most);
        while queue.done < taken && !queue.is_stuck {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                queue.is_stuck = true;
                break;
            }
            let waited = self.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.done >= taken
    }

    /// Takes no more, and waits for what was taken as [`flush`](Self::flush) does.
    fn close(&self) {
        self.lock().phase = Phase::Closing;
        self.changed.notify_all();
        self.flush(LAST_WORDS);
    }

    fn lose(&self, queue: &mut Queue, lines: u64) {
        queue.gap += lines;
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }

    fn run(&self, mut output: Output, mut losses: impl Losses) {
        while let Some(task) = self.next() {
            match task {
                Task::Reopen => {
                    if let Err(error) = output.reopen() {
                        losses.kept(&error);
                    }
                }
                Task::Write(batch) => {
                    let has_failed = self.write(&mut output, &batch, &mut losses).is_err();
                    self.give_back(batch.lines, has_failed);
                }
            }
        }
        self.lock().phase = Phase::Closed;
    }

    /// What is to be done next; nothing at the end.
    fn next(&self) -> Option<Task> {
        let mut queue = self.lock();
        loop {
            if std::mem::take(&mut queue.reopen) {
                return Some(Task::Reopen);
            }
            if let Some(batch) = queue.batches.pop_front() {
                return Some(Task::Write(batch));
            }
            if queue.gap > 0 && !queue.has_failed {
                // There was no room, and nobody has given any since.
                queue.taken += 1;
                return Some(Task::Write(Batch {
                    lines: String::new(),
                    lost_before: std::mem::take(&mut queue.gap),
                }));
            }
            if queue.phase != Phase::Open {
                return None;
            }
            let waited = self.changed.wait(queue);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(
        &self,
        output: &mut Output,
        batch: &Batch,
        losses: &mut impl Losses,
    ) -> Result<(), Cut> {
        let Batch { lines, lost_before } = batch;
        let lost_before = *lost_before;
        let line = (lost_before > 0).then(|| losses.line(lost_before));
        let said = line.flatten().map_or(Ok(()), |line| output.write(&line));
        let written = match said {
            Ok(()) => output.write(lines),
            Err(cut) => Err(Cut {
                lost: count(lines.as_bytes()),
                ..cut
            }),
        };
        match &written {
            Ok(()) if lost_before > 0 => losses.over(lost_before),
            Ok(()) => {}
            Err(cut) => {
                let mut queue = self.lock();
                self.lose(&mut queue, cut.lost);
                // It has still to be said.
                queue.gap += lost_before;
                drop(queue);
                losses.failed(&cut.error, self.lost());
            }
        }
        written
    }

    fn give_back(&self, mut lines: String, has_failed: bool) {
        let mut queue = self.lock();
        queue.bytes -= lines.len();
        queue.done += 1;
        queue.is_stuck = false;
        queue.has_failed = has_failed;
        lines.clear();
        if queue.spare.len() < SPARE {
            queue.spare.push(lines);
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does next.
#[derive(Debug)]
enum Task {
    Reopen,
    Write(Batch),
}

/// Lines and their thread, for as long as this is held: then what was taken is written, if that takes no longer than a second.
#[derive(Debug)]
pub(crate) struct OpenLines(Arc<Lines>);

impl OpenLines {
    pub(crate) fn lines(&self) -> &Arc<Lines> {
        &self.0
    }
}

impl Drop for OpenLines {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The lines that end in these bytes.
fn count(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
