//! One row of the table: a name, the clauses, and what is done to a server.

use std::fmt;

use crate::evidence;
use crate::known::{Difference, KNOWN};
use crate::server::Subject;

/// A case: one behaviour that every server must show.
pub struct Case {
    /// Its chapter and what it says, such as `framing::two_lengths`.
    pub name: String,
    /// The clauses of SPEC.md that it holds a server to.
    pub clauses: &'static [&'static str],
    test: Box<dyn Fn(&Subject) + Send + Sync>,
}

impl Case {
    /// A case that fails by a panic.
    pub(crate) fn new(
        name: impl Into<String>,
        clauses: &'static [&'static str],
        test: impl Fn(&Subject) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            clauses,
            test: Box::new(test),
        }
    }

    /// The same case in a chapter.
    pub(crate) fn within(mut self, chapter: &str) -> Self {
        self.name = format!("{chapter}::{}", self.name);
        self
    }

    /// Runs the case on a server of its own.
    ///
    /// # Errors
    ///
    /// If the server does not do what the clauses say; or if it does, although [`KNOWN`] says that it differs.
    pub fn check(&self, subject: &Subject) -> Result<(), Failure> {
        self.check_against(KNOWN, subject)
    }

    fn check_against(&self, known: &[Difference], subject: &Subject) -> Result<(), Failure> {
        let known = known
            .iter()
            .find(|known| known.server == subject.name && known.case == self.name);
        let text = match (evidence::gather(|| (self.test)(subject)), known) {
            (Ok(()), None) | (Err(_), Some(_)) => return Ok(()),
            (Err(evidence), None) => evidence,
            (Ok(()), Some(known)) => {
                format!(
                    "it passes: take it out of the known differences ({})",
                    known.why
                )
            }
        };
        Err(Failure {
            server: subject.name,
            case: self.name.clone(),
            clauses: self.clauses,
            text,
        })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("clauses", &self.clauses)
            .finish_non_exhaustive()
    }
}

/// A case that a server did not pass.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The server.
    pub server: &'static str,
    /// The case.
    pub case: String,
    /// Its clauses.
    pub clauses: &'static [&'static str],
    /// What was expected where, the conversations, and the server's log.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} [{}]\n{}",
            self.server,
            self.case,
            self.clauses.join(", "),
            self.text
        )
    }
}

/// What came out of all cases.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many cases did what was expected, known differences among them.
    pub passed: usize,
    /// The others.
    pub failures: Vec<Failure>,
}

impl Report {
    pub(crate) fn of(outcomes: impl Iterator<Item = Result<(), Failure>>) -> Self {
        let mut report = Self::default();
        for outcome in outcomes {
            match outcome {
                Ok(()) => report.passed += 1,
                Err(failure) => report.failures.push(failure),
            }
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}\n")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &'static str) -> Subject {
        Subject::new(name, "/never/started", &[])
    }

    #[test]
    fn a_failure_tells_the_clause_and_the_evidence() {
        let case = Case::new("broken", &["HTTP-1"], |_| {
            evidence::add("what was said".into());
            assert_eq!(1 + 1, 3, "the sum");
        });
        let failure = case
            .within("chapter")
            .check(&subject("some"))
            .unwrap_err()
            .to_string();
        for part in [
            "some: chapter::broken [HTTP-1]",
            "the sum",
            "case.rs",
            "what was said",
        ] {
            assert!(failure.contains(part), "{part} is not in {failure}");
        }
    }

    #[test]
    fn a_known_difference_must_still_differ() {
        let known = [Difference {
            server: "some",
            case: "odd",
            why: "its wire cannot do it",
        }];
        let check = |case: Case, name| case.check_against(&known, &subject(name));
        let passes = || Case::new("odd", &[], |_| {});
        let fails = || Case::new("odd", &[], |_| panic!("it differs"));
        assert!(check(passes(), "some").is_err());
        assert!(check(fails(), "some").is_ok());
        assert!(check(passes(), "another").is_ok());
        assert!(check(fails(), "another").is_err());
    }
}
