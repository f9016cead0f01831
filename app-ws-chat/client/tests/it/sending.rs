//! Saying something: kept while there is no link, sent again under the same id, in order.

use chat_client::{Close, Event, Progress, TextError};
use serde_json::{Value, json};

use crate::support::Scene;

fn said(frame: &Value) -> (&str, &str) {
    assert_eq!(frame["t"], "send", "{frame}");
    (
        frame["cid"].as_str().unwrap(),
        frame["text"].as_str().unwrap(),
    )
}

fn drafts(scene: &Scene) -> Vec<(String, Progress)> {
    let room = scene.client.room("lobby").unwrap();
    room.drafts()
        .map(|draft| (draft.text.to_string(), draft.progress))
        .collect()
}

#[test]
fn what_is_said_without_a_link_is_sent_once_there_is_one() {
    let mut scene = Scene::new();
    let cid = scene
        .client
        .say("lobby", "hello ", scene.now)
        .unwrap()
        .unwrap();
    scene.open();
    assert_eq!(scene.frames().len(), 1, "not before the room is entered");
    scene.welcome(1, 0, true, &[]);
    assert_eq!(said(&scene.frames()[0]), (&*cid, "hello"));
    scene.tell(json!({ "t": "ok", "id": 2, "o": 1, "ts": 1 }));
    assert_eq!(drafts(&scene), []);
    let kept = Event::Kept {
        room: "lobby".into(),
        cid,
        offset: 1,
    };
    assert!(scene.events().contains(&kept));
}

#[test]
fn one_at_a_time_in_the_order_of_their_author() {
    let mut scene = Scene::in_lobby();
    for text in ["one", "two"] {
        scene.client.say("lobby", text, scene.now).unwrap();
    }
    assert_eq!(said(&scene.frames()[0]).1, "one");
    assert_eq!(scene.frames().len(), 0);
    scene.tell(json!({ "t": "ok", "id": 2, "o": 1, "ts": 1 }));
    assert_eq!(said(&scene.frames()[0]).1, "two");
}

#[test]
fn without_an_answer_it_is_said_again_under_its_id() {
    let mut scene = Scene::in_lobby();
    let cid = scene
        .client
        .say("lobby", "hello", scene.now)
        .unwrap()
        .unwrap();
    scene.frames();
    scene.close(Close::Lost);
    assert_eq!(drafts(&scene), [("hello".to_owned(), Progress::InDoubt)]);
    scene.open();
    scene.frames();
    scene.welcome(3, 0, true, &[]);
    assert_eq!(said(&scene.frames()[0]).0, &*cid);
}

#[test]
fn what_comes_back_among_the_missed_is_not_said_again() {
    let mut scene = Scene::in_lobby();
    let cid = scene
        .client
        .say("lobby", "hello", scene.now)
        .unwrap()
        .unwrap();
    scene.frames();
    scene.close(Close::Lost);
    scene.open();
    scene.frames();
    let mut welcome = crate::support::welcome(3, "e1", 1, true, &[1]);
    welcome["messages"][0]["from"]["user"] = "ada".into();
    welcome["messages"][0]["cid"] = (&*cid).into();
    scene.tell(welcome);
    assert_eq!(scene.frames().len(), 0);
    assert_eq!(drafts(&scene), []);
}

#[test]
fn what_may_be_in_a_hole_waits_until_the_hole_is_filled() {
    let mut scene = Scene::in_lobby();
    scene.say(1);
    let cid = scene
        .client
        .say("lobby", "hello", scene.now)
        .unwrap()
        .unwrap();
    scene.frames();
    scene.close(Close::Lost);
    scene.open();
    scene.frames();
    scene.welcome(3, 4, false, &[4]);
    let asked = scene.frames();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (&asked[0]["t"], &asked[0]["before"]),
        (&json!("history"), &json!(4))
    );
    let mut messages = json!([crate::support::message(2), crate::support::message(3)]);
    messages[0]["from"]["user"] = "ada".into();
    messages[0]["cid"] = (&*cid).into();
    scene.tell(json!({ "t": "ok", "id": 4, "epoch": "e1", "messages": messages, "more": true }));
    assert_eq!(scene.log(), [1, 2, 3, 4]);
    assert_eq!(scene.frames().len(), 0, "it was found there");
    assert_eq!(drafts(&scene), []);
}

#[test]
fn told_to_wait_it_waits_and_says_it_then() {
    for (code, why) in [(429, "rate"), (429, "slow-mode"), (503, "unavailable")] {
        let mut scene = Scene::in_lobby();
        scene.client.say("lobby", "hello", scene.now).unwrap();
        scene.client.say("lobby", "later", scene.now).unwrap();
        scene.frames();
        scene.tell(json!({
            "t": "err", "id": 2, "code": code, "why": why, "retry": true, "after_ms": 700, "msg": ""
        }));
        assert_eq!(drafts(&scene)[0], ("hello".to_owned(), Progress::Waiting));
        scene.pass(699);
        assert_eq!(scene.frames().len(), 0, "{why}");
        scene.pass(1);
        assert_eq!(said(&scene.frames()[0]).1, "hello", "{why}");
    }
}

#[test]
fn what_cannot_be_said_is_given_back() {
    for (retry, after) in [(false, 0), (true, 60_001)] {
        let mut scene = Scene::in_lobby();
        scene.client.say("lobby", "hello", scene.now).unwrap();
        scene.client.say("lobby", "next", scene.now).unwrap();
        scene.frames();
        scene.tell(json!({
            "t": "err", "id": 2, "code": 403, "why": "muted", "retry": retry, "after_ms": after, "msg": "quiet"
        }));
        let given_back = scene.events().into_iter().any(
            |event| matches!(event, Event::Refused { text, refusal, .. } if &*text == "hello" && &*refusal.why == "muted"),
        );
        assert!(given_back);
        assert_eq!(said(&scene.frames()[0]).1, "next");
    }
}

#[test]
fn a_room_that_does_not_know_us_is_entered_again_before_it_is_said() {
    let mut scene = Scene::in_lobby();
    scene.client.say("lobby", "hello", scene.now).unwrap();
    scene.frames();
    scene.tell(
        json!({ "t": "err", "id": 2, "code": 404, "why": "not-here", "retry": false, "msg": "" }),
    );
    scene.pass(1_000);
    assert_eq!(scene.frames()[0]["t"], "join");
    scene.welcome(3, 0, true, &[]);
    assert_eq!(said(&scene.frames()[0]).1, "hello");
}

#[test]
fn what_is_blank_or_too_long_is_not_even_tried() {
    let mut scene = Scene::in_lobby();
    let now = scene.now;
    assert_eq!(scene.client.say("lobby", " \n", now), Err(TextError::Blank));
    let long = "ä".repeat(2_049);
    let refused = scene.client.say("lobby", &long, now);
    assert_eq!(refused, Err(TextError::TooLong { bytes: 4_098 }));
    assert_eq!(scene.client.say("elsewhere", "hello", now), Ok(None));
    assert_eq!(scene.frames().len(), 0);
}

#[test]
fn what_waits_can_be_taken_back_and_what_is_under_way_cannot() {
    let mut scene = Scene::in_lobby();
    let first = scene
        .client
        .say("lobby", "one", scene.now)
        .unwrap()
        .unwrap();
    let second = scene
        .client
        .say("lobby", "two", scene.now)
        .unwrap()
        .unwrap();
    assert_eq!(scene.client.take_back("lobby", &first), None);
    assert_eq!(
        scene.client.take_back("lobby", &second).as_deref(),
        Some("two")
    );
}

#[test]
fn what_an_earlier_run_did_not_get_rid_of_is_said_under_its_id() {
    let mut scene = Scene::new();
    scene.client.say_again("lobby", "old-1", "hello");
    scene.open();
    scene.frames();
    scene.welcome(1, 0, false, &[]);
    assert_eq!(said(&scene.frames()[0]), ("old-1", "hello"));
}

#[test]
fn writing_is_told_every_three_seconds_at_most() {
    let mut scene = Scene::in_lobby();
    for wait in [0, 1_000, 1_999, 1] {
        scene.pass(wait);
        scene.client.typing("lobby", scene.now);
    }
    let typing = json!({ "t": "typing", "room": "lobby" });
    assert_eq!(scene.frames(), [typing.clone(), typing]);
}

#[test]
fn a_server_that_names_no_time_is_not_asked_again_at_once() {
    let refusal = |id: u64| json!({ "t": "err", "id": id, "code": 429, "why": "rate", "retry": true, "msg": "no" });
    let asks_again_in_time = |scene: &mut Scene, kind: &str| {
        scene.pass(99);
        assert_eq!(scene.frames().len(), 0, "{kind}");
        scene.pass(1);
        assert_eq!(scene.frames()[0]["t"], kind);
    };
    let mut scene = Scene::new();
    scene.open();
    scene.frames();
    scene.tell(refusal(1));
    asks_again_in_time(&mut scene, "join");
    scene.welcome(2, 0, true, &[]);
    scene.client.say("lobby", "hello", scene.now).unwrap();
    scene.frames();
    scene.tell(refusal(3));
    asks_again_in_time(&mut scene, "send");
}
