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
    pub(crate) panicked: bool,
    /// Keeps the request's fields, which a wire may take back before the end, if they are to be shown.
    pub(crate) kept: Option<Scope>,
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
    /// The application panicked.
    Panicked,
    /// The application never saw it.
    Refused,
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
    pub(crate) fn of(gone: Gone, panicked: bool) -> Self {
        match gone {
            _ if panicked => Self::Panicked,
            Gone::Finished => Self::Finished,
            Gone::Aborted => Self::Aborted,
            Gone::StreamReset => Self::Gone(Why::StreamReset),
            Gone::WriteTimeout => Self::Gone(Why::WriteTimeout),
            Gone::Shutdown => Self::Gone(Why::Shutdown),
            // A half-close is never the end of an exchange.
            _ => Self::Gone(Why::PeerReset),
        }
    }

    /// Without the reason.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Gone(_) => "gone",
            Self::Aborted => "aborted",
            Self::Panicked => "panicked",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Gone(why) => write!(f, ":{}", why.name()),
            _ => Ok(()),
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
        for (gone, panicked, text) in [
            (Gone::Finished, false, "finished"),
            (Gone::Finished, true, "panicked"),
            (Gone::Aborted, true, "panicked"),
            (Gone::Aborted, false, "aborted"),
            (Gone::PeerReset, false, "gone:peer-reset"),
            (Gone::StreamReset, false, "gone:stream-reset"),
            (Gone::WriteTimeout, false, "gone:write-timeout"),
            (Gone::Shutdown, false, "gone:shutdown"),
        ] {
            assert_eq!(Outcome::of(gone, panicked).to_string(), text);
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
