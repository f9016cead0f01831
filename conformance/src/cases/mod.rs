//! The cases, in the order of SPEC.md.

mod access_log;
mod backpressure;
mod body;
mod disconnect;
mod expect;
mod faults;
mod framing;
mod head;
mod keep_alive;
mod lifespan;
mod response;
mod shutdown;
mod timers;
mod upgrade;
mod websocket;

use crate::case::Case;

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
    let chapters: [(&str, Vec<Case>); 15] = [
        ("head", head::cases()),
        ("framing", framing::cases()),
        ("body", body::cases()),
        ("keep_alive", keep_alive::cases()),
        ("response", response::cases()),
        ("expect", expect::cases()),
        ("upgrade", upgrade::cases()),
        ("websocket", websocket::cases()),
        ("lifespan", lifespan::cases()),
        ("disconnect", disconnect::cases()),
        ("faults", faults::cases()),
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::known::KNOWN;

    const SPEC: &str = include_str!("../../../gateway-spec/SPEC.md");

    #[test]
    fn every_case_names_clauses_of_the_spec() {
        for case in cases() {
            assert!(!case.clauses.is_empty(), "{} names no clause", case.name);
            for clause in case.clauses {
                let heading = format!("- **{clause}** ");
                assert!(
                    SPEC.contains(&heading),
                    "{}: {clause} is not in SPEC.md",
                    case.name
                );
            }
        }
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
