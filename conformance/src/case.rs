//! One row of the table: a name, the clauses, and what is done to a server.

use std::fmt;

use crate::client::{PATIENCE, set_patience};
use crate::core;
use crate::evidence::{self, Ending, Evidence};
use crate::server::Subject;

/// A case: one behaviour that every server must show.
pub struct Case {
    /// Its chapter and what it says, such as `framing::two_lengths`.
    pub name: String,
    /// The clauses of SPEC.md that it holds a server to.
    pub clauses: &'static [&'static str],
    test: Box<dyn Fn(&Subject) + Send + Sync>,
}

/// What came out of a case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// The server does what the clauses say.
    Passed,
    /// It does not.
    Failed(Evidence),
    /// The case does to its server what cannot be done to one that is only known by its address, such as a signal; and
    /// nobody said how to start another.
    NotRun(&'static str),
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

    /// Why the case is no part of the core, if it is not: it tests how a program is operated, or a protocol that a server may
    /// be without.
    #[must_use]
    pub fn outside_core(&self) -> Option<&'static str> {
        core::outside(&self.name)
    }

    /// Runs the case: on the server that runs already, if the case can; else on one of its own.
    #[must_use]
    pub fn run(&self, subject: &Subject) -> Outcome {
        set_patience(subject.patience());
        let mut ending = evidence::gather(|| (self.test)(subject));
        if let (Ending::NeedsItsOwn(_), Some(own)) = (&ending, subject.to_start()) {
            ending = evidence::gather(|| (self.test)(&own));
        }
        set_patience(PATIENCE);
        match ending {
            Ending::Passed => Outcome::Passed,
            Ending::Failed(evidence) => Outcome::Failed(evidence),
            Ending::NeedsItsOwn(what_for) => Outcome::NotRun(what_for),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &'static str) -> Subject {
        Subject::new(name, "/never/started", &[])
    }

    #[test]
    fn a_failure_has_its_evidence() {
        let case = Case::new("broken", &["HTTP-1"], |_| {
            evidence::add_conversation("what was said".into());
            assert_eq!(1 + 1, 3, "the sum");
        });
        let Outcome::Failed(evidence) = case.run(&subject("some")) else {
            panic!("two is not three");
        };
        assert!(evidence.unmet.contains("the sum"), "{evidence}");
        assert!(evidence.place.contains("case.rs"), "{evidence}");
        assert_eq!(evidence.conversations, ["what was said"]);
    }

    #[test]
    fn what_cannot_be_done_to_an_address_is_not_run() {
        let subject = Subject::at("127.0.0.1:1".parse().expect("an address"));
        let case = Case::new("ends", &["SRV-16"], |subject| {
            let _ = subject.launch(crate::server::Options::new());
        });
        assert!(matches!(case.run(&subject), Outcome::NotRun(_)));
    }
}
