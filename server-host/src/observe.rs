//! What is known of an exchange when it is over: for the access log and the metrics.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use gateway_spec::{Gone, HttpScope, Scope};
use hosting::Sent;
use http::StatusCode;

/// An exchange that is over.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) scope: &'a HttpScope,
    pub(crate) id: ExchangeId,
    pub(crate) sent: Sent,
    /// Bytes of the request's body.
    pub(crate) received: u64,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// A request that was refused before the application saw it.
pub(crate) struct Refused<'a> {
    pub(crate) status: StatusCode,
    pub(crate) why: &'a dyn fmt::Display,
}

/// How an exchange under way began, where somebody wants to know.
#[derive(Debug)]
pub(crate) struct Began {
    pub(crate) at: Instant,
    pub(crate) id: ExchangeId,
    /// What its place had received before it.
    pub(crate) received: u64,
    pub(crate) fate: Fate,
    /// Keeps the request's fields, which a wire may take back before the end, if they are to be shown.
    pub(crate) kept: Option<Scope>,
}

/// What became of an exchange that is not seen by how its connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The application was called.
    Called,
    /// It was, and failed by what the client sent, as its error's status says, or did not send.
    Misled,
    /// It panicked.
    Panicked,
    /// It was not called, since a limit was met.
    Limited(Limit),
}

/// A limit that is met after a request's head was read: it is called as the setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    BodyBytes,
    Exchanges,
}

impl Limit {
    pub(crate) const ALL: [Self; 2] = [Self::BodyBytes, Self::Exchanges];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BodyBytes => "body-bytes",
            Self::Exchanges => "exchanges",
        }
    }

    /// What an operator is told of it.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::BodyBytes => "its body is longer than body-bytes",
            Self::Exchanges => "as many calls as exchanges allows were under way",
        }
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All was sent.
    Finished,
    /// The client was gone before.
    Gone(Why),
    /// The application gave it up, or failed when it had begun.
    Aborted,
    /// The same, and it was the request that was wrong, or broke off.
    AbortedByRequest,
    /// The application panicked.
    Panicked,
    /// The application never saw it.
    Refused,
    /// The same, and it was a request as any: there was too much of it, or too many.
    Limited(Limit),
}

/// Why a client is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    PeerReset,
    StreamReset,
    WriteTimeout,
    Shutdown,
}

impl Why {
    pub(crate) const ALL: [Self; 4] = [
        Self::PeerReset,
        Self::StreamReset,
        Self::WriteTimeout,
        Self::Shutdown,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PeerReset => "peer-reset",
            Self::StreamReset => "stream-reset",
            Self::WriteTimeout => "write-timeout",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Outcome {
    pub(crate) fn of(gone: Gone, fate: Fate) -> Self {
        match (gone, fate) {
            (_, Fate::Panicked) => Self::Panicked,
            (Gone::Finished, Fate::Limited(limit)) => Self::Limited(limit),
            (Gone::Aborted, Fate::Misled) => Self::AbortedByRequest,
            (gone, Fate::Called | Fate::Misled | Fate::Limited(_)) => Self::of_called(gone),
        }
    }

    fn of_called(gone: Gone) -> Self {
        match gone {
            Gone::Finished => Self::Finished,
            Gone::Aborted => Self::Aborted,
            Gone::StreamReset => Self::Gone(Why::StreamReset),
            Gone::WriteTimeout => Self::Gone(Why::WriteTimeout),
            Gone::Shutdown => Self::Gone(Why::Shutdown),
            // A half-close is never the end of an exchange.
            _ => Self::Gone(Why::PeerReset),
        }
    }

    /// What is said of it to whoever reads the log.
    pub(crate) const fn why(self) -> Option<&'static str> {
        match self {
            Self::Limited(limit) => Some(limit.why()),
            Self::AbortedByRequest => Some("the request was wrong, or broke off"),
            _ => None,
        }
    }

    /// Why it is of its [kind](Self::kind), where that is told.
    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Gone(why) => Some(why.name()),
            Self::Limited(limit) => Some(limit.name()),
            Self::AbortedByRequest => Some("request"),
            Self::Finished | Self::Aborted | Self::Panicked | Self::Refused => None,
        }
    }

    /// Without the reason.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Gone(_) => "gone",
            Self::Aborted | Self::AbortedByRequest => "aborted",
            Self::Panicked => "panicked",
            Self::Refused | Self::Limited(_) => "refused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self.reason() {
            Some(reason) => write!(f, ":{reason}"),
            None => Ok(()),
        }
    }
}

/// The id of an exchange: of its process's run, its worker, and its number there. It is in the access log and in the
/// exchange's `tracing` span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExchangeId {
    pub(crate) run: u16,
    pub(crate) worker: u16,
    pub(crate) number: u64,
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}-{}-{}", self.run, self.worker, self.number)
    }
}

/// A number that tells this run of the process from those before it in the same log.
pub(crate) fn run() -> u16 {
    // The keys of a hasher are random; 16 bits of what they make of nothing are too.
    RandomState::new().hash_one(0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_why() {
        let limited = Fate::Limited(Limit::BodyBytes);
        for (gone, fate, text) in [
            (Gone::Finished, Fate::Called, "finished"),
            (Gone::Finished, Fate::Panicked, "panicked"),
            (Gone::Aborted, Fate::Panicked, "panicked"),
            (Gone::Aborted, Fate::Called, "aborted"),
            (Gone::Aborted, Fate::Misled, "aborted:request"),
            (Gone::Finished, Fate::Misled, "finished"),
            (Gone::PeerReset, Fate::Misled, "gone:peer-reset"),
            (Gone::PeerReset, Fate::Called, "gone:peer-reset"),
            (Gone::StreamReset, Fate::Called, "gone:stream-reset"),
            (Gone::WriteTimeout, Fate::Called, "gone:write-timeout"),
            (Gone::Shutdown, Fate::Called, "gone:shutdown"),
            (Gone::Finished, limited, "refused:body-bytes"),
            (Gone::PeerReset, limited, "gone:peer-reset"),
        ] {
            assert_eq!(Outcome::of(gone, fate).to_string(), text);
        }
    }

    #[test]
    fn an_id_is_short() {
        let id = ExchangeId {
            run: 0x7f,
            worker: 1,
            number: 152,
        };
        assert_eq!(id.to_string(), "007f-1-152");
    }
}
