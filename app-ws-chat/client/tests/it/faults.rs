//! A server that breaks the rules is told of, and does no harm.

use serde_json::json;

use crate::support::{Scene, welcome};

#[test]
fn a_message_out_of_its_place_is_a_fault() {
    for (offsets, shown, faults) in [
        (&[1, 2][..], &[1, 2][..], &[][..]),
        (&[2], &[2], &["gap"]),
        (&[1, 1], &[1], &["again"]),
        (&[1, 3, 2], &[1, 3], &["gap", "again"]),
    ] {
        let mut scene = Scene::in_lobby();
        for &offset in offsets {
            scene.say(offset);
        }
        assert_eq!(
            scene.news(),
            (shown.to_vec(), faults.to_vec()),
            "{offsets:?}"
        );
    }
}

#[test]
fn a_recovery_must_be_what_it_says() {
    for (offset, recovered, messages, faults) in [
        (3, true, &[2, 3][..], &[][..]),
        (3, true, &[3], &["gap"]),
        (4, true, &[2, 3], &["gap"]),
        (4, false, &[3, 4], &[]),
        (5, false, &[3, 5], &["gap"]),
        (0, true, &[], &["backwards"]),
    ] {
        let mut scene = Scene::in_lobby();
        scene.say(1);
        scene.close(chat_client::Close::Lost);
        scene.open();
        scene.events();
        scene.welcome(2, offset, recovered, messages);
        assert_eq!(scene.news().1, faults, "{offset} {recovered} {messages:?}");
    }
}

#[test]
fn a_reply_has_its_turn_and_its_fields() {
    let rows = [
        (json!({ "t": "ok", "id": 9 }), "out-of-turn"),
        (json!({ "t": "ok", "id": 1 }), "reply"),
        (json!({ "t": "ok" }), "frame"),
        (json!({ "t": "err", "id": 1 }), "frame"),
        (
            json!({ "t": "err", "code": 400, "why": "malformed", "retry": false, "msg": "" }),
            "complaint",
        ),
        (json!({ "t": "msg", "room": 5 }), "frame"),
        (json!({ "t": "msg", "room": "lobby", "o": 1 }), "frame"),
        (
            json!({ "t": "presence", "room": "lobby", "count": 1 }),
            "stray",
        ),
        (json!({ "t": "bye", "code": 4001 }), "frame"),
    ];
    for (frame, fault) in rows {
        let mut scene = Scene::new();
        scene.open();
        scene.events();
        scene.tell(frame.clone());
        assert_eq!(scene.news().1, [fault], "{frame}");
    }
}

#[test]
fn what_a_later_version_may_say_is_no_fault() {
    let mut scene = Scene::in_lobby();
    for frame in [
        json!({ "t": "later" }),
        json!({ "t": "later", "room": 5, "o": [] }),
        json!({ "t": "ping", "later": { "t": 1 } }),
    ] {
        scene.tell(frame);
    }
    assert_eq!(scene.news().1.len(), 0);
}

#[test]
fn the_number_is_that_of_the_list() {
    let mut scene = Scene::new();
    scene.open();
    let mut reply = welcome(1, "e1", 0, true, &[]);
    reply["presence"]["count"] = 2.into();
    scene.tell(reply);
    assert_eq!(scene.news().1, ["count"]);
}
