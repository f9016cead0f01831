//! Every case on both servers, and those of the core on the third, which is `examples/thread-server`.
//!
//! `cargo test -p conformance --test it -- hyper::framing` runs a chapter on one of them. Cargo builds the third only where all of
//! a package is tested, or by `cargo build -p conformance --example thread-server`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;

use conformance::{Case, Outcome, Subject};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let program = env!("CARGO_BIN_EXE_conformance");
    let all = |_: &Case| true;
    let core = |case: &Case| case.outside_core().is_none();
    let raw = Subject::new("raw", program, &["peer", "--server", "raw"]);
    let hyper = Subject::new("hyper", program, &["peer", "--server", "hyper"]);
    let mut trials: Vec<Trial> = trials_of(raw, all).chain(trials_of(hyper, all)).collect();
    let program = example("thread-server");
    if program.exists() {
        trials.extend(trials_of(Subject::new("threads", program, &[]), core));
    } else {
        // Once, and not for each case.
        trials.push(Trial::test("threads::is_built", || {
            Err("`cargo build -p conformance --example thread-server` builds it".into())
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The cases that a server is held to, each as a test.
fn trials_of(subject: Subject, is_held_to: fn(&Case) -> bool) -> impl Iterator<Item = Trial> {
    let subject = Arc::new(subject);
    let cases = conformance::cases().into_iter().filter(is_held_to);
    cases.map(move |case| {
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
}

/// Where Cargo puts an example: beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this test has a file");
    let profile = this.ancestors().nth(2).expect("it is in PROFILE/deps");
    profile.join("examples").join(name)
}
