//! SQLite from async code: many readers, one writer at a time, and nobody who waits for it on a thread.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adapters::Pool;
use gateway_spec::AppError;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::change;

/// How long a call waits for another process that writes to the same file: the one that this one takes over from.
const BUSY: Duration = Duration::from_secs(5);

/// How often it is looked whether another process has changed something: the one that takes over from this one, or one beside it.
const OTHERS: Duration = Duration::from_secs(1);

/// Connections that are kept for the next one who asks. More are made while more are used, by at most as many as the pool has
/// threads and one for the writer.
const IDLE: usize = 8;

/// What the tables of each version are made by, from those of the version before.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE account (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        password TEXT NOT NULL
    ) STRICT;
    CREATE TABLE item (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner INTEGER NOT NULL REFERENCES account (id),
        title TEXT NOT NULL,
        description TEXT NOT NULL,
        price INTEGER NOT NULL,
        views INTEGER NOT NULL DEFAULT 0,
        created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    ) STRICT;
    CREATE TABLE item_tag (
        item INTEGER NOT NULL REFERENCES item (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (item, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE picture (
        item INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
        content_type TEXT NOT NULL,
        tag TEXT NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE change (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        item INTEGER NOT NULL
    ) STRICT;
"];

/// The market's file. Clones are the same one.
///
/// Reading is done by plain functions, on a thread of the pool that the router runs them on. Who writes waits for a turn
/// first, without a thread: were it waited for on one, writers could hold all threads, and the one whose turn it is would have
/// none to go on with.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turn: Arc<Semaphore>,
    pool: Pool,
    last_change: watch::Sender<u64>,
}

/// A connection whose turn it is to write.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    /// Given up after the connection, which rolls back when it is dropped.
    _turn: OwnedSemaphorePermit,
}

impl Database {
    /// Opens the file and brings its tables up to date. It blocks.
    pub(crate) fn open(file: &Path, pool: Pool) -> Result<Self, AppError> {
        let at = |error: AppError| AppError::message(format!("{}: {error}", file.display()));
        let (connection, last_change) = up_to_date(file).map_err(at)?;
        Ok(Self {
            shared: Arc::new(Shared {
                file: file.to_owned(),
                idle: Mutex::new(vec![connection]),
                turn: Arc::new(Semaphore::new(1)),
                pool,
                last_change: watch::Sender::new(last_change),
            }),
        })
    }

    /// Has a query answered from one state of the database. It blocks: for plain functions.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, AppError> {
        let mut connection = self.connection()?;
        let answer = {
            let state = connection.transaction()?;
            query(&state)?
        };
        self.keep(connection);
        Ok(answer)
    }

    /// The same on the pool: for async functions.
    pub(crate) async fn read_beside<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, AppError> {
        let database = self.clone();
        self.pool().run(None, move || database.read(query)).await?
    }

    /// Waits for the turn to write, and begins.
    ///
    /// Cancel safety: dropped, nothing was begun.
    pub(crate) async fn writer(&self) -> Result<Writer, AppError> {
        let turn = Arc::clone(&self.shared.turn).acquire_owned().await?;
        let database = self.clone();
        let begin = move || {
            let connection = database.connection()?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Ok(Writer {
                connection,
                _turn: turn,
            })
        };
        self.pool().run(None, begin).await?
    }

    /// Commits what a writer wrote, and tells those who wait for changes. It blocks.
    pub(crate) fn commit(&self, writer: Writer) -> Result<(), AppError> {
        let last = change::last(&writer.connection)?;
        writer.connection.execute_batch("COMMIT")?;
        self.keep(writer.connection);
        drop(writer._turn);
        self.tell(last);
        Ok(())
    }

    /// Undoes what a writer wrote. It blocks.
    pub(crate) fn roll_back(&self, writer: Writer) -> Result<(), AppError> {
        writer.connection.execute_batch("ROLLBACK")?;
        self.keep(writer.connection);
        Ok(())
    }

    /// Looks now and then whether another process has changed something, while anybody waits for changes. It never ends.
    ///
    /// Cancel safety: dropped, nobody looks any more.
    pub(crate) async fn look_at_others(&self) {
        let mut turns = interval(OTHERS);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if self.shared.last_change.receiver_count() == 0 {
                continue;
            }
            // A look that fails is followed by another one.
            if let Ok(last) = self.read_beside(change::last).await {
                self.tell(last);
            }
        }
    }

    fn tell(&self, last: u64) {
        self.shared.last_change.send_if_modified(|known| {
            let is_new = last > *known;
            *known = last.max(*known);
            is_new
        });
    }

    /// The number of the last change, as it grows.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.last_change.subscribe()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    fn connection(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect(&self.shared.file), Ok)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        let idle = self.shared.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A connection to the file with the tables that this program knows, and the number of the last change.
fn up_to_date(file: &Path) -> Result<(Connection, u64), AppError> {
    keep_private(file)?;
    let mut connection = connect(file)?;
    migrate(&mut connection)?;
    let last_change = change::last(&connection)?;
    Ok((connection, last_change))
}

/// Makes the file, if there is none, for its owner's eyes alone: there are passwords in it, hashed as they are. What SQLite puts
/// beside it is as private as the file is.
fn keep_private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    // Those who read and the one who writes do not wait for each other.
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What was answered for is on the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), AppError> {
    let all = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = all.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = MIGRATIONS.get(version..) else {
        return Err(AppError::message(format!(
            "the file is of version {version}, and this program knows {}: start the newer program",
            MIGRATIONS.len()
        )));
    };
    for migration in missing {
        all.execute_batch(migration)?;
    }
    all.pragma_update(None, "user_version", MIGRATIONS.len())?;
    all.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_of_a_later_version_is_refused_and_an_older_one_brought_up_to_date() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 9).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_one_that_is_none_is_named() {
        let directory = std::env::temp_dir().join(format!("market-file-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (file, other) = (directory.join("market.db"), directory.join("letter"));
        let database = Database::open(&file, Pool::default()).unwrap();
        for file in [&file, &directory.join("market.db-wal")] {
            let mode = std::fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
        // Connections are kept for those who come next, and not too many of them.
        for _ in 0..IDLE {
            let connection = connect(&file).unwrap();
            assert_eq!(database.read(change::last).unwrap(), 0);
            database.keep(connection);
        }
        assert_eq!(database.idle().len(), IDLE);
        drop(database);
        std::fs::write(&other, "Dear Ada, this is no database at all.").unwrap();
        let error = Database::open(&other, Pool::default()).unwrap_err();
        std::fs::remove_dir_all(&directory).unwrap();
        let said = error.to_string();
        assert!(
            said.contains("letter: ") && said.contains("not a database"),
            "{said}"
        );
    }
}
