//! What came out of all cases, by clause: for people and for programs.

use std::fmt;

use serde_json::{Value, json};

use crate::case::{Case, Outcome};
use crate::spec::{Clause, clauses};

/// What came out of the cases that were run.
#[derive(Debug, Default)]
pub struct Report {
    results: Vec<Result>,
}

#[derive(Debug)]
struct Result {
    case: String,
    clauses: &'static [&'static str],
    outcome: Outcome,
}

/// What became of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Some of its cases were run, and all of these passed.
    Holds,
    Broken,
    NotRun,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::NotRun => "not run",
        }
    }
}

impl Report {
    /// Adds what came out of a case.
    pub fn add(&mut self, case: &Case, outcome: Outcome) {
        self.results.push(Result {
            case: case.name.clone(),
            clauses: case.clauses,
            outcome,
        });
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.failed() == 0
    }

    /// How many cases passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    fn count(&self, counts: impl Fn(&Outcome) -> bool) -> usize {
        let results = self.results.iter();
        results.filter(|result| counts(&result.outcome)).count()
    }

    /// The clauses that the cases are for, each with its cases.
    fn by_clause(&self) -> Vec<(&'static Clause, Verdict, Vec<&Result>)> {
        let of_clause = |clause: &'static Clause| {
            let names_it = |result: &&Result| result.clauses.contains(&clause.id.as_str());
            let results: Vec<&Result> = self.results.iter().filter(names_it).collect();
            (!results.is_empty()).then(|| (clause, verdict(&results), results))
        };
        clauses().iter().filter_map(of_clause).collect()
    }

    /// For programs: an object with `clauses` by their number, `cases` by their name, and the counts.
    ///
    /// A clause has its text, a verdict (`holds`, `broken`, `not run`) and the names of its cases. A case has its outcome
    /// (`passed`, `failed`, `not run`); a failed one says what was expected and where, with what was sent and what came back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let by_clause = self.by_clause();
        let clause = |(clause, verdict, results): &(&Clause, Verdict, Vec<&Result>)| {
            let cases: Vec<&str> = results.iter().map(|result| result.case.as_str()).collect();
            let value = json!({ "text": clause.text, "verdict": verdict.word(), "cases": cases });
            (clause.id.clone(), value)
        };
        let case = |result: &Result| (result.case.clone(), result.to_json());
        json!({
            "clauses": by_clause.iter().map(clause).collect::<serde_json::Map<_, _>>(),
            "cases": self.results.iter().map(case).collect::<serde_json::Map<_, _>>(),
            "passed": self.passed(),
            "failed": self.failed(),
            "not_run": self.results.len() - self.passed() - self.failed(),
        })
    }
}

fn verdict(results: &[&Result]) -> Verdict {
    let any = |is_so: fn(&Outcome) -> bool| results.iter().any(|result| is_so(&result.outcome));
    if any(|outcome| matches!(outcome, Outcome::Failed(_))) {
        Verdict::Broken
    } else if any(|outcome| matches!(outcome, Outcome::Passed)) {
        Verdict::Holds
    } else {
        Verdict::NotRun
    }
}

impl Result {
    fn to_json(&self) -> Value {
        match &self.outcome {
            Outcome::Passed => json!({ "clauses": self.clauses, "outcome": "passed" }),
            Outcome::NotRun(what_for) => {
                json!({ "clauses": self.clauses, "outcome": "not run", "needs": what_for })
            }
            Outcome::Failed(evidence) => json!({
                "clauses": self.clauses,
                "outcome": "failed",
                "unmet": evidence.unmet,
                "place": evidence.place,
                "conversations": evidence.conversations,
                "logs": evidence.logs,
            }),
        }
    }
}

/// For people: each clause in a line, then what is to be known of each failure, then the counts.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_clause = self.by_clause();
        for (clause, verdict, results) in &by_clause {
            let (count, plural) = (results.len(), if results.len() == 1 { "" } else { "s" });
            writeln!(
                f,
                "{:<9} {:<8} {count} case{plural}",
                clause.id,
                verdict.word()
            )?;
        }
        for result in &self.results {
            match &result.outcome {
                Outcome::Failed(evidence) => {
                    writeln!(f, "\nfailed: {}\n{evidence}", result.case)?;
                    for clause in clauses() {
                        if result.clauses.contains(&clause.id.as_str()) {
                            writeln!(f, "because of {}: {}", clause.id, clause.text)?;
                        }
                    }
                }
                Outcome::NotRun(what_for) => {
                    writeln!(f, "not run: {}, which {what_for}", result.case)?;
                }
                Outcome::Passed => {}
            }
        }
        let hold = by_clause
            .iter()
            .filter(|(_, verdict, _)| *verdict == Verdict::Holds)
            .count();
        write!(
            f,
            "clauses {hold} of {}, cases {} passed, {} failed",
            by_clause.len(),
            self.passed(),
            self.failed()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    fn report(outcomes: Vec<(&'static [&'static str], Outcome)>) -> Report {
        let mut report = Report::default();
        for (index, (clauses, outcome)) in outcomes.into_iter().enumerate() {
            let case = Case::new(format!("case_{index}"), clauses, |_| {});
            report.add(&case, outcome);
        }
        report
    }

    fn failed() -> Outcome {
        Outcome::Failed(Evidence {
            unmet: "a 400 was expected".into(),
            place: "head.rs:1".into(),
            conversations: vec!["sent 3 bytes".into()],
            logs: vec!["the log".into()],
        })
    }

    #[test]
    fn a_clause_holds_if_none_of_its_cases_failed_and_some_ran() {
        let report = report(vec![
            (&["HTTP-1", "HTTP-2"], Outcome::Passed),
            (&["HTTP-2"], failed()),
            (&["SRV-16"], Outcome::NotRun("sends a signal")),
            (&["HTTP-1"], Outcome::NotRun("sends a signal")),
        ]);
        let json = report.to_json();
        let verdict = |clause| json["clauses"][clause]["verdict"].as_str();
        assert_eq!(verdict("HTTP-1"), Some("holds"));
        assert_eq!(verdict("HTTP-2"), Some("broken"));
        assert_eq!(verdict("SRV-16"), Some("not run"));
        assert!(!report.is_green());
        let text = report.to_string();
        assert!(
            text.ends_with("clauses 1 of 3, cases 1 passed, 1 failed"),
            "{text}"
        );
        assert!(
            text.contains("not run: case_2, which sends a signal"),
            "{text}"
        );
    }

    #[test]
    fn a_failure_says_what_was_sent_what_was_expected_and_why() {
        let report = report(vec![(&["HTTP-1"], failed())]);
        let text = report.to_string();
        let why =
            "because of HTTP-1: *(server MUST)* Call the application once the head is complete";
        for part in [
            "failed: case_0",
            "a 400 was expected",
            "head.rs:1",
            "sent 3 bytes",
            "the log",
            why,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let case = &report.to_json()["cases"]["case_0"];
        assert_eq!(case["unmet"], "a 400 was expected");
        assert_eq!(case["conversations"][0], "sent 3 bytes");
    }

    #[test]
    fn green_is_when_nothing_failed() {
        let report = report(vec![(&["HTTP-1"], Outcome::Passed)]);
        assert!(report.is_green());
        assert!(
            report
                .to_string()
                .ends_with("clauses 1 of 1, cases 1 passed, 0 failed")
        );
    }
}
