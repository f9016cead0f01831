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

/// The methods whose replies are framed differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodKind {
    Head,
    Connect,
    Other,
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
            (_, Writing::Body(_), Input::ReplyEnded) => self.writing = Writing::Done,
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
