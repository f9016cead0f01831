//! The core: what a server must pass to honour the contract, and so all that a small one is asked for.
//!
//! It is everything but what is listed here. A case is outside only if it tests how a program is operated, which no clause
//! rules, or a protocol that a server may be without; never because a clause is hard to keep.

/// Cases that are no part of the core: a chapter, or one case of it; and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("access_log", LOG),
    ("head::the_label_is_in_the_log", LOG),
    ("http2", HTTP2),
    ("scope::streams_have_scopes_of_version_2", HTTP2),
    ("scope::an_extended_connect_names_its_protocol", HTTP2),
];

const HTTP2: &str = "it speaks HTTP/2, which a server may leave to others: what it does speak, it speaks by every clause";

const LOG: &str =
    "it reads the access log: SCOPE-12 says what a log shows, and no clause asks for one";

/// Why a case is no part of the core, if it is not.
pub(crate) fn outside(case: &str) -> Option<&'static str> {
    let holds_it = |listed: &str| {
        let rest = case.strip_prefix(listed);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let found = OUTSIDE.iter().find(|(listed, _)| holds_it(listed));
    found.map(|&(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::cases;
    use crate::spec::clauses;

    #[test]
    fn a_chapter_is_outside_with_all_its_cases_and_a_case_alone() {
        assert!(outside("access_log::it_can_be_turned_off").is_some());
        assert!(outside("head::the_label_is_in_the_log").is_some());
        assert!(outside("head::the_label_is_in_the_log_too").is_none());
        assert!(outside("access_logs::of_another_kind").is_none());
        assert!(outside("framing::two_lengths").is_none());
    }

    /// What only the operation of a program, or HTTP/2, can show.
    const ONLY_OUTSIDE: &[&str] = &["SCOPE-12", "SCOPE-13"];

    #[test]
    fn every_clause_that_has_cases_has_some_in_the_core() {
        let cases = cases();
        let named_by = |clause: &str, is_core: bool| {
            cases.iter().any(|case| {
                case.clauses.contains(&clause) && (case.outside_core().is_none() || !is_core)
            })
        };
        let missing: Vec<&str> = clauses()
            .iter()
            .map(|clause| &*clause.id)
            .filter(|id| named_by(id, false) && !named_by(id, true))
            .collect();
        assert_eq!(missing, ONLY_OUTSIDE);
    }
}
