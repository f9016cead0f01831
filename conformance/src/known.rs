//! Where a server is known to differ from the clauses, and why it stays so.

/// A case that a server does not pass, knowingly.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Difference {
    /// The server's name, as in its [`Subject`](crate::Subject).
    pub server: &'static str,
    /// The case's name.
    pub case: &'static str,
    /// Why it is not mended.
    pub why: &'static str,
}

/// The known differences. A case that is in here and passes is a failure: the entry has to go.
pub const KNOWN: &[Difference] = &[];
