//! What a client says, read: JSON objects to commands.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{BadFrame, ClientFrame, Command, Draft, Join, RequestId, Token};
use crate::message::{Offset, Position, Text};
use crate::moderation::{Act, LONGEST_MS, Order, REASON_CHARS, SHORTEST_MS, SLOWEST_MS};
use crate::name::{Cid, NameError, Nick, RoomName, UserId, UserKey};
use crate::refusal::Refusal;

/// The messages of a page of history: the default, and the most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

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
