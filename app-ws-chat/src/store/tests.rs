//! What every store keeps to.

use std::path::PathBuf;
use std::sync::Arc;

use super::memory::MEMORY_ROOMS;
use super::{MemoryStore, SqliteStore, Store};
use crate::message::{Message, Offset, Person, TEXT_BYTES, Text, Timestamp};
use crate::moderation::{Act, Ruling};
use crate::name::{Cid, Nick, RoomName, UserId};

/// A file that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = format!("chat-{}-{:x}.db", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut file = self.0.clone().into_os_string();
            file.push(end);
            let _ = std::fs::remove_file(file);
        }
    }
}

fn room(number: usize) -> RoomName {
    RoomName::parse(&format!("r{number}")).unwrap()
}

fn message(offset: u64, text: &str) -> Arc<Message> {
    Arc::new(Message {
        offset: Offset(offset),
        from: Person {
            // The largest: stores may know signed numbers only.
            user: UserId::passing(u64::MAX),
            nick: Nick::parse("Ada 👩\u{200d}💻").unwrap(),
        },
        at: Timestamp::now(),
        text: Text::parse(text).unwrap(),
        cid: Cid::parse(&format!("c{offset}")).unwrap(),
    })
}

fn messages(offsets: impl IntoIterator<Item = u64>) -> Vec<Arc<Message>> {
    offsets
        .into_iter()
        .map(|o| message(o, "h\u{e9}'\n\t\""))
        .collect()
}

fn ruling(act: Act, room: Option<RoomName>, ms: Option<u64>) -> Arc<Ruling> {
    Arc::new(Ruling {
        ts: Timestamp::now(),
        room,
        act,
        user: (act != Act::Slow).then(|| UserId::passing(u64::MAX)),
        nick: Nick::parse("Ada").ok(),
        ms,
        by: "Bea".into(),
        by_user: Some(UserId::passing(2)),
        reason: "spam".into(),
    })
}

async fn on_each(check: impl AsyncFn(&dyn Store)) {
    check(&MemoryStore::default()).await;
    let file = Scratch::new();
    check(&file.open()).await;
}

#[tokio::test]
async fn what_was_appended_is_in_the_past_and_in_history() {
    on_each(async |store| {
        let epoch = store.open(&room(1)).await.unwrap().epoch;
        let said = messages(1..=5);
        for batch in said.chunks(2) {
            store.append(&room(1), batch.to_vec()).await.unwrap();
        }
        let past = store.open(&room(1)).await.unwrap();
        assert_eq!(past.epoch, epoch);
        assert_eq!(past.ring.iter().cloned().collect::<Vec<_>>(), said);
        let receipts = past.receipts.into_iter();
        let receipts: Vec<_> = receipts
            .map(|(user, cid, receipt)| (user, cid, receipt.at))
            .collect();
        let expected: Vec<_> = said
            .iter()
            .map(|m| (m.from.user, m.cid.clone(), m.at))
            .collect();
        assert_eq!(receipts, expected);
        assert_eq!(store.open(&room(2)).await.unwrap().ring.end(), Offset(0));

        for (before, limit, expected) in [(6, 2, &said[3..5]), (3, 9, &said[..2]), (1, 9, &[])] {
            let page = store
                .history(&room(1), Offset(before), limit)
                .await
                .unwrap();
            assert_eq!(page, expected, "{limit} before {before}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_offset_that_is_taken_is_refused_and_nothing_of_the_batch_is_kept() {
    on_each(async |store| {
        store.append(&room(1), messages(1..=3)).await.unwrap();
        assert!(store.append(&room(1), messages(3..=4)).await.is_err());
        assert_eq!(store.open(&room(1)).await.unwrap().ring.end(), Offset(3));
        store.append(&room(1), messages(4..=4)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_page_of_long_messages_is_shorter() {
    on_each(async |store| {
        let text = "x".repeat(TEXT_BYTES);
        let said: Vec<_> = (1..=50).map(|offset| message(offset, &text)).collect();
        store.append(&room(1), said).await.unwrap();
        let page = store
            .history(&room(1), Offset(u64::MAX), 100)
            .await
            .unwrap();
        assert!((20..=32).contains(&page.len()), "{}", page.len());
        assert_eq!(page.last().unwrap().offset, Offset(50));
    })
    .await;
}

#[tokio::test]
async fn rulings_come_into_force_and_into_the_audit_log() {
    on_each(async |store| {
        let rulings = [
            ruling(Act::Ban, Some(room(1)), None),
            ruling(Act::Mute, Some(room(1)), Some(5_000)),
            ruling(Act::Slow, Some(room(1)), Some(3_000)),
            ruling(Act::Ban, None, Some(7_000)),
            ruling(Act::Unban, Some(room(1)), None),
        ];
        for ruling in &rulings {
            store.rule(Arc::clone(ruling)).await.unwrap();
        }
        let rules = store.open(&room(1)).await.unwrap().rules;
        let listing = rules.list(Timestamp::now());
        assert_eq!(
            (listing.bans.len(), listing.mutes.len(), listing.slow_ms),
            (0, 1, 3_000)
        );
        assert_eq!(&*listing.mutes[0].sanction.reason, "spam");
        let house = store.house().await.unwrap().list(Timestamp::now());
        assert_eq!((house.bans.len(), house.slow_ms), (1, 0));
        let audit = store.audit(3).await.unwrap();
        assert_eq!(
            audit[..],
            [4, 3, 2].map(|at: usize| Arc::clone(&rulings[at]))
        );
    })
    .await;
}

#[tokio::test]
async fn a_file_is_the_same_after_a_restart() {
    let file = Scratch::new();
    let store = file.open();
    let fresh = store.open(&room(1)).await.unwrap().epoch;
    store.append(&room(1), messages(1..=2)).await.unwrap();
    store
        .rule(ruling(Act::Ban, Some(room(1)), None))
        .await
        .unwrap();
    let before = store.open(&room(1)).await.unwrap();
    drop(store);
    let after = file.open().open(&room(1)).await.unwrap();
    assert_eq!((&after.epoch, &after.epoch), (&before.epoch, &fresh));
    assert_eq!(after.ring.last(9), before.ring.last(9));
    assert_eq!(after.rules, before.rules);
    assert_eq!(after.receipts, before.receipts);
}

#[test]
fn a_file_that_is_none_of_ours_is_named() {
    let file = Scratch::new();
    std::fs::write(
        &file.0,
        "not a database, but longer than a header of one: ".repeat(9),
    )
    .unwrap();
    let error = SqliteStore::open(&file.0).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(file.0.to_str().unwrap()), "{cause}");

    let later = Scratch::new();
    drop(later.open());
    let connection = rusqlite::Connection::open(&later.0).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    let error = SqliteStore::open(&later.0).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("version 2"), "{cause}");
}

#[tokio::test]
async fn of_too_many_rooms_in_memory_the_one_silent_for_longest_is_forgotten() {
    let store = MemoryStore::default();
    let mut epochs = Vec::new();
    for number in 0..MEMORY_ROOMS {
        epochs.push(store.open(&room(number)).await.unwrap().epoch);
    }
    store.append(&room(0), messages(1..=1)).await.unwrap();
    store.open(&room(MEMORY_ROOMS)).await.unwrap();
    assert_eq!(store.open(&room(0)).await.unwrap().epoch, epochs[0]);
    assert_ne!(store.open(&room(1)).await.unwrap().epoch, epochs[1]);
}

#[tokio::test]
async fn what_was_kept_under_other_rules_for_names_is_still_read() {
    on_each(async |store| {
        let mut old = Message::clone(&message(1, "hi"));
        old.from.nick = Nick::stored("\u{200d}");
        let old = Arc::new(old);
        store
            .append(&room(1), vec![Arc::clone(&old)])
            .await
            .unwrap();
        let mut mute = Ruling::clone(&ruling(Act::Mute, Some(RoomName::stored("\u{2800}")), None));
        mute.nick = Some(old.from.nick.clone());
        store.rule(Arc::new(mute.clone())).await.unwrap();
        let past = store.open(&room(1)).await.unwrap();
        assert_eq!(past.ring.last(1), [Arc::clone(&old)]);
        let end = Offset(u64::MAX);
        assert_eq!(store.history(&room(1), end, 1).await.unwrap(), [old]);
        assert_eq!(*store.audit(1).await.unwrap()[0], mute);
    })
    .await;
}
