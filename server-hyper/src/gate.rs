//! What hyper may read: of HTTP/1.1 only what `server-raw` would take.
//!
//! Hyper's parser is kinder than the rules, and says of much that it passed over nothing. So the bytes are checked before it
//! sees them, by the package that `server-raw` reads them with. What is wrong does not reach it: to hyper a head that is refused
//! is the connection's end, so it finishes what was before; then the connection's task answers in its place.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll};

use bytes::{Buf, BytesMut};
use http1::{Check, Passed, PeerError, Verdict};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::io::{Io, News, READ_ROOM, ReadSide};

/// Stands before hyper's end of a connection.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each connection, and nearly all are of HTTP/1.1"
)]
pub(crate) enum Gate {
    /// All passes: it is not HTTP/1.1.
    Open,
    Checking(Checking),
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
    Bytes(usize),
    TheEnd,
    Failed(PeerError),
    Nothing,
}

impl Gate {
    /// A gate for a connection of HTTP/1.1, of which these bytes were read.
    pub(crate) fn checking(limits: http1::Limits, read: &[u8]) -> Self {
        let mut check = Check::new(limits);
        let Passed { bytes, verdict } = check.pass(read);
        Self::Checking(Checking {
            check,
            passed: bytes,
            verdict,
            told: Told::No,
        })
    }

    /// The head that hyper was not given, but its end, if there is one; and who answers it.
    pub(crate) fn refused(&self) -> Option<(PeerError, &Check)> {
        match self {
            Self::Checking(Checking {
                check,
                verdict: Verdict::HeadRefused(error),
                told: Told::TheEnd,
                ..
            }) => Some((*error, check)),
            Self::Checking(_) | Self::Open => None,
        }
    }

    /// Why hyper was not given the rest of a body.
    pub(crate) fn refused_body(&self) -> Option<PeerError> {
        match self {
            Self::Checking(Checking {
                verdict: Verdict::BodyRefused(error),
                ..
            }) => Some(*error),
            Self::Checking(_) | Self::Open => None,
        }
    }
}

impl Checking {
    fn next(&mut self, read: &[u8]) -> Next {
        if self.verdict == Verdict::Paused && self.passed == 0 {
            // Hyper reads a head, so the connection has become no tunnel.
            self.check.go_on();
            self.look_at(read);
        }
        match self.verdict {
            _ if self.passed > 0 => Next::Bytes(self.passed),
            Verdict::HeadRefused(_) | Verdict::Ended => {
                self.told = Told::TheEnd;
                Next::TheEnd
            }
            Verdict::BodyRefused(error) => Next::Failed(error),
            Verdict::Right | Verdict::Paused => Next::Nothing,
        }
    }

    /// Looks at bytes of which nothing has passed.
    fn look_at(&mut self, read: &[u8]) {
        let Passed { bytes, verdict } = self.check.pass(read);
        self.passed = bytes;
        self.verdict = verdict;
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
            match checking.next(&self.input) {
                Next::Bytes(passed) => {
                    let length = passed.min(into.remaining());
                    into.put_slice(&self.input[..length]);
                    self.input.advance(length);
                    checking.passed -= length;
                    if self.input.is_empty() && !self.holds_buffer {
                        self.input = BytesMut::new();
                    }
                    return Poll::Ready(Ok(()));
                }
                Next::TheEnd => return Poll::Ready(Ok(())),
                Next::Failed(error) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Next::Nothing if self.read == ReadSide::Ended => return Poll::Ready(Ok(())),
                Next::Nothing => {}
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
                checking.look_at(&self.input);
                continue;
            }
            let read = &into.filled()[before..];
            checking.look_at(read);
            let passed = std::mem::take(&mut checking.passed);
            if passed < read.len() {
                self.input.extend_from_slice(&read[passed..]);
                into.set_filled(before + passed);
            }
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
