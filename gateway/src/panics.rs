//! What a panic says, where events go.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;
use std::time::Duration;

use server_host::Console;
use tracing::Level;

/// How long a thread that panics waits for its words to be written. It may be a worker's, whose clients wait too.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Has panics write a line each to the console: the standard library's own hook would wait for whoever reads standard
/// error, on the thread of a worker, and let the panic's text forge lines.
///
/// A hook that the application has set is left to it.
pub(crate) fn log_to(console: &Console) {
    let first = panic::take_hook();
    // With none set, this is the standard library's, and so is the first one if nobody had set another.
    let standard = panic::take_hook();
    if !std::ptr::eq(&raw const *first, &raw const *standard) {
        return panic::set_hook(first);
    }
    let console = console.clone();
    panic::set_hook(Box::new(move |panic| tell(&console, panic)));
}

fn tell(console: &Console, panic: &PanicHookInfo<'_>) {
    let text = panic
        .payload_as_str()
        .unwrap_or("something that is no text");
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = panic.location().map(|place| format!(" at {place}"));
    let place = place.unwrap_or_default();
    let said = Console::event(
        Level::ERROR,
        format_args!("thread {name} panicked{place}: {text}"),
    );
    // RUST_BACKTRACE asks for it.
    let trace = Backtrace::capture();
    let frames = match trace.status() {
        BacktraceStatus::Captured => trace.to_string(),
        _ => String::new(),
    };
    console.lines(std::iter::once(&*said).chain(frames.lines()));
    // If it ends the process, that is now: nobody would write it any more.
    console.flush(LAST_WORDS);
}
