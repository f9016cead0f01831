//! The body of a request that a thread makes.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::Bytes;
use gateway_spec::{BodyLength, Gone};
use hosting::{INBOUND_BYTES, Wanted, local};
use http::HeaderMap;

use super::error::{CallError, CallErrorKind};
use super::wait::block_on;

/// The body of a request that a thread makes.
///
/// Bytes and texts turn into one by `into`; `()` is none. What is read from a [`Read`]er is sent as it comes, on a thread of its own,
/// so that the answer can be read meanwhile; at most 64 KiB are read ahead of the application.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use adapters::blocking::{Caller, Upload};
/// use gateway_spec::{Connection, application_fn};
///
/// let app = application_fn(async |connection: Connection| match connection {
///     Connection::Http(mut http) => {
///         let body = http.body.collect(1024).await?;
///         http.responder.respond(body).await
///     }
///     other => other.refuse().await,
/// });
/// let caller = Caller::new(app)?;
/// let zeros = Upload::reader(std::io::repeat(b'0').take(10));
/// let mut response = caller.request(http::Request::put("/zeros").body(zeros)?)?;
/// assert_eq!(response.body_mut().text(100)?, "0000000000");
/// # Ok::<(), gateway_spec::AppError>(())
/// ```
#[derive(Default)]
pub struct Upload {
    content: Content,
    trailers: Option<HeaderMap>,
}

#[derive(Default)]
enum Content {
    #[default]
    None,
    Bytes(Bytes),
    Reader {
        reader: Box<dyn Read + Send>,
        length: Option<u64>,
    },
}

impl Upload {
    /// No body.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These bytes, with their length.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Bytes(bytes.into()),
            trailers: None,
        }
    }

    /// What this gives until its end, without a length (HTTP/1.1: chunked); with the one that a `content-length` field of the request
    /// states, if it does.
    ///
    /// A reader that fails, panics, or ends before that length ends the call: the application sees its client gone, and the call gives
    /// [`CallErrorKind::Upload`]. One whose `read` blocks for ever keeps its thread for ever, also after the call.
    #[must_use]
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Self {
            content: Content::Reader {
                reader: Box::new(reader),
                length: None,
            },
            trailers: None,
        }
    }

    /// As [`reader`](Self::reader), of so many bytes; it is not asked for more.
    #[must_use]
    pub fn sized_reader(reader: impl Read + Send + 'static, length: u64) -> Self {
        Self {
            content: Content::Reader {
                reader: Box::new(reader),
                length: Some(length),
            },
            trailers: None,
        }
    }

    /// Ends the body with trailers, for which its length is left open.
    #[must_use]
    pub fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }

    /// How long it is, as the head says. `stated` is what the request's own `content-length` says.
    pub(super) fn length(&mut self, stated: Option<u64>) -> BodyLength {
        let known = match &mut self.content {
            Content::None if self.trailers.is_none() => return BodyLength::Empty,
            Content::None => Some(0),
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Reader { length, .. } => {
                *length = length.or(stated);
                *length
            }
        };
        match (known, &self.trailers) {
            (Some(length), None) => BodyLength::Known(length),
            (None, _) | (_, Some(_)) => BodyLength::Unknown,
        }
    }

    /// Sends it: at once what is there, and on a thread of its own what is to be read.
    pub(super) fn send(
        self,
        client: &Arc<local::Client>,
        asked: Asked,
    ) -> Result<Failure, CallError> {
        let failure = Failure::default();
        match self.content {
            Content::None => client.finish(self.trailers),
            Content::Bytes(mut bytes) => {
                // In parts as a server brings them; they lie in memory already.
                while !bytes.is_empty() {
                    client.send(bytes.split_to(bytes.len().min(PART)));
                }
                client.finish(self.trailers);
            }
            Content::Reader { reader, length } => {
                let sending = Sending {
                    client: Arc::clone(client),
                    failure: failure.clone(),
                    asked,
                };
                let upload = move || sending.run(reader, length, self.trailers);
                thread::Builder::new()
                    .name(String::from("upload"))
                    .spawn(upload)
                    .map_err(|error| {
                        CallError::with_source(CallErrorKind::Thread, Arc::new(error))
                    })?;
            }
        }
        Ok(failure)
    }
}

/// Bytes of one part: as much as servers read at once.
const PART: usize = 16 * 1024;

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content: &dyn fmt::Debug = match &self.content {
            Content::None => &"none",
            Content::Bytes(bytes) => bytes,
            Content::Reader { length, .. } => length,
        };
        f.debug_struct("Upload")
            .field("content", content)
            .finish_non_exhaustive()
    }
}

impl From<()> for Upload {
    fn from((): ()) -> Self {
        Self::none()
    }
}

macro_rules! from_bytes {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Upload {
            fn from(bytes: $kind) -> Self {
                Self::bytes(bytes)
            }
        })*
    };
}
from_bytes!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

/// Whether the body is sent unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Unasked,
    /// `Expect: 100-continue`: once the application reads (SRV-8).
    First,
}

/// Why the body could not be sent, if it could not.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure {
    error: Arc<OnceLock<Arc<io::Error>>>,
}

impl Failure {
    pub(super) fn get(&self) -> Option<CallError> {
        let error = self.error.get()?;
        Some(CallError::with_source(
            CallErrorKind::Upload,
            Arc::clone(error),
        ))
    }
}

/// What the thread of an upload has.
struct Sending {
    client: Arc<local::Client>,
    failure: Failure,
    asked: Asked,
}

impl Sending {
    fn run(
        self,
        mut reader: Box<dyn Read + Send>,
        length: Option<u64>,
        trailers: Option<HeaderMap>,
    ) {
        let sent = catch_unwind(AssertUnwindSafe(|| self.send_all(&mut *reader, length)));
        let sent = sent.unwrap_or_else(|_payload| Err(io::Error::other("the reader panicked")));
        match sent {
            Ok(()) => self.client.finish(trailers),
            Err(error) => {
                // Nobody else sets it.
                let _ = self.failure.error.set(Arc::new(error));
                self.client.leave(Gone::PeerReset);
            }
        }
        // Its destructor may take its time, or panic; the call does not depend on it.
        drop(reader);
    }

    fn send_all(&self, reader: &mut dyn Read, length: Option<u64>) -> io::Result<()> {
        let mut left = length.unwrap_or(u64::MAX);
        let mut buffer = vec![0; PART];
        while left > 0 {
            let room = self.room();
            if room == 0 {
                return Ok(());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let part = &mut buffer[..room.min(most).min(PART)];
            match reader.read(part) {
                Ok(0) if length.is_some() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.client.send(Bytes::copy_from_slice(&part[..read]));
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How much may be sent, once something may; 0 if nothing is wanted any more.
    fn room(&self) -> usize {
        let enough = |wanted: Wanted| match wanted {
            Wanted::NotYet(_) if self.asked == Asked::First => false,
            wanted => wanted.room() > 0,
        };
        let wanted = poll_fn(|task| self.client.poll_wanted(task, enough));
        // Without a deadline: when the call is over, nothing is wanted any more.
        block_on(wanted).room()
    }
}

const _: () = assert!(PART <= INBOUND_BYTES, "a part fits into what is kept ahead");
