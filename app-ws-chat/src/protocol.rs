//! `chat.v1`: client text to commands, replies and notices to server text. PROTOCOL.md is the rule.
//!
//! One JSON object a frame. Nothing here knows rooms or sockets.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::message::{Message, Offset, Person, Position, Text};
use crate::moderation::{
    Act, Bar, LONGEST_MS, Listing, Order, REASON_CHARS, Ruling, SHORTEST_MS, SLOWEST_MS,
};
use crate::name::{Cid, NameError, Nick, RoomName, UserId, UserKey};
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::room::{Notice, Page, Receipt, Welcome};

/// The name to offer in `Sec-WebSocket-Protocol`. Another version would have another name.
pub const SUBPROTOCOL: &str = "chat.v1";

/// The longest client frame, in bytes: a message of [`TEXT_BYTES`](crate::message::TEXT_BYTES) with every byte escaped
/// as `\u0000` is 24 KiB.
pub const FRAME_BYTES: usize = 64 * 1024;

/// The messages of a page of history: the default, and the most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// The client's number of a request, repeated in its reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The largest number that JavaScript gives back unchanged.
    const MAX: u64 = (1 << 53) - 1;
}

/// What a client says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientFrame {
    /// Something that is answered, with `ok` or `err`.
    Request(RequestId, Command),
    /// The user is writing in this room; volatile, so there is no answer.
    Typing(RoomName),
    /// The answer to a ping.
    Pong,
}

/// What a client asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Enter a room.
    Join(Join),
    /// Say something in a room.
    Send(RoomName, Draft),
    /// Show older messages: the room, an offset (else the end), and how many.
    History(RoomName, Option<Offset>, usize),
    /// Leave a room.
    Leave(RoomName),
    /// Say that the link is alive.
    Ping,
    /// Moderate.
    Moderate(RoomName, Order),
    /// Show what moderators have decided.
    Listing(RoomName),
}

/// A wish to enter a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Join {
    /// The room.
    pub room: RoomName,
    /// The nickname wished for.
    pub nick: Nick,
    /// Who the client is; without it, somebody new.
    pub key: Option<UserKey>,
    /// What the client has seen already.
    pub since: Option<Position>,
    /// What makes the client a moderator.
    pub token: Option<Token>,
}

/// What moderators have in common. Nobody reads it: it is compared, and not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(pub(crate) Box<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A message before a room has accepted it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// The client's id of it.
    pub cid: Cid,
    /// What is said.
    pub text: Text,
}

/// Why a frame is no [`ClientFrame`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BadFrame {
    /// Not a JSON object: this peer does not speak the protocol, and is sent away.
    NotAnObject,
    /// An object that asks for something impossible: it is told so, and may go on.
    Refused(Option<RequestId>, Refusal),
}

impl ClientFrame {
    /// Reads one frame. Fields that a kind does not have are ignored, so that later versions may
    /// add some.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] tells a stranger from a mistake.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let fields = serde_json::from_str(text).map_err(|_| BadFrame::NotAnObject)?;
        let fields = Fields(fields);
        let id = fields.id();
        fields
            .frame(id)
            .map_err(|refusal| BadFrame::Refused(id, refusal))
    }
}

/// A client's JSON object, whatever is in it.
struct Fields(Map<String, Value>);

impl Fields {
    fn frame(&self, id: Option<RequestId>) -> Result<ClientFrame, Refusal> {
        let command = match self.text("t")? {
            "join" => Command::Join(Join {
                room: self.name("room", RoomName::parse)?,
                nick: self.name("nick", Nick::parse)?,
                key: self.optional("key", |field| self.name(field, UserKey::parse))?,
                since: self.optional("since", |field| self.position(field))?,
                token: self.optional("token", |field| Ok(Token(self.text(field)?.into())))?,
            }),
            "send" => Command::Send(
                self.name("room", RoomName::parse)?,
                Draft {
                    cid: self.name("cid", Cid::parse)?,
                    text: Text::parse(self.text("text")?).map_err(Refusal::Text)?,
                },
            ),
            "history" => Command::History(
                self.name("room", RoomName::parse)?,
                self.optional("before", |field| self.number(field).map(Offset))?,
                self.limit()?,
            ),
            "leave" => Command::Leave(self.name("room", RoomName::parse)?),
            "ping" => Command::Ping,
            "mod" => match self.text("act")? {
                "list" => Command::Listing(self.name("room", RoomName::parse)?),
                _ => Command::Moderate(self.name("room", RoomName::parse)?, self.order()?),
            },
            "typing" => return self.name("room", RoomName::parse).map(ClientFrame::Typing),
            "pong" => return Ok(ClientFrame::Pong),
            _ => return Err(Refusal::UnknownKind),
        };
        Ok(ClientFrame::Request(
            id.ok_or(Refusal::Field("id"))?,
            command,
        ))
    }

    fn order(&self) -> Result<Order, Refusal> {
        let act = Act::parse(self.text("act")?).ok_or(Refusal::Field("act"))?;
        let within = |least, most| {
            move |field| match self.number(field)? {
                time if (least..=most).contains(&time) => Ok(time),
                _ => Err(Refusal::Field(field)),
            }
        };
        let reason = match self.optional("reason", |field| self.text(field))? {
            Some(reason) if is_line(reason) => reason.trim(),
            Some(_) => return Err(Refusal::Field("reason")),
            None => "",
        };
        Ok(Order {
            act,
            user: match act {
                Act::Slow => None,
                _ => Some(self.name("user", UserId::parse)?),
            },
            time: match act {
                Act::Slow => Some(within(0, SLOWEST_MS)("every_ms")?),
                Act::Kick | Act::Ban | Act::Mute => {
                    self.optional("for_ms", within(SHORTEST_MS, LONGEST_MS))?
                }
                Act::Unban | Act::Unmute => None,
            },
            reason: reason.into(),
        })
    }

    fn limit(&self) -> Result<usize, Refusal> {
        let limit = self.optional("limit", |field| {
            let limit = usize::try_from(self.number(field)?).unwrap_or(0);
            let fits = (1..=LARGEST_PAGE).contains(&limit);
            fits.then_some(limit).ok_or(Refusal::Field(field))
        })?;
        Ok(limit.unwrap_or(PAGE))
    }

    fn number(&self, field: &'static str) -> Result<u64, Refusal> {
        let number = self.0.get(field).and_then(Value::as_u64);
        number.ok_or(Refusal::Field(field))
    }

    fn id(&self) -> Option<RequestId> {
        let number = self.0.get("id")?.as_u64()?;
        (number <= RequestId::MAX).then_some(RequestId(number))
    }

    fn text(&self, field: &'static str) -> Result<&str, Refusal> {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .ok_or(Refusal::Field(field))
    }

    fn name<T>(
        &self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, NameError>,
    ) -> Result<T, Refusal> {
        parse(self.text(field)?).map_err(|error| Refusal::Name(field, error))
    }

    fn position(&self, field: &'static str) -> Result<Position, Refusal> {
        let value = self.0.get(field).ok_or(Refusal::Field(field))?;
        Position::deserialize(value).map_err(|_| Refusal::Field(field))
    }

    fn optional<T>(
        &self,
        field: &'static str,
        read: impl Fn(&'static str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(field).map(Some),
        }
    }
}

/// Reads what the host orders by HTTP: a room, if it is not meant for all, and a `mod` frame's fields.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn parse_order(text: &str) -> Result<(Option<RoomName>, Order), Refusal> {
    let fields = serde_json::from_str(text).map_err(|_| Refusal::UnknownKind)?;
    let fields = Fields(fields);
    let room = fields.optional("room", |field| fields.name(field, RoomName::parse))?;
    let order = fields.order()?;
    if room.is_none() && order.act == Act::Slow {
        return Err(Refusal::Field("room"));
    }
    Ok((room, order))
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= REASON_CHARS && !text.chars().any(char::is_control)
}

/// What the server says.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// The reply to a `join`.
    Joined(RequestId, &'a Welcome),
    /// The reply to a `send`.
    Sent(RequestId, Receipt),
    /// The reply to a `history`.
    Paged(RequestId, &'a Page),
    /// The reply to a `leave`, a `ping`, a `mod`.
    Done(RequestId),
    /// The reply to a `mod` that asks what is in force.
    Listed(RequestId, &'a Listing),
    /// The reply to a request that is refused, with its number if that could be read.
    Refused(Option<RequestId>, Refusal),
    /// News of a room.
    Notice(&'a RoomName, &'a Notice),
    /// The receiver is no longer in a room.
    Out(Out<'a>),
    /// Say `pong`.
    Ping,
    /// The connection closes now.
    Bye(Bye),
}

/// Why somebody is no longer in a room.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    /// The room.
    pub room: &'a RoomName,
    /// A kick or a ban.
    pub why: Bar,
    /// When they may come back; `None`: not by themselves.
    pub after: Option<Duration>,
    /// What the moderator said.
    pub reason: &'a str,
}

impl ServerFrame<'_> {
    /// The frame's text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(&self.wire()).expect("strings and numbers always serialise")
    }

    fn wire(&self) -> Wire<'_> {
        match *self {
            Self::Joined(id, welcome) => Wire::Ok {
                id,
                answer: Answer::Joined(welcome),
            },
            Self::Sent(id, receipt) => Wire::Ok {
                id,
                answer: Answer::Sent(receipt),
            },
            Self::Paged(id, page) => Wire::Ok {
                id,
                answer: Answer::Paged(page),
            },
            Self::Done(id) => Wire::Ok {
                id,
                answer: Answer::Done {},
            },
            Self::Listed(id, listing) => Wire::Ok {
                id,
                answer: Answer::Listed(listing),
            },
            Self::Refused(id, refusal) => Wire::Err {
                id,
                code: refusal.code(),
                why: refusal.why(),
                retry: refusal.retry_after().is_some(),
                after_ms: refusal.retry_after(),
                msg: refusal.to_string(),
            },
            Self::Notice(room, Notice::Said(message)) => Wire::Msg { room, message },
            Self::Notice(room, Notice::Presence(presence)) => Wire::Presence { room, presence },
            Self::Notice(room, Notice::Typing(from)) => Wire::Typing { room, from },
            Self::Notice(room, Notice::Ruled(ruling)) => ruled(room, ruling),
            Self::Out(Out {
                room,
                why,
                after,
                reason,
            }) => Wire::Out {
                room,
                why,
                retry: after.is_some(),
                after_ms: after,
                msg: reason,
            },
            Self::Ping => Wire::Ping {},
            Self::Bye(bye) => Wire::Bye {
                code: bye.code(),
                reconnect: bye.reconnect_after().is_some(),
                after_ms: bye.reconnect_after(),
                msg: bye.reason(),
            },
        }
    }
}

fn ruled<'a>(room: &'a RoomName, ruling: &'a Ruling) -> Wire<'a> {
    let user = ruling.user.map(|user| Ruled {
        user,
        nick: ruling.nick.as_ref(),
    });
    let (for_ms, every_ms) = match ruling.act {
        Act::Slow => (None, ruling.ms),
        _ => (ruling.ms, None),
    };
    Wire::Mod {
        room,
        act: ruling.act,
        user,
        for_ms,
        every_ms,
        by: &ruling.by,
        reason: &ruling.reason,
    }
}

/// The frames as they are written; the field `t` names the kind.
#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Wire<'a> {
    Ok {
        id: RequestId,
        #[serde(flatten)]
        answer: Answer<'a>,
    },
    Err {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        code: u16,
        why: &'static str,
        retry: bool,
        #[serde(
            skip_serializing_if = "Option::is_none",
            serialize_with = "milliseconds"
        )]
        after_ms: Option<Duration>,
        msg: String,
    },
    Msg {
        room: &'a RoomName,
        #[serde(flatten)]
        message: &'a Message,
    },
    Presence {
        room: &'a RoomName,
        #[serde(flatten)]
        presence: &'a Presence,
    },
    Typing {
        room: &'a RoomName,
        from: &'a Person,
    },
    Mod {
        room: &'a RoomName,
        act: Act,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<Ruled<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        every_ms: Option<u64>,
        by: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
    },
    Out {
        room: &'a RoomName,
        why: Bar,
        retry: bool,
        #[serde(
            skip_serializing_if = "Option::is_none",
            serialize_with = "milliseconds"
        )]
        after_ms: Option<Duration>,
        msg: &'a str,
    },
    Ping {},
    Bye {
        code: u16,
        reconnect: bool,
        #[serde(
            skip_serializing_if = "Option::is_none",
            serialize_with = "milliseconds"
        )]
        after_ms: Option<Duration>,
        msg: &'static str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Joined(&'a Welcome),
    Sent(Receipt),
    Paged(&'a Page),
    Listed(&'a Listing),
    Done {},
}

/// Whom a ruling is about; the nickname is known of those who were there.
#[derive(Serialize)]
struct Ruled<'a> {
    user: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<&'a Nick>,
}

fn milliseconds<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    // Rounded up: who waits as long as told must not be early.
    let whole = |t: &Duration| t.as_nanos().div_ceil(1_000_000);
    time.as_ref().map(whole).serialize(to)
}

/// Why the server ends a connection: a `bye` frame, then a close frame of the same code.
///
/// Codes 4000 to 4499 ask the client to come back, codes 4500 to 4999 and 1009 not to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bye {
    /// The server shuts down, or moves.
    Drain {
        /// When to come back; random, so that not all do at once.
        after: Duration,
    },
    /// The client did not read as fast as its rooms spoke.
    Slow,
    /// The node has lost its place in a room.
    Lost {
        /// When to come back; random, because it concerns a whole room.
        after: Duration,
    },
    /// No answer to a ping.
    Silent,
    /// The client kept on sending although it was told to wait.
    Flooding {
        /// When to come back.
        after: Duration,
    },
    /// The user is banned from all rooms.
    Banned,
    /// The client does not speak `chat.v1`.
    Protocol,
    /// A frame above [`FRAME_BYTES`].
    TooBig,
}

/// The clients of a lost room come back within this time.
const RESUME_WITHIN: Duration = Duration::from_secs(2);

impl Bye {
    /// For one of a room that is lost.
    pub(crate) fn lost() -> Self {
        let after = RESUME_WITHIN.mul_f64(fastrand::f64());
        Self::Lost { after }
    }

    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Drain { .. } => 4001,
            Self::Slow => 4008,
            Self::Lost { .. } => 4009,
            Self::Silent => 4010,
            Self::Flooding { .. } => 4029,
            Self::Banned => 4501,
            Self::Protocol => 4502,
            // The WebSocket's own code, because a server with a lower limit closes with it before the chat can.
            Self::TooBig => 1009,
        }
    }

    /// The close reason, for people.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Drain { .. } => "the server restarts",
            Self::Slow => "too slow to keep up",
            Self::Lost { .. } => "the server has lost its place in a room",
            Self::Silent => "no answer to a ping",
            Self::Flooding { .. } => "too many messages",
            Self::Banned => "you have been banned",
            Self::Protocol => "not a chat.v1 frame",
            Self::TooBig => "a frame of more than 64 KiB",
        }
    }

    /// When the client should come back; `None`: it should not.
    #[must_use]
    pub const fn reconnect_after(self) -> Option<Duration> {
        match self {
            Self::Drain { after } | Self::Lost { after } | Self::Flooding { after } => Some(after),
            Self::Slow | Self::Silent => Some(Duration::ZERO),
            Self::Banned | Self::Protocol | Self::TooBig => None,
        }
    }
}

#[cfg(test)]
mod tests;
