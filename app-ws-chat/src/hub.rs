//! The rooms of this node that somebody is in, shared by all its connections.
//!
//! A room lives from its first visitor to its last; the bus knows it before and after. Its lock is held for pure work
//! alone, never over an await, and deliveries go to outboxes that never wait.

mod house;
mod live;
mod seat;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::bus::{Bus, Listener};
use crate::message::{Present, Rank, Timestamp};
use crate::metrics::{Gauges, Metrics};
use crate::moderation::{Listing, Order, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::refusal::Refusal;
use crate::room::ConnectionId;
use crate::store::StoreError;
use house::House;
use live::LiveRoom;

pub(crate) use seat::Seat;

/// Rooms that may live at once: with [`RING_BYTES`](crate::ring::RING_BYTES), a gigabyte of messages at most.
const ROOMS: usize = 4_096;

/// All rooms with somebody in them.
#[derive(Debug)]
pub(crate) struct Hub {
    rooms: Mutex<HashMap<RoomName, Place>>,
    bus: Arc<dyn Bus>,
    /// What is in force in all rooms. Read when the first visitor comes.
    house: OnceCell<Arc<House>>,
    connections: AtomicU64,
    pub(crate) metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Place {
    room: Arc<LiveRoom>,
    /// Seats taken, also by visitors who still wait for the room to open. The last one takes the room away.
    seats: usize,
}

/// Who wants to come in.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) user: UserId,
    pub(crate) wish: Nick,
    pub(crate) rank: Rank,
}

/// A room from outside, for the host.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Glance {
    pub(crate) room: RoomName,
    pub(crate) users: usize,
    pub(crate) connections: usize,
}

impl Hub {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            rooms: Mutex::default(),
            bus,
            house: OnceCell::new(),
            connections: AtomicU64::new(0),
            metrics: Arc::default(),
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
        user: UserId,
    ) -> Result<Seat, Refusal> {
        self.house().await?.admits(user)?;
        let seat = Seat {
            room: self.take_place(name)?,
            hub: Arc::clone(self),
            connection,
        };
        match seat.room.open(&*self.bus).await {
            Ok(()) => Ok(seat),
            Err(error) => {
                error.report(name, "a room cannot open");
                Err(Refusal::Store)
            }
        }
    }

    fn take_place(&self, name: &RoomName) -> Result<Arc<LiveRoom>, Refusal> {
        let mut rooms = self.lock();
        if rooms.get(name).is_some_and(|place| place.room.is_lost()) {
            // Those who sit in it have been told to come again.
            rooms.remove(name);
        }
        if !rooms.contains_key(name) && rooms.len() >= ROOMS {
            return Err(Refusal::Full);
        }
        let place = rooms.entry(name.clone()).or_insert_with(|| Place {
            room: Arc::new(LiveRoom::new(name.clone(), Arc::clone(&self.metrics))),
            seats: 0,
        });
        place.seats += 1;
        Ok(Arc::clone(&place.room))
    }

    /// What the host orders, in a room or in all of them.
    pub(crate) async fn order(
        self: &Arc<Self>,
        room: Option<&RoomName>,
        order: Order,
        by: Box<str>,
    ) -> Result<(), Refusal> {
        let now = Timestamp::now();
        let ruling = match room {
            Some(name) => {
                // Without a seat the room would not be there, or not know who is in it.
                let seat = self
                    .visit(name, self.connection(), UserId::passing(fastrand::u64(..)))
                    .await?;
                let ruling = seat
                    .room
                    .with(|members| members.room.decide(order, by, None, now))??;
                return self.rule(ruling).await;
            }
            None => Ruling {
                ts: now,
                room: None,
                act: order.act,
                user: order.user,
                nick: None,
                ms: order.time,
                by,
                by_user: None,
                reason: order.reason,
            },
        };
        self.house().await?.has_room(now)?;
        self.rule(ruling).await
    }

    /// What is in force in a room, or in all of them.
    pub(crate) async fn listing(
        self: &Arc<Self>,
        room: Option<&RoomName>,
    ) -> Result<Listing, Refusal> {
        let now = Timestamp::now();
        match room {
            Some(name) => {
                let user = UserId::passing(fastrand::u64(..));
                let seat = self.visit(name, self.connection(), user).await?;
                seat.room.with(|members| members.room.rules().list(now))
            }
            None => Ok(self.house().await?.lock().list(now)),
        }
    }

    /// The living rooms.
    pub(crate) fn glance(&self) -> Vec<Glance> {
        let rooms = self.live();
        let glance = rooms.iter().filter_map(|room| {
            let seen = room.with(|members| Glance {
                room: members.room.name().clone(),
                users: members.room.count(),
                connections: members.outboxes.len(),
            });
            seen.ok()
        });
        glance.collect()
    }

    /// Who is in a room; `None`: nobody of this node.
    pub(crate) fn people(&self, name: &RoomName) -> Option<Vec<Present>> {
        let room = self.lock().get(name).map(|place| Arc::clone(&place.room))?;
        room.with(|members| members.room.people()).ok()
    }

    pub(crate) async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        self.bus.audit(limit).await
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let rooms = self.glance();
        Gauges {
            rooms: rooms.len(),
            members: rooms.iter().map(|room| room.connections).sum(),
        }
    }

    /// The node ends.
    pub(crate) async fn shut_down(&self) {
        self.bus.shut_down().await;
    }

    async fn rule(&self, ruling: Ruling) -> Result<(), Refusal> {
        let ruling = Arc::new(ruling);
        let json = serde_json::to_string(&ruling).unwrap_or_default();
        self.bus.rule(ruling).await.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "a ruling was not kept");
            Refusal::Store
        })?;
        self.metrics.rulings.add(1);
        tracing::info!(target: "chat::audit", "{json}");
        Ok(())
    }

    async fn house(self: &Arc<Self>) -> Result<&House, Refusal> {
        let house = self.house.get_or_try_init(|| async {
            let house = Arc::new(House::new(Arc::downgrade(self)));
            let rules = self
                .bus
                .open_house(Arc::clone(&house) as Arc<dyn Listener>)
                .await?;
            house.begin(rules);
            Ok(house)
        });
        match house.await {
            Ok(house) => Ok(house),
            Err(error) => {
                let error: &dyn std::error::Error = &error as &StoreError;
                tracing::error!(error, "the rules of the house cannot be read");
                Err(Refusal::Store)
            }
        }
    }

    fn live(&self) -> Vec<Arc<LiveRoom>> {
        let rooms = self.lock();
        rooms
            .values()
            .map(|place| Arc::clone(&place.room))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Place>> {
        // Nothing under this lock can panic half-way.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Hub, ROOMS};
    use crate::bus::{Event, Listener, LocalBus};
    use crate::name::{RoomName, UserId};
    use crate::refusal::Refusal;
    use crate::store::MemoryStore;

    const NOBODY: UserId = UserId::passing(0);

    fn name(number: usize) -> RoomName {
        RoomName::parse(&format!("r{number}")).unwrap()
    }

    fn hub() -> Arc<Hub> {
        let bus = LocalBus::new(MemoryStore::default());
        Arc::new(Hub::new(Arc::new(bus)))
    }

    #[tokio::test]
    async fn a_room_lives_as_long_as_somebody_sits_in_it() {
        let hub = hub();
        let visit = async || hub.visit(&name(1), hub.connection(), NOBODY).await;
        let (first, second) = (visit().await.unwrap(), visit().await.unwrap());
        drop(first);
        assert_eq!(hub.lock().len(), 1);
        drop(second);
        assert_eq!(hub.lock().len(), 0);
    }

    #[tokio::test]
    async fn a_full_house_takes_no_further_room_but_visitors_to_the_others() {
        let hub = hub();
        let visit = async |number| hub.visit(&name(number), hub.connection(), NOBODY).await;
        let mut seats = Vec::new();
        for number in 0..ROOMS {
            seats.push(visit(number).await.unwrap());
        }
        assert_eq!(visit(ROOMS).await.unwrap_err(), Refusal::Full);
        assert!(visit(0).await.is_ok());
        seats.pop();
        assert!(visit(ROOMS).await.is_ok());
    }

    #[tokio::test]
    async fn who_leaves_a_lost_room_takes_nothing_from_the_one_that_comes_after_it() {
        let hub = hub();
        let visit = async || hub.visit(&name(1), hub.connection(), NOBODY).await.unwrap();
        let old = visit().await;
        old.room.hear(Event::Lost);
        let new = visit().await;
        assert!(!new.room.is_lost(), "those who come again find another one");
        drop(old);
        assert_eq!(hub.lock().len(), 1);
        drop(new);
        assert_eq!(hub.lock().len(), 0);
    }
}
