//! Scrolling back, and filling holes.

use chat_client::{Close, Entry, HoleState, Past};
use serde_json::{Value, json};

use crate::support::{Scene, message};

fn page(id: u64, offsets: impl IntoIterator<Item = u64>, more: bool) -> Value {
    let messages: Vec<_> = offsets.into_iter().map(message).collect();
    json!({ "t": "ok", "id": id, "epoch": "e1", "messages": messages, "more": more })
}

/// In a room of 300 messages, of which the last 50 are there.
fn late() -> Scene {
    let mut scene = Scene::new();
    scene.open();
    scene.frames();
    scene.welcome(1, 300, false, &(251..=300).collect::<Vec<_>>());
    scene.events();
    scene
}

#[test]
fn scrolling_back_asks_for_a_page_at_a_time_until_the_start() {
    let mut scene = late();
    scene.client.older("lobby", scene.now);
    scene.client.older("lobby", scene.now);
    let ask = json!({ "t": "history", "id": 2, "room": "lobby", "before": 251, "limit": 50 });
    assert_eq!(scene.frames(), [ask], "once");
    scene.tell(page(2, 201..=250, true));
    assert_eq!(scene.log(), (201..=300).collect::<Vec<_>>());
    assert_eq!(scene.client.room("lobby").unwrap().log().past(), Past::More);
    scene.client.older("lobby", scene.now);
    assert_eq!(scene.frames()[0]["before"], 201);
    scene.tell(page(3, 190..=200, false));
    assert_eq!(
        scene.client.room("lobby").unwrap().log().past(),
        Past::Start
    );
    scene.client.older("lobby", scene.now);
    assert_eq!(scene.frames().len(), 0);
}

#[test]
fn a_hole_is_filled_page_by_page() {
    let mut scene = late();
    scene.close(Close::Lost);
    scene.open();
    scene.frames();
    scene.welcome(2, 400, false, &(351..=400).collect::<Vec<_>>());
    assert_eq!(scene.frames()[0]["before"], 351);
    let room = scene.client.room("lobby").unwrap();
    let hole = *room.log().hole().unwrap();
    assert_eq!((hole.after, hole.before, hole.messages()), (300, 351, 50));
    scene.tell(page(3, 320..=350, true));
    assert_eq!(scene.frames()[0]["before"], 320);
    scene.say(401);
    scene.tell(page(4, 270..=319, true));
    assert_eq!(scene.frames().len(), 0);
    assert_eq!(scene.log(), (251..=401).collect::<Vec<_>>());
    let holes = |entry: &Entry<'_>| matches!(entry, Entry::Hole(_));
    assert_eq!(
        scene
            .client
            .room("lobby")
            .unwrap()
            .log()
            .entries()
            .filter(holes)
            .count(),
        0
    );
}

#[test]
fn a_hole_whose_messages_are_gone_stays_and_is_not_asked_for_again() {
    for reply in [page(3, 340..=350, false), page(3, [], true)] {
        let mut scene = late();
        scene.close(Close::Lost);
        scene.open();
        scene.frames();
        scene.welcome(2, 400, false, &(351..=400).collect::<Vec<_>>());
        scene.frames();
        scene.tell(reply);
        assert_eq!(scene.frames().len(), 0);
        let room = scene.client.room("lobby").unwrap();
        assert_eq!(room.log().hole(), None);
        let mut holes = room.log().entries().filter_map(|entry| match entry {
            Entry::Hole(hole) => Some(hole.state),
            Entry::Message(_) => None,
        });
        assert_eq!(holes.next(), Some(HoleState::Gone));
    }
}

#[test]
fn told_to_wait_the_history_is_asked_for_later() {
    let mut scene = late();
    scene.client.older("lobby", scene.now);
    scene.frames();
    scene.tell(json!({ "t": "err", "id": 2, "code": 429, "why": "rate", "retry": true, "after_ms": 900, "msg": "" }));
    scene.client.older("lobby", scene.now);
    assert_eq!(scene.frames().len(), 0);
    scene.pass(900);
    scene.client.older("lobby", scene.now);
    assert_eq!(scene.frames().len(), 1);
}

#[test]
fn a_page_of_another_epoch_is_not_ours() {
    let mut scene = late();
    scene.client.older("lobby", scene.now);
    let mut other = page(2, 201..=250, true);
    other["epoch"] = "e2".into();
    scene.tell(other);
    assert_eq!(scene.log().len(), 50);
}
