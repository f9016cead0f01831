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
    Difference {
        server: "hyper",
        case: "http2::streams::a_continue_is_sent_when_the_application_reads",
        why: "hyper has no informational responses in HTTP/2; its capabilities say so",
    },
    Difference {
        server: "hyper",
        case: "http2::streams::what_was_accepted_before_an_abort_is_sent",
        why: "hyper resets a stream at once, and with it what is queued, which SRV-7 allows in HTTP/2",
    },
    Difference {
        server: "hyper",
        case: "http2::requests::pseudo_fields_in_trailers_are_refused",
        why: PSEUDO_FIELDS,
    },
    Difference {
        server: "raw",
        case: "http2::requests::pseudo_fields_in_trailers_are_refused",
        why: PSEUDO_FIELDS,
    },
];

const PSEUDO_FIELDS: &str = "h2 drops the pseudo-fields of trailers before anybody sees them; nothing of them reaches the \
    application";
