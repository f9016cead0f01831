//! What a client tells its user.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::ending::{Close, Reason};
use crate::frame::{BadFrame, Message, Moderated, Penalty, Person, Refusal};

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The link is up; the rooms are being entered.
    Opened,
    /// The link is down, and will be tried again.
    Lost {
        /// How it ended.
        close: Close,
        /// What the server said about it, for people; may be empty.
        msg: Box<str>,
        /// When it is tried again.
        back: Instant,
    },
    /// The link is down, and stays so.
    Over(Reason),
    /// In a room. The messages that were missed have been told before this.
    Joined {
        /// Which room.
        room: Arc<str>,
        /// With what of the past.
        past: Recovery,
    },
    /// Somebody said something. Each message comes once, in the room's order.
    Message {
        /// Where.
        room: Arc<str>,
        /// What.
        message: Arc<Message>,
        /// Whether it is news.
        arrival: Arrival,
    },
    /// The server keeps what we said, by its answer or because it is in the room.
    Kept {
        /// Where.
        room: Arc<str>,
        /// Which.
        cid: Box<str>,
        /// At which place.
        offset: u64,
    },
    /// What we said was refused, and is not said again by itself.
    Refused {
        /// Where.
        room: Arc<str>,
        /// Its text, to be given back.
        text: Box<str>,
        /// Why.
        refusal: Refusal,
    },
    /// Older messages, or missing ones, are in the room's log now.
    History {
        /// Where.
        room: Arc<str>,
    },
    /// Something else that we asked for was refused.
    Denied {
        /// Where.
        room: Arc<str>,
        /// What it was.
        what: Wanted,
        /// Why.
        refusal: Refusal,
    },
    /// Somebody came.
    Came {
        /// Where.
        room: Arc<str>,
        /// Who.
        person: Person,
    },
    /// Somebody left.
    Went {
        /// Where.
        room: Arc<str>,
        /// Who.
        person: Person,
    },
    /// A moderator did something.
    Moderated {
        /// Where.
        room: Arc<str>,
        /// What.
        what: Moderated,
    },
    /// Who is kept out of the room or muted, as we asked.
    Penalties {
        /// Where.
        room: Arc<str>,
        /// Who is kept out.
        bans: Vec<Penalty>,
        /// Who may not say anything.
        mutes: Vec<Penalty>,
    },
    /// The server is cut off from a room, so that what is said there comes late; or it has caught up.
    Late {
        /// Which room.
        room: Arc<str>,
        /// Whether it is so.
        late: bool,
    },
    /// The server has put us out of a room.
    Out {
        /// Which.
        room: Arc<str>,
        /// Why.
        refusal: Refusal,
    },
    /// The server broke a rule of the protocol. What could be done about it was done.
    Fault(Fault),
}

/// What of the past came with a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// We were not here before.
    First,
    /// All that was missed.
    Complete,
    /// Not all; the log has a hole, which history may fill.
    Partial,
    /// It is another story than before: the log has begun afresh.
    Afresh,
}

/// How a message came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// When it was said.
    Live,
    /// With a reply, later.
    Replayed,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// To enter.
    Join,
    /// To say something.
    Message,
    /// Older messages.
    History,
    /// An act of a moderator.
    Moderation,
}

/// A rule of the protocol that the server broke.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A frame that cannot be.
    Frame(BadFrame),
    /// A reply without what this request's reply has.
    Reply(Wanted, &'static str),
    /// A reply to something that was not asked, or not next.
    OutOfTurn {
        /// The number of the reply.
        got: u64,
        /// The number of the request that is next.
        expected: Option<u64>,
    },
    /// A message that does not follow the one before.
    Gap {
        /// Where.
        room: Arc<str>,
        /// The next offset.
        expected: u64,
        /// The offset that came.
        got: u64,
    },
    /// A message that was there already, on the same connection.
    Again {
        /// Where.
        room: Arc<str>,
        /// Its offset.
        offset: u64,
    },
    /// A position before ours, in the same epoch.
    Backwards {
        /// Where.
        room: Arc<str>,
        /// Our offset.
        ours: u64,
        /// The server's.
        theirs: u64,
    },
    /// News of a room that we are not in.
    Stray {
        /// Which room.
        room: Arc<str>,
        /// The kind of frame.
        kind: &'static str,
    },
    /// The server does not understand a frame of ours, and does not know which.
    Complaint(Refusal),
    /// The number of users is not that of the list.
    Count {
        /// Where.
        room: Arc<str>,
        /// The number that was told.
        told: u64,
        /// The number of those who were named.
        named: u64,
    },
}

impl Fault {
    /// The kind, in a word: faults are counted by it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Frame(_) => "frame",
            Self::Reply(..) => "reply",
            Self::OutOfTurn { .. } => "out-of-turn",
            Self::Gap { .. } => "gap",
            Self::Again { .. } => "again",
            Self::Backwards { .. } => "backwards",
            Self::Stray { .. } => "stray",
            Self::Complaint(_) => "complaint",
            Self::Count { .. } => "count",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(bad) => bad.fmt(f),
            Self::Reply(wanted, field) => write!(f, "a reply to {wanted:?} without {field}"),
            Self::OutOfTurn { got, expected } => {
                write!(f, "a reply to {got} when {expected:?} was next")
            }
            Self::Gap {
                room,
                expected,
                got,
            } => write!(f, "{room}: message {got} came when {expected} was next"),
            Self::Again { room, offset } => write!(f, "{room}: message {offset} came twice"),
            Self::Backwards { room, ours, theirs } => {
                write!(f, "{room}: the server is at {theirs}, and was at {ours}")
            }
            Self::Stray { room, kind } => write!(f, "{kind} of {room}, where we are not"),
            Self::Complaint(refusal) => write!(f, "we were not understood: {refusal}"),
            Self::Count { room, told, named } => {
                write!(f, "{room}: {told} are here, and {named} were named")
            }
        }
    }
}
