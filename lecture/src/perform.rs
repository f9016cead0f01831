//! One run, from the start of its server to the last record.

mod client;
mod process;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::record::What;
use crate::timeline::Change;
use crate::{Run, Timeline};

use client::Client;
use process::Process;

/// What may be seen of a run while it is performed.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use lecture::Seen;
///
/// /// For [`perform`](lecture::perform): says what has changed, up to the first stall.
/// fn look(seen: Seen<'_>) -> ControlFlow<()> {
///     match seen {
///         Seen::Serving(server) => println!("{server}"),
///         Seen::Changed(timeline, _) if !timeline.stalls().is_empty() => return ControlFlow::Break(()),
///         Seen::Changed(_, change) => println!("{change:?}"),
///         _ => (),
///     }
///     ControlFlow::Continue(())
/// }
/// # let _: fn(Seen<'_>) -> ControlFlow<()> = look;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// The server is up, and says of itself what it is.
    Serving(&'a str),
    /// The drawing has changed.
    Changed(&'a Timeline, &'a Change),
    /// Nothing, for a moment: the time goes on.
    Nothing(&'a Timeline),
}

/// Why a run came to no end, in words for whoever asked for it.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use lecture::{Run, Server, Work, perform};
///
/// let run = Run::new(Work::Awaiting, 1, 1, 1, Server::Raw)?;
/// let failed = perform("/nowhere".as_ref(), run, &mut |_| ControlFlow::Continue(())).unwrap_err();
/// assert!(failed.to_string().starts_with("the server could not be started: "));
/// # Ok::<(), lecture::OutOfBounds>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// Performs a run: starts `program` as its server, and fires the requests at it.
///
/// The program is one whose first argument `subject` makes it [`attach`](crate::attach) and serve [`subject`](crate::subject()) with the launcher's
/// flags that follow. `look` is called for everything that there is to be seen, and some twenty times a second if there is nothing, on this
/// thread, which is blocked until the run is over, or `look` has seen enough.
///
/// # Errors
///
/// If `look` breaks it off, the server cannot be started or ends, the client cannot ask it or has another answer than 200, or nothing is heard of the requests for
/// 30 seconds and twenty times their length.
///
/// # Examples
///
/// ```no_run
/// use std::ops::ControlFlow;
///
/// use lecture::{Run, Server, Work, perform};
///
/// let run = Run::new(Work::Awaiting, 2, 2000, 1, Server::Raw)?;
/// let timeline = perform("target/debug/lecture".as_ref(), run, &mut |_| ControlFlow::Continue(()))?;
/// println!("{}", timeline.summary());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn perform(
    program: &Path,
    run: Run,
    look: &mut dyn FnMut(Seen<'_>) -> ControlFlow<()>,
) -> Result<Timeline, Failed> {
    // As many records as a run has: some for each of its bounded number of requests.
    let (records, seen) = mpsc::channel();
    let server = Process::start(program, run, records.clone())?;
    let mut enough = look(Seen::Serving(server.description())).is_break();
    let client = Client::connect(server.address(), run).map_err(Failed::client)?;
    thread::Builder::new()
        .name(String::from("client"))
        .spawn(move || client.fire(&records))
        .map_err(Failed::client)?;

    let mut last = Instant::now();
    let mut timeline = Timeline::new(run);
    while !timeline.is_over() {
        if enough {
            return Err(Failed(String::from("it was stopped")));
        }
        match seen.recv_timeout(FRAME) {
            Ok(record) => {
                last = Instant::now();
                if let What::Failed { why } = record.what {
                    return Err(Failed(why));
                }
                if let Some(change) = timeline.draw(record) {
                    enough = look(Seen::Changed(&timeline, &change)).is_break();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                enough = look(Seen::Nothing(&timeline)).is_break();
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failed(String::from("the server has ended by itself")));
            }
        }
        if last.elapsed() > patience(run) {
            let why = "nothing was heard of its requests any more";
            return Err(Failed(String::from(why)));
        }
    }
    for change in timeline.settle() {
        // There is nothing left to break off.
        let _ = look(Seen::Changed(&timeline, &change));
    }
    Ok(timeline)
}

/// How long nothing may happen: much longer than a request takes, as a machine may be busy with other things.
fn patience(run: Run) -> Duration {
    20 * run.length() + Duration::from_secs(30)
}

/// How often a terminal is drawn anew.
const FRAME: Duration = Duration::from_millis(50);

impl Failed {
    fn client(error: std::io::Error) -> Self {
        Self(format!("the client could not ask the server: {error}"))
    }
}
