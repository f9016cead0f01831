//! What a server under experiment says of itself: a line of JSON on its standard output for each thing that happens.

use std::io::{self, Write};
use std::thread;

use gateway_spec::HttpScope;
use serde::{Deserialize, Serialize};

use crate::Moment;

/// The field by which a request tells its row. Requests without it are not recorded.
pub(crate) const ROW: &str = "lecture-row";

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: Moment,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum What {
    /// The client has sent a row's request.
    Sent { row: usize },
    /// Code of a row has a thread from now on.
    Begins { row: usize, thread: String },
    /// It has given the thread back, and goes on later.
    Pauses { row: usize, thread: String },
    /// The row has its answer.
    Ends { row: usize },
    /// The client has the answer.
    Answered { row: usize },
    /// The stall detector has found something.
    Stall {
        worker: u64,
        route: String,
        milliseconds: u64,
        is_over: bool,
    },
    /// All that this worker had to say was said.
    Fence,
    /// The client, or the server, could not go on.
    Failed { why: String },
}

impl What {
    /// With the present time.
    pub(crate) fn now(self) -> Record {
        Record {
            at: Moment::now(),
            what: self,
        }
    }
}

/// Says it. Who listens has stopped the run if this cannot be written.
pub(crate) fn say(what: What) {
    // The time is read when the line is written: no line has an earlier time than the one before.
    let mut stdout = io::stdout().lock();
    let line = serde_json::to_string(&what.now()).expect("numbers and texts are JSON");
    let _ = writeln!(stdout, "{line}");
}

/// The row of a request.
pub(crate) fn row(scope: &HttpScope) -> Option<usize> {
    scope.headers.get_str(ROW)?.parse().ok()
}

/// Does some work of a row on this thread, and says so.
pub(crate) fn recorded<T>(row: Option<usize>, work: impl FnOnce() -> T) -> T {
    let Some(row) = row else { return work() };
    let thread = name_of_thread();
    say(What::Begins {
        row,
        thread: thread.clone(),
    });
    let value = work();
    say(What::Pauses { row, thread });
    value
}

/// The name of this thread: `worker-0`, `pool-1`, `cpu-0`.
pub(crate) fn name_of_thread() -> String {
    thread::current().name().unwrap_or("(no name)").to_owned()
}
