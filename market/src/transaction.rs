//! A transaction as a dependency: begun when a handler first writes, committed or undone when it has ended.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use app_router::{Depends, Ending, FromState, Teardown};
use gateway_spec::AppError;
use rusqlite::Connection;

use crate::database::{Database, Writer};

/// All that a handler writes, at once or not at all.
///
/// It is [provided](app_router::Router::provide): whoever needs it in one request gets the same. It is committed when the
/// handler has returned an answer, before that is sent, so that a commit that fails is answered in its place; it is rolled
/// back if the handler failed, refused or panicked.
///
/// It begins with the first [`run`](Self::run) and not before: the router makes what a handler needs before it reads the body,
/// and a client that sends slowly would keep all others from writing.
pub struct Transaction {
    database: Database,
    writer: Mutex<Option<Writer>>,
}

/// Provides it.
pub(crate) async fn transaction(
    FromState(database): FromState<Database>,
    teardown: Teardown,
) -> Depends<Transaction> {
    let transaction = Depends::new(Transaction::of(database));
    let ended = transaction.clone();
    teardown.after_handler(async move |ending| ended.end(ending).await);
    transaction
}

impl Transaction {
    pub(crate) const fn of(database: Database) -> Self {
        Self {
            database,
            writer: Mutex::new(None),
        }
    }

    /// Has something written, on a thread that may block. The first one waits for its turn.
    ///
    /// # Errors
    ///
    /// Those of `work`, and those of a database or a pool that has too much to do. What was written before stays a part of
    /// the transaction.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it takes all with it that was written so far.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let writer = match self.take() {
            Some(writer) => writer,
            None => self.database.writer().await?,
        };
        let there = move || {
            let done = work(writer.connection());
            (writer, done)
        };
        let (writer, done) = self.database.pool().run(None, there).await?;
        *self.slot() = Some(writer);
        done
    }

    /// Commits or undoes what was written, if anything was.
    pub(crate) async fn end(&self, ending: Ending) -> Result<(), AppError> {
        let Some(writer) = self.take() else {
            return Ok(());
        };
        let database = self.database.clone();
        let end = move || match ending {
            Ending::Returned => database.commit(writer),
            Ending::Failed | Ending::Panicked => database.roll_back(writer),
        };
        self.database.pool().run(None, end).await?
    }

    fn take(&self) -> Option<Writer> {
        self.slot().take()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begun = self.slot().is_some();
        f.debug_struct("Transaction")
            .field("begun", &begun)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
