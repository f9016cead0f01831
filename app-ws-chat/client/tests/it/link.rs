//! Connecting, coming back, staying away; signs of life.

use std::time::Duration;

use chat_client::{Close, Event, Link};
use serde_json::json;

use crate::support::Scene;

fn back_after(scene: &Scene) -> Option<Duration> {
    match scene.client.link() {
        Link::Waiting { until, .. } => Some(*until - scene.now),
        Link::Connecting | Link::Open { .. } => panic!("{:?}", scene.client.link()),
        Link::Over(_) => None,
    }
}

#[test]
fn a_link_that_breaks_is_tried_again_ever_more_slowly() {
    let mut scene = Scene::new();
    for longest in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        scene.client.connecting();
        scene.close(Close::Lost);
        let wait = back_after(&scene).unwrap();
        let longest = Duration::from_millis(longest);
        assert!(
            (longest / 2..=longest).contains(&wait),
            "{wait:?} of {longest:?}"
        );
        assert!(!scene.client.wants_link(scene.now));
        scene.now += wait;
        assert!(scene.client.wants_link(scene.now));
    }
}

#[test]
fn a_link_that_held_is_a_good_one() {
    let mut scene = Scene::new();
    for _ in 0..6 {
        scene.client.connecting();
        scene.close(Close::Lost);
    }
    scene.open();
    scene.pass(10_000);
    scene.close(Close::Lost);
    assert!(back_after(&scene).unwrap() <= Duration::from_millis(500));
}

#[test]
fn the_servers_wait_is_kept_even_by_who_is_in_a_hurry() {
    let mut scene = Scene::in_lobby();
    scene.tell(
        json!({ "t": "bye", "code": 4001, "reconnect": true, "after_ms": 4_000, "msg": "restart" }),
    );
    scene.close(Close::Code(4001));
    assert!(back_after(&scene).unwrap() >= Duration::from_secs(4));
    scene.client.hurry(scene.now);
    assert_eq!(back_after(&scene), Some(Duration::from_secs(4)));
    let lost = scene.events().into_iter().find_map(|event| match event {
        Event::Lost { msg, .. } => Some(msg),
        _ => None,
    });
    assert_eq!(lost.as_deref(), Some("restart"));
}

#[test]
fn who_is_in_a_hurry_waits_no_longer_than_asked() {
    let mut scene = Scene::new();
    scene.client.connecting();
    scene.close(Close::Lost);
    scene.client.hurry(scene.now);
    assert!(scene.client.wants_link(scene.now));
}

#[test]
fn a_final_end_is_final() {
    for close in [Close::Code(4501), Close::Code(1009), Close::Status(404)] {
        let mut scene = Scene::in_lobby();
        scene.close(close);
        assert_eq!(back_after(&scene), None);
        assert!(matches!(&scene.events()[..], [Event::Over(reason)] if reason.close == close));
        scene.pass(3_600_000);
        assert!(!scene.client.wants_link(scene.now));
        assert_eq!(scene.client.deadline(), None);
    }
}

#[test]
fn a_ping_is_answered() {
    let mut scene = Scene::in_lobby();
    scene.tell(json!({ "t": "ping" }));
    assert_eq!(scene.frames(), [json!({ "t": "pong" })]);
}

#[test]
fn forty_seconds_of_silence_are_a_dead_link() {
    let mut scene = Scene::in_lobby();
    scene.pass(39_999);
    scene.tell(json!({ "t": "later" }));
    scene.pass(39_999);
    assert!(
        matches!(scene.client.link(), Link::Open { .. }),
        "any frame is a sign of life"
    );
    scene.pass(1);
    assert!(matches!(scene.client.link(), Link::Waiting { .. }));
}

#[test]
fn who_has_just_woken_up_asks_and_waits_five_seconds() {
    let mut scene = Scene::in_lobby();
    scene.client.probe(scene.now);
    scene.client.probe(scene.now);
    assert_eq!(scene.frames(), [json!({ "t": "ping", "id": 2 })], "once");
    scene.pass(4_999);
    scene.tell(json!({ "t": "ok", "id": 2 }));
    scene.pass(5_000);
    assert!(matches!(scene.client.link(), Link::Open { .. }));
    scene.client.probe(scene.now);
    scene.pass(5_000);
    assert!(matches!(scene.client.link(), Link::Waiting { .. }));
}

#[test]
fn what_is_no_chat_ends_the_link_for_good() {
    for text in ["hello", "[]", "\"t\"", ""] {
        let mut scene = Scene::in_lobby();
        scene.client.received(text, scene.now);
        assert!(matches!(scene.client.link(), Link::Over(_)), "{text}");
    }
}

#[test]
fn who_quits_wants_no_link() {
    let mut scene = Scene::in_lobby();
    scene.client.quit();
    scene.close(Close::Lost);
    assert!(matches!(scene.client.link(), Link::Over(_)));
}
