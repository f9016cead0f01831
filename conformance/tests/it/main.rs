//! Every case on every server: `cargo test -p conformance --test it -- hyper::framing` runs a chapter on one of them.
#![forbid(unsafe_code)]

use std::sync::Arc;

use conformance::{Outcome, Subject};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let program = env!("CARGO_BIN_EXE_conformance");
    let subjects = [
        Subject::new("raw", program, &["peer", "--server", "raw"]),
        Subject::new("hyper", program, &["peer", "--server", "hyper"]),
    ];
    let trials = subjects.into_iter().map(Arc::new).flat_map(|subject| {
        conformance::cases().into_iter().map(move |case| {
            let subject = Arc::clone(&subject);
            let name = format!("{}::{}", subject.name(), case.name);
            Trial::test(name, move || match case.run(&subject) {
                Outcome::Passed => Ok(()),
                Outcome::Failed(evidence) => {
                    let clauses = case.clauses.join(", ");
                    Err(Failed::from(format!("[{clauses}] {evidence}")))
                }
                outcome => Err(Failed::from(format!("{outcome:?}"))),
            })
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
