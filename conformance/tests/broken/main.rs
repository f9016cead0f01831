//! Each clause's case turns red on a server that breaks the clause.
//!
//! [`catalogue::faults`] is the table: a clause, a way of getting it wrong, and the case that must notice. Each row is run
//! on a server with that fault; and, as the control, the same case on the same set-up without it. A case that is green on
//! both says nothing, and one that is red on both says nothing either.
//!
//! `cargo test -p conformance --test broken -- HTTP-6` runs the rows of a clause. The servers are this program too, started
//! as children: `serve FAULT`.
//!
//! - `catalogue.rs`: the rows, and the clauses that have none.
//! - `fault.rs`: where a fault can sit: in what the application sees, in the bytes, in the process.
//! - `exchange.rs`, `socket.rs`, `lifespan.rs`, `relay.rs`: the same, at work.
//! - `serve.rs`: the server.
#![forbid(unsafe_code)]

mod catalogue;
mod exchange;
mod fault;
mod lifespan;
mod relay;
mod serve;
mod socket;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use conformance::{Case, Outcome, Subject};
use libtest_mimic::{Arguments, Failed, Trial};

use catalogue::{WITHOUT, faults};
use fault::Fault;

/// How long a case waits for what a broken server will never do: long enough for a busy machine, and not 20 seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many cases run at once: more than there are cores, as most of them wait.
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "serve" => serve::serve(rest),
        _ => {
            let mut arguments = Arguments::from_args();
            arguments.test_threads.get_or_insert(AT_ONCE);
            libtest_mimic::run(&arguments, trials()).exit_code()
        }
    }
}

fn trials() -> Vec<Trial> {
    let rows = faults().map(|fault| Trial::test(fault.name(), || turns_its_case_red(fault)));
    let controls: BTreeSet<(&str, &str)> = faults()
        .map(|fault| (fault.how.control(), fault.red))
        .collect();
    let controls = controls.into_iter().map(|(control, case)| {
        Trial::test(format!("control::{control}::{case}"), move || {
            passes(control, case)
        })
    });
    let catalogue = [
        Trial::test("catalogue::each_clause_with_a_case_has_a_fault", || {
            each_clause_with_a_case_has_a_fault()
        }),
        Trial::test("catalogue::each_fault_s_case_is_for_its_clause", || {
            each_fault_s_case_is_for_its_clause()
        }),
    ];
    catalogue.into_iter().chain(rows).chain(controls).collect()
}

/// The server with this fault, or with none if it is the name of a control.
fn subject(fault: &str) -> Subject {
    let program = env::current_exe().expect("this program is a file");
    Subject::new("broken", program, &["serve", fault])
}

fn case(name: &str) -> Result<Case, Failed> {
    let found = conformance::cases()
        .into_iter()
        .find(|case| case.name == name);
    found.ok_or_else(|| format!("there is no case {name}").into())
}

fn turns_its_case_red(fault: &Fault) -> Result<(), Failed> {
    let subject = subject(&fault.name()).with_patience(PATIENCE);
    match case(fault.red)?.run(&subject) {
        // A server that never came up shows nothing.
        Outcome::Failed(evidence) if evidence.unmet.contains("never said where it listens") => {
            Err(evidence.to_string().into())
        }
        Outcome::Failed(_) => Ok(()),
        outcome => Err(format!("{} does not notice: {outcome:?}", fault.red).into()),
    }
}

fn passes(control: &str, name: &str) -> Result<(), Failed> {
    match case(name)?.run(&subject(control)) {
        Outcome::Passed => Ok(()),
        Outcome::Failed(evidence) => Err(evidence.to_string().into()),
        outcome => Err(format!("{outcome:?}").into()),
    }
}

fn each_clause_with_a_case_has_a_fault() -> Result<(), Failed> {
    let cases = conformance::cases();
    let named: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| case.clauses)
        .copied()
        .collect();
    let broken: BTreeSet<&str> = faults().map(|fault| fault.clause).collect();
    let excused: BTreeSet<&str> = WITHOUT.iter().map(|(clause, _)| *clause).collect();
    let answered_for = &broken | &excused;
    let missing: Vec<_> = named.difference(&answered_for).collect();
    let needless: Vec<_> = excused.intersection(&broken).collect();
    if missing.is_empty() && needless.is_empty() {
        return Ok(());
    }
    Err(format!("without a fault: {missing:?}; with one and an excuse: {needless:?}").into())
}

fn each_fault_s_case_is_for_its_clause() -> Result<(), Failed> {
    let mut names = BTreeSet::new();
    for fault in faults() {
        if !case(fault.red)?.clauses.contains(&fault.clause) {
            return Err(format!("{} is not for {}", fault.red, fault.clause).into());
        }
        if !names.insert(fault.name()) {
            return Err(format!("{} is there twice", fault.name()).into());
        }
    }
    Ok(())
}
