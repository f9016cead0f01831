//! Gathers what explains a failed case: the panic, the conversations and the logs of what was dropped by it.
//!
//! Without this, cases that run beside each other would print into each other's lines, and known differences would fill
//! the terminal with failures that are none.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// There while this thread runs a case.
    static GATHERED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs a case; if it panics, all that was said meanwhile is its evidence.
pub(crate) fn gather(case: impl FnOnce()) -> Result<(), String> {
    install_hook();
    GATHERED.set(Some(Vec::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(case));
    let gathered = GATHERED.take().unwrap_or_default();
    outcome.map_err(|_| gathered.join("\n"))
}

/// Adds to the evidence of the case that this thread runs; outside of one, prints it.
pub(crate) fn add(text: String) {
    let alone = GATHERED.with_borrow_mut(|gathered| match gathered {
        Some(gathered) => {
            gathered.push(text);
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
            if GATHERED.with_borrow(Option::is_some) {
                add(info.to_string());
            } else {
                usual(info);
            }
        }));
    });
}
