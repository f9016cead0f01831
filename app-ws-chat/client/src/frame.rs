//! What the server says in `chat.v1`. PROTOCOL.md of the chat is the rule.
//!
//! Written from that page alone, so that it can disagree with the server. Nothing here knows of rooms that were entered.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name to offer in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "chat.v1";

/// Somebody in a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Person {
    /// Who it is, whatever the nickname.
    pub user: Arc<str>,
    /// What to call them in this room.
    pub nick: Arc<str>,
    /// Whether they moderate this room; said of oneself and in lists.
    #[serde(default, rename = "mod")]
    pub moderator: bool,
}

/// Something that was said in a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Message {
    /// Its place in the room: 1 for the first.
    #[serde(rename = "o")]
    pub offset: u64,
    /// Who said it, under the nickname of that moment.
    pub from: Person,
    /// When, in milliseconds since 1970; nothing is ordered by it.
    pub ts: u64,
    /// What was said.
    pub text: Box<str>,
    /// The sender's own id of it.
    pub cid: Box<str>,
}

/// Who is in a room, or what changed about it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Presence {
    /// How many users are here.
    pub count: u64,
    /// Everybody; replaces what was known.
    pub full: Option<Vec<Person>>,
    /// Somebody came.
    pub join: Option<Person>,
    /// Somebody left.
    pub leave: Option<Person>,
}

/// What an `ok` says. Which of these are there depends on the request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reply {
    /// Of a `join`: who we are in this room.
    pub me: Option<Person>,
    /// Of a `join` or `history`: the life of the room's history that offsets belong to.
    pub epoch: Option<Arc<str>>,
    /// Of a `join`: the newest offset.
    pub offset: Option<u64>,
    /// Of a `join`: whether `messages` are exactly what was missed.
    pub recovered: Option<bool>,
    /// Of a `join` or `history`: messages, the oldest first.
    pub messages: Option<Vec<Message>>,
    /// Of a `join`: who is here.
    pub presence: Option<Presence>,
    /// Of a `join` or `list`: the room's slow mode, in milliseconds; 0 is none.
    pub slow_ms: Option<u64>,
    /// Of a `join`: whether what others say comes late.
    pub late: Option<bool>,
    /// Of a `send`: where the message stands.
    pub said_at: Option<u64>,
    /// Of a `history`: whether there is still more before.
    pub more: Option<bool>,
    /// Of a `list`: who is kept out.
    pub bans: Option<Vec<Penalty>>,
    /// Of a `list`: who may not say anything.
    pub mutes: Option<Vec<Penalty>>,
}

/// Somebody who is kept out of a room, or may not say anything there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Penalty {
    /// Who.
    pub user: Box<str>,
    /// Their nickname when it happened.
    pub nick: Option<Box<str>>,
    /// When it ends, in milliseconds since 1970; without it, never.
    pub until: Option<u64>,
    /// The nickname of the moderator.
    pub by: Option<Box<str>>,
    /// What the moderator said.
    pub reason: Option<Box<str>>,
}

/// Why the server does not do something: an `err`, or an `out`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// As in HTTP; 0 in an `out`, which has none.
    pub code: u16,
    /// For programs.
    pub why: Box<str>,
    /// After how many milliseconds the same may succeed; without it, never.
    pub retry_ms: Option<u64>,
    /// For people.
    pub msg: Box<str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.msg, self.code) {
            ("", 0) => f.write_str(&self.why),
            ("", code) => write!(f, "{} ({code})", self.why),
            (msg, _) => f.write_str(msg),
        }
    }
}

/// Whom a moderator did something to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Target {
    /// Who it is, whatever the nickname.
    pub user: Arc<str>,
    /// What they are called, if the server knows: whom it concerns need not be here.
    pub nick: Option<Arc<str>>,
}

/// What a moderator did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Moderated {
    /// The act: `kick`, `ban`, `mute`, `slow` and their likes.
    pub act: Box<str>,
    /// To whom.
    pub user: Option<Target>,
    /// For how long, in milliseconds; without it, for ever, or the question does not arise.
    pub for_ms: Option<u64>,
    /// The room's slow mode, if that is it, in milliseconds.
    pub every_ms: Option<u64>,
    /// The nickname of the moderator.
    pub by: Option<Box<str>>,
    /// What the moderator said.
    pub reason: Option<Box<str>>,
}

/// The server's goodbye.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bye {
    /// The close code that follows.
    pub code: u16,
    /// After how many milliseconds to come back; without it, not at all.
    pub reconnect_ms: Option<u64>,
    /// For people.
    pub msg: Box<str>,
}

/// What the server says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerFrame {
    /// A request was carried out.
    Ok(u64, Box<Reply>),
    /// A request was refused, or a frame that had no readable number.
    Err(Option<u64>, Refusal),
    /// Somebody said something in this room.
    Msg(Arc<str>, Message),
    /// Somebody came or went.
    Presence(Arc<str>, Presence),
    /// Somebody is writing.
    Typing(Arc<str>, Person),
    /// A moderator did something.
    Mod(Arc<str>, Moderated),
    /// What others say in this room comes late, or no longer does.
    Late(Arc<str>, bool),
    /// We are no longer in this room.
    Out(Arc<str>, Refusal),
    /// Say `pong`.
    Ping,
    /// The connection closes now.
    Bye(Bye),
    /// A kind that this version does not know, which is to be ignored.
    Unknown,
}

/// Why a text is no frame of `chat.v1`: the server is at fault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadFrame {
    /// No JSON object with a `t`.
    NotAnObject,
    /// A kind that we know, with a field that is missing or of another type.
    Field(String),
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("a frame that is no JSON object with a kind"),
            Self::Field(which) => write!(f, "a frame with a wrong field: {which}"),
        }
    }
}

impl std::error::Error for BadFrame {}

impl ServerFrame {
    /// Reads one frame. Fields that are not known are ignored.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] says what the server did wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use chat_client::{BadFrame, ServerFrame};
    ///
    /// assert_eq!(ServerFrame::parse(r#"{"t":"ping"}"#), Ok(ServerFrame::Ping));
    /// assert_eq!(ServerFrame::parse(r#"{"t":"later","o":"?"}"#), Ok(ServerFrame::Unknown));
    /// assert_eq!(ServerFrame::parse("ping"), Err(BadFrame::NotAnObject));
    /// ```
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        match serde_json::from_str::<Fields<'_>>(text) {
            Ok(fields) => fields.frame(),
            // A field may have another type in a kind that we do not know.
            Err(error) => match serde_json::from_str::<Kind<'_>>(text) {
                Ok(kind) if KINDS.contains(&&*kind.t) => Err(BadFrame::Field(error.to_string())),
                Ok(_) => Ok(Self::Unknown),
                Err(_) => Err(BadFrame::NotAnObject),
            },
        }
    }
}

const KINDS: [&str; 10] = [
    "ok", "err", "msg", "presence", "typing", "mod", "late", "out", "ping", "bye",
];

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
}

/// Every field of every kind: read in one pass, which an enum that is told by a tag could not be.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    id: Option<u64>,
    room: Option<Arc<str>>,
    o: Option<u64>,
    from: Option<Person>,
    ts: Option<u64>,
    text: Option<Box<str>>,
    cid: Option<Box<str>>,
    me: Option<Person>,
    epoch: Option<Arc<str>>,
    offset: Option<u64>,
    recovered: Option<bool>,
    messages: Option<Vec<Message>>,
    presence: Option<Presence>,
    slow_ms: Option<u64>,
    more: Option<bool>,
    bans: Option<Vec<Penalty>>,
    mutes: Option<Vec<Penalty>>,
    count: Option<u64>,
    full: Option<Vec<Person>>,
    join: Option<Person>,
    leave: Option<Person>,
    code: Option<u16>,
    why: Option<Box<str>>,
    retry: Option<bool>,
    reconnect: Option<bool>,
    after_ms: Option<u64>,
    msg: Option<Box<str>>,
    late: Option<bool>,
    act: Option<Box<str>>,
    user: Option<Target>,
    for_ms: Option<u64>,
    every_ms: Option<u64>,
    by: Option<Box<str>>,
    reason: Option<Box<str>>,
}

impl Fields<'_> {
    fn frame(self) -> Result<ServerFrame, BadFrame> {
        Ok(match &*self.t {
            "ok" => ServerFrame::Ok(need(self.id, "ok", "id")?, Box::new(self.reply())),
            "err" => ServerFrame::Err(self.id, self.refusal("err")?),
            "msg" => {
                let room = need(self.room.clone(), "msg", "room")?;
                ServerFrame::Msg(room, self.message()?)
            }
            "presence" => ServerFrame::Presence(
                need(self.room, "presence", "room")?,
                Presence {
                    count: need(self.count, "presence", "count")?,
                    full: self.full,
                    join: self.join,
                    leave: self.leave,
                },
            ),
            "typing" => ServerFrame::Typing(
                need(self.room, "typing", "room")?,
                need(self.from, "typing", "from")?,
            ),
            "mod" => ServerFrame::Mod(
                need(self.room, "mod", "room")?,
                Moderated {
                    act: need(self.act, "mod", "act")?,
                    user: self.user,
                    for_ms: self.for_ms,
                    every_ms: self.every_ms,
                    by: self.by,
                    reason: self.reason,
                },
            ),
            "late" => ServerFrame::Late(
                need(self.room, "late", "room")?,
                need(self.late, "late", "late")?,
            ),
            "out" => {
                let room = need(self.room.clone(), "out", "room")?;
                ServerFrame::Out(room, self.refusal("out")?)
            }
            "ping" => ServerFrame::Ping,
            "bye" => ServerFrame::Bye(Bye {
                code: need(self.code, "bye", "code")?,
                reconnect_ms: need(self.reconnect, "bye", "reconnect")?
                    .then(|| self.after_ms.unwrap_or_default()),
                msg: self.msg.unwrap_or_default(),
            }),
            _ => ServerFrame::Unknown,
        })
    }

    fn reply(self) -> Reply {
        Reply {
            me: self.me,
            epoch: self.epoch,
            offset: self.offset,
            recovered: self.recovered,
            messages: self.messages,
            presence: self.presence,
            slow_ms: self.slow_ms,
            late: self.late,
            said_at: self.o,
            more: self.more,
            bans: self.bans,
            mutes: self.mutes,
        }
    }

    fn message(self) -> Result<Message, BadFrame> {
        Ok(Message {
            offset: need(self.o, "msg", "o")?,
            from: need(self.from, "msg", "from")?,
            ts: need(self.ts, "msg", "ts")?,
            text: need(self.text, "msg", "text")?,
            cid: need(self.cid, "msg", "cid")?,
        })
    }

    fn refusal(self, kind: &'static str) -> Result<Refusal, BadFrame> {
        let code = match kind {
            "out" => self.code.unwrap_or_default(),
            _ => need(self.code, kind, "code")?,
        };
        Ok(Refusal {
            code,
            why: self.why.unwrap_or_default(),
            retry_ms: need(self.retry, kind, "retry")?.then(|| self.after_ms.unwrap_or_default()),
            msg: self.msg.unwrap_or_default(),
        })
    }
}

fn need<T>(value: Option<T>, kind: &str, field: &str) -> Result<T, BadFrame> {
    value.ok_or_else(|| BadFrame::Field(format!("{kind} without {field}")))
}

/// A place in a room's history.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Position {
    /// The life of the history.
    #[serde(rename = "e")]
    pub epoch: Arc<str>,
    /// The last offset that was seen.
    #[serde(rename = "o")]
    pub offset: u64,
}
