//! The request side of an HTTP exchange: what comes from the client, and what the application that waits for it receives.

use super::Comes::{Goes, Stays};
use super::{Row, Table, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// More of the body may come.
    Coming,
    /// The same, from a client that has closed its direction: what it sent before is still on its way.
    LastComing,
    /// The application knows how the body ended.
    Ended,
    /// The application has let go of the body.
    Unwanted,
    /// The application knows that the client has closed its direction.
    HalfClosed,
    /// The response is complete.
    Answered,
    /// The client is gone.
    Left,
}
use State::{Answered, Coming, Ended, HalfClosed, LastComing, Left, Unwanted};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    // What the wire reads.
    Part,
    End,
    Trailers,
    Failure,
    HalfCloses,
    Leaves,
    // What the application does.
    Stops,
    Answers,
}
use Event::{Answers, End, Failure, HalfCloses, Leaves, Part, Stops, Trailers};

#[rustfmt::skip]
pub(crate) const STATES: &[State] = &[Coming, LastComing, Ended, Unwanted, HalfClosed, Answered, Left];

#[rustfmt::skip]
pub(crate) const EVENTS: &[Event] = &[Part, End, Trailers, Failure, HalfCloses, Leaves, Stops, Answers];

const BODY: &[Event] = &[Part, End, Trailers, Failure];

/// What the application receives, asked until it has to wait: a `p`art, the `l`ast one, the `t`railers, a `f`ailure, the
/// `h`alf-close, that it is over since it was answered (`x`) or since the client is `g`one. The last two are the answer to
/// everything from then on.
#[rustfmt::skip]
const ROWS: &[Row<State, Event>] = &[
    row(&[Coming, LastComing], &[Part], Stays, "p", "HTTP-4"),
    row(&[Coming], &[End], Goes(Ended), "l", "HTTP-5"),
    row(&[Coming], &[Trailers], Goes(Ended), "t", "HTTP-6"),
    row(&[Coming], &[Failure], Goes(Ended), "f", "HTTP-7"),
    row(&[Coming], &[HalfCloses], Goes(LastComing), "", "HTTP-8"),
    row(&[Coming], &[Stops], Goes(Unwanted), "", "HTTP-14"),
    row(&[LastComing], &[End], Goes(HalfClosed), "lh", "HTTP-9"),
    row(&[LastComing], &[Trailers], Goes(HalfClosed), "th", "HTTP-9"),
    row(&[LastComing], &[Failure], Goes(HalfClosed), "fh", "HTTP-8"),
    row(&[LastComing], &[Stops], Goes(HalfClosed), "h", "HTTP-9"),

    row(&[Ended, Unwanted], &[HalfCloses], Goes(HalfClosed), "h", "HTTP-9"),
    row(&[Ended, HalfClosed], BODY, Stays, "", "HTTP-12"),
    row(&[Unwanted], BODY, Stays, "", "HTTP-14"),
    row(&[Ended, Unwanted, HalfClosed], &[Stops], Stays, "", "HTTP-14"),
    row(&[LastComing, HalfClosed], &[HalfCloses], Stays, "", "SRV-3"),

    row(&[Coming, LastComing, Ended, Unwanted, HalfClosed], &[Answers], Goes(Answered), "x", "HTTP-10"),
    row(&[Answered], BODY, Stays, "x", "SRV-6"),
    row(&[Answered], &[HalfCloses, Stops, Answers], Stays, "x", "HTTP-10"),
    row(STATES, &[Leaves], Goes(Left), "g", "HTTP-9"),
    row(&[Left], BODY, Stays, "g", "HTTP-9"),
    row(&[Left], &[HalfCloses, Stops, Answers], Stays, "g", "HTTP-9"),
];

pub(crate) const TABLE: Table<State, Event> = Table {
    states: STATES,
    events: EVENTS,
    rows: ROWS,
};

/// That the body has one end at the most, and nothing behind it.
pub(crate) fn is_legal(given: &str) -> bool {
    let body = given.trim_end_matches(['x', 'g']);
    let body = body.strip_suffix('h').unwrap_or(body);
    let parts = body.strip_suffix(['l', 't', 'f']).unwrap_or(body);
    parts.chars().all(|letter| letter == 'p')
}
