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
    hyper("framing::a_length_and_a_coding", DROPPED_LENGTH),
    hyper("framing::a_coding_and_a_length", DROPPED_LENGTH),
    hyper("framing::two_codings_and_a_length", DROPPED_LENGTH),
    hyper(
        "framing::two_lengths_that_agree",
        "hyper joins lengths that are the same before anybody sees them, which RFC 9112 section 6.3 allows",
    ),
    hyper("framing::lines_ended_by_a_bare_line_feed", LINE_FEED),
    hyper("framing::a_head_ended_by_a_bare_line_feed", LINE_FEED),
    hyper("framing::one_line_ended_by_a_bare_line_feed", LINE_FEED),
    hyper("framing::a_trailer_ended_by_a_line_feed", LINE_FEED),
];

const DROPPED_LENGTH: &str = "hyper drops a length beside a coding before anybody sees it, and closes after the \
    answer, which RFC 9112 section 6.1 allows; another coding beside it is then refused for itself, by 501";

const LINE_FEED: &str =
    "hyper's parser takes a line feed alone for a line's end, which RFC 9112 section 2.2 allows";

const fn hyper(case: &'static str, why: &'static str) -> Difference {
    Difference {
        server: "hyper",
        case,
        why,
    }
}
