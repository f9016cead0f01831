//! The bus of a node that is alone: its order is the order in which a store keeps.

mod desk;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{Bus, Event, Listener, Opened};
use crate::message::{Message, Offset, Person, Present, Rank, Timestamp};
use crate::moderation::{Act, Rules, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::room::Receipt;
use crate::store::{Store, StoreError};
use desk::{Asked, Desk};

/// Joins the rooms of one process, over a [`Store`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use app_ws_chat::{Chat, bus::LocalBus, store::MemoryStore};
///
/// let chat = Chat::with_bus(Arc::new(LocalBus::new(MemoryStore::default())));
/// # let _ = chat;
/// ```
#[derive(Debug)]
pub struct LocalBus {
    store: Arc<dyn Store>,
    desks: Desks,
    house: Mutex<Option<Arc<dyn Listener>>>,
}

/// One desk for each room that is open, or still writes down what was said before it closed.
type Desks = Arc<Mutex<HashMap<RoomName, Arc<Mutex<Desk>>>>>;

impl LocalBus {
    /// A bus whose history is in `store`.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            desks: Desks::default(),
            house: Mutex::default(),
        }
    }

    fn desk(&self, room: &RoomName) -> Option<Arc<Mutex<Desk>>> {
        lock(&self.desks).get(room).cloned()
    }

    /// Writes down what is asked for in a room, until there is nothing more. A task of its own, because who asked may
    /// leave meanwhile.
    async fn write_down(
        store: Arc<dyn Store>,
        desks: Desks,
        room: RoomName,
        desk: Arc<Mutex<Desk>>,
    ) {
        let mut pen = Pen(Some(&desk));
        loop {
            let Some(batch) = lock(&desk).next_batch(Timestamp::now()) else {
                break;
            };
            let mut kept = store.append(&room, batch.clone()).await;
            if let Err(error) = &kept {
                report(&room, "messages were not kept at first", error);
                kept = match store.open(&room).await {
                    Ok(past) => {
                        // What stands there now says which offset is free.
                        let batch = lock(&desk).catch_up(past, Timestamp::now());
                        store.append(&room, batch).await
                    }
                    Err(error) => Err(error),
                };
            }
            if let Err(error) = &kept {
                report(&room, "messages were not kept", error);
            }
            let answers = lock(&desk).settle(kept.is_ok(), Timestamp::now());
            answers.into_iter().for_each(desk::Answer::give);
        }
        // Put down by the desk, under its lock; by now somebody else may have it.
        pen.0 = None;
        Self::tidy(&desks, &room);
    }

    /// Takes a desk away that nobody needs.
    fn tidy(desks: &Desks, room: &RoomName) {
        let mut desks = lock(desks);
        if desks.get(room).is_some_and(|desk| lock(desk).is_idle()) {
            desks.remove(room);
        }
    }
}

/// That somebody writes down. Dropped before its time, with its runtime, it lets another one begin.
struct Pen<'a>(Option<&'a Mutex<Desk>>);

impl Drop for Pen<'_> {
    fn drop(&mut self) {
        if let Some(desk) = self.0 {
            lock(desk).put_pen_down();
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn open(
        &self,
        room: &RoomName,
        listener: Arc<dyn Listener>,
    ) -> Result<Opened, StoreError> {
        if let Some(desk) = self.desk(room)
            && let Some(opened) = lock(&desk).reopen(&listener)
        {
            return Ok(opened);
        }
        let past = self.store.open(room).await?;
        let mut desks = lock(&self.desks);
        let desk = desks
            .entry(room.clone())
            .or_insert_with(|| Arc::new(Mutex::new(Desk::new(past, Timestamp::now()))));
        let mut desk = lock(desk);
        Ok(desk.open(&listener))
    }

    fn close(&self, room: &RoomName) {
        if let Some(desk) = self.desk(room) {
            lock(&desk).close();
        }
        Self::tidy(&self.desks, room);
    }

    async fn open_house(&self, listener: Arc<dyn Listener>) -> Result<Rules, StoreError> {
        let rules = self.store.house().await?;
        *lock(&self.house) = Some(listener);
        Ok(rules)
    }

    async fn publish(
        &self,
        room: &RoomName,
        from: Person,
        draft: Draft,
        pace: Duration,
    ) -> Result<Receipt, Refusal> {
        let desk = self.desk(room).ok_or(Refusal::NotHere)?;
        let (answer, kept) = oneshot::channel();
        match lock(&desk).ask(from, draft, pace, Timestamp::now(), answer) {
            Asked::Already(receipt) => return Ok(receipt),
            Asked::Refused(refusal) => return Err(refusal),
            Asked::Waits => {}
            Asked::TakeThePen => {
                let (store, desks) = (Arc::clone(&self.store), Arc::clone(&self.desks));
                let writing = Self::write_down(store, desks, room.clone(), Arc::clone(&desk));
                drop(tokio::spawn(writing));
            }
        }
        kept.await.unwrap_or(Err(Refusal::Store))
    }

    async fn enter(
        &self,
        room: &RoomName,
        user: UserId,
        wish: &Nick,
        rank: Rank,
    ) -> Result<Present, Refusal> {
        let desk = self.desk(room).ok_or(Refusal::NotHere)?;
        let mut desk = lock(&desk);
        Ok(desk.enter(user, wish, rank))
    }

    fn exit(&self, room: &RoomName, user: UserId) {
        if let Some(desk) = self.desk(room) {
            lock(&desk).exit(user);
        }
    }

    fn typing(&self, room: &RoomName, from: &Person) {
        if let Some(desk) = self.desk(room) {
            lock(&desk).tell(Event::Typing(from.clone()));
        }
    }

    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        self.store.history(room, before, limit).await
    }

    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError> {
        self.store.rule(Arc::clone(&ruling)).await?;
        let Some(room) = &ruling.room else {
            let house = lock(&self.house).clone();
            if let Some(house) = house {
                house.hear(Event::Ruled(ruling));
            }
            return Ok(());
        };
        if let Some(desk) = self.desk(room) {
            let mut desk = lock(&desk);
            desk.tell(Event::Ruled(Arc::clone(&ruling)));
            if let (Act::Kick | Act::Ban, Some(user)) = (ruling.act, ruling.user) {
                desk.expel(user);
            }
            desk.rule(&ruling);
        }
        Ok(())
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        self.store.audit(limit).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report(room: &RoomName, what: &'static str, error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::error!(room = room.as_str(), error, "{what}");
}

#[cfg(test)]
mod tests;
