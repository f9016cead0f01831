//! The body of a response, read by a thread.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use gateway_spec::{Gone, ResponseHead};
use hosting::{Outgoing, local};
use http::HeaderMap;

use super::caller::Shared;
use super::error::{CallError, CallErrorKind};
use super::upload::Failure;
use super::wait::{assert_may_block, block_until};

/// The body of a response, as [`Read`] and [`BufRead`]: reading waits for the application, and an application whose client does
/// not read waits in turn, 128 KiB and an event ahead at most.
///
/// Dropped before its end, the client has left, and the application sees it gone; its call goes on (SRV-1).
///
/// # Errors
///
/// A body that was cut off ends with an error, never as if it were whole; asked again, it gives the same. Errors of [`Read`] have a
/// [`CallError`] inside.
///
/// # Panics
///
/// Reading panics where a thread must not block: see [the module](super).
///
/// # Examples
///
/// ```
/// use std::io::BufRead;
/// use adapters::blocking::Caller;
/// use gateway_spec::{Connection, application_fn, types::StatusCode};
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(http) => {
///         let mut writer = http.responder.start(StatusCode::OK).await?;
///         for line in ["one\n", "two\n"] {
///             writer.write(line).await?;
///         }
///         writer.finish().await
///     }
///     other => other.refuse().await,
/// });
/// let lines = Caller::new(app)?.get("/")?.into_body().lines();
/// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, ["one", "two"]);
/// # Ok::<(), gateway_spec::AppError>(())
/// ```
pub struct ResponseBody {
    client: Arc<local::Client>,
    /// Keeps the application running.
    shared: Arc<Shared>,
    deadline: Option<Instant>,
    failure: Failure,
    informational: Vec<ResponseHead>,
    part: Bytes,
    phase: Phase,
}

enum Phase {
    Reading,
    Ended(Option<HeaderMap>),
    Failed(CallError),
}

impl ResponseBody {
    pub(super) fn new(
        client: Arc<local::Client>,
        shared: Arc<Shared>,
        deadline: Option<Instant>,
        failure: Failure,
    ) -> Self {
        Self {
            client,
            shared,
            deadline,
            failure,
            informational: Vec::new(),
            part: Bytes::new(),
            phase: Phase::Reading,
        }
    }

    /// Waits for the head. What comes with it is the first part of this.
    pub(super) fn head(&mut self) -> Result<ResponseHead, CallError> {
        loop {
            match self.next()? {
                Outgoing::Informational(head) => self.informational.push(head),
                Outgoing::Head {
                    head,
                    length,
                    first,
                } => {
                    self.part = first;
                    if length == hosting::ReplyLength::Whole {
                        self.phase = Phase::Ended(None);
                    }
                    return Ok(head);
                }
                // Nothing else comes before a head, but the end.
                _ => return Err(self.fail(CallError::new(CallErrorKind::CutOff))),
            }
        }
    }

    /// The next part without a copy; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`ResponseBody`].
    pub fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            if !self.part.is_empty() {
                return Ok(Some(std::mem::take(&mut self.part)));
            }
            match &self.phase {
                Phase::Reading => self.advance()?,
                Phase::Ended(_) => return Ok(None),
                Phase::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// What is left of the body, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`ResponseBody`]; [`io::ErrorKind::FileTooLarge`] if it is longer.
    pub fn collect(&mut self, limit: usize) -> io::Result<Bytes> {
        let first = self.chunk()?.unwrap_or_default();
        let mut rest = BytesMut::new();
        let mut length = first.len();
        while length <= limit {
            match self.chunk()? {
                // A body of one part is handed on as it is.
                None if rest.is_empty() => return Ok(first),
                None => return Ok(rest.freeze()),
                Some(part) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&first);
                    }
                    length += part.len();
                    rest.extend_from_slice(&part);
                }
            }
        }
        Err(io::ErrorKind::FileTooLarge.into())
    }

    /// What is left of the body as text, if it has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect); [`io::ErrorKind::InvalidData`] if it is not UTF-8.
    pub fn text(&mut self, limit: usize) -> io::Result<String> {
        let text = String::from_utf8(self.collect(limit)?.into());
        text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The trailers, once the body was read to its end.
    #[must_use]
    pub fn trailers(&self) -> Option<&HeaderMap> {
        match &self.phase {
            Phase::Ended(trailers) => trailers.as_ref(),
            Phase::Reading | Phase::Failed(_) => None,
        }
    }

    /// The informational responses (1xx) that came before.
    #[must_use]
    pub fn informational(&self) -> &[ResponseHead] {
        &self.informational
    }

    fn advance(&mut self) -> Result<(), CallError> {
        match self.next()? {
            Outgoing::Data(bytes) => self.part = bytes,
            Outgoing::End(trailers) => self.phase = Phase::Ended(trailers),
            _ => return Err(self.fail(CallError::new(CallErrorKind::CutOff))),
        }
        Ok(())
    }

    /// Waits for what comes next.
    fn next(&mut self) -> Result<Outgoing, CallError> {
        assert_may_block(self.shared.runtime());
        let next = poll_fn(|task| self.client.poll_next(task));
        let error = match block_until(self.deadline, next) {
            Some(Some(outgoing)) => return Ok(outgoing),
            Some(None) => self.failure.get().unwrap_or_else(|| {
                CallError::new(match self.client.gone() {
                    Some(Gone::Shutdown) => CallErrorKind::Shutdown,
                    _ => CallErrorKind::CutOff,
                })
            }),
            None => {
                self.client.leave(Gone::PeerReset);
                CallError::new(CallErrorKind::Deadline)
            }
        };
        Err(self.fail(error))
    }

    fn fail(&mut self, error: CallError) -> CallError {
        self.phase = Phase::Failed(error.clone());
        error
    }
}

impl BufRead for ResponseBody {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.part.is_empty() {
            self.part = self.chunk()?.unwrap_or_default();
        }
        Ok(&self.part)
    }

    fn consume(&mut self, amount: usize) {
        self.part.advance(amount);
    }
}

impl Read for ResponseBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A thread that uploads may still hold the client.
        self.client.leave(Gone::PeerReset);
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
