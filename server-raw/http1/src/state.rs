//! Every transition of a connection, and nothing else.
//!
//! A connection reads a head, then is in an exchange: what is left of the request is read while the reply is written, in any
//! order of the two. When both are done, the next head may come. What each state means for the bytes is elsewhere; the whole
//! table is printed by this module's test.

use http::Version;

use crate::body_reader::BodyReader;
use crate::body_writer::BodyWriter;
use crate::error::{PeerError, UsageError};
use crate::head::{Expectation, Persistence, Progress, Upgrade};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Between requests, or within a head.
    Head(Progress),
    Exchange(Exchange),
    /// The bytes are no HTTP any more.
    Tunnel,
    /// No request will be read.
    Closed,
    /// The peer broke a rule in a head, and has no answer yet.
    Failed(PeerError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
}

/// What the reply depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: MethodKind,
    pub(crate) version: Version,
    pub(crate) upgrade: Upgrade,
    /// Whether the peer waits for a 100 still.
    pub(crate) expectation: Expectation,
}

impl Request {
    /// One whose reply depends on nothing.
    pub(crate) const PLAIN: Self = Self {
        method: MethodKind::Other,
        version: Version::HTTP_11,
        upgrade: Upgrade::None,
        expectation: Expectation::None,
    };
}

/// The methods whose replies are framed differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodKind {
    Head,
    Connect,
    Other,
}

impl MethodKind {
    pub(crate) fn of(name: &[u8]) -> Self {
        match name {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Body(BodyReader),
    Done,
    /// The peer broke a rule in the body. A reply may be on its way all the same.
    Failed(PeerError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// The head of the final reply is owed.
    Head,
    Body(BodyWriter),
    Done,
}

#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A head was read.
    Request(Request, Reading),
    /// The body was read to its end.
    BodyEnded,
    /// The peer broke a rule.
    PeerFailed(PeerError),
    /// The peer left between requests.
    PeerLeft,
    /// The head of the final reply was written.
    HeadSent(BodyWriter),
    /// The reply was written to its end.
    ReplyEnded,
    /// The head was written and, as far as this package is concerned, all that follows.
    WholeSent,
    /// The head that makes the connection a tunnel was written.
    Switched,
    /// A whole reply that refuses the request was written, after which the connection closes.
    Refused,
    /// The exchange is over.
    Next(Persistence),
}

impl State {
    /// The only way from one state to another. What is not listed is refused, and changes nothing.
    #[inline(always)]
    pub(crate) fn on(&mut self, input: Input) -> Result<(), UsageError> {
        match (&mut *self, input) {
            (Self::Head(_), Input::Request(request, reading)) => {
                *self = Self::Exchange(Exchange {
                    request,
                    reading,
                    writing: Writing::Head,
                });
            }
            (Self::Head(_), Input::PeerFailed(error)) => *self = Self::Failed(error),
            (Self::Head(_), Input::PeerLeft) => *self = Self::Closed,
            (Self::Head(_) | Self::Failed(_), Input::Refused) => *self = Self::Closed,
            (Self::Exchange(exchange), input) => match exchange.on(input)? {
                Stay::InExchange => {}
                Stay::Left(state) => *self = state,
            },
            (Self::Head(_) | Self::Failed(_) | Self::Tunnel | Self::Closed, _) => {
                return Err(UsageError::OutOfOrder);
            }
        }
        Ok(())
    }
}

enum Stay {
    InExchange,
    Left(State),
}

impl Exchange {
    #[inline(always)]
    fn on(&mut self, input: Input) -> Result<Stay, UsageError> {
        match (&self.reading, &self.writing, input) {
            (Reading::Body(_), _, Input::BodyEnded) => self.reading = Reading::Done,
            (Reading::Body(_), _, Input::PeerFailed(error)) => {
                self.reading = Reading::Failed(error)
            }
            (_, Writing::Head, Input::HeadSent(writer)) => self.writing = Writing::Body(writer),
            (_, Writing::Body(_), Input::ReplyEnded) | (_, Writing::Head, Input::WholeSent) => {
                self.writing = Writing::Done;
            }
            (Reading::Done, Writing::Head, Input::Switched) => {
                return Ok(Stay::Left(State::Tunnel));
            }
            (_, Writing::Head, Input::Refused) => return Ok(Stay::Left(State::Closed)),
            (Reading::Done, Writing::Done, Input::Next(Persistence::KeepOpen)) => {
                return Ok(Stay::Left(State::Head(Progress::START)));
            }
            (_, Writing::Done, Input::Next(Persistence::Close)) => {
                return Ok(Stay::Left(State::Closed));
            }
            _ => return Err(UsageError::OutOfOrder),
        }
        Ok(Stay::InExchange)
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, Input, Reading, Request, State, Writing};
    use crate::body_reader::BodyReader;
    use crate::body_writer::BodyWriter;
    use crate::error::PeerError;
    use crate::head::{Persistence, Progress};

    fn states() -> Vec<State> {
        let mut states = vec![State::Head(Progress::START)];
        for reading in [
            Reading::Body(BodyReader::chunked()),
            Reading::Done,
            Reading::Failed(PeerError::ChunkSize),
        ] {
            for writing in [
                Writing::Head,
                Writing::Body(BodyWriter::Chunked),
                Writing::Done,
            ] {
                states.push(State::Exchange(Exchange {
                    request: Request::PLAIN,
                    reading: reading.clone(),
                    writing,
                }));
            }
        }
        states.extend([
            State::Tunnel,
            State::Closed,
            State::Failed(PeerError::Target),
        ]);
        states
    }

    fn inputs() -> [(&'static str, Input); 12] {
        [
            (
                "request with a body",
                Input::Request(Request::PLAIN, Reading::Body(BodyReader::chunked())),
            ),
            ("request", Input::Request(Request::PLAIN, Reading::Done)),
            ("body ended", Input::BodyEnded),
            ("peer failed", Input::PeerFailed(PeerError::Target)),
            ("peer left", Input::PeerLeft),
            ("head sent", Input::HeadSent(BodyWriter::Chunked)),
            ("reply ended", Input::ReplyEnded),
            ("whole sent", Input::WholeSent),
            ("switched", Input::Switched),
            ("refused", Input::Refused),
            ("next, keeping open", Input::Next(Persistence::KeepOpen)),
            ("next, closing", Input::Next(Persistence::Close)),
        ]
    }

    fn name(state: &State) -> String {
        let exchange = match state {
            State::Head(_) => return "head".to_owned(),
            State::Exchange(exchange) => exchange,
            State::Tunnel => return "tunnel".to_owned(),
            State::Closed => return "closed".to_owned(),
            State::Failed(_) => return "failed".to_owned(),
        };
        let reading = match exchange.reading {
            Reading::Body(_) => "body",
            Reading::Done => "done",
            Reading::Failed(_) => "failed",
        };
        let writing = match exchange.writing {
            Writing::Head => "head",
            Writing::Body(_) => "body",
            Writing::Done => "done",
        };
        format!("reading {reading}, writing {writing}")
    }

    /// The table is the documentation: what is not in it is refused and changes nothing.
    #[test]
    fn these_are_all_transitions() {
        let mut table = String::new();
        for state in states() {
            for (input, given) in inputs() {
                let mut next = state.clone();
                match next.on(given) {
                    Ok(()) => table += &format!("{} + {input} = {}\n", name(&state), name(&next)),
                    Err(_) => assert_eq!(next, state, "{input}"),
                }
            }
        }
        assert_eq!(table, TABLE, "\n{table}");
    }

    const TABLE: &str = "\
head + request with a body = reading body, writing head
head + request = reading done, writing head
head + peer failed = failed
head + peer left = closed
head + refused = closed
reading body, writing head + body ended = reading done, writing head
reading body, writing head + peer failed = reading failed, writing head
reading body, writing head + head sent = reading body, writing body
reading body, writing head + whole sent = reading body, writing done
reading body, writing head + refused = closed
reading body, writing body + body ended = reading done, writing body
reading body, writing body + peer failed = reading failed, writing body
reading body, writing body + reply ended = reading body, writing done
reading body, writing done + body ended = reading done, writing done
reading body, writing done + peer failed = reading failed, writing done
reading body, writing done + next, closing = closed
reading done, writing head + head sent = reading done, writing body
reading done, writing head + whole sent = reading done, writing done
reading done, writing head + switched = tunnel
reading done, writing head + refused = closed
reading done, writing body + reply ended = reading done, writing done
reading done, writing done + next, keeping open = head
reading done, writing done + next, closing = closed
reading failed, writing head + head sent = reading failed, writing body
reading failed, writing head + whole sent = reading failed, writing done
reading failed, writing head + refused = closed
reading failed, writing body + reply ended = reading failed, writing done
reading failed, writing done + next, closing = closed
failed + refused = closed
";
}
