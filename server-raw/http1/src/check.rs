//! Heads, and the verdict on all other bytes of a connection, for a server that has another read those.

use gateway_spec::Field;

use crate::body_reader::{BodyReader, Checked};
use crate::error::PeerError;
use crate::framing::BodyFraming;
use crate::head::{self, Finished, HeadParts, Last, Persistence, Progress, Upgrade};
use crate::limits::Limits;
use crate::reply_head;
use crate::state::MethodKind;

/// Stands before the reader of a connection: reads the heads, and lets through what a [`Connection`](crate::Connection) would take of the
/// bodies.
///
/// It is the same code that decides, so the verdicts are the same, however the bytes arrive. A head is read, and trailers are let
/// through, when they are complete; until then their bytes stay with the caller, bounded by the [`Limits`]. All else passes as
/// it comes.
///
/// # Examples
///
/// ```
/// use http1::{Check, Limits, Passed, PeerError, Persistence, RequestHead, Verdict};
///
/// let (mut check, mut head) = (Check::new(Limits::default()), RequestHead::default());
/// let good = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
/// let bad = b"GET /?x HTTP/1.1\r\n\r\n";
///
/// let passed = check.pass(&[&good[..], &bad[..9]].concat(), &mut head);
/// assert_eq!(passed, Passed { bytes: good.len(), verdict: Verdict::Head(Persistence::KeepOpen) });
/// assert_eq!(head.uri.path(), "/a");
/// let passed = check.pass(bad, &mut head);
/// assert_eq!(passed, Passed { bytes: 0, verdict: Verdict::HeadRefused(PeerError::MissingHost) });
/// ```
#[derive(Clone, Debug)]
pub struct Check {
    place: Place,
    /// The index of the head being read; empty between heads.
    index: Vec<Field>,
    last: Last,
    limits: Limits,
}

/// How much of the bytes was looked at, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// So many of the bytes are done with. The others must be given again, at the beginning.
    pub bytes: usize,
    /// What is to be said of them, if they are a head; else of those behind them.
    pub verdict: Verdict,
}

/// What is to be said of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Those that are done with are a head, which was read.
    Head(Persistence),
    /// Those that are done with are of a body, and may pass; the others are right so far, but a part of something. Perhaps there are none:
    /// if some are done with, ask again.
    Right,
    /// They follow a request that may make the connection a tunnel. If it does, they are the tunnel's and this check is over.
    /// If not, [`go_on`](Check::go_on) and give them again when the exchange is over.
    Paused,
    /// They follow the last request of the connection, and are nobody's.
    Ended,
    /// They are no request. When all is answered that was let through, answer with
    /// [`error_reply`](Check::error_reply) and close.
    HeadRefused(PeerError),
    /// They do not go on with the body that they are to be of.
    BodyRefused(PeerError),
}

/// What the next bytes are of.
#[derive(Clone, Debug)]
enum Place {
    Head(Progress),
    Body {
        reader: BodyReader,
        behind: Behind,
    },
    Paused(Persistence),
    Ended,
    /// Of a head that is refused, or of what follows it.
    NoHead {
        error: PeerError,
        method: MethodKind,
    },
    /// Of a body that is refused, or of what follows it.
    NoBody(PeerError),
}

impl Place {
    const HEAD: Self = Self::Head(Progress::START);
}

/// What follows a request.
#[derive(Clone, Copy, Debug)]
enum Behind {
    Request,
    /// The bytes of a tunnel; if it becomes none, another request or nothing.
    Tunnel(Persistence),
    Nothing,
}

impl Check {
    /// For a connection on which nothing was read.
    pub const fn new(limits: Limits) -> Self {
        Self {
            place: Place::HEAD,
            index: Vec::new(),
            last: Last::new(),
            limits,
        }
    }

    /// Looks at bytes that were not done with yet: those left over by the last call, and new ones behind them. Of heads, it reads one into
    /// `head` (a `&mut` [`RequestHead`](crate::RequestHead), or [`HeadParts`]), whose memory is used again; after an error that holds a
    /// mixture.
    #[inline]
    pub fn pass<'a>(&mut self, bytes: &[u8], head: impl Into<HeadParts<'a>>) -> Passed {
        if let Place::Body { .. } = self.place {
            let passed = self.pass_body(bytes);
            // The end of a body that has no bytes left says nothing of what is behind it.
            if passed.bytes > 0 {
                return passed;
            }
        }
        self.pass_head(bytes, head.into())
    }

    #[inline]
    fn pass_head(&mut self, bytes: &[u8], mut head: HeadParts<'_>) -> Passed {
        let Place::Head(progress) = &mut self.place else {
            return self.passed(0);
        };
        let (index, last) = (&mut self.index, &mut self.last);
        match head::read(bytes, progress, index, last, &self.limits, &mut head) {
            Ok(Some(finished)) => {
                self.place = behind_head(&finished);
                Passed {
                    bytes: finished.length,
                    verdict: Verdict::Head(finished.persistence),
                }
            }
            Ok(None) => self.passed(0),
            Err(error) => {
                self.refuse_head(error, bytes);
                self.passed(0)
            }
        }
    }

    fn pass_body(&mut self, bytes: &[u8]) -> Passed {
        let mut passed = 0;
        if let Place::Body { reader, behind } = &mut self.place {
            match reader.check(bytes, &mut passed, &self.limits) {
                Ok(Checked::End) => self.place = behind.place(),
                Ok(Checked::NeedBytes) => {}
                Err(error) => self.place = Place::NoBody(error),
            }
        }
        self.passed(passed)
    }

    fn passed(&self, bytes: usize) -> Passed {
        Passed {
            bytes,
            verdict: self.verdict(),
        }
    }

    fn verdict(&self) -> Verdict {
        match self.place {
            Place::Head(_) | Place::Body { .. } => Verdict::Right,
            Place::Paused(_) => Verdict::Paused,
            Place::Ended => Verdict::Ended,
            Place::NoHead { error, .. } => Verdict::HeadRefused(error),
            Place::NoBody(error) => Verdict::BodyRefused(error),
        }
    }

    #[cold]
    fn refuse_head(&mut self, error: PeerError, head: &[u8]) {
        self.index.clear();
        self.place = Place::NoHead {
            error,
            method: head::method_of(head),
        };
    }

    /// The connection has not become a tunnel: what follows is a request.
    pub const fn go_on(&mut self) {
        if let Place::Paused(persistence) = self.place {
            self.place = match persistence {
                Persistence::KeepOpen => Place::HEAD,
                Persistence::Close => Place::Ended,
            };
        }
    }

    /// The peer will send no more (its FIN came), and these bytes are left. Whether a head breaks off with them; a body that
    /// does is for its reader to see.
    pub fn end_of_input(&mut self, left: &[u8]) -> Verdict {
        // The empty line that may stand before a request line is no request.
        if let Place::Head(_) = self.place
            && !matches!(left, b"" | b"\r\n")
        {
            self.refuse_head(PeerError::TruncatedHead, left);
        }
        self.verdict()
    }

    /// Writes the whole reply to a head that was refused, after which the connection closes; it is the
    /// [`error_reply`](crate::Connection::error_reply) of a connection. Without such a head, nothing is written.
    pub fn error_reply(&self, date: &[u8; 29], out: &mut Vec<u8>) {
        if let Place::NoHead { error, method } = self.place {
            reply_head::write_error(error, method, date, out);
        }
    }
}

/// What follows a head.
#[inline(always)]
fn behind_head(finished: &Finished) -> Place {
    let behind = match (
        finished.method,
        finished.facts.upgrade,
        finished.persistence,
    ) {
        (MethodKind::Connect, _, persistence) | (_, Upgrade::Offered, persistence) => {
            Behind::Tunnel(persistence)
        }
        (_, Upgrade::None | Upgrade::Unlisted, Persistence::Close) => Behind::Nothing,
        (_, Upgrade::None | Upgrade::Unlisted, Persistence::KeepOpen) => Behind::Request,
    };
    let reader = match finished.facts.framing {
        BodyFraming::Empty => return behind.place(),
        BodyFraming::Sized(left) => BodyReader::Sized { left },
        BodyFraming::Chunked => BodyReader::chunked(),
    };
    Place::Body { reader, behind }
}

impl Behind {
    const fn place(self) -> Place {
        match self {
            Self::Request => Place::HEAD,
            Self::Tunnel(persistence) => Place::Paused(persistence),
            Self::Nothing => Place::Ended,
        }
    }
}
