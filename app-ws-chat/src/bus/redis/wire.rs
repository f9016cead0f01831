//! The events of a channel, read.

use std::sync::Arc;

use serde::Deserialize;

use crate::bus::Event;
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
    v: Option<u64>,
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
    /// Who is here or what is ruled has changed, for the how-manieth time.
    Changed(u64, Event),
    Typing(Person),
    /// Something is ruled in all rooms.
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
        Wire { v: Some(at), .. } => Heard::Changed(at, change(wire)?),
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

fn change(wire: Wire) -> Option<Event> {
    let came = wire.came.map(Event::Came);
    let left = || wire.left.map(Event::Left);
    let ruled = || wire.ruled.map(|ruling| Event::Ruled(Arc::new(ruling)));
    came.or_else(left).or_else(ruled)
}
