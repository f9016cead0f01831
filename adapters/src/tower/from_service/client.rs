//! The client of an exchange, watched while nothing else happens: what it waits for is dropped when it has left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::{AppError, Done, Gone, GoneSignal, Responder, SendError};
use tokio::time::Sleep;

/// What becomes of the work for a client that left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    /// It goes on. Else it is dropped.
    pub(super) to_completion: bool,
    /// How long it may be silent for a client that merely stopped sending, before it is dropped.
    pub(super) grace: Duration,
}

impl Default for Leaving {
    fn default() -> Self {
        Self {
            to_completion: false,
            grace: Duration::from_secs(5),
        }
    }
}

/// Why there is no more work.
pub(super) enum Stop {
    /// It failed.
    Failed(AppError),
    /// Nobody is left to work for.
    Gone(Gone),
    /// The client stopped sending, and was given up.
    Silent,
}

impl From<AppError> for Stop {
    fn from(error: AppError) -> Self {
        Self::Failed(error)
    }
}

impl From<Gone> for Stop {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

impl From<SendError> for Stop {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Gone(gone) => Self::Gone(gone),
            other => Self::Failed(other.into()),
        }
    }
}

impl Stop {
    /// Ends an exchange that was not started.
    pub(super) fn end(self, responder: Responder) -> Result<Done, AppError> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Gone(gone) => Err(gone.into()),
            // As little as hyper says to it.
            Self::Silent => Ok(responder.abort()),
        }
    }
}

/// The client that work is done for.
pub(super) struct Client {
    leaving: Leaving,
    // Most work never waits: it costs them a word.
    watch: Option<Box<Watch>>,
}

struct Watch {
    gone: GoneSignal,
    half_closed: bool,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Client {
    pub(super) const fn new(leaving: Leaving) -> Self {
        Self {
            leaving,
            watch: None,
        }
    }

    /// Whether work goes on without it.
    pub(super) const fn is_ignored(&self) -> bool {
        self.leaving.to_completion
    }

    /// What has become of the work that was just polled; where it waits, whether the client does still. `gone` is asked once.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        gone: impl FnOnce() -> GoneSignal,
        work: Poll<Result<T, AppError>>,
    ) -> Poll<Result<T, Stop>> {
        match work {
            Poll::Ready(result) => {
                if let Some(watch) = &mut self.watch {
                    watch.silence = None;
                }
                Poll::Ready(result.map_err(Stop::Failed))
            }
            Poll::Pending if self.is_ignored() => Poll::Pending,
            Poll::Pending => {
                let watch = self
                    .watch
                    .get_or_insert_with(|| Box::new(Watch::new(gone())));
                watch.poll_left(cx, self.leaving.grace).map(Err)
            }
        }
    }
}

impl Watch {
    const fn new(gone: GoneSignal) -> Self {
        Self {
            gone,
            half_closed: false,
            silence: None,
        }
    }

    fn poll_left(&mut self, cx: &mut Context<'_>, grace: Duration) -> Poll<Stop> {
        while let Poll::Ready(gone) = Pin::new(&mut self.gone).poll(cx) {
            if gone.is_final() {
                return Poll::Ready(Stop::Gone(gone));
            }
            self.half_closed = true;
        }
        if !self.half_closed {
            return Poll::Pending;
        }
        if grace.is_zero() {
            return Poll::Ready(Stop::Silent);
        }
        let sleep = || Box::pin(tokio::time::sleep(grace));
        let silence = self.silence.get_or_insert_with(sleep);
        silence.as_mut().poll(cx).map(|()| Stop::Silent)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("leaving", &self.leaving)
            .finish_non_exhaustive()
    }
}
