//! History: what of a room survives it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::message::{Epoch, Message};
use crate::name::RoomName;
use crate::ring::Ring;
use crate::room::Past;

/// How many rooms a [`MemoryStore`] remembers: with [`RING_BYTES`](crate::ring::RING_BYTES), at most a gigabyte.
const MEMORY_ROOMS: usize = 4_096;

/// Keeps the messages of rooms while nobody is in them.
///
/// # Contract
///
/// - [`open`](Self::open) is called when a room comes to life, and not again before every
///   [`append`](Self::append) of that life has returned.
/// - Appends of one room may overlap and come out of order; the offset is the order.
/// - A store that has lost a room's past gives it another epoch.
/// - What `append` has returned for is in every later `open`, within the bounds of a [`Ring`].
///
/// # Cancel safety
///
/// A dropped `append` may or may not have kept its message.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The past of a room: that of nobody's room is empty.
    ///
    /// # Errors
    ///
    /// The store cannot be read now.
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError>;

    /// Keeps a message that the room has accepted.
    ///
    /// # Errors
    ///
    /// The store cannot be written now. The message was said all the same.
    async fn append(&self, room: &RoomName, message: Arc<Message>) -> Result<(), StoreError>;
}

/// That a store cannot be read or written now; the cause is for the log, not for clients.
#[derive(Debug)]
pub struct StoreError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// Wraps what went wrong.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the history store failed")
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// History in memory: it survives empty rooms, not the process. Of too many rooms it forgets the
/// one that was silent for longest.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    rooms: HashMap<RoomName, Memory>,
    uses: u64,
}

#[derive(Debug)]
struct Memory {
    epoch: Epoch,
    ring: Ring,
    used: u64,
}

impl Kept {
    /// The memory of a room, which makes it the one used last.
    fn memory(&mut self, room: &RoomName) -> &mut Memory {
        if !self.rooms.contains_key(room) && self.rooms.len() >= MEMORY_ROOMS {
            self.forget_one();
        }
        self.uses += 1;
        let memory = self.rooms.entry(room.clone()).or_insert_with(|| Memory {
            epoch: Epoch::new(fastrand::u64(..)),
            ring: Ring::default(),
            used: 0,
        });
        memory.used = self.uses;
        memory
    }

    fn forget_one(&mut self) {
        let oldest = self.rooms.iter().min_by_key(|(_, memory)| memory.used);
        if let Some(room) = oldest.map(|(room, _)| room.clone()) {
            self.rooms.remove(&room);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = kept.memory(room);
        Ok(Past {
            epoch: memory.epoch.clone(),
            ring: memory.ring.clone(),
        })
    }

    async fn append(&self, room: &RoomName, message: Arc<Message>) -> Result<(), StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.memory(room).ring.insert(message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{MEMORY_ROOMS, MemoryStore, Store};
    use crate::message::{Message, Offset, Person, Text, Timestamp};
    use crate::name::{Cid, Nick, RoomName, UserId};

    fn room(number: usize) -> RoomName {
        RoomName::parse(&format!("r{number}")).unwrap()
    }

    fn message(offset: u64) -> Arc<Message> {
        Arc::new(Message {
            offset: Offset(offset),
            from: Person {
                user: UserId::passing(1),
                nick: Nick::parse("Ada").unwrap(),
            },
            at: Timestamp(0),
            text: Text::parse("hi").unwrap(),
            cid: Cid::parse("c").unwrap(),
        })
    }

    #[tokio::test]
    async fn what_was_appended_is_in_the_past_in_order() {
        let store = MemoryStore::default();
        let epoch = store.open(&room(1)).await.unwrap().epoch;
        for offset in [2, 1, 3] {
            store.append(&room(1), message(offset)).await.unwrap();
        }
        let past = store.open(&room(1)).await.unwrap();
        assert_eq!(past.epoch, epoch);
        let offsets: Vec<_> = past.ring.iter().map(|message| message.offset.0).collect();
        assert_eq!(offsets, [1, 2, 3]);
        assert_ne!(
            store.open(&room(2)).await.unwrap().epoch,
            epoch,
            "rooms have their own"
        );
    }

    #[tokio::test]
    async fn of_too_many_rooms_the_one_silent_for_longest_is_forgotten() {
        let store = MemoryStore::default();
        let mut epochs = Vec::new();
        for number in 0..MEMORY_ROOMS {
            epochs.push(store.open(&room(number)).await.unwrap().epoch);
        }
        store.append(&room(0), message(1)).await.unwrap();
        store.open(&room(MEMORY_ROOMS)).await.unwrap();
        assert_eq!(store.open(&room(0)).await.unwrap().epoch, epochs[0]);
        assert_ne!(store.open(&room(1)).await.unwrap().epoch, epochs[1]);
    }
}
