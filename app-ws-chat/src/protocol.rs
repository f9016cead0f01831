//! `chat.v1`: client text to commands, replies and notices to server text. PROTOCOL.md is the rule.
//!
//! One JSON object a frame. Nothing here knows rooms or sockets.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::message::{Message, Person, Position, Text};
use crate::name::{Cid, NameError, Nick, RoomName, UserKey};
use crate::presence::Presence;
use crate::refusal::Refusal;
use crate::room::{Notice, Receipt, Welcome};

/// The name to offer in `Sec-WebSocket-Protocol`. Another version would have another name.
pub const SUBPROTOCOL: &str = "chat.v1";

/// The longest client frame, in bytes: a message of [`TEXT_BYTES`](crate::message::TEXT_BYTES) with every byte escaped
/// as `\u0000` is 24 KiB.
pub const FRAME_BYTES: usize = 64 * 1024;

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
    /// Leave a room.
    Leave(RoomName),
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
            }),
            "send" => Command::Send(
                self.name("room", RoomName::parse)?,
                Draft {
                    cid: self.name("cid", Cid::parse)?,
                    text: Text::parse(self.text("text")?).map_err(Refusal::Text)?,
                },
            ),
            "leave" => Command::Leave(self.name("room", RoomName::parse)?),
            "typing" => return self.name("room", RoomName::parse).map(ClientFrame::Typing),
            "pong" => return Ok(ClientFrame::Pong),
            _ => return Err(Refusal::UnknownKind),
        };
        Ok(ClientFrame::Request(
            id.ok_or(Refusal::Field("id"))?,
            command,
        ))
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

/// What the server says.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// The reply to a `join`.
    Joined(RequestId, &'a Welcome),
    /// The reply to a `send`.
    Sent(RequestId, Receipt),
    /// The reply to a `leave`.
    Left(RequestId),
    /// The reply to a request that is refused, with its number if that could be read.
    Refused(Option<RequestId>, Refusal),
    /// News of a room.
    Notice(&'a RoomName, &'a Notice),
    /// Say `pong`.
    Ping,
    /// The connection closes now.
    Bye(Bye),
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
            Self::Left(id) => Wire::Ok {
                id,
                answer: Answer::Left {},
            },
            Self::Refused(id, refusal) => Wire::Err {
                id,
                code: refusal.code(),
                retry: refusal.retry_after().is_some(),
                after_ms: refusal.retry_after(),
                msg: refusal.to_string(),
            },
            Self::Notice(room, Notice::Said(message)) => Wire::Msg { room, message },
            Self::Notice(room, Notice::Presence(presence)) => Wire::Presence { room, presence },
            Self::Notice(room, Notice::Typing(from)) => Wire::Typing { room, from },
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
    Left {},
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
    /// No answer to a ping.
    Silent,
    /// The client kept on sending although it was told to wait.
    Flooding {
        /// When to come back.
        after: Duration,
    },
    /// The client does not speak `chat.v1`.
    Protocol,
    /// A frame above [`FRAME_BYTES`].
    TooBig,
}

impl Bye {
    /// The close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Drain { .. } => 4001,
            Self::Slow => 4008,
            Self::Silent => 4010,
            Self::Flooding { .. } => 4029,
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
            Self::Silent => "no answer to a ping",
            Self::Flooding { .. } => "too many messages",
            Self::Protocol => "not a chat.v1 frame",
            Self::TooBig => "a frame of more than 64 KiB",
        }
    }

    /// When the client should come back; `None`: it should not.
    #[must_use]
    pub const fn reconnect_after(self) -> Option<Duration> {
        match self {
            Self::Drain { after } | Self::Flooding { after } => Some(after),
            Self::Slow | Self::Silent => Some(Duration::ZERO),
            Self::Protocol | Self::TooBig => None,
        }
    }
}

#[cfg(test)]
mod tests;
