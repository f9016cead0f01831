//! The bus itself: two nodes of one process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use app_ws_chat::bus::{Bus, Event, Listener, Opened, RedisBus, Stay};
use app_ws_chat::message::{Offset, Person, Rank, Text, Timestamp};
use app_ws_chat::moderation::{Act, Ruling};
use app_ws_chat::name::{Cid, Nick, RoomName, UserId};
use app_ws_chat::protocol::Draft;
use app_ws_chat::refusal::Refusal;
use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::engine::Engine;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Ear {
    heard: Mutex<Vec<String>>,
    more: Notify,
}

impl Listener for Ear {
    fn hear(&self, event: Event) {
        let text = match event {
            Event::Said(message) => format!("{} {}", message.offset.0, message.text.as_str()),
            Event::Came(who) => format!("{} came", who.person.nick.as_str()),
            Event::Left(_) => "left".to_owned(),
            Event::Typing(who) => format!("{} types", who.nick.as_str()),
            Event::Ruled(ruling) => format!("{:?}", ruling.act),
            // After a lost connection, at any time.
            Event::Here(_) => return,
            other => format!("{other:?}"),
        };
        self.heard.lock().unwrap().push(text);
        self.more.notify_one();
    }

    fn stay(&self, _: UserId) -> Option<Stay> {
        None
    }
}

impl Ear {
    /// Waits until so many things were heard, and takes them.
    pub(crate) async fn heard(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.heard.lock().unwrap().len() < count {
                self.more.notified().await;
            }
        };
        let waited = timeout(PATIENCE, enough).await;
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        assert!(waited.is_ok() && heard.len() == count, "{count}: {heard:?}");
        heard
    }
}

pub(crate) struct Node {
    room: RoomName,
    bus: RedisBus,
    pub(crate) ear: Arc<Ear>,
}

fn lobby() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

/// A node, and what it finds in a room that it opens.
pub(crate) async fn node(address: &str, room: &str) -> (Node, Opened) {
    let bus = RedisBus::new(address).unwrap();
    let room = RoomName::parse(room).unwrap();
    let ear = Arc::new(Ear::default());
    let opening = async {
        loop {
            let listener = Arc::clone(&ear) as Arc<dyn Listener>;
            match bus.open(&room, listener).await {
                Ok(opened) => break opened,
                // What it asks may just be coming up.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let opened = timeout(PATIENCE, opening).await.expect("a room opens");
    (Node { room, bus, ear }, opened)
}

async fn lobby_on(engine: &Engine) -> (Node, Opened) {
    node(&engine.address(), "lobby").await
}

impl Node {
    async fn publish(&self, user: u64, cid: &str, pace: Duration) -> Result<u64, Refusal> {
        let from = Person {
            user: UserId::passing(user),
            nick: Nick::parse("Ada \"A\"").unwrap(),
        };
        let draft = Draft {
            cid: Cid::parse(cid).unwrap(),
            text: Text::parse(&format!("{cid} \u{e9}\\\n\"")).unwrap(),
        };
        let receipt = self.bus.publish(&self.room, from, draft, pace).await?;
        Ok(receipt.offset.0)
    }

    pub(crate) async fn say(&self, user: u64, cid: &str) -> Result<u64, Refusal> {
        self.publish(user, cid, Duration::ZERO).await
    }

    pub(crate) async fn listen_to_the_house(&self) -> Arc<Ear> {
        let house = Arc::new(Ear::default());
        let listener = Arc::clone(&house) as Arc<dyn Listener>;
        self.bus.open_house(listener).await.unwrap();
        house
    }

    pub(crate) async fn ban_everywhere(&self, user: u64) {
        let ruling = ruling(Act::Ban, None, None, user);
        self.bus.rule(ruling).await.unwrap();
    }

    async fn enter(&self, user: u64, wish: &str, rank: Rank) -> String {
        let nick = Nick::parse(wish).unwrap();
        let entered = self
            .bus
            .enter(&lobby(), UserId::passing(user), &nick, rank)
            .await;
        entered.unwrap().person.nick.as_str().to_owned()
    }
}

pub(crate) fn said(offset: u64, cid: &str) -> String {
    format!("{offset} {cid} \u{e9}\\\n\"")
}

fn ruling(act: Act, room: Option<RoomName>, ms: Option<u64>, user: u64) -> Arc<Ruling> {
    Arc::new(Ruling {
        ts: Timestamp::now(),
        room,
        act,
        user: (act != Act::Slow).then(|| UserId::passing(user)),
        nick: None,
        ms,
        by: "Bea".into(),
        by_user: None,
        reason: "spam".into(),
    })
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn all_nodes_hear_the_same_in_the_same_order() {
    let engine = Engine::start();
    let ((one, opened), (two, _)) = (lobby_on(&engine).await, lobby_on(&engine).await);
    assert_eq!(opened.ring.end(), Offset(0));
    assert_eq!(one.say(1, "a").await, Ok(1));
    assert_eq!(two.say(2, "b").await, Ok(2));
    assert_eq!(two.say(1, "a").await, Ok(1), "said again, to another node");
    one.bus.typing(
        &lobby(),
        &Person {
            user: UserId::passing(1),
            nick: Nick::parse("Ada").unwrap(),
        },
    );
    let all = [said(1, "a"), said(2, "b"), "Ada types".to_owned()];
    for node in [&one, &two] {
        assert_eq!(node.ear.heard(3).await, all);
    }
    let (three, late) = lobby_on(&engine).await;
    assert_eq!((late.ring.end(), &late.epoch), (Offset(2), &opened.epoch));
    let page = three.bus.history(&lobby(), Offset(2), 9).await.unwrap();
    let texts: Vec<_> = page
        .iter()
        .map(|one| (one.offset.0, one.from.nick.as_str()))
        .collect();
    assert_eq!(texts, [(1, "Ada \"A\"")]);
    let newest = three
        .bus
        .history(&lobby(), Offset(u64::MAX), 1)
        .await
        .unwrap();
    assert_eq!(newest[0].offset, Offset(2));
    assert!(
        three
            .bus
            .history(&lobby(), Offset(1), 9)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn a_user_is_here_once_on_however_many_nodes() {
    let engine = Engine::start();
    let ((one, _), (two, _)) = (lobby_on(&engine).await, lobby_on(&engine).await);
    assert_eq!(one.enter(1, "Ada", Rank::Guest).await, "Ada");
    assert_eq!(two.enter(1, "Ida", Rank::Guest).await, "Ada");
    assert_eq!(two.enter(2, "ADA", Rank::Guest).await, "ADA (2)");
    assert_eq!(two.enter(2, "ADA", Rank::Moderator).await, "ADA (2)");
    let (three, opened) = lobby_on(&engine).await;
    let mut here: Vec<_> = opened
        .here
        .iter()
        .map(|one| (one.person.nick.as_str(), one.rank))
        .collect();
    here.sort_unstable_by_key(|(nick, _)| *nick);
    assert_eq!(here, [("ADA (2)", Rank::Moderator), ("Ada", Rank::Guest)]);
    one.bus.exit(&lobby(), UserId::passing(1));
    two.bus.exit(&lobby(), UserId::passing(2));
    assert_eq!(
        one.ear.heard(4).await,
        ["Ada came", "ADA (2) came", "ADA (2) came", "left"]
    );
    two.bus.exit(&lobby(), UserId::passing(1));
    assert_eq!(three.ear.heard(2).await, ["left", "left"]);
    assert_eq!(
        two.enter(3, "ada", Rank::Guest).await,
        "ada",
        "the name is free again"
    );
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn rulings_reach_all_nodes_and_put_people_out_of_all() {
    let engine = Engine::start();
    let ((one, _), (two, _)) = (lobby_on(&engine).await, lobby_on(&engine).await);
    for node in [&one, &two] {
        node.enter(1, "Ada", Rank::Guest).await;
    }
    let ruling = |act, room, ms| ruling(act, room, ms, 1);
    let house = Arc::new(Ear::default());
    let before = two
        .bus
        .open_house(Arc::clone(&house) as Arc<dyn Listener>)
        .await
        .unwrap();
    assert!(before.list(Timestamp::now()).bans.is_empty());
    one.bus
        .rule(ruling(Act::Ban, Some(lobby()), None))
        .await
        .unwrap();
    one.bus
        .rule(ruling(Act::Slow, Some(lobby()), Some(5_000)))
        .await
        .unwrap();
    one.bus.rule(ruling(Act::Ban, None, None)).await.unwrap();
    assert_eq!(two.ear.heard(4).await, ["Ada came", "Ban", "left", "Slow"]);
    assert_eq!(house.heard(1).await, ["Ban"]);
    let (three, opened) = lobby_on(&engine).await;
    let listing = opened.rules.list(Timestamp::now());
    assert_eq!((listing.bans.len(), listing.slow_ms), (1, 5_000));
    assert!(opened.here.is_empty());
    let rules = three
        .bus
        .open_house(Arc::new(Ear::default()))
        .await
        .unwrap();
    assert_eq!(rules.list(Timestamp::now()).bans.len(), 1);
    let audit: Vec<_> = three
        .bus
        .audit(2)
        .await
        .unwrap()
        .iter()
        .map(|one| one.act)
        .collect();
    assert_eq!(audit, [Act::Ban, Act::Slow]);

    let hour = Duration::from_secs(3_600);
    assert_eq!(one.publish(2, "a", hour).await, Ok(1));
    assert_eq!(two.publish(2, "a", hour).await, Ok(1));
    let refused = two.publish(2, "b", hour).await;
    assert!(matches!(refused, Err(Refusal::SlowMode { retry_after }) if retry_after <= hour));
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn what_was_said_while_a_node_heard_nothing_is_read() {
    let mut engine = Engine::start();
    let ((one, _), (two, _)) = (lobby_on(&engine).await, lobby_on(&engine).await);
    assert_eq!(one.say(1, "a").await, Ok(1));
    two.ear.heard(1).await;
    engine.kill();
    assert_eq!(one.say(1, "b").await, Err(Refusal::Store));
    engine.restart();
    // As a client does it: until it is acknowledged.
    let acknowledged = async {
        while one.say(1, "b").await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, acknowledged).await.unwrap();
    assert_eq!(two.ear.heard(1).await, [said(2, "b")]);
    assert_eq!(one.ear.heard(2).await, [said(1, "a"), said(2, "b")]);
    assert_eq!(two.say(1, "c").await, Ok(3));
    assert_eq!(one.ear.heard(1).await, [said(3, "c")]);
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn a_history_that_is_lost_is_another_one() {
    let mut engine = Engine::start();
    let (one, before) = lobby_on(&engine).await;
    assert_eq!(one.say(1, "a").await, Ok(1));
    one.ear.heard(1).await;
    engine.forget();
    assert_eq!(one.ear.heard(1).await, ["Lost"]);
    let (_, after) = lobby_on(&engine).await;
    assert_eq!(after.ring.end(), Offset(0));
    assert_ne!(after.epoch, before.epoch);
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn a_room_that_nobody_waits_for_any_more_is_not_listened_to() {
    let engine = Engine::start();
    let (one, _) = lobby_on(&engine).await;
    let left = RoomName::parse("left").unwrap();
    let opening = one.bus.open(&left, Arc::new(Ear::default()));
    assert!(opening.now_or_never().is_none(), "Redis is asked still");
    one.bus.close(&left);
    // Listened to after the other one, if that is at all.
    let other = RoomName::parse("other").unwrap();
    let ear = Arc::new(Ear::default());
    one.bus.open(&other, ear).await.unwrap();
    let mut asking = redis::cmd("PUBSUB");
    asking.arg("NUMSUB").arg("chat:{left}").arg("chat:{other}");
    let client = redis::Client::open(engine.address()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let listening: Vec<(String, u64)> = asking.query(&mut connection).unwrap();
    let numbers: Vec<_> = listening.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [0, 1], "{listening:?}");
}

#[test]
fn an_address_that_is_none_is_an_error() {
    assert!(RedisBus::new("localhost").is_err());
}
