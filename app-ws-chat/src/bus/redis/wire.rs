//! The events of a channel, read.

use std::sync::Arc;

use serde::Deserialize;

use crate::message::{Epoch, Message, Person, Present};
use crate::moderation::Ruling;
use crate::name::UserId;

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    said: Option<Message>,
    #[serde(default)]
    e: Option<Epoch>,
    #[serde(default)]
    came: Option<Present>,
    #[serde(default)]
    left: Option<UserId>,
    #[serde(default)]
    typing: Option<Person>,
    #[serde(default)]
    ruled: Option<Ruling>,
}

/// An event, as it concerns a room.
#[derive(Debug)]
pub(super) enum Heard {
    Said(Epoch, Arc<Message>),
    Came(Present),
    Left(UserId),
    Typing(Person),
    Ruled(Arc<Ruling>),
}

/// Reads an event; one of a later version is passed over.
pub(super) fn read(text: &[u8]) -> Option<Heard> {
    let wire: Wire = serde_json::from_slice(text).ok()?;
    Some(match wire {
        Wire {
            said: Some(message),
            e: Some(epoch),
            ..
        } => Heard::Said(epoch, Arc::new(message)),
        Wire {
            came: Some(who), ..
        } => Heard::Came(who),
        Wire {
            left: Some(who), ..
        } => Heard::Left(who),
        Wire {
            typing: Some(who), ..
        } => Heard::Typing(who),
        Wire {
            ruled: Some(ruling),
            ..
        } => Heard::Ruled(Arc::new(ruling)),
        _ => return None,
    })
}
