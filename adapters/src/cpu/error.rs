//! Why a computation has no value.

use std::error::Error;
use std::fmt;

use gateway_spec::{Gone, Unavailable};

/// Why a computation has no value.
///
/// # Examples
///
/// An application hands it on, and the client is told what fits:
///
/// ```
/// use adapters::cpu::CpuError;
/// use gateway_spec::{AppError, Gone};
///
/// let panicked = CpuError::Panicked(String::from("division by zero"));
/// assert_eq!(AppError::from(panicked).status_code(), 500);
/// assert_eq!(AppError::from(CpuError::Gone(Gone::PeerReset)).gone(), Some(Gone::PeerReset));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuError {
    /// Every thread was busy and the queue full, or its time in the queue was over. It was not run. Answers 503 with `Retry-After`.
    Busy(Unavailable),
    /// The pool has stopped. It was not run. Answers 503 with `Retry-After`.
    Stopped(Unavailable),
    /// Its client left while it was queued. It was not run.
    Gone(Gone),
    /// It panicked, and this is what it said. Answers 500.
    Panicked(String),
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(_) => f.write_str("every thread is busy"),
            Self::Stopped(_) => f.write_str("the pool has stopped"),
            Self::Gone(_) => f.write_str("nobody waits for the computation"),
            Self::Panicked(text) => write!(f, "the computation panicked: {text}"),
        }
    }
}

impl Error for CpuError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Busy(unavailable) | Self::Stopped(unavailable) => Some(unavailable),
            Self::Gone(gone) => Some(gone),
            Self::Panicked(_) => None,
        }
    }
}
