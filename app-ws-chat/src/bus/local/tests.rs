//! One order, whatever the store does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};

use super::LocalBus;
use super::desk::{Asked, Desk};
use crate::bus::{Bus, Event, Listener, Stay};
use crate::message::{Epoch, Message, Offset, Person, Rank, Text, Timestamp};
use crate::moderation::{Rules, Ruling};
use crate::name::{Cid, Nick, RoomName, UserId};
use crate::protocol::Draft;
use crate::refusal::Refusal;
use crate::ring::Ring;
use crate::store::{MemoryStore, Past, Store, StoreError};

#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<String>>,
    back: Mutex<Option<UserId>>,
}

impl Ear {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl Listener for Ear {
    fn hear(&self, event: Event) {
        let text = match event {
            Event::Said(message) => format!("{} {}", message.offset.0, message.text.as_str()),
            Event::Came(who) => format!("{} came", who.person.nick.as_str()),
            Event::Left(_) => "left".to_owned(),
            other => format!("{other:?}"),
        };
        self.heard.lock().unwrap().push(text);
    }

    fn stay(&self, user: UserId) -> Option<Stay> {
        let back = *self.back.lock().unwrap() == Some(user);
        back.then_some(Stay(1))
    }
}

/// A store in memory that fails and waits as it is told. Two of them may have one memory.
#[derive(Clone, Debug)]
struct Moody {
    kept: Arc<MemoryStore>,
    failures: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Default for Moody {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            failures: Arc::default(),
            open: Arc::new(Semaphore::new(1_000)),
            batches: Arc::default(),
        }
    }
}

#[async_trait]
impl Store for Moody {
    async fn open(&self, room: &RoomName) -> Result<Past, StoreError> {
        self.kept.open(room).await
    }

    async fn append(&self, room: &RoomName, messages: Vec<Arc<Message>>) -> Result<(), StoreError> {
        let permit = self.open.acquire().await.map_err(StoreError::new)?;
        permit.forget();
        self.batches.lock().unwrap().push(messages.len());
        let failures = |left: usize| left.checked_sub(1);
        let failing = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, failures);
        match failing {
            Ok(_) => Err(StoreError::new("in a bad mood")),
            Err(_) => self.kept.append(room, messages).await,
        }
    }

    async fn history(
        &self,
        room: &RoomName,
        before: Offset,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, StoreError> {
        self.kept.history(room, before, limit).await
    }

    async fn house(&self) -> Result<Rules, StoreError> {
        self.kept.house().await
    }

    async fn rule(&self, ruling: Arc<Ruling>) -> Result<(), StoreError> {
        self.kept.rule(ruling).await
    }

    async fn audit(&self, limit: usize) -> Result<Vec<Arc<Ruling>>, StoreError> {
        self.kept.audit(limit).await
    }
}

fn lobby() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

async fn publish(bus: &LocalBus, user: u64, cid: &str) -> Result<u64, Refusal> {
    publish_at(bus, user, cid, Duration::ZERO).await
}

async fn publish_at(bus: &LocalBus, user: u64, cid: &str, pace: Duration) -> Result<u64, Refusal> {
    let from = Person {
        user: UserId::passing(user),
        nick: Nick::parse("Ada").unwrap(),
    };
    let draft = Draft {
        cid: Cid::parse(cid).unwrap(),
        text: Text::parse(cid).unwrap(),
    };
    let receipt = bus.publish(&lobby(), from, draft, pace).await?;
    Ok(receipt.offset.0)
}

async fn open(store: Moody) -> (Arc<LocalBus>, Arc<Ear>) {
    let (bus, ear) = (Arc::new(LocalBus::new(store)), Arc::new(Ear::default()));
    let listener = Arc::clone(&ear) as Arc<dyn Listener>;
    bus.open(&lobby(), listener).await.unwrap();
    (bus, ear)
}

#[tokio::test]
async fn messages_are_heard_in_the_order_of_their_offsets_and_answered_for_when_kept() {
    let (bus, ear) = open(Moody::default()).await;
    assert_eq!(publish(&bus, 1, "a").await, Ok(1));
    assert_eq!(publish(&bus, 2, "a").await, Ok(2));
    assert_eq!(publish(&bus, 1, "a").await, Ok(1), "said again");
    assert_eq!(ear.heard(), ["1 a", "2 a"]);
}

#[tokio::test]
async fn what_comes_while_the_store_writes_is_its_next_batch() {
    let store = Moody {
        open: Arc::new(Semaphore::new(0)),
        ..Moody::default()
    };
    let (bus, ear) = open(store.clone()).await;
    let mut publishing = Vec::new();
    for cid in ["a", "b", "c", "b"] {
        let bus = Arc::clone(&bus);
        publishing.push(tokio::spawn(async move { publish(&bus, 1, cid).await }));
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(ear.heard(), [""; 0], "nothing is kept yet");
    // Whoever asked may leave: what was said is said.
    publishing.remove(0).abort();
    store.open.add_permits(10);
    let mut offsets = Vec::new();
    for publishing in publishing {
        offsets.push(publishing.await.unwrap().unwrap());
    }
    assert_eq!(offsets, [2, 3, 2]);
    assert_eq!(ear.heard(), ["1 a", "2 b", "3 c"]);
    assert_eq!(*store.batches.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_store_that_fails_once_is_asked_again_and_a_dead_one_refuses() {
    let store = Moody::default();
    let (bus, ear) = open(store.clone()).await;
    store.failures.store(1, Ordering::Relaxed);
    assert_eq!(publish(&bus, 1, "a").await, Ok(1));
    store.failures.store(2, Ordering::Relaxed);
    assert_eq!(publish(&bus, 1, "b").await, Err(Refusal::Store));
    assert_eq!(publish(&bus, 1, "b").await, Ok(2), "no offset was lost");
    assert_eq!(ear.heard(), ["1 a", "2 b"]);
}

#[tokio::test]
async fn two_processes_on_one_store_keep_one_order() {
    let store = Moody::default();
    let (old, old_ear) = open(store.clone()).await;
    let (new, new_ear) = open(store).await;
    assert_eq!(publish(&old, 1, "a").await, Ok(1));
    assert_eq!(publish(&new, 2, "b").await, Ok(2));
    assert_eq!(
        publish(&new, 1, "a").await,
        Ok(1),
        "what the other has kept is known"
    );
    assert_eq!(publish(&old, 1, "c").await, Ok(3));
    assert_eq!(new_ear.heard(), ["1 a", "2 b"]);
    assert_eq!(old_ear.heard(), ["1 a", "2 b", "3 c"]);
}

#[tokio::test]
async fn slow_mode_is_each_users_own_and_no_hindrance_to_saying_it_again() {
    let (bus, _ear) = open(Moody::default()).await;
    let hour = Duration::from_secs(3_600);
    assert_eq!(publish_at(&bus, 1, "a", hour).await, Ok(1));
    assert_eq!(publish_at(&bus, 1, "a", hour).await, Ok(1));
    let refused = publish_at(&bus, 1, "b", hour).await;
    assert!(matches!(refused, Err(Refusal::SlowMode { retry_after }) if retry_after <= hour));
    assert_eq!(publish_at(&bus, 2, "b", hour).await, Ok(2));
    assert_eq!(publish_at(&bus, 1, "b", Duration::ZERO).await, Ok(3));
}

#[tokio::test]
async fn a_user_is_here_once_and_a_leaving_that_is_out_of_date_does_nothing() {
    let (bus, ear) = open(Moody::default()).await;
    let ada = Nick::parse("Ada").unwrap();
    let enter = async |user, rank| {
        let entered = bus.enter(&lobby(), UserId::passing(user), &ada, rank).await;
        entered.unwrap().person.nick.as_str().to_owned()
    };
    assert_eq!(enter(1, Rank::Guest).await, "Ada");
    assert_eq!(enter(1, Rank::Guest).await, "Ada");
    assert_eq!(enter(2, Rank::Guest).await, "Ada (2)");
    assert_eq!(ear.heard(), ["Ada came", "Ada (2) came"]);
    assert_eq!(enter(1, Rank::Moderator).await, "Ada");
    assert_eq!(ear.heard(), ["Ada came"], "with another rank");
    *ear.back.lock().unwrap() = Some(UserId::passing(1));
    bus.exit(&lobby(), UserId::passing(1));
    bus.exit(&lobby(), UserId::passing(2));
    assert_eq!(ear.heard(), ["left"]);
    bus.exit(&lobby(), UserId::passing(2));
    assert_eq!(ear.heard(), [""; 0]);
}

#[tokio::test]
async fn a_closed_room_is_forgotten_when_it_has_written_down_everything() {
    let store = Moody {
        open: Arc::new(Semaphore::new(0)),
        ..Moody::default()
    };
    let (bus, ear) = open(store.clone()).await;
    let publishing = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { publish(&bus, 1, "a").await }
    });
    tokio::task::yield_now().await;
    bus.close(&lobby());
    assert!(bus.desk(&lobby()).is_some());
    // Somebody comes before it is through.
    bus.open(&lobby(), Arc::clone(&ear) as Arc<dyn Listener>)
        .await
        .unwrap();
    bus.close(&lobby());
    store.open.add_permits(1);
    assert_eq!(publishing.await.unwrap(), Ok(1));
    tokio::task::yield_now().await;
    assert!(bus.desk(&lobby()).is_none());
}

/// The past of a room in which nothing was said in this life of it.
fn empty(epoch: u64) -> Past {
    Past {
        epoch: Epoch::new(epoch),
        ring: Ring::default(),
        receipts: Vec::new(),
        rules: Rules::default(),
    }
}

#[test]
fn what_a_store_has_of_another_life_of_the_room_cannot_be_made_good() {
    let mut desk = Desk::new(empty(1), Timestamp(0));
    let ear = Arc::new(Ear::default());
    desk.open(&(Arc::clone(&ear) as Arc<dyn Listener>));
    desk.catch_up(empty(1), Timestamp(0));
    assert_eq!(ear.heard(), [""; 0]);
    desk.catch_up(empty(2), Timestamp(0));
    assert_eq!(ear.heard(), ["Lost"]);
}

#[test]
fn a_clock_that_is_set_back_lets_nobody_wait_for_longer_than_the_pace() {
    let mut desk = Desk::new(empty(1), Timestamp(0));
    let pace = Duration::from_secs(5);
    let mut says = |cid: &str, seconds: u64| {
        let from = Person {
            user: UserId::passing(1),
            nick: Nick::parse("Ada").unwrap(),
        };
        let draft = Draft {
            cid: Cid::parse(cid).unwrap(),
            text: Text::parse(cid).unwrap(),
        };
        let now = Timestamp(seconds * 1_000);
        match desk.ask(from, draft, pace, now, oneshot::channel().0) {
            Asked::Refused(refusal) => refusal.retry_after(),
            _ => None,
        }
    };
    assert_eq!(says("a", 3_600), None);
    assert_eq!(says("b", 3_601), Some(Duration::from_secs(4)));
    assert_eq!(says("c", 10), None, "an hour back");
    assert_eq!(says("d", 11), Some(Duration::from_secs(4)));
    assert_eq!(says("e", 15), None);
}
