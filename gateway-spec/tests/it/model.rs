//! SPEC.md's state machines as tables: in which state, on what, what comes of it, what the client gets, and whose rule that is.
//!
//! This file knows the contract and no code. [`gateway-spec`'s exchange in memory](crate), `server-host`'s exchange and `websocket`'s
//! socket are each driven along these tables by tests that include this file by its path. A pair of state and event that no
//! row has, or two, fails [`Table::check`]: the tables are total, so nothing is left to a reader's guess.

use std::collections::BTreeSet;
use std::fmt::Debug;

use gateway_spec::SendError;

#[path = "model/body.rs"]
pub(crate) mod body;
#[path = "model/http.rs"]
pub(crate) mod http;
#[path = "model/lifespan.rs"]
pub(crate) mod lifespan;
#[path = "model/websocket.rs"]
pub(crate) mod websocket;

/// One line of a table. It stands for each of its states with each of its events.
#[derive(Debug)]
pub(crate) struct Row<S: 'static, E: 'static> {
    pub(crate) states: &'static [S],
    pub(crate) events: &'static [E],
    pub(crate) comes: Comes<S>,
    /// What the other side gets for it, a letter a thing; the machine's own list says which.
    pub(crate) gives: &'static str,
    pub(crate) clause: &'static str,
}

/// What comes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comes<S> {
    Goes(S),
    Stays,
    /// The event is dropped, and nothing has changed.
    Refused(Refusal),
}

/// Why an event is refused: the variants of `SendError` without what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    OutOfOrder,
    BadHead,
    BadTrailer,
    BadHandshake,
    TooMuch,
    TooLittle,
    /// `Gone`; or `OutOfOrder` while the transport has not been told of its end, which HTTP-20 allows.
    Over,
    /// `Gone`: the peer has left.
    Gone,
    /// By whichever rule it breaks first; the peer has left, and nothing hangs on it.
    AnyWay,
}

impl<S> Comes<S> {
    /// Whether `outcome` is what the table says.
    pub(crate) fn fits(&self, outcome: &Result<(), SendError>) -> bool {
        match (self, outcome) {
            (Self::Goes(_) | Self::Stays, Ok(())) => true,
            (Self::Refused(refusal), Err(error)) => refusal.fits(error),
            (Self::Goes(_) | Self::Stays, Err(_)) | (Self::Refused(_), Ok(())) => false,
        }
    }
}

impl Refusal {
    fn fits(self, error: &SendError) -> bool {
        match self {
            Self::OutOfOrder => *error == SendError::OutOfOrder,
            Self::BadHead => *error == SendError::BadHead,
            Self::BadTrailer => *error == SendError::BadTrailer,
            Self::BadHandshake => *error == SendError::BadHandshake,
            Self::TooMuch => matches!(error, SendError::TooMuch { .. }),
            Self::TooLittle => matches!(error, SendError::TooLittle { .. }),
            Self::Over => matches!(error, SendError::OutOfOrder | SendError::Gone(_)),
            Self::Gone => matches!(error, SendError::Gone(_)),
            Self::AnyWay => true,
        }
    }
}

pub(crate) const fn row<S, E>(
    states: &'static [S],
    events: &'static [E],
    comes: Comes<S>,
    gives: &'static str,
    clause: &'static str,
) -> Row<S, E> {
    Row {
        states,
        events,
        comes,
        gives,
        clause,
    }
}

/// A machine: all its states, all its events, and what it does.
pub(crate) struct Table<S: 'static, E: 'static> {
    pub(crate) states: &'static [S],
    pub(crate) events: &'static [E],
    pub(crate) rows: &'static [Row<S, E>],
}

impl<S: Copy + Debug + PartialEq, E: Copy + Debug + PartialEq> Table<S, E> {
    /// The row for a state and an event.
    pub(crate) fn on(&self, state: S, event: E) -> &Row<S, E> {
        let fits = |row: &&Row<S, E>| row.states.contains(&state) && row.events.contains(&event);
        self.rows
            .iter()
            .find(fits)
            .unwrap_or_else(|| panic!("no row for {event:?} in {state:?}"))
    }

    /// That each pair has one row, and each clause is one of SPEC.md; how many pairs there are.
    #[track_caller]
    pub(crate) fn check(&self, spec: &str) -> usize {
        for &state in self.states {
            for &event in self.events {
                let rows = self.rows.iter();
                let fits = rows
                    .filter(|row| row.states.contains(&state) && row.events.contains(&event))
                    .count();
                assert_eq!(fits, 1, "rows for {event:?} in {state:?}");
            }
        }
        let cited: BTreeSet<_> = self.rows.iter().map(|row| row.clause).collect();
        for clause in cited {
            assert!(
                spec.contains(&format!("- **{clause}** ")),
                "{clause} is no clause"
            );
        }
        self.states.len() * self.events.len()
    }

    /// The state after an event.
    pub(crate) fn next(&self, state: S, event: E) -> S {
        match self.on(state, event).comes {
            Comes::Goes(next) => next,
            Comes::Stays | Comes::Refused(_) => state,
        }
    }

    /// A shortest way to each state that can be reached by these events.
    pub(crate) fn ways(&self, start: S, events: &[E]) -> Vec<(S, Vec<E>)> {
        let mut found = vec![(start, Vec::new())];
        let mut at = 0;
        while let Some((state, way)) = found.get(at).cloned() {
            for &event in events {
                let next = self.next(state, event);
                if !found.iter().any(|(known, _)| *known == next) {
                    let mut way = way.clone();
                    way.push(event);
                    found.push((next, way));
                }
            }
            at += 1;
        }
        found
    }
}

/// What is taken along a table.
pub(crate) trait Subject<E> {
    /// Does what the event says. What cannot be refused is `Ok`.
    fn apply(&mut self, event: E) -> Result<(), SendError>;

    /// What the other sides got since the last call, in the letters of the table.
    fn given(&mut self) -> String;
}

/// Walks a shortest way to each state, and from there on by each two events. What comes of each event, and what is given for it,
/// must be as the table says; by the second event it shows that a refusal has changed nothing. Then `finish` looks at the
/// subject, the state that it came to, and all that was given. How many steps were compared.
pub(crate) fn walk<S, E, T>(
    table: &Table<S, E>,
    start: S,
    events: &[E],
    make: impl Fn() -> T,
    finish: impl Fn(&mut T, S, &str),
) -> usize
where
    S: Copy + Debug + PartialEq,
    E: Copy + Debug + PartialEq,
    T: Subject<E>,
{
    let mut steps = 0;
    for (_, way) in table.ways(start, events) {
        for &first in events {
            for &second in events {
                let (mut subject, mut state, mut all) = (make(), start, String::new());
                for &event in way.iter().chain([&first, &second]) {
                    let row = table.on(state, event);
                    let outcome = subject.apply(event);
                    let given = subject.given();
                    assert!(
                        row.comes.fits(&outcome) && given == row.gives,
                        "{event:?} in {state:?} came to {outcome:?} and gave {given:?}, after {all:?} on the way \
                         {way:?}, {first:?}, {second:?}; the table says {row:?}"
                    );
                    all += &given;
                    state = table.next(state, event);
                    steps += 1;
                }
                finish(&mut subject, state, &all);
            }
        }
    }
    steps
}
