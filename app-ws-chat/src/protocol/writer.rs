//! What the server says, written: replies and notices to JSON.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Out, RequestId, ServerFrame};
use crate::message::{Message, Person};
use crate::moderation::{Act, Bar, Listing, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::presence::Presence;
use crate::room::{Notice, Page, Receipt, Welcome};

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
            Self::Notice(room, &Notice::Late(late)) => Wire::Late { room, late },
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
    Late {
        room: &'a RoomName,
        late: bool,
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
