//! The rooms that somebody is in, shared by all connections of the process.
//!
//! A room lives from its first visitor to its last; the store knows it before and after. Its lock is held for pure work
//! alone, never over an await, and deliveries go to outboxes that never wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_spec::Text;
use tokio::sync::OnceCell;

use crate::message::{Position, Timestamp};
use crate::name::{Nick, RoomName, UserId};
use crate::outbox::{Lane, Outbox};
use crate::protocol::{Draft, RequestId, ServerFrame};
use crate::refusal::Refusal;
use crate::room::{Audience, ConnectionId, Delivery, Notice, Receipt, Room, Sent};
use crate::store::{Store, StoreError};

/// Rooms that may live at once: with [`RING_BYTES`](crate::ring::RING_BYTES), a gigabyte of messages at most.
const ROOMS: usize = 4_096;

/// All rooms with somebody in them.
#[derive(Debug)]
pub(crate) struct Hub {
    rooms: Mutex<HashMap<RoomName, Place>>,
    store: Arc<dyn Store>,
    connections: AtomicU64,
}

#[derive(Debug)]
struct Place {
    room: Arc<LiveRoom>,
    /// Seats taken, also by visitors who still wait for the room to open. The last one takes the room away.
    seats: usize,
}

#[derive(Debug)]
struct LiveRoom {
    name: RoomName,
    // Filled by the first visitor; the others wait, so that nobody opens a past that is already moving on.
    open: OnceCell<Mutex<Members>>,
}

#[derive(Debug)]
struct Members {
    room: Room,
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            rooms: Mutex::default(),
            store,
            connections: AtomicU64::new(0),
        }
    }

    /// A number for a new connection.
    pub(crate) fn connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a seat in a room, which comes to life if it must. The visitor is not a member yet.
    pub(crate) async fn visit(
        self: &Arc<Self>,
        name: &RoomName,
        connection: ConnectionId,
    ) -> Result<Seat, Refusal> {
        let room = {
            let mut rooms = self.lock();
            if !rooms.contains_key(name) && rooms.len() >= ROOMS {
                return Err(Refusal::Full);
            }
            let place = rooms.entry(name.clone()).or_insert_with(|| Place {
                room: Arc::new(LiveRoom {
                    name: name.clone(),
                    open: OnceCell::new(),
                }),
                seats: 0,
            });
            place.seats += 1;
            Arc::clone(&place.room)
        };
        let seat = Seat {
            hub: Arc::clone(self),
            room,
            connection,
        };
        let opened = seat.room.open.get_or_try_init(|| async {
            let past = self.store.open(name).await?;
            let room = Room::new(name.clone(), past);
            Ok(Mutex::new(Members {
                room,
                outboxes: HashMap::new(),
            }))
        });
        match opened.await {
            Ok(_) => Ok(seat),
            Err(error) => {
                report(name, "a room cannot open", &error);
                Err(Refusal::Store)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Place>> {
        // Nothing under this lock can panic half-way.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in a room. Dropped, on whatever path, it leaves the room.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    room: Arc<LiveRoom>,
    connection: ConnectionId,
}

impl Seat {
    /// Becomes a member: the welcome goes to `outbox` before anything else of the room does.
    pub(crate) fn join(
        &self,
        id: RequestId,
        user: UserId,
        wish: &Nick,
        since: Option<&Position>,
        outbox: &Arc<Outbox>,
    ) -> Result<(), Refusal> {
        let mut members = self.members()?;
        let (welcome, told) = members.room.join(self.connection, user, wish, since)?;
        outbox.push(
            Lane::Reliable,
            ServerFrame::Joined(id, &welcome).encode().into(),
        );
        members.outboxes.insert(self.connection, Arc::clone(outbox));
        members.deliver(told);
        Ok(())
    }

    /// Says something: delivered to everyone at once, and kept when this returns.
    pub(crate) async fn send(&self, draft: Draft) -> Result<Receipt, Refusal> {
        let sent = {
            let mut members = self.members()?;
            let sent = members
                .room
                .send(self.connection, draft, Timestamp::now())?;
            if let Sent::New(message) = &sent {
                let notice = Notice::Said(Arc::clone(message));
                members.deliver(Some(Delivery {
                    to: Audience::Everyone,
                    notice,
                }));
            }
            sent
        };
        let receipt = sent.receipt();
        if let Sent::New(message) = sent
            && let Err(error) = self.hub.store.append(&self.room.name, message).await
        {
            // Everyone has read it: the sender need not say it again.
            report(&self.room.name, "a message was not kept", &error);
        }
        Ok(receipt)
    }

    /// Tells the others that this member is writing.
    pub(crate) fn typing(&self) {
        if let Ok(members) = self.members() {
            members.deliver(members.room.typing(self.connection).ok());
        }
    }

    /// Leaves the room without a word.
    pub(crate) fn vanish(&self) {
        if let Ok(mut members) = self.members() {
            members.outboxes.remove(&self.connection);
            members.room.leave(self.connection);
        }
    }

    fn members(&self) -> Result<MutexGuard<'_, Members>, Refusal> {
        // A seat is given out only after its room has opened.
        let members = self.room.open.get().ok_or(Refusal::Store)?;
        Ok(members.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Ok(mut members) = self.members() {
            members.outboxes.remove(&self.connection);
            let told = members.room.leave(self.connection);
            members.deliver(told);
        }
        let mut rooms = self.hub.lock();
        if let Some(place) = rooms.get_mut(&self.room.name) {
            place.seats -= 1;
            if place.seats == 0 {
                rooms.remove(&self.room.name);
            }
        }
    }
}

impl Members {
    /// Hands a notice out: one text, shared by all who get it.
    fn deliver(&self, delivery: Option<Delivery>) {
        let Some(Delivery { to, notice }) = delivery else {
            return;
        };
        let lane = match notice {
            Notice::Said(_) | Notice::Presence(_) => Lane::Reliable,
            Notice::Typing(_) => Lane::Volatile,
        };
        let frame: Text = ServerFrame::Notice(self.room.name(), &notice)
            .encode()
            .into();
        for (member, outbox) in &self.outboxes {
            match to {
                Audience::Others(but) if but == *member => {}
                Audience::Everyone | Audience::Others(_) => outbox.push(lane, frame.clone()),
            }
        }
    }
}

fn report(room: &RoomName, what: &'static str, error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::error!(room = room.as_str(), error, "{what}");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Hub, ROOMS};
    use crate::name::RoomName;
    use crate::refusal::Refusal;
    use crate::store::MemoryStore;

    fn name(number: usize) -> RoomName {
        RoomName::parse(&format!("r{number}")).unwrap()
    }

    #[tokio::test]
    async fn a_room_lives_as_long_as_somebody_sits_in_it() {
        let hub = Arc::new(Hub::new(Arc::new(MemoryStore::default())));
        let first = hub.visit(&name(1), hub.connection()).await.unwrap();
        let second = hub.visit(&name(1), hub.connection()).await.unwrap();
        drop(first);
        assert_eq!(hub.lock().len(), 1);
        drop(second);
        assert_eq!(hub.lock().len(), 0);
    }

    #[tokio::test]
    async fn a_full_house_takes_no_further_room_but_visitors_to_the_others() {
        let hub = Arc::new(Hub::new(Arc::new(MemoryStore::default())));
        let mut seats = Vec::new();
        for number in 0..ROOMS {
            seats.push(hub.visit(&name(number), hub.connection()).await.unwrap());
        }
        assert_eq!(
            hub.visit(&name(ROOMS), hub.connection()).await.unwrap_err(),
            Refusal::Full
        );
        assert!(hub.visit(&name(0), hub.connection()).await.is_ok());
        seats.pop();
        assert!(hub.visit(&name(ROOMS), hub.connection()).await.is_ok());
    }
}
