//! What hyper may read: of HTTP/1.1 only what `server-raw` would take, and of a head only what hyper needs.
//!
//! Hyper's parser is kinder than the rules, and says of much that it passed over nothing. So the bytes are read before it
//! sees them, by the package that `server-raw` reads them with. A head goes to the application as it is, and to hyper goes one that says the
//! same of the connection and of the body and nothing else: it is not read twice, and there are no two opinions of what it means. Bodies
//! pass as they are. What is wrong does not reach hyper: to it a head that is refused
//! is the connection's end, so it finishes what was before; then the connection's task answers in its place.

use std::io;
use std::pin::pin;
use std::task::{Context as Task, Poll, ready};

use bytes::{Buf, BytesMut};
use http1::{Check, Passed, PeerError, Persistence, Verdict};
use tokio::io::{AsyncReadExt, ReadBuf};

use crate::io::{Io, News, READ_ROOM, ReadSide, Shared};
use crate::service::Serving;

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
            passed: 0,
            verdict: Verdict::Right,
            told: Told::No,
        }))
    }

    /// Whether what passes is HTTP/1.1.
    pub(crate) const fn is_checking(&self) -> bool {
        matches!(self, Self::Checking(_))
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
    /// What `read` begins with, none of which hyper has. A head goes to where `serving` has room for it.
    #[inline(always)]
    fn next(&mut self, read: &[u8], serving: &mut Serving) -> Next {
        if self.passed == 0 && self.verdict == Verdict::Right && !read.is_empty() {
            let mut passed = serving.pass(&mut self.check, read);
            if passed.verdict == Verdict::Paused && passed.bytes == 0 {
                // Hyper reads a head, so the connection has become no tunnel.
                self.check.go_on();
                passed = serving.pass(&mut self.check, read);
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

impl Io {
    /// Reads for hyper, as far as the check lets it: straight into its buffer, but for what may not pass yet.
    #[inline]
    pub(crate) fn poll_checked(
        &mut self,
        serving: &Shared<Serving>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let holds_back = self.holds_back();
        loop {
            if let Gate::Checking(checking) = &mut self.gate
                && (!self.input.is_empty()
                    || checking.verdict != Verdict::Right
                    || self.read == ReadSide::Ended)
                && let Some(given) = self.give_withheld(&mut serving.lock(), into)
            {
                return Poll::Ready(given);
            }
            // The task asks hyper again when its answers are written.
            if holds_back {
                return Poll::Pending;
            }
            if std::mem::take(&mut self.is_drained) {
                ready!(self.stream.poll_readable(task))?;
            }
            let before = into.filled().len();
            let read = if self.input.is_empty() {
                let room = into.remaining();
                let read = self.stream.poll_read_unbudgeted(task, into);
                self.is_drained = matches!(read, Poll::Ready(Ok(length)) if length < room);
                read
            } else {
                self.poll_read_behind(task)
            };
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    self.read = ReadSide::Failed;
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Ok(0)) => self.end_input(),
                Poll::Ready(Ok(_)) => {
                    self.received = News::Bytes;
                    if into.filled().len() > before
                        && let Some(given) = self.judge(before, &mut serving.lock(), into)
                    {
                        return Poll::Ready(given);
                    }
                }
            }
        }
    }

    /// Reads behind what may not pass yet.
    #[inline(never)]
    fn poll_read_behind(&mut self, task: &mut Task<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(READ_ROOM);
        pin!(self.stream.read_buf(&mut self.input)).poll(task)
    }

    /// Gives hyper of what was read before, or tells it why it gets nothing. `None`: more must be read.
    #[inline(never)]
    fn give_withheld(
        &mut self,
        serving: &mut Serving,
        into: &mut ReadBuf<'_>,
    ) -> Option<io::Result<()>> {
        let Gate::Checking(checking) = &mut self.gate else {
            return None;
        };
        let length = match checking.next(&self.input, serving) {
            Next::Head(length, persistence) => {
                if let Err(error) = serving.tell(persistence, into) {
                    return Some(Err(error));
                }
                length
            }
            Next::Bytes(passed) => {
                let length = passed.min(into.remaining());
                into.put_slice(&self.input[..length]);
                checking.passed -= length;
                length
            }
            Next::TheEnd => return Some(Ok(())),
            Next::Failed(error) => {
                return Some(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            Next::Nothing if self.read == ReadSide::Ended => return Some(Ok(())),
            Next::Nothing => return None,
        };
        self.input.advance(length);
        if self.input.is_empty() && !self.holds_buffer {
            self.input = BytesMut::new();
        }
        Some(Ok(()))
    }

    /// The peer will send no more.
    #[cold]
    fn end_input(&mut self) {
        self.read = ReadSide::Ended;
        if let Gate::Checking(checking) = &mut self.gate {
            checking.verdict = checking.check.end_of_input(&self.input);
        }
    }

    /// Looks at what was read straight into hyper's buffer, and takes out what may not pass yet. `None`: nothing of it may.
    #[inline]
    fn judge(
        &mut self,
        before: usize,
        serving: &mut Serving,
        into: &mut ReadBuf<'_>,
    ) -> Option<io::Result<()>> {
        let Gate::Checking(checking) = &mut self.gate else {
            return None;
        };
        let read = &into.filled()[before..];
        let (taken, length) = match checking.next(read, serving) {
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
                Some(serving.tell(persistence, into))
            }
            Taken::Bytes => {
                into.set_filled(before + length);
                Some(Ok(()))
            }
            Taken::Nothing => {
                into.set_filled(before);
                None
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
