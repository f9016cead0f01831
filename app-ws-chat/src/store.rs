//! History and rules: what of a room survives it.

mod memory;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::message::{Epoch, Message, Offset};
use crate::moderation::{Rules, Ruling};
use crate::name::{Cid, RoomName, UserId};
use crate::ring::Ring;
use crate::room::Receipt;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

/// Bytes of messages in one page of history: an eighth of what may wait for a reader, unescaped.
pub(crate) const PAGE_BYTES: usize = 128 * 1024;

/// Rulings that the audit log keeps: years of a quiet house, and 5 MB at most.
pub(crate) const RULINGS: usize = 10_000;

/// What is known of a room before anybody is in it.
#[derive(Clone, Debug)]
pub struct Past {
    /// The life of its history.
    pub epoch: Epoch,
    /// Its last messages.
    pub ring: Ring,
    /// What was accepted in the last five minutes, so that it is not said twice: of the ring's messages at least.
    pub receipts: Vec<(UserId, Cid, Receipt)>,
    /// What is in force there.
    pub rules: Rules,
}

/// Keeps what is said in rooms, and what is ruled there.
///
/// # Contract
///
/// - What [`append`](Self::append) and [`rule`](Self::rule) have returned for is kept, whatever then happens to the
///   process; with [`MemoryStore`] as long as that lives.
/// - [`append`](Self::append) keeps all of its messages or none. It fails for an offset that is taken: somebody else
///   writes there too, and the caller has to [`open`](Self::open) the room anew.
/// - A store that has lost a room's past gives it another epoch.
///
/// # Cancel safety
///
/// A dropped `append` or `rule` may or may not have kept what it was given.
///
/// # Examples
///
/// ```
/// use app_ws_chat::name::RoomName;
/// use app_ws_chat::store::{MemoryStore, Store, StoreError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store: Box<dyn Store> = Box::new(MemoryStore::default());
/// let past = store.open(&RoomName::parse("lobby").unwrap()).await?;
/// assert_eq!(past.ring.end().0, 0);
/// # Ok::<(), StoreError>(()) }).unwrap();
/// ```
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The past of a room: that of nobody's room is empty.
    ///
    /// # Errors
    ///
    /// The store cannot be read now.
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError>;

    /// Keeps messages of a room, whose offsets follow each other.
    ///
    /// # Errors
    ///
    /// The store cannot be written now, or an offset is taken. Nothing was kept, unless the store died over it.
    async fn append(&self, room: &RoomName, messages: Vec<Arc<Message>>) -> Result<(), StoreError>;

    /// The last messages before an offset, the oldest first: at most `limit`, and fewer if they are long; none only if
    /// there is none.
    ///
    /// # Errors
    ///
    /// The store cannot be read now.
    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError>;

    /// What is in force in all rooms.
    ///
    /// # Errors
    ///
    /// The store cannot be read now.
    async fn house(&self) -> Result<Rules, StoreError>;

    /// Keeps a ruling: its change, and itself in the audit log.
    ///
    /// # Errors
    ///
    /// The store cannot be written now.
    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError>;

    /// The last rulings, the newest first.
    ///
    /// # Errors
    ///
    /// The store cannot be read now.
    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError>;
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

/// Takes messages, the newest first, until there are enough or they weigh too much; gives them the oldest first.
fn page(messages: impl Iterator<Item = Arc<Message>>, limit: usize) -> Vec<Arc<Message>> {
    let mut bytes = 0;
    let fits = |message: &Arc<Message>| {
        let first = bytes == 0;
        bytes += message.weight();
        first || bytes <= PAGE_BYTES
    };
    let mut page: Vec<_> = messages.take(limit).take_while(fits).collect();
    page.reverse();
    page
}

#[cfg(test)]
mod tests;
