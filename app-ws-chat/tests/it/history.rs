//! Scrolling back, and asking whether the link is alive.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::advance;

use crate::support::House;

fn offsets(reply: &Value) -> Vec<u64> {
    let messages = reply["messages"].as_array().unwrap();
    messages.iter().map(|m| m["o"].as_u64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn older_messages_come_in_pages_until_there_are_no_more() {
    let house = House::new();
    let (mut ada, welcome) = house.join("Ada").await;
    for number in 1..=7 {
        ada.say(&number.to_string());
        ada.next().await;
        ada.next().await;
    }
    let page = |fields: Value| {
        let mut frame = json!({ "t": "history", "room": "lobby" });
        frame
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        frame
    };
    for (fields, expected, more) in [
        (json!({ "limit": 3 }), vec![5, 6, 7], true),
        (json!({ "limit": 3, "before": 5 }), vec![2, 3, 4], true),
        (json!({ "limit": 3, "before": 2 }), vec![1], false),
        (json!({ "before": 1 }), vec![], false),
        (json!({}), vec![1, 2, 3, 4, 5, 6, 7], false),
    ] {
        let reply = ada.request(page(fields.clone())).await;
        assert_eq!(reply["epoch"], welcome["epoch"]);
        assert_eq!(
            (offsets(&reply), &reply["more"]),
            (expected, &json!(more)),
            "{fields}"
        );
    }
    let elsewhere = ada.request(json!({ "t": "history", "room": "rust" })).await;
    assert_eq!(elsewhere["why"], "not-here");
    for _ in 0..15 {
        ada.request(page(json!({}))).await;
    }
    let refused = ada.request(page(json!({}))).await;
    assert_eq!(
        (&refused["why"], &refused["after_ms"]),
        (&json!("rate"), &json!(1_000))
    );
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_so_are_frames_without_meaning_but_not_for_ever() {
    let house = House::new();
    let mut ada = house.connect().await;
    for _ in 0..10 {
        assert_eq!(ada.request(json!({ "t": "ping" })).await["t"], "ok");
        assert_eq!(
            ada.request(json!({ "t": "dance" })).await["why"],
            "malformed"
        );
    }
    assert_eq!(ada.request(json!({ "t": "ping" })).await["why"], "rate");
    assert_eq!(ada.request(json!({ "t": "dance" })).await["why"], "rate");
    advance(Duration::from_millis(200)).await;
    assert_eq!(
        ada.request(json!({ "t": "dance" })).await["why"],
        "malformed"
    );
}
