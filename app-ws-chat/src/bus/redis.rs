//! The bus of several nodes, on Redis: a stream a room for what is durable, publish for the news, one script for both.
//!
//! Everything that asks Redis runs on one thread with a runtime of its own, so that it outlives the worker that asked.
//!
//! # Who is here, in one order
//!
//! A user has a seat for each node that they are on, with a lease, and has left with the last seat. What makes all nodes show
//! the same people, whatever comes when:
//!
//! - Redis carries the steps of the script out one after another, and numbers each change of who is here and what is ruled. What a
//!   node reads says as of which change, so what it hears is known already, the next, or tells of a hole (`tracked.rs`); then the
//!   room is read anew, and what is heard meanwhile waits. Thus old news that come late, from a subscription before or a reading that
//!   failed, do no harm.
//! - A node carries out the comings and goings of a room in the order of the asking, one after the other (`rooms/comings.rs`). Each connection asks for
//!   the seat of its user, and is let in when the node has heard of the change that its answer names: the list that it is
//!   shown has it, and nothing older comes after.
//! - A going is out of date if its user has taken the seat for their present stay; if they are only about to, it goes first, and they come
//!   again, under another nickname if they wish so.
//! - What was not answered in time may be carried out late, after what was asked for later. A late coming leaves a seat whose lease nobody
//!   prolongs. A late going takes the seat of somebody who is here, as a purge of leases does whose node could not say that it lives: the node hears that
//!   they left, or its next sign of life finds no seat, and they sit down again.
//! - A kick or a ban is told before the leavings that it causes: the node has put its people out by then, and none of them sits
//!   down again.
//! - A node that dies says nothing more, and its seats go with their leases. One that has lost a room forgets who sat there; they
//!   sit down again as they come again, or their leases run out.

mod engine;
mod keys;
mod line;
mod news;
mod rooms;
mod steps;
mod tracked;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use redis::RedisError;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Bus, Listener, Opened};
use crate::message::{Message, Offset, Person, Present, Rank};
use crate::moderation::{Rules, Ruling};
use crate::name::{Nick, RoomName, UserId};
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::room::Receipt;
use crate::store::StoreError;
use engine::{Address, AddressError};
use line::Line;
use rooms::{Coming, Node};
use steps::Steps;

/// How long an answer of Redis may take: longer than an fsync of a disk that is busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long a node looks for Redis again, between two attempts at most.
const RETRY: Duration = Duration::from_secs(1);

/// Comings and goings that wait for Redis: those of a whole node. A going that finds no place lets its lease run out.
const COMINGS: usize = 16_384;

/// Joins the rooms of all nodes that use the same Redis.
///
/// A message is acknowledged after Redis has it, so Redis must keep what it has: start it with `--appendonly yes
/// --appendfsync always`. After a lost connection each room is read on from where it was; a room for which that is not
/// possible, or not within 10 s, ends its connections with 4009, and they resume. A connection that breaks without a word is
/// taken for lost after 8 s at most.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use app_ws_chat::{Chat, bus::RedisBus};
///
/// let chat = Chat::with_bus(Arc::new(RedisBus::new("redis://127.0.0.1:6379")?));
/// # let _ = chat;
/// # Ok::<(), app_ws_chat::bus::RedisBusError>(())
/// ```
pub struct RedisBus {
    node: Arc<Node>,
    steps: Steps,
    comings: mpsc::Sender<Coming>,
    runtime: Handle,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

/// That there can be no bus at this address.
#[derive(Debug)]
pub struct RedisBusError(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for RedisBusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for RedisBusError {}

impl From<RedisError> for RedisBusError {
    fn from(error: RedisError) -> Self {
        Self(error.into())
    }
}

impl From<AddressError> for RedisBusError {
    fn from(error: AddressError) -> Self {
        Self(error.into())
    }
}

impl RedisBus {
    /// A bus at `redis://[user:password@]host[:port][/database]`, `unix:///path`, or
    /// `redis-cluster://[user:password@]host:port[,host:port..][?replicas=N]`: some nodes of a cluster, which name the
    /// others, and the number of replicas that have to have a message before it is acknowledged (0 to 9, else 1). It need not be there yet: what is
    /// asked for before is refused for the moment.
    ///
    /// # Errors
    ///
    /// The address is none, or there can be no thread.
    pub fn new(address: &str) -> Result<Self, RedisBusError> {
        let address = Address::parse(address)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| RedisBusError(error.into()))?;
        let line = {
            let _inside = runtime.enter();
            Line::new(address.clone())?
        };
        let name: Arc<str> = format!("{:016x}", fastrand::u64(..)).into();
        let steps = Steps::new(line, name);
        let (comings, to_come) = mpsc::channel(COMINGS);
        let (subscriptions, wishes) = mpsc::unbounded_channel();
        let node = Arc::new(Node::new(steps.clone(), subscriptions, comings.clone()));
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        let all = {
            let node = Arc::clone(&node);
            async move {
                tokio::select! {
                    () = Arc::clone(&node).listen(address, wishes) => {}
                    () = Arc::clone(&node).come_and_go(to_come) => {}
                    () = node.keep_alive() => {}
                    _ = stopped => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("chat-redis".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(all);
            // What still waits for Redis is not waited for.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(|error| RedisBusError(error.into()))?;
        Ok(Self {
            node,
            steps,
            comings,
            runtime: handle,
            stop: Mutex::new(Some((stop, thread))),
        })
    }

    /// Carries something out on the thread of the bus, to its end, whoever still waits for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.runtime.spawn(work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::new("the thread of the bus is gone")),
        }
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        let stop = lock(&self.stop).take();
        if let Some((stop, thread)) = stop {
            // It may have ended already.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").finish_non_exhaustive()
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn open(
        &self,
        room: &RoomName,
        listener: Arc<dyn Listener>,
    ) -> Result<Opened, StoreError> {
        let opening = self.node.begin_to_open(room, listener);
        let (node, room) = (Arc::clone(&self.node), room.clone());
        self.run(async move { node.open(room, opening).await })
            .await
    }

    fn close(&self, room: &RoomName) {
        self.node.close(room);
    }

    async fn open_house(&self, listener: Arc<dyn Listener>) -> Result<Rules, StoreError> {
        let node = Arc::clone(&self.node);
        self.run(async move { node.open_house(listener).await })
            .await
    }

    async fn publish(
        &self,
        room: &RoomName,
        from: Person,
        draft: Draft,
        pace: Duration,
    ) -> Result<Receipt, Refusal> {
        let (steps, place) = (self.steps.clone(), room.clone());
        let publishing = self.run(async move { steps.publish(&place, &from, &draft, pace).await });
        publishing.await.unwrap_or_else(|error| {
            error.report(room, "a message was not kept");
            Err(Refusal::Store)
        })
    }

    async fn enter(
        &self,
        room: &RoomName,
        user: UserId,
        wish: &Nick,
        rank: Rank,
    ) -> Result<Present, Refusal> {
        let (asked, entered) = oneshot::channel();
        let coming = Coming::In {
            room: room.clone(),
            user,
            wish: wish.clone(),
            rank,
            asked: Some(asked),
        };
        let entering = async {
            self.comings.send(coming).await.ok()?;
            entered.await.ok()
        };
        // Before their turn come others, whom a Redis that is away lets wait as well, also for a place to wait in. Who is let in
        // too late leaves again.
        let entering = {
            // All that waits for Redis does so by one clock.
            let _inside = self.runtime.enter();
            timeout(ANSWER_WITHIN, entering)
        };
        entering.await.ok().flatten().ok_or(Refusal::Store)
    }

    fn exit(&self, room: &RoomName, user: UserId) {
        let room = room.clone();
        // If there is no place, the lease runs out.
        let _ = self.comings.try_send(Coming::Out { room, user });
    }

    fn typing(&self, room: &RoomName, from: &Person) {
        let (steps, room, from) = (self.steps.clone(), room.clone(), from.clone());
        // It may get lost.
        drop(
            self.runtime
                .spawn(async move { steps.typing(&room, &from).await }),
        );
    }

    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        let (steps, room) = (self.steps.clone(), room.clone());
        self.run(async move { steps.history(&room, before, limit).await })
            .await
    }

    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError> {
        let steps = self.steps.clone();
        self.run(async move { steps.rule(&ruling).await }).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        let steps = self.steps.clone();
        self.run(async move { steps.audit(limit).await }).await
    }

    async fn shut_down(&self) {
        let node = Arc::clone(&self.node);
        let goodbye = self.run(async move {
            node.shorten_leases().await;
            Ok(())
        });
        // Who cannot be told finds out by the leases.
        let _ = timeout(ANSWER_WITHIN, goodbye).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::{COMINGS, Coming, RedisBus};
    use crate::bus::Bus;
    use crate::message::Rank;
    use crate::name::{Nick, RoomName, UserId};
    use crate::refusal::Refusal;

    #[tokio::test]
    async fn nobody_waits_for_a_place_to_wait_in() {
        // Takes connections, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let bus = RedisBus::new(&format!("redis://{}", silent.local_addr().unwrap())).unwrap();
        let (room, user) = (RoomName::parse("lobby").unwrap(), UserId::passing(1));
        // One is under way.
        for _ in 0..=2 * COMINGS {
            let room = room.clone();
            let out = Coming::Out { room, user };
            assert!(bus.comings.send(out).await.is_ok());
        }
        let wish = Nick::parse("Ada").unwrap();
        let coming = (0..20).map(|_| bus.enter(&room, user, &wish, Rank::Guest));
        let answers = timeout(
            Duration::from_secs(30),
            futures_util::future::join_all(coming),
        );
        let answers = answers.await.expect("all are answered");
        assert!(answers.iter().all(|one| *one == Err(Refusal::Store)));
    }
}
