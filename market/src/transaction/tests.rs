//! What becomes of what was written, and who waits for whom.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Waker};

use adapters::Pool;

use super::*;
use crate::change;

struct File(PathBuf);

impl File {
    fn database(name: &str) -> (Self, Database) {
        let name = format!("market-transaction-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let database = Database::open(&directory.join("a.db"), Pool::default()).unwrap();
        (Self(directory), database)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn write(transaction: &Transaction) -> u64 {
    let written = transaction.run(|connection| {
        change::note(connection, 1)?;
        Ok(change::last(connection)?)
    });
    written.await.unwrap()
}

#[tokio::test]
async fn what_a_handler_wrote_stays_if_it_returned_and_is_undone_if_not() {
    let (_file, database) = File::database("ending");
    let mut news = database.changes();
    for (ending, left) in [
        (Ending::Failed, 0),
        (Ending::Panicked, 0),
        (Ending::Returned, 1),
    ] {
        let transaction = Transaction::of(database.clone());
        assert_eq!(write(&transaction).await, 1, "it sees what it wrote");
        let seen = database.read_beside(change::last).await.unwrap();
        assert_eq!(seen, 0, "and nobody else does");
        transaction.end(ending).await.unwrap();
        let seen = database.read_beside(change::last).await.unwrap();
        assert_eq!(seen, left, "{ending:?}");
        assert_eq!(*news.borrow_and_update(), left, "{ending:?}");
    }
    // One that wrote nothing has nothing to end.
    let idle = Transaction::of(database.clone());
    idle.end(Ending::Returned).await.unwrap();
}

#[tokio::test]
async fn a_second_writer_waits_without_a_thread_and_one_that_is_dropped_lets_it_in() {
    let (_file, database) = File::database("turns");
    let first = Transaction::of(database.clone());
    write(&first).await;
    let second = Transaction::of(database.clone());
    {
        let mut waiting = pin!(write(&second));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            assert_eq!(database.read_beside(change::last).await.unwrap(), 0);
        }
        assert_eq!(database.pool().stats().queued, 0, "it is no job yet");
        drop(first);
        assert_eq!(waiting.await, 1, "nothing of the first is left");
    }
    second.end(Ending::Returned).await.unwrap();
}

#[tokio::test]
async fn another_process_cannot_change_what_a_transaction_has_read() {
    let (file, database) = File::database("immediate");
    let transaction = Transaction::of(database);
    let read = transaction.run(|connection| Ok(change::last(connection)?));
    assert_eq!(read.await.unwrap(), 0);
    let other = Connection::open(file.0.join("a.db")).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    assert!(other.execute_batch("BEGIN IMMEDIATE").is_err());
    transaction.end(Ending::Returned).await.unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
}
