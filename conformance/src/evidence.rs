//! Gathers what explains a failed case: the panic, the conversations and the logs of what was dropped by it.
//!
//! Without this, cases that run beside each other would print into each other's lines.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// There while this thread runs a case.
    static GATHERED: RefCell<Option<Evidence>> = const { RefCell::new(None) };
}

/// Why a case failed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Evidence {
    /// What was expected, and what came instead.
    pub unmet: String,
    /// The line of the case that expected it.
    pub place: String,
    /// What went over each of the case's connections, both ways.
    pub conversations: Vec<String>,
    /// The logs of the servers that the case had.
    pub logs: Vec<String>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nat {}", self.unmet, self.place)?;
        for piece in self.conversations.iter().chain(&self.logs) {
            writeln!(f, "{piece}")?;
        }
        Ok(())
    }
}

/// How a case ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Passed,
    Failed(Evidence),
    /// It asked for what a server that was only given by its address does not have.
    NeedsItsOwn(&'static str),
}

/// What is thrown by a case that needs a server of its own: what for.
struct NeedsItsOwn(&'static str);

/// Ends the case that this thread runs: the server that it has is not its own, so it cannot do this to it.
pub(crate) fn needs_its_own(what_for: &'static str) -> ! {
    panic::panic_any(NeedsItsOwn(what_for))
}

/// Runs a case; if it panics, all that was said meanwhile is its evidence.
pub(crate) fn gather(case: impl FnOnce()) -> Ending {
    install_hook();
    GATHERED.set(Some(Evidence::default()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(case));
    let gathered = GATHERED.take().unwrap_or_default();
    match outcome.map_err(|thrown| thrown.downcast_ref::<NeedsItsOwn>().map(|needs| needs.0)) {
        Ok(()) => Ending::Passed,
        Err(Some(what_for)) => Ending::NeedsItsOwn(what_for),
        Err(None) => Ending::Failed(gathered),
    }
}

/// Adds what went over a connection to the evidence of the case that this thread runs.
pub(crate) fn add_conversation(text: String) {
    add(text, |evidence| &mut evidence.conversations);
}

/// Adds a server's log, as [`add_conversation`].
pub(crate) fn add_log(text: String) {
    add(text, |evidence| &mut evidence.logs);
}

/// Outside of a case it is printed.
fn add(text: String, to: impl FnOnce(&mut Evidence) -> &mut Vec<String>) {
    let alone = GATHERED.with_borrow_mut(|gathered| match gathered {
        Some(gathered) => {
            to(gathered).push(text);
            None
        }
        None => Some(text),
    });
    if let Some(text) = alone {
        eprintln!("{text}");
    }
}

fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let gathered = GATHERED.with_borrow_mut(|gathered| {
                let evidence = gathered.as_mut()?;
                evidence.unmet = info.payload_as_str().unwrap_or_default().to_owned();
                evidence.place = info.location().map(ToString::to_string).unwrap_or_default();
                Some(())
            });
            if gathered.is_none() {
                usual(info);
            }
        }));
    });
}
