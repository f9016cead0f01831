//! History in a file, by SQLite.

mod rows;
mod thread;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use super::{Past, Store, StoreError};
use crate::message::{Message, Offset};
use crate::moderation::{Rules, Ruling};
use crate::name::RoomName;
use thread::{Reader, Writer};

/// How long a call waits for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(5);

/// History in a file: it survives the process, and the machine's loss of power.
///
/// One thread writes, many requests in one transaction; what it has answered for is on the disk (WAL, `synchronous =
/// FULL`). Another reads. Of a room the last 100,000 messages are kept; of more than 100,000 rooms the one that was silent for longest is forgotten.
///
/// Two processes may use one file, as they do while a server is replaced: each message still has one place, but the one
/// process hears what the other has said only when it writes there itself.
///
/// # Examples
///
/// ```
/// use app_ws_chat::{Chat, store::{SqliteStore, StoreError}};
///
/// # fn example(file: &std::path::Path) -> Result<(), StoreError> {
/// let chat = Chat::with_store(SqliteStore::open(file)?);
/// # let _ = chat;
/// # Ok(())
/// # }
/// # let file = std::env::temp_dir().join(format!("chat-example-{}.db", std::process::id()));
/// # example(&file).unwrap();
/// # std::fs::remove_file(&file).unwrap();
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    reader: Reader,
}

impl SqliteStore {
    /// Opens a file, which is made if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be opened, is no database, or was written by a later version of the chat.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, StoreError> {
        let file = file.as_ref();
        let open = || connect(file).map_err(|error| at(file, error));
        let mut connection = open()?;
        rows::prepare(&mut connection).map_err(|error| at(file, error))?;
        Ok(Self {
            writer: Writer::start(connection)?,
            reader: Reader::start(open()?)?,
        })
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Each commit reaches the disk before it is answered for.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn at(file: &Path, error: impl std::fmt::Display) -> StoreError {
    StoreError::new(format!("{}: {error}", file.display()))
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError> {
        let room = room.clone();
        self.reader
            .run(move |connection| rows::past(connection, &room))
            .await
    }

    async fn append(&self, room: &RoomName, messages: Vec<Arc<Message>>) -> Result<(), StoreError> {
        let room = room.clone();
        self.writer
            .run(move |connection| rows::append(connection, &room, &messages))
            .await
    }

    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let room = room.clone();
        self.reader
            .run(move |connection| rows::history(connection, &room, before, limit))
            .await
    }

    async fn house(&self) -> Result<Rules, StoreError> {
        self.reader
            .run(|connection| rows::rules(connection, None))
            .await
    }

    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError> {
        self.writer
            .run(move |connection| rows::rule(connection, &ruling))
            .await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        self.reader
            .run(move |connection| rows::audit(connection, limit))
            .await
    }
}
