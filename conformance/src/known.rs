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
        case: "head::a_version_that_is_not_spoken_is_refused",
        why: "hyper answers 400 where 505 says more",
    },
    Difference {
        server: "hyper",
        case: "framing::a_length_and_a_coding",
        why: "hyper drops the length before it shows the head, and closes after the answer",
    },
    Difference {
        server: "hyper",
        case: "framing::a_coding_and_a_length",
        why: "hyper drops the length before it shows the head, and closes after the answer",
    },
    Difference {
        server: "hyper",
        case: "framing::two_codings_and_a_length",
        why: "hyper drops the length before it shows the head, and closes after the answer",
    },
    Difference {
        server: "hyper",
        case: "framing::two_lengths_that_agree",
        why: "hyper joins lengths that agree before it shows the head",
    },
    Difference {
        server: "hyper",
        case: "framing::lines_ended_by_a_bare_line_feed",
        why: "hyper takes a line feed for a line end",
    },
    Difference {
        server: "hyper",
        case: "framing::a_head_ended_by_a_bare_line_feed",
        why: "hyper takes a line feed for a line end",
    },
    Difference {
        server: "hyper",
        case: "framing::one_line_ended_by_a_bare_line_feed",
        why: "hyper takes a line feed for a line end",
    },
    Difference {
        server: "hyper",
        case: "framing::a_trailer_ended_by_a_line_feed",
        why: "hyper takes a line feed for a line end",
    },
];
