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
pub const KNOWN: &[Difference] = &[
    raw("scope::streams_have_scopes_of_version_2", NO_HTTP_2),
    raw("scope::an_extended_connect_names_its_protocol", NO_HTTP_2),
];

const NO_HTTP_2: &str = "server-raw does not speak HTTP/2";

const fn raw(case: &'static str, why: &'static str) -> Difference {
    Difference {
        server: "raw",
        case,
        why,
    }
}
