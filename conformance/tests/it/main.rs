//! Every case on every server: `cargo test -p conformance --test it -- hyper::framing` runs a chapter on one of them.
#![forbid(unsafe_code)]

use std::sync::Arc;

use conformance::Subject;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let program = env!("CARGO_BIN_EXE_conformance-peer");
    let subjects = [
        Subject::new("raw", program, &["--server", "raw"]),
        Subject::new("hyper", program, &["--server", "hyper"]),
    ];
    let trials = subjects.into_iter().map(Arc::new).flat_map(|subject| {
        conformance::cases().into_iter().map(move |case| {
            let subject = Arc::clone(&subject);
            Trial::test(format!("{}::{}", subject.name, case.name), move || {
                case.check(&subject)
                    .map_err(|failure| Failed::from(failure.to_string()))
            })
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
