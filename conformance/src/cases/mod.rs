//! The cases, in the order of SPEC.md.

mod access_log;
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
mod response;
mod shutdown;
mod timers;
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
    let chapters: [(&str, Vec<Case>); 17] = [
        ("head", head::cases()),
        ("framing", framing::cases()),
        ("body", body::cases()),
        ("keep_alive", keep_alive::cases()),
        ("response", response::cases()),
        ("expect", expect::cases()),
        ("upgrade", upgrade::cases()),
        ("websocket", websocket::cases()),
        ("http2", http2::cases()),
        ("lifespan", lifespan::cases()),
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
    use crate::known::KNOWN;
    use crate::spec::clauses;

    /// The clauses with MUST that no case is for yet.
    const UNCOVERED: &[&str] = &[
        "APP-1", "APP-2", "APP-7", "APP-8", "APP-9", "HTTP-3", "HTTP-10", "HTTP-15", "HTTP-18",
        "HTTP-20", "HTTP-33", "WS-2", "WS-20", "LIFE-8", "SYNC-1", "SYNC-2", "SYNC-3", "SYNC-9",
        "SRV-11", "SRV-13", "MW-2", "MW-3", "MW-4", "MW-5", "MW-10",
    ];

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
    fn every_must_has_a_case() {
        let cases = cases();
        let covered: HashSet<&str> = cases
            .iter()
            .flat_map(|case| case.clauses)
            .copied()
            .collect();
        let musts = clauses().iter().filter(|clause| clause.must);
        let missing: Vec<&str> = musts
            .map(|clause| clause.id.as_str())
            .filter(|id| !covered.contains(id))
            .collect();
        assert_eq!(missing, UNCOVERED);
    }

    #[test]
    fn names_are_unique_and_known_differences_name_cases() {
        let mut names = HashSet::new();
        for case in cases() {
            assert!(
                names.insert(case.name.clone()),
                "{} is there twice",
                case.name
            );
        }
        for known in KNOWN {
            assert!(
                names.contains(known.case),
                "there is no case {}",
                known.case
            );
        }
    }
}
