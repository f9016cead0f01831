//! What the application's call came to.

use std::fmt;
use std::sync::Arc;

use gateway_spec::{AppError, Gone};

/// What the application's call came to: what a server logs, and the client never sees.
///
/// # Examples
///
/// ```
/// use gateway_spec::{AppError, Connection, application_fn};
/// use test_client::{Outcome, TestClient};
///
/// # test_client::run(async {
/// let app = application_fn(async |_: Connection| Err(AppError::message("the disk is full")));
/// let reply = TestClient::new(app).get("/").send().await?;
/// assert_eq!(reply.status, 500);
/// assert_eq!(reply.outcome().await.to_string(), "failed: the disk is full");
/// # Ok::<(), test_client::Broken>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned a `Done`, and its answer was complete.
    Done,
    /// It returned a `Done` of something else: its own answer was not complete (SRV-12).
    Unfinished,
    /// It returned an error. That of a client that left is one too: see [`gone`](Self::gone).
    Failed(Arc<AppError>),
    /// It panicked, and this is what it said (SRV-7).
    Panicked(String),
}

impl Outcome {
    /// Whether the application did its part.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// The error that was returned.
    #[must_use]
    pub fn error(&self) -> Option<&AppError> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Why its client was gone, if that is what ended the call. Servers log no error then (APP-5).
    #[must_use]
    pub fn gone(&self) -> Option<Gone> {
        self.error().and_then(AppError::gone)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Unfinished => f.write_str("returned without finishing its answer (SRV-12)"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
        }
    }
}
