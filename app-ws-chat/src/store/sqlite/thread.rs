//! Threads that own a connection: one that writes, in batches, and one that reads.
//!
//! SQLite's calls block, so they have no place on the servers' workers. While one batch is committed the next one
//! gathers, so a batch is as large as the disk is slow and nobody waits for a timer.

use std::fmt;
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Jobs in one transaction: a commit costs as much as some hundred rows.
const BATCH: usize = 128;

/// Jobs that wait; who brings more waits to be let in.
const WAITING: usize = 1_024;

type Write = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;
type Read = Box<dyn FnOnce(&Connection) + Send>;

struct Job {
    write: Write,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// A thread and the way to it. Dropped, it lets the thread finish what waits.
struct Worker<J> {
    jobs: Option<mpsc::Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer(Worker<Job>);

/// The thread that reads.
#[derive(Debug)]
pub(super) struct Reader(Worker<Read>);

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        Worker::start("chat-write", move |jobs| write(connection, jobs)).map(Self)
    }

    /// Carries out a piece of work in a transaction; returns after its commit.
    pub(super) async fn run(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (done, committed) = oneshot::channel();
        let write = Box::new(write);
        self.0.send(Job { write, done }).await?;
        committed.await.map_err(|_| gone())?
    }
}

impl Reader {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        Worker::start("chat-read", move |mut jobs: mpsc::Receiver<Read>| {
            while let Some(read) = jobs.blocking_recv() {
                read(&connection);
            }
        })
        .map(Self)
    }

    /// Reads something, from one state of the file.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, read_out) = oneshot::channel();
        let job = move |connection: &Connection| {
            let answer = connection
                .unchecked_transaction()
                .and_then(|state| read(&state));
            // Who asked may be gone.
            let _ = done.send(answer);
        };
        self.0.send(Box::new(job)).await?;
        let answer = read_out.await.map_err(|_| gone())?;
        answer.map_err(StoreError::new)
    }
}

impl<J: Send + 'static> Worker<J> {
    fn start(
        name: &str,
        serve: impl FnOnce(mpsc::Receiver<J>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || serve(receiver));
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread.map_err(StoreError::new)?),
        })
    }

    async fn send(&self, job: J) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())
    }
}

impl<J> fmt::Debug for Worker<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::new("the thread of the database is gone")
}

fn write(mut connection: Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(job) = jobs.blocking_recv() {
        batch.push(job);
        while batch.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            batch.push(job);
        }
        commit(&mut connection, batch.drain(..));
    }
}

/// Carries out a batch in one transaction, each job for itself: one that fails takes nothing from the others.
fn commit(connection: &mut Connection, batch: impl Iterator<Item = Job>) {
    let mut carried_out = Vec::new();
    let written = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|mut transaction| {
            for Job { write, done } in batch {
                let point = transaction.savepoint()?;
                match write(&point).and_then(|()| point.commit()) {
                    Ok(()) => carried_out.push(done),
                    Err(error) => answer(done, Err(StoreError::new(error))),
                }
            }
            transaction.commit()
        });
    match written {
        Ok(()) => carried_out
            .into_iter()
            .for_each(|done| answer(done, Ok(()))),
        Err(error) => {
            let text = error.to_string();
            for done in carried_out {
                answer(done, Err(StoreError::new(text.clone())));
            }
        }
    }
}

fn answer(done: oneshot::Sender<Result<(), StoreError>>, outcome: Result<(), StoreError>) {
    // Who asked may be gone.
    let _ = done.send(outcome);
}
