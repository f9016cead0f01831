//! The verdict on the bytes of a connection, for a server that has another read them.

use crate::body_reader::{BodyReader, Checked};
use crate::error::PeerError;
use crate::framing::BodyFraming;
use crate::head::{self, Count, Finished, LastChecked, Persistence, Progress, Upgrade};
use crate::limits::Limits;
use crate::reply_head;
use crate::state::MethodKind;

/// Stands before the reader of a connection, and lets through what a [`Connection`](crate::Connection) would take.
///
/// It is the same code that decides, so the verdicts are the same, however the bytes arrive. Heads and trailers are let
/// through when they are complete; until then their bytes stay with the caller, bounded by the [`Limits`]. All else passes as
/// it comes. Nothing is allocated, but for targets that are rare, and for a copy of the fields of the head before: those of the next are
/// nearly always the same, and then right too.
///
/// # Examples
///
/// ```
/// use http1::{Check, Limits, Passed, PeerError, Verdict};
///
/// let mut check = Check::new(Limits::default());
/// let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// let bad = b"GET /?x HTTP/1.1\r\n\r\n";
///
/// let passed = check.pass(&[&good[..], &bad[..9]].concat());
/// assert_eq!(passed, Passed { bytes: good.len(), verdict: Verdict::Right });
/// let passed = check.pass(bad);
/// assert_eq!(passed, Passed { bytes: 0, verdict: Verdict::HeadRefused(PeerError::MissingHost) });
/// ```
#[derive(Clone, Debug)]
pub struct Check {
    place: Place,
    last: LastChecked,
    limits: Limits,
}

/// How much may pass, and why no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// So many of the bytes may pass. The others must be given again, at the beginning.
    pub bytes: usize,
    /// What is to be said of those that may not.
    pub verdict: Verdict,
}

/// What is to be said of bytes that may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are right so far, but a part of something; perhaps there are none.
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
    Head {
        progress: Progress,
        fields: Count,
    },
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
    const HEAD: Self = Self::Head {
        progress: Progress::START,
        fields: Count::NONE,
    };
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
            last: LastChecked::new(),
            limits,
        }
    }

    /// Looks at bytes that were not let through yet: those left over by the last call, and new ones behind them.
    pub fn pass(&mut self, bytes: &[u8]) -> Passed {
        let mut passed = 0;
        while self.step(bytes, &mut passed) == Step::Again {}
        Passed {
            bytes: passed,
            verdict: self.verdict(),
        }
    }

    #[inline(always)]
    fn step(&mut self, bytes: &[u8], passed: &mut usize) -> Step {
        match &mut self.place {
            Place::Head { progress, fields } => {
                match head::check(
                    &bytes[*passed..],
                    progress,
                    fields,
                    &mut self.last,
                    &self.limits,
                ) {
                    Ok(Some(finished)) => {
                        *passed += finished.length;
                        *progress = Progress::START;
                        *fields = Count::NONE;
                        if let Some(place) = behind_head(&finished) {
                            self.place = place;
                        }
                        if bytes.len() > *passed {
                            return Step::Again;
                        }
                    }
                    Ok(None) => {}
                    Err(error) => self.refuse_head(error, &bytes[*passed..]),
                }
            }
            Place::Body { reader, behind } => match reader.check(bytes, passed, &self.limits) {
                Ok(Checked::End) => {
                    self.place = behind.place();
                    return Step::Again;
                }
                Ok(Checked::NeedBytes) => {}
                Err(error) => self.place = Place::NoBody(error),
            },
            Place::Paused(_) | Place::Ended | Place::NoHead { .. } | Place::NoBody(_) => {}
        }
        Step::Done
    }

    fn verdict(&self) -> Verdict {
        match self.place {
            Place::Head { .. } | Place::Body { .. } => Verdict::Right,
            Place::Paused(_) => Verdict::Paused,
            Place::Ended => Verdict::Ended,
            Place::NoHead { error, .. } => Verdict::HeadRefused(error),
            Place::NoBody(error) => Verdict::BodyRefused(error),
        }
    }

    #[cold]
    fn refuse_head(&mut self, error: PeerError, head: &[u8]) {
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
        if let Place::Head { .. } = self.place
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

/// Whether there is more to look at.
#[derive(PartialEq)]
enum Step {
    Again,
    Done,
}

/// What follows a head, if not another.
#[inline(always)]
fn behind_head(finished: &Finished) -> Option<Place> {
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
        BodyFraming::Empty => {
            return match behind {
                Behind::Request => None,
                Behind::Tunnel(_) | Behind::Nothing => Some(behind.place()),
            };
        }
        BodyFraming::Sized(left) => BodyReader::Sized { left },
        BodyFraming::Chunked => BodyReader::chunked(),
    };
    Some(Place::Body { reader, behind })
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
