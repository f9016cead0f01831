//! Entering, resuming, leaving; who is here.

use chat_client::{Close, Event, Recovery, Standing};
use serde_json::json;

use crate::support::{Scene, welcome};

#[test]
fn a_room_is_entered_with_all_that_the_server_has_to_know() {
    let mut scene = Scene::new();
    assert_eq!(scene.frames().len(), 0, "there is no link");
    scene.open();
    let join =
        json!({ "id": 1, "t": "join", "room": "lobby", "nick": "Ada", "key": "0123456789abcdef" });
    assert_eq!(scene.frames(), [join]);
    scene.welcome(1, 2, false, &[1, 2]);
    assert_eq!(scene.news(), (vec![1, 2], vec![]));
    let room = scene.client.room("lobby").unwrap();
    assert_eq!(room.standing(), &Standing::Here);
    assert_eq!(room.unread(), 0, "what was said before is not news");
    assert_eq!(room.people().unwrap().len(), 1);
}

#[test]
fn after_a_break_only_what_was_missed_is_shown() {
    let mut scene = Scene::in_lobby();
    scene.say(1);
    scene.close(Close::Lost);
    scene.open();
    let join = &scene.frames()[0];
    assert_eq!(join["since"], json!({ "e": "e1", "o": 1 }));
    scene.welcome(2, 3, true, &[2, 3]);
    assert_eq!(scene.news(), (vec![1, 2, 3], vec![]));
    assert_eq!(scene.log(), [1, 2, 3]);
}

#[test]
fn a_position_without_a_message_is_one_too() {
    let mut scene = Scene::new();
    scene.open();
    scene.frames();
    scene.welcome(1, 7, true, &[]);
    scene.close(Close::Code(4009));
    scene.open();
    assert_eq!(scene.frames()[0]["since"], json!({ "e": "e1", "o": 7 }));
    scene.welcome(2, 8, true, &[8]);
    assert_eq!(scene.news(), (vec![8], vec![]));
}

#[test]
fn messages_that_come_with_a_reply_again_are_shown_once() {
    let mut scene = Scene::in_lobby();
    for offset in 1..=3 {
        scene.say(offset);
    }
    scene.close(Close::Lost);
    scene.open();
    scene.welcome(2, 4, false, &[2, 3, 4]);
    assert_eq!(scene.news(), (vec![1, 2, 3, 4], vec![]));
}

#[test]
fn another_epoch_is_another_story() {
    let mut scene = Scene::in_lobby();
    scene.say(1);
    scene.say(2);
    scene.close(Close::Lost);
    scene.open();
    scene.events();
    scene.tell(welcome(2, "e2", 1, false, &[1]));
    let events = scene.events();
    assert!(events.contains(&Event::Joined {
        room: "lobby".into(),
        past: Recovery::Afresh
    }));
    assert_eq!(scene.log(), [1]);
    assert_eq!(scene.client.room("lobby").unwrap().unread(), 1);
}

#[test]
fn a_refusal_that_may_end_is_tried_again_and_a_moderators_word_is_not() {
    for (why, retry, again) in [
        ("full", true, true),
        ("unavailable", true, true),
        ("banned", true, false),
        ("kicked", true, false),
        ("token", false, false),
    ] {
        let mut scene = Scene::new();
        scene.open();
        scene.frames();
        scene.tell(json!({
            "t": "err", "id": 1, "code": 503, "why": why, "retry": retry, "after_ms": 2_000, "msg": "no"
        }));
        scene.pass(1_999);
        assert_eq!(scene.frames().len(), 0, "{why}");
        scene.pass(1);
        assert_eq!(scene.frames().len(), usize::from(again), "{why}");
        if !again {
            scene.client.enter("lobby", None, scene.now);
            assert_eq!(scene.frames()[0]["t"], "join", "who wants to may try");
        }
    }
}

#[test]
fn whom_a_moderator_means_may_be_somebody_without_a_name() {
    for (user, nick) in [
        (json!({ "user": "bea", "nick": "Bea" }), Some("Bea")),
        (json!({ "user": "bea" }), None),
    ] {
        let mut scene = Scene::in_lobby();
        scene
            .tell(json!({ "t": "mod", "room": "lobby", "act": "unban", "user": user, "by": "Cy" }));
        let events = scene.events();
        let [Event::Moderated { room, what }] = &events[..] else {
            panic!("{events:?}");
        };
        let target = what.user.as_ref().unwrap();
        assert_eq!((&**room, &*what.act), ("lobby", "unban"));
        assert_eq!((&*target.user, target.nick.as_deref()), ("bea", nick));
    }
}

#[test]
fn who_is_put_out_stays_out_until_they_want_in() {
    let mut scene = Scene::in_lobby();
    scene.say(1);
    scene.tell(json!({
        "t": "out", "room": "lobby", "why": "kicked", "retry": true, "after_ms": 60_000, "msg": "calm down"
    }));
    let standing = scene.client.room("lobby").unwrap().standing().clone();
    let Standing::Out(refusal) = standing else {
        panic!("{standing:?}");
    };
    assert_eq!(refusal.to_string(), "calm down");
    scene.pass(30_000);
    assert_eq!(scene.frames().len(), 0);
    scene.client.enter("lobby", Some("secret"), scene.now);
    let join = &scene.frames()[0];
    assert_eq!(
        (&join["token"], &join["since"]["o"]),
        (&json!("secret"), &json!(1))
    );
}

#[test]
fn who_has_asked_twice_is_in_if_one_of_them_lets_them_in() {
    let refusal = |id: u64, why: &str, retry: bool| json!({ "t": "err", "id": id, "code": 409, "why": why, "retry": retry, "after_ms": 100, "msg": "no" });
    for first in [true, false] {
        let mut scene = Scene::new();
        scene.open();
        scene.client.leave("lobby");
        scene.client.enter("lobby", None, scene.now);
        let kinds: Vec<_> = scene
            .frames()
            .iter()
            .map(|frame| frame["t"].clone())
            .collect();
        assert_eq!(kinds, ["join", "leave", "join"]);
        if first {
            scene.welcome(1, 0, true, &[]);
            scene.tell(refusal(2, "not-here", false));
            scene.tell(refusal(3, "already-here", false));
        } else {
            scene.tell(refusal(1, "unavailable", true));
            scene.tell(refusal(2, "not-here", false));
            scene.pass(1_000);
            assert_eq!(scene.frames().len(), 0, "the second is under way");
            scene.welcome(3, 0, true, &[]);
        }
        let room = scene.client.room("lobby").unwrap();
        assert_eq!(room.standing(), &Standing::Here);
        scene.say(1);
        assert_eq!(scene.news(), (vec![1], vec![]));
    }
}

#[test]
fn who_is_in_without_having_been_welcomed_goes_out_and_in_again() {
    let mut scene = Scene::new();
    scene.open();
    scene.frames();
    scene.tell(json!({ "t": "err", "id": 1, "code": 409, "why": "already-here", "retry": false, "msg": "no" }));
    assert_eq!(scene.frames()[0]["t"], "leave");
    scene.say(1);
    assert_eq!(scene.news(), (vec![], vec![]), "it comes still");
    scene.tell(json!({ "t": "ok", "id": 2 }));
    scene.pass(1_000);
    assert_eq!(scene.frames()[0]["t"], "join");
    scene.welcome(3, 1, false, &[1]);
    scene.say(2);
    assert_eq!(scene.news(), (vec![1, 2], vec![]));
}

#[test]
fn a_room_that_is_left_is_heard_no_more() {
    let mut scene = Scene::in_lobby();
    scene.client.leave("lobby");
    assert_eq!(
        scene.frames(),
        [json!({ "id": 2, "t": "leave", "room": "lobby" })]
    );
    scene.say(1);
    scene.tell(json!({ "t": "ok", "id": 2 }));
    assert_eq!(scene.news(), (vec![], vec![]), "it was on its way");
    scene.say(2);
    assert_eq!(scene.news(), (vec![], vec!["stray"]));
}

#[test]
fn who_writes_in_a_room_that_was_left_is_not_seen() {
    let mut scene = Scene::in_lobby();
    let typing =
        json!({ "t": "typing", "room": "lobby", "from": { "user": "bea", "nick": "Bea" } });
    let writers = |scene: &Scene| {
        let room = scene.client.room("lobby");
        room.map_or(0, |room| room.writers().count())
    };
    scene.tell(typing.clone());
    assert_eq!(writers(&scene), 1);
    scene.client.leave("lobby");
    scene.frames();
    scene.tell(json!({ "t": "ok", "id": 2 }));
    // It waited apart, behind the answer.
    scene.tell(typing.clone());
    assert_eq!(writers(&scene), 0);
    scene.client.enter("lobby", None, scene.now);
    scene.tell(typing);
    assert_eq!(writers(&scene), 0, "not in yet");
    scene.frames();
    scene.welcome(3, 0, true, &[]);
    assert_eq!((writers(&scene), scene.news()), (0, (vec![], vec![])));
}

#[test]
fn who_was_writing_is_not_seen_to_write_after_a_break() {
    let mut scene = Scene::in_lobby();
    let bea = json!({ "user": "bea", "nick": "Bea" });
    scene.tell(json!({ "t": "typing", "room": "lobby", "from": bea }));
    scene.close(Close::Lost);
    let room = scene.client.room("lobby").unwrap();
    assert_eq!(room.writers().count(), 0);
}

#[test]
fn what_was_said_by_oneself_elsewhere_is_no_news() {
    let mut scene = Scene::in_lobby();
    let ada = json!({ "user": "ada", "nick": "Ada" });
    scene.tell(json!({ "t": "msg", "room": "lobby", "o": 1, "from": ada, "ts": 1, "text": "m1", "cid": "a1" }));
    scene.say(2);
    assert_eq!(scene.client.room("lobby").unwrap().unread(), 1);
}

#[test]
fn that_a_room_is_late_holds_until_the_server_says_otherwise_or_is_another() {
    let mut scene = Scene::in_lobby();
    let is_late = |scene: &Scene| scene.client.room("lobby").unwrap().is_late();
    let tell = |scene: &mut Scene, late: bool| {
        scene.tell(json!({ "t": "late", "room": "lobby", "late": late }));
        let (room, told) = ("lobby".into(), scene.events());
        assert_eq!(told, [Event::Late { room, late }]);
        assert_eq!(is_late(scene), late);
    };
    tell(&mut scene, true);
    tell(&mut scene, false);
    tell(&mut scene, true);
    scene.close(Close::Code(4009));
    assert!(!is_late(&scene), "the next server may hear better");
    scene.open();
    let mut reply = welcome(2, "e1", 0, true, &[]);
    reply["late"] = true.into();
    scene.tell(reply);
    assert!(is_late(&scene));
    scene.events();
    tell(&mut scene, false);
    scene.tell(json!({ "t": "late", "room": "elsewhere", "late": true }));
    assert_eq!(scene.news(), (vec![], vec!["stray"]));
}

#[test]
fn a_new_nickname_is_told_by_leaving_and_entering_again() {
    let mut scene = Scene::in_lobby();
    scene.client.rename("Lovelace", scene.now);
    let frames = scene.frames();
    assert_eq!(
        (&frames[0]["t"], &frames[1]["t"]),
        (&json!("leave"), &json!("join"))
    );
    assert_eq!(frames[1]["nick"], "Lovelace");
    scene.say(1);
    scene.tell(json!({ "t": "ok", "id": 2 }));
    scene.welcome(3, 2, true, &[2]);
    assert_eq!(scene.news(), (vec![1, 2], vec![]));
}

#[test]
fn the_list_follows_the_news() {
    let mut scene = Scene::in_lobby();
    let person = |name: &str| json!({ "user": name, "nick": name });
    let presence = |count: u64, change: &str, value| json!({ "t": "presence", "room": "lobby", "count": count, change: value });
    scene.tell(presence(2, "join", person("bea")));
    scene.tell(json!({ "t": "typing", "room": "lobby", "from": person("bea") }));
    let room = scene.client.room("lobby").unwrap();
    assert_eq!((room.count(), room.people().unwrap().len()), (2, 2));
    assert_eq!(room.writers().count(), 1);
    scene.tell(presence(1, "leave", person("bea")));
    let room = scene.client.room("lobby").unwrap();
    assert_eq!(
        (room.people().unwrap().len(), room.writers().count()),
        (1, 0)
    );
    scene.tell(json!({ "t": "presence", "room": "lobby", "count": 201 }));
    assert!(scene.client.room("lobby").unwrap().people().is_none());
    scene.tell(presence(2, "full", json!([person("ada"), person("cyd")])));
    assert_eq!(
        scene.client.room("lobby").unwrap().people().unwrap().len(),
        2
    );
    assert_eq!(scene.news().1.len(), 0);
}

#[test]
fn of_writing_one_may_hear_after_one_has_left() {
    let mut scene = Scene::in_lobby();
    let typing =
        json!({ "t": "typing", "room": "lobby", "from": { "user": "bea", "nick": "Bea" } });
    scene.tell(json!({
        "t": "out", "room": "lobby", "why": "kicked", "retry": true, "after_ms": 60_000, "msg": "calm down"
    }));
    scene.tell(typing.clone());
    assert_eq!(scene.client.room("lobby").unwrap().writers().count(), 0);
    scene.client.leave("lobby");
    scene.tell(typing);
    assert_eq!(scene.news().1.len(), 0);
}

#[test]
fn writing_is_forgotten_after_four_seconds_or_with_the_message() {
    let mut scene = Scene::in_lobby();
    let typing =
        json!({ "t": "typing", "room": "lobby", "from": { "user": "bea", "nick": "Bea" } });
    scene.tell(typing.clone());
    scene.pass(3_999);
    assert_eq!(scene.client.room("lobby").unwrap().writers().count(), 1);
    scene.pass(1);
    assert_eq!(scene.client.room("lobby").unwrap().writers().count(), 0);
    scene.tell(typing);
    scene.say(1);
    assert_eq!(scene.client.room("lobby").unwrap().writers().count(), 0);
}

#[test]
fn what_others_say_is_unread_until_it_is_read() {
    let mut scene = Scene::in_lobby();
    scene.say(1);
    scene.say(2);
    assert_eq!(scene.client.room("lobby").unwrap().unread(), 2);
    scene.client.read("lobby");
    scene.say(3);
    let room = scene.client.room("lobby").unwrap();
    assert_eq!((room.unread(), room.mark().unwrap().offset), (1, 2));
}

#[test]
fn what_an_earlier_run_has_read_is_remembered() {
    let mut scene = Scene::new();
    let mark = serde_json::from_value(json!({ "e": "e1", "o": 1 })).unwrap();
    scene.client.remember("lobby", mark);
    scene.open();
    scene.frames();
    scene.welcome(1, 3, false, &[1, 2, 3]);
    assert_eq!(scene.client.room("lobby").unwrap().unread(), 2);
}
