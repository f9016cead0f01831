//! The cases, in the order of SPEC.md.

mod access_log;
mod application;
mod backpressure;
mod body;
mod disconnect;
mod endurance;
mod expect;
mod faults;
mod framing;
mod head;
mod http2;
mod keep_alive;
mod lifespan;
mod middleware;
mod response;
mod scope;
mod shutdown;
mod synchronous;
mod timers;
mod transport;
mod upgrade;
mod websocket;

use crate::case::Case;
use crate::differential::Recording;

/// Writes a chapter's table: each case is a function, followed by the clauses that it is for.
macro_rules! chapter {
    ($($function:ident: $($clause:literal),+;)*) => {
        pub(super) fn cases() -> Vec<$crate::case::Case> {
            vec![$($crate::case::Case::new(stringify!($function), &[$($clause),+], $function)),*]
        }
    };
}
use chapter;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let chapters: [(&str, Vec<Case>); 22] = [
        ("application", application::cases()),
        ("scope", scope::cases()),
        ("head", head::cases()),
        ("framing", framing::cases()),
        ("body", body::cases()),
        ("keep_alive", keep_alive::cases()),
        ("response", response::cases()),
        ("expect", expect::cases()),
        ("transport", transport::cases()),
        ("upgrade", upgrade::cases()),
        ("websocket", websocket::cases()),
        ("http2", http2::cases()),
        ("lifespan", lifespan::cases()),
        ("synchronous", synchronous::cases()),
        ("middleware", middleware::cases()),
        ("disconnect", disconnect::cases()),
        ("faults", faults::cases()),
        ("endurance", endurance::cases()),
        ("backpressure", backpressure::cases()),
        ("timers", timers::cases()),
        ("shutdown", shutdown::cases()),
        ("access_log", access_log::cases()),
    ];
    let within = |(chapter, cases): (&str, Vec<Case>)| -> Vec<Case> {
        cases.into_iter().map(|case| case.within(chapter)).collect()
    };
    chapters.into_iter().flat_map(within).collect()
}

/// What the rows of the cases send, for two servers to be compared by.
pub(crate) fn recordings() -> impl Iterator<Item = Recording> {
    framing::recordings()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::spec::clauses;

    #[test]
    fn every_case_names_clauses_of_the_spec() {
        for case in cases() {
            assert!(!case.clauses.is_empty(), "{} names no clause", case.name);
            for named in case.clauses {
                let is_there = clauses().iter().any(|clause| clause.id == *named);
                assert!(is_there, "{}: {named} is not in SPEC.md", case.name);
            }
        }
    }

    #[test]
    fn every_clause_has_a_case() {
        let cases = cases();
        let covered: HashSet<&str> = cases
            .iter()
            .flat_map(|case| case.clauses)
            .copied()
            .collect();
        let missing: Vec<&str> = clauses()
            .iter()
            .map(|clause| clause.id.as_str())
            .filter(|id| !covered.contains(id))
            .collect();
        assert_eq!(missing, <[&str; 0]>::default());
    }

    #[test]
    fn the_readme_says_how_many_there_are() {
        let readme = include_str!("../../../README.md");
        let (clauses, cases) = (clauses().len(), cases().len());
        for said in [
            format!("SPEC.md has {clauses} clauses, and `conformance` {cases} cases"),
            format!("`clauses {clauses} of {clauses}, cases {cases} passed, 0 failed`"),
        ] {
            assert!(readme.contains(&said), "README.md should say: {said}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names = HashSet::new();
        for case in cases() {
            assert!(
                names.insert(case.name.clone()),
                "{} is there twice",
                case.name
            );
        }
    }
}
