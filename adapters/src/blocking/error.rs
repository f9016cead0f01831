//! Why a call has no whole answer.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

/// Why a call has no whole answer, or could not be made.
///
/// # Examples
///
/// ```
/// use adapters::blocking::{CallErrorKind, Caller};
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => Ok(http.responder.abort()),
///     other => other.refuse().await,
/// });
/// let error = Caller::new(app)?.get("/").unwrap_err();
/// assert_eq!(error.kind(), CallErrorKind::CutOff);
/// // Where an `io::Error` is expected it is one, with a kind that fits.
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::UnexpectedEof);
/// # Ok::<(), gateway_spec::AppError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CallError {
    kind: CallErrorKind,
    source: Option<Arc<io::Error>>,
}

/// The kinds of [`CallError`].
///
/// # Examples
///
/// ```
/// use adapters::blocking::CallErrorKind;
///
/// assert_eq!(CallErrorKind::Deadline.to_string(), "the deadline of the call has passed");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The application's side ended it in a way that is not clean: it aborted, or it failed, panicked or forgot to finish
    /// after its answer had begun.
    CutOff,
    /// The call took longer than its [deadline](super::Caller::with_deadline).
    Deadline,
    /// The request's body could not be read to its end; the source says why.
    Upload,
    /// The caller has shut down, or its lifespan has ended.
    Shutdown,
    /// A thread that the call needs could not be started; the source says why.
    Thread,
}

impl CallError {
    pub(super) fn new(kind: CallErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(super) fn with_source(kind: CallErrorKind, source: Arc<io::Error>) -> Self {
        Self {
            kind,
            source: Some(source),
        }
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> CallErrorKind {
        self.kind
    }
}

impl fmt::Display for CallErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutOff => "the application cut its answer off",
            Self::Deadline => "the deadline of the call has passed",
            Self::Upload => "the request's body could not be read",
            Self::Shutdown => "the application has shut down",
            Self::Thread => "a thread could not be started",
        })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        let kind = match error.kind {
            CallErrorKind::CutOff => io::ErrorKind::UnexpectedEof,
            CallErrorKind::Deadline => io::ErrorKind::TimedOut,
            CallErrorKind::Shutdown => io::ErrorKind::ConnectionAborted,
            CallErrorKind::Upload | CallErrorKind::Thread => error
                .source
                .as_ref()
                .map_or(io::ErrorKind::Other, |source| source.kind()),
        };
        Self::new(kind, error)
    }
}
