//! What hyper may read: of HTTP/1.1 only what `server-raw` would take, and of a head only what hyper needs.
//!
//! Hyper's parser is kinder than the rules, and says of much that it passed over nothing. So the bytes are read before it
//! sees them, by the package that `server-raw` reads them with. A head goes to the application as it is, and to hyper goes one that says the
//! same of the connection and of the body and nothing else: it is not read twice, and there are no two opinions of what it means. Bodies
//! pass as they are. What is wrong does not reach hyper: to it a head that is refused
//! is the connection's end, so it finishes what was before; then the connection's task answers in its place.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll};

use bytes::{Buf, BytesMut};
use http1::{Check, Passed, PeerError, Persistence, RequestHead, Verdict};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::io::{Io, News, READ_ROOM, ReadSide};
use crate::request;

/// Stands before hyper's end of a connection.
#[derive(Debug)]
pub(crate) enum Gate {
    /// All passes: it is not HTTP/1.1.
    Open,
    Checking(Box<Checking>),
}

#[derive(Debug)]
pub(crate) struct Checking {
    check: Check,
    /// The one that hyper was told of last.
    head: RequestHead,
    /// So many bytes of what was read are hyper's to take.
    passed: usize,
    /// What was said of those behind them.
    verdict: Verdict,
    told: Told,
}

/// Whether hyper was told that nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    TheEnd,
}

/// What hyper may be given without asking the socket.
enum Next {
    /// The head that was read, instead of so many bytes.
    Head(usize, Persistence),
    Bytes(usize),
    TheEnd,
    Failed(PeerError),
    Nothing,
}

impl Gate {
    /// A gate for a connection of HTTP/1.1.
    pub(crate) fn checking(limits: http1::Limits) -> Self {
        Self::Checking(Box::new(Checking {
            check: Check::new(limits),
            head: RequestHead::default(),
            passed: 0,
            verdict: Verdict::Right,
            told: Told::No,
        }))
    }

    /// The head that hyper has just been told of.
    pub(crate) fn head(&self) -> Option<&RequestHead> {
        match self {
            Self::Checking(checking) => Some(&checking.head),
            Self::Open => None,
        }
    }

    /// The head that hyper was not given, but its end, if there is one; and who answers it.
    pub(crate) fn refused(&self) -> Option<(PeerError, &Check)> {
        let Self::Checking(checking) = self else {
            return None;
        };
        match (checking.verdict, checking.told) {
            (Verdict::HeadRefused(error), Told::TheEnd) => Some((error, &checking.check)),
            _ => None,
        }
    }

    /// Why hyper was not given the rest of a body.
    pub(crate) fn refused_body(&self) -> Option<PeerError> {
        match self {
            Self::Checking(checking) => match checking.verdict {
                Verdict::BodyRefused(error) => Some(error),
                _ => None,
            },
            Self::Open => None,
        }
    }
}

impl Checking {
    /// What `read` begins with, none of which hyper has.
    #[inline]
    fn next(&mut self, read: &[u8]) -> Next {
        if self.passed == 0 && self.verdict == Verdict::Right && !read.is_empty() {
            let mut passed = self.check.pass(read, &mut self.head);
            if passed.verdict == Verdict::Paused && passed.bytes == 0 {
                // Hyper reads a head, so the connection has become no tunnel.
                self.check.go_on();
                passed = self.check.pass(read, &mut self.head);
            }
            let Passed { bytes, verdict } = passed;
            match verdict {
                Verdict::Head(persistence) => return Next::Head(bytes, persistence),
                // Of bytes that follow, it is said again.
                Verdict::Paused => {}
                verdict => self.verdict = verdict,
            }
            self.passed = bytes;
        }
        match self.verdict {
            _ if self.passed > 0 => Next::Bytes(self.passed),
            Verdict::HeadRefused(_) | Verdict::Ended => {
                self.told = Told::TheEnd;
                Next::TheEnd
            }
            Verdict::BodyRefused(error) => Next::Failed(error),
            Verdict::Head(_) | Verdict::Right | Verdict::Paused => Next::Nothing,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io<S> {
    /// Reads for hyper, as far as the check lets it: straight into its buffer, but for what may not pass yet.
    pub(crate) fn poll_checked(
        &mut self,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let holds_back = self.holds_back();
        let Gate::Checking(checking) = &mut self.gate else {
            return self.poll_unchecked(task, into);
        };
        loop {
            let taken = match checking.next(&self.input) {
                Next::Head(length, persistence) => {
                    request::restate(&checking.head, persistence, into)?;
                    Some(length)
                }
                Next::Bytes(passed) => {
                    let length = passed.min(into.remaining());
                    into.put_slice(&self.input[..length]);
                    checking.passed -= length;
                    Some(length)
                }
                Next::TheEnd => return Poll::Ready(Ok(())),
                Next::Failed(error) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Next::Nothing if self.read == ReadSide::Ended => return Poll::Ready(Ok(())),
                Next::Nothing => None,
            };
            if let Some(length) = taken {
                self.input.advance(length);
                if self.input.is_empty() && !self.holds_buffer {
                    self.input = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            // The task asks hyper again when its answers are written.
            if holds_back {
                return Poll::Pending;
            }
            let (before, withheld) = (into.filled().len(), self.input.len());
            let read = if withheld == 0 {
                let read = Pin::new(&mut self.stream).poll_read(task, into);
                read.map_ok(|()| into.filled().len() - before)
            } else {
                self.input.reserve(READ_ROOM);
                pin!(self.stream.read_buf(&mut self.input)).poll(task)
            };
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.read = ReadSide::Failed;
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(0)) => {
                    self.read = ReadSide::Ended;
                    checking.verdict = checking.check.end_of_input(&self.input);
                    continue;
                }
                Poll::Ready(Ok(_)) => self.received = News::Bytes,
            }
            if withheld > 0 {
                continue;
            }
            let read = &into.filled()[before..];
            let (taken, length) = match checking.next(read) {
                Next::Head(length, persistence) => (Taken::Head(persistence), length),
                Next::Bytes(length) => {
                    checking.passed = 0;
                    (Taken::Bytes, length)
                }
                Next::TheEnd | Next::Failed(_) | Next::Nothing => (Taken::Nothing, 0),
            };
            if length < read.len() {
                self.input.extend_from_slice(&read[length..]);
            }
            match taken {
                Taken::Head(persistence) => {
                    into.set_filled(before);
                    return Poll::Ready(request::restate(&checking.head, persistence, into));
                }
                Taken::Bytes => {
                    into.set_filled(before + length);
                    return Poll::Ready(Ok(()));
                }
                Taken::Nothing => into.set_filled(before),
            }
        }
    }
}

/// What was read is of it.
enum Taken {
    Head(Persistence),
    Bytes,
    Nothing,
}
