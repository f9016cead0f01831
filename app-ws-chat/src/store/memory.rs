//! History that lives as long as the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Past, RULINGS, Store, StoreError, page};
use crate::message::{Epoch, Message, Offset};
use crate::moderation::{Rules, Ruling};
use crate::name::RoomName;
use crate::ring::Ring;
use crate::room::Receipt;

/// How many rooms a [`MemoryStore`] remembers: with [`RING_BYTES`](crate::ring::RING_BYTES), at most a gigabyte.
pub(super) const MEMORY_ROOMS: usize = 4_096;

/// History in memory: it survives empty rooms, not the process. Of too many rooms it forgets the one that was silent for
/// longest.
///
/// # Examples
///
/// ```
/// use app_ws_chat::{Chat, store::MemoryStore};
///
/// let chat = Chat::with_store(MemoryStore::default());
/// # let _ = chat;
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    rooms: HashMap<RoomName, Memory>,
    uses: u64,
    house: Rules,
    rulings: VecDeque<Arc<Ruling>>,
}

#[derive(Debug)]
struct Memory {
    epoch: Epoch,
    ring: Ring,
    rules: Rules,
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
            rules: Rules::default(),
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

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing under this lock can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError> {
        let mut kept = self.lock();
        let memory = kept.memory(room);
        let receipts = memory.ring.iter();
        let receipts = receipts.map(|said| (said.from.user, said.cid.clone(), Receipt::of(said)));
        Ok(Past {
            epoch: memory.epoch.clone(),
            receipts: receipts.collect(),
            ring: memory.ring.clone(),
            rules: memory.rules.clone(),
        })
    }

    async fn append(&self, room: &RoomName, messages: Vec<Arc<Message>>) -> Result<(), StoreError> {
        let mut kept = self.lock();
        let ring = &mut kept.memory(room).ring;
        match messages.first() {
            Some(first) if first.offset != ring.end().next() => {
                return Err(StoreError::new("the offset is taken"));
            }
            _ => messages.into_iter().for_each(|said| ring.insert(said)),
        }
        Ok(())
    }

    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let mut kept = self.lock();
        let newest_first = kept.memory(room).ring.iter().rev();
        let older = newest_first.skip_while(|said| said.offset >= before);
        Ok(page(older.cloned(), limit))
    }

    async fn house(&self) -> Result<Rules, StoreError> {
        Ok(self.lock().house.clone())
    }

    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError> {
        let mut kept = self.lock();
        let rules = match &ruling.room {
            Some(room) => &mut kept.memory(room).rules,
            None => &mut kept.house,
        };
        rules.apply(ruling.change());
        kept.rulings.push_front(ruling);
        kept.rulings.truncate(RULINGS);
        Ok(())
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        Ok(self.lock().rulings.iter().take(limit).cloned().collect())
    }
}
