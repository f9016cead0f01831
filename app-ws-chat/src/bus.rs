//! What joins the rooms of all nodes: one order of messages, who is here, what is ruled.

mod local;
mod redis;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::message::{Epoch, Message, Offset, Person, Present, Rank};
use crate::moderation::{Rules, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::ring::Ring;
use crate::room::Receipt;
use crate::store::StoreError;

pub use local::LocalBus;
pub use redis::{RedisBus, RedisBusError};

/// Joins the nodes that serve the same rooms; a node alone has a [`LocalBus`].
///
/// A node opens a room when its first visitor comes, and from then on its [`Listener`] hears everything that happens
/// there, also what the node itself has asked for. So all nodes see one order.
///
/// # Contract
///
/// - [`publish`](Self::publish) returns when the message is kept, and the listeners of all nodes hear it, once each, in
///   the order of the offsets, without a hole. A bus that cannot keep to that says [`Event::Lost`].
/// - A user is here once, on however many nodes, under one nickname.
/// - Who is here, as a listener is told, follows the state that [`open`](Self::open) has returned without a hole.
///
/// # Cancel safety
///
/// Dropped calls may or may not have done what was asked.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Begins to listen to a room, in which nobody of this node is; who listened before does so no longer. What happens after the state that it returns is heard, some of it perhaps before the
    /// return.
    ///
    /// # Errors
    ///
    /// The room's past cannot be read now. Nothing is heard then.
    async fn open(
        &self,
        room: &RoomName,
        listener: Arc<dyn Listener>,
    ) -> Result<Opened, StoreError>;

    /// Ends listening to a room. Nobody of this node is there any more.
    fn close(&self, room: &RoomName);

    /// Begins to hear rulings about all rooms; gives those in force.
    ///
    /// # Errors
    ///
    /// They cannot be read now.
    async fn open_house(&self, listener: Arc<dyn Listener>) -> Result<Rules, StoreError>;

    /// Makes a draft the next message of a room, unless it is one already.
    ///
    /// # Errors
    ///
    /// [`Refusal::SlowMode`], [`Refusal::Store`]; after the latter it may have been said.
    async fn publish(
        &self,
        room: &RoomName,
        from: Person,
        draft: Draft,
        pace: Duration,
    ) -> Result<Receipt, Refusal>;

    /// A user comes to a room of this node, or gets a higher rank; the nickname need not be the one wished for. Of a user
    /// who is here already it changes nothing else. When this returns the listener has heard of it.
    ///
    /// Each connection of a user has to ask: what one of them was refused, another one may get.
    ///
    /// # Errors
    ///
    /// [`Refusal::Store`].
    async fn enter(
        &self,
        room: &RoomName,
        user: UserId,
        wish: &Nick,
        rank: Rank,
    ) -> Result<Present, Refusal>;

    /// A user has left a room of this node, unless by the time this is carried out they have [entered](Self::enter) it again for the
    /// [stay](Listener::stay) that they have there now.
    fn exit(&self, room: &RoomName, user: UserId);

    /// Somebody is writing. May get lost.
    fn typing(&self, room: &RoomName, from: &Person);

    /// The last messages before an offset, the oldest first, as of [`Store::history`](crate::store::Store::history).
    ///
    /// # Errors
    ///
    /// They cannot be read now.
    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError>;

    /// Puts a ruling in force. A kick or a ban takes the user out of the room on all nodes.
    ///
    /// # Errors
    ///
    /// It cannot be kept now.
    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError>;

    /// The last rulings, the newest first.
    ///
    /// # Errors
    ///
    /// They cannot be read now.
    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError>;

    /// The node ends, and those who are there go to others.
    async fn shut_down(&self) {}
}

/// A node's ear in a room.
///
/// Called in the order of events, from whatever task or thread; does pure work alone and never waits.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Something has happened.
    fn hear(&self, event: Event);

    /// Since when this user is in the room on this node, or on the way in.
    fn stay(&self, user: UserId) -> Option<Stay>;
}

/// From the first connection of a user to a room of this node to the end of the last one. Who leaves and comes again begins another stay, and
/// may be called otherwise in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stay(pub u64);

/// What a bus tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message: the next one of the room.
    Said(Arc<Message>),
    /// Somebody has come, or has another rank.
    Came(Present),
    /// Somebody has left.
    Left(UserId),
    /// These are here, and nobody else.
    Here(Vec<Present>),
    /// Somebody is writing.
    Typing(Person),
    /// A moderator has decided something.
    Ruled(Arc<Ruling>),
    /// These rules are in force in all rooms, and no others.
    Rules(Box<Rules>),
    /// What others say may come late, or no longer does: the node is cut off from the room, or has caught up with it.
    Late(bool),
    /// What happened since is not known: whoever is here has to come again.
    Lost,
}

/// A room as a node finds it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The life of its history.
    pub epoch: Epoch,
    /// Its last messages.
    pub ring: Ring,
    /// Who is there.
    pub here: Vec<Present>,
    /// What is in force there.
    pub rules: Rules,
}
