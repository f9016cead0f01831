//! The process's standard streams, for those who must not wait for whoever reads them.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hosting::printable;

use crate::LogTarget;
use crate::date;
use crate::lines::output::Output;
use crate::lines::{Lines, Losses, OpenLines};

/// Bytes that may wait: some thousand events, and so little that a process can spare it.
const ROOM: usize = 1 << 20;

/// How long is waited for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A standard stream that is written by a thread of its own: whoever gives it lines waits for nobody.
///
/// If nobody reads the stream, as a full pipe, lines wait; what is beyond 1 MiB is lost, counted, and said in its place once there is
/// room again: `17 lines were lost`. Each line is whole, and one that is no longer than `PIPE_BUF` (4 KiB on Linux) is one write, so
/// processes that share a pipe do not tear each other's. What a line holds is [`printable`]: it stays one.
///
/// It is a [`Write`](io::Write) too, as `tracing-subscriber` wants it for its events: each write is a line.
///
/// Its copies write to the same stream; when the last is dropped, what was given is written, if that takes at most a second.
///
/// # Examples
///
/// ```
/// use server_host::Console;
///
/// let console = Console::stderr()?;
/// console.line("two\nlines are one");
/// assert!(console.finish(), "somebody reads the output of tests");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Console(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: OpenLines,
    /// The process may end at any moment: who gives a line waits for it.
    is_ending: AtomicBool,
}

impl Console {
    /// Standard error.
    ///
    /// # Errors
    ///
    /// That of the system, which gives no thread.
    pub fn stderr() -> io::Result<Self> {
        Self::start("stderr", &LogTarget::Stderr)
    }

    /// Standard output.
    ///
    /// # Errors
    ///
    /// That of the system, which gives no thread.
    pub fn stdout() -> io::Result<Self> {
        Self::start("stdout", &LogTarget::Stdout)
    }

    fn start(name: &str, target: &LogTarget) -> io::Result<Self> {
        let output = Output::open(target)?.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(Arc::new(Shared {
            lines: Lines::start(name, output, ROOM, Notice)?,
            is_ending: AtomicBool::new(false),
        })))
    }

    /// Gives it a line.
    pub fn line(&self, text: impl fmt::Display) {
        self.lines([text]);
    }

    /// Gives it lines that stay together, if there is room for all of them.
    pub fn lines(&self, texts: impl IntoIterator<Item: fmt::Display>) {
        let mut lines = self.waiting().spare();
        for text in texts {
            // Writing to memory fails only if the text does; what there is of it is a line all the same.
            let _ = write!(lines, "{}", printable(text));
            lines.push('\n');
        }
        self.waiting().take(lines);
        if self.0.is_ending.load(Ordering::Relaxed) {
            self.flush(LAST_WORDS);
        }
    }

    /// A text as an event has it, with the time and this level: for what is to be said whatever the filter of events is.
    #[must_use]
    pub fn event(level: tracing::Level, text: impl fmt::Display) -> String {
        let now = date::rfc3339(&date::format(SystemTime::now()));
        format!("{now} {level:>5} {text}")
    }

    /// Waits until all that was given is written, for so long at most; not at all where somebody waited in vain, and
    /// nothing was written since. Whether all is written.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.waiting().flush(at_most)
    }

    /// [`flush`](Self::flush) at the end of the process, for a second at most: whatever line is given after it is waited for
    /// as well.
    pub fn finish(&self) -> bool {
        self.0.is_ending.store(true, Ordering::Relaxed);
        self.flush(LAST_WORDS)
    }

    /// Lines that are lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.waiting().lost()
    }

    fn waiting(&self) -> &Lines {
        self.0.lines.lines()
    }
}

impl io::Write for Console {
    /// Gives it a line, with or without its end.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        self.line(String::from_utf8_lossy(line));
        Ok(bytes.len())
    }

    /// Waits for nothing.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line among the others says it.
struct Notice;

impl Losses for Notice {
    fn failed(&mut self, _: &io::Error, _: u64) {}

    fn line(&self, lost: u64) -> Option<String> {
        let plural = if lost == 1 { " was" } else { "s were" };
        let text =
            format_args!("{lost} line{plural} lost: they came faster than somebody took them");
        Some(Console::event(tracing::Level::WARN, text) + "\n")
    }

    fn over(&mut self, _: u64) {}

    fn kept(&self, _: &io::Error) {}
}
