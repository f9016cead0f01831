//! Writes the lines of all workers, by a thread of its own: what a full disk or a stuck pipe holds up is this thread.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::LogTarget;

/// Bytes that may wait to be written: half a minute's at ten thousand lines a second. What comes beyond is lost, and
/// counted.
const WAITING: usize = 32 * 1024 * 1024;

/// Empty buffers that are kept for the workers.
const SPARE: usize = 8;

/// How long the end waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Between two warnings that lines are lost.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// The end of the access log.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    queue: Mutex<Queue>,
    /// Something is to be done, or all is.
    changed: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<String>,
    bytes: usize,
    spare: Vec<String>,
    reopen: bool,
    phase: Phase,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// What is there is written, and no more.
    Closing,
    Closed,
}

impl Sink {
    /// Opens the target and starts the thread; nothing for [`LogTarget::Off`].
    pub(crate) fn open(target: &LogTarget) -> io::Result<Option<Arc<Self>>> {
        let Some(output) = Output::open(target)? else {
            return Ok(None);
        };
        let sink = Arc::new(Self::default());
        let writing = Arc::clone(&sink);
        thread::Builder::new()
            .name(String::from("access-log"))
            .spawn(move || writing.run(output))?;
        Ok(Some(sink))
    }

    /// An empty buffer.
    pub(super) fn spare(&self) -> String {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Takes whole lines, if there is room.
    pub(super) fn take(&self, lines: String) {
        let mut queue = self.lock();
        if queue.phase != Phase::Open || queue.bytes + lines.len() > WAITING {
            drop(queue);
            return self.lose(&lines);
        }
        queue.bytes += lines.len();
        queue.batches.push_back(lines);
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

    /// Waits until all is written, for a short while.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.phase = Phase::Closing;
        self.changed.notify_all();
        let until = Instant::now() + LAST_WORDS;
        while queue.phase != Phase::Closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lose(&self, lines: &str) {
        let count = lines.matches('\n').count() as u64;
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    fn run(&self, mut output: Output) {
        let mut warnings = Warnings::default();
        while let Some((lines, reopen)) = self.next() {
            if reopen && let Err(error) = output.reopen() {
                tracing::error!(%error, target = %output.target, "the access log cannot be opened anew: the old file is kept");
            }
            if lines.is_empty() {
                continue;
            }
            if let Err(error) = output.write(&lines) {
                self.lose(&lines);
                warnings.warn(&error, &output.target, self.lost());
            }
            self.give_back(lines);
        }
        let mut queue = self.lock();
        queue.phase = Phase::Closed;
        drop(queue);
        self.changed.notify_all();
    }

    /// What is to be done next; nothing at the end.
    fn next(&self) -> Option<(String, bool)> {
        let mut queue = self.lock();
        loop {
            let reopen = std::mem::take(&mut queue.reopen);
            if let Some(lines) = queue.batches.pop_front() {
                return Some((lines, reopen));
            }
            match (reopen, queue.phase) {
                (true, _) => return Some((String::new(), true)),
                (false, Phase::Open) => {
                    let waited = self.changed.wait(queue);
                    queue = waited.unwrap_or_else(PoisonError::into_inner);
                }
                (false, Phase::Closing | Phase::Closed) => return None,
            }
        }
    }

    fn give_back(&self, mut lines: String) {
        let mut queue = self.lock();
        queue.bytes -= lines.len();
        lines.clear();
        if queue.spare.len() < SPARE {
            queue.spare.push(lines);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Warnings that do not make things worse.
#[derive(Debug, Default)]
struct Warnings {
    last: Option<Instant>,
}

impl Warnings {
    fn warn(&mut self, error: &io::Error, target: &LogTarget, lost: u64) {
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last >= BETWEEN_WARNINGS) {
            self.last = Some(now);
            tracing::error!(%error, %target, lost, "the access log cannot be written: lines are lost, clients are served");
        }
    }
}

/// What is written to.
#[derive(Debug)]
struct Output {
    target: LogTarget,
    stream: Stream,
    /// Whether a write broke off within a line.
    broken: bool,
}

#[derive(Debug)]
enum Stream {
    Stderr,
    Stdout,
    File(File),
}

impl Output {
    fn open(target: &LogTarget) -> io::Result<Option<Self>> {
        let stream = match target {
            LogTarget::Off => return Ok(None),
            LogTarget::Stderr => Stream::Stderr,
            LogTarget::Stdout => Stream::Stdout,
            LogTarget::File(path) => Stream::File(append_to(path)?),
        };
        Ok(Some(Self {
            target: target.clone(),
            stream,
            broken: false,
        }))
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let LogTarget::File(path) = &self.target {
            self.stream = Stream::File(append_to(path)?);
            self.broken = false;
        }
        Ok(())
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        if std::mem::take(&mut self.broken) {
            // What follows is a line of its own.
            self.write_all(b"\n").inspect_err(|_| self.broken = true)?;
        }
        let written = self.write_all(lines.as_bytes());
        self.broken = written.is_err();
        written
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Stderr => io::stderr().write_all(bytes),
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Stream::File(file) => file.write_all(bytes),
        }
    }
}

fn append_to(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_loses_lines_and_nothing_else() {
        let target = LogTarget::File("/dev/full".into());
        let sink = Sink::open(&target).expect("it can be opened");
        let sink = sink.expect("it is a target");
        for _ in 0..100 {
            sink.take(String::from("one\ntwo\n"));
        }
        sink.close();
        assert_eq!(sink.lost(), 200);
        sink.take(String::from("too late\n"));
        assert_eq!(sink.lost(), 201);
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        // Nobody writes.
        let sink = Sink::default();
        let lines = format!("{}\n", "x".repeat(WAITING / 4));
        for _ in 0..10 {
            sink.take(lines.clone());
        }
        assert_eq!(sink.lost(), 7);
        assert_eq!(sink.lock().bytes, 3 * lines.len());
    }

    #[test]
    fn a_file_is_opened_anew_where_it_was() {
        let folder = std::env::temp_dir().join(format!("access-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        let (path, moved) = (folder.join("log"), folder.join("log.1"));
        let sink = Sink::open(&LogTarget::File(path.clone())).expect("it can be opened");
        let sink = sink.expect("it is a target");
        sink.take(String::from("first\n"));
        while sink.lock().bytes > 0 {
            thread::yield_now();
        }
        std::fs::rename(&path, &moved).expect("it is there");
        sink.reopen();
        sink.take(String::from("second\n"));
        sink.close();
        let read = |path| std::fs::read_to_string(path).expect("it is there");
        assert_eq!(
            (read(&moved), read(&path)),
            ("first\n".into(), "second\n".into())
        );
        std::fs::remove_dir_all(&folder).expect("it is there");
    }
}
