//! Several clients in one room.

use serde_json::{Value, json};

use crate::support::House;

const KEY: &str = "0123456789abcdef";

fn said(frame: &Value) -> (&str, &str, u64) {
    assert_eq!(frame["t"], "msg", "{frame}");
    let nick = frame["from"]["nick"].as_str().unwrap();
    (
        nick,
        frame["text"].as_str().unwrap(),
        frame["o"].as_u64().unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn what_one_says_reaches_everyone_in_the_room_at_once_and_once() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let (mut bea, welcome) = house.join("Bea").await;
    assert_eq!(welcome["presence"]["count"], 2);
    let came = ada.next().await;
    assert_eq!(
        (came["t"].as_str(), came["join"]["nick"].as_str()),
        (Some("presence"), Some("Bea"))
    );

    let id = bea.say("hello");
    assert_eq!(said(&ada.next().await), ("Bea", "hello", 1));
    assert_eq!(said(&bea.next().await), ("Bea", "hello", 1));
    let ok = bea.next().await;
    assert_eq!(
        (ok["t"].as_str(), ok["id"].as_u64(), ok["o"].as_u64()),
        (Some("ok"), Some(id), Some(1))
    );

    let again = bea
        .request(json!({ "t": "send", "room": "lobby", "cid": "hello", "text": "hello" }))
        .await;
    assert_eq!(again["o"], 1);
    ada.nothing().await;

    bea.leave().await;
    assert_eq!(ada.next().await["leave"]["nick"], "Bea");
}

#[tokio::test(start_paused = true)]
async fn rooms_do_not_hear_each_other() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let mut bea = house.connect().await;
    bea.request(json!({ "t": "join", "room": "rust", "nick": "Bea" }))
        .await;
    let refused = bea
        .request(json!({ "t": "send", "room": "lobby", "cid": "c", "text": "hi" }))
        .await;
    assert_eq!(refused["code"], 404);
    bea.ask(json!({ "t": "send", "room": "rust", "cid": "c", "text": "hi" }));
    assert_eq!(said(&bea.next().await), ("Bea", "hi", 1));
    ada.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_they_missed_even_if_the_room_was_empty_in_between() {
    let house = House::new();
    let (mut ada, first) = house.join("Ada").await;
    for text in ["one", "two", "three"] {
        ada.say(text);
        ada.next().await;
        ada.next().await;
    }
    ada.leave().await;

    let mut back = house.connect().await;
    let since = json!({ "e": first["epoch"], "o": 1 });
    let join = json!({ "t": "join", "room": "lobby", "nick": "Ada", "since": since });
    let welcome = back.request(join).await;
    assert_eq!(
        (&welcome["recovered"], &welcome["offset"]),
        (&json!(true), &json!(3))
    );
    let texts: Vec<_> = welcome["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["text"])
        .collect();
    assert_eq!(texts, ["two", "three"]);

    let (_, newcomer) = house.join("Bea").await;
    assert_eq!(newcomer["recovered"], false);
    assert_eq!(newcomer["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_tabs_are_one_person() {
    let house = House::new();
    let (mut bea, _) = house.join("Bea").await;
    let join = |key: &str| json!({ "t": "join", "room": "lobby", "nick": "Ada", "key": key });
    let (mut first, mut second) = (house.connect().await, house.connect().await);
    let one = first.request(join(KEY)).await;
    let two = second.request(join(KEY)).await;
    assert_eq!(one["me"], two["me"]);
    assert_eq!(two["presence"]["count"], 2);
    assert_eq!(bea.next().await["join"], one["me"]);

    let mut other = house.connect().await;
    let namesake = other.request(join("another key of hers")).await;
    assert_eq!(namesake["code"], 400, "a key has no blanks");
    let namesake = other.request(join("another-key-of-hers")).await;
    assert_eq!(namesake["me"]["nick"], "Ada (2)");
    assert_eq!(bea.next().await["join"]["nick"], "Ada (2)");
    let changed = other
        .request(json!({ "t": "join", "room": "rust", "nick": "Ada", "key": KEY }))
        .await;
    assert_eq!(changed["code"], 409);

    first.leave().await;
    bea.nothing().await;
    second.leave().await;
    assert_eq!(bea.next().await["leave"]["nick"], "Ada");
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_to_the_others_and_never_answered() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let (mut bea, _) = house.join("Bea").await;
    ada.next().await;
    for room in ["lobby", "nowhere"] {
        bea.send(json!({ "t": "typing", "room": room }).to_string());
    }
    let typing = ada.next().await;
    assert_eq!(
        (typing["t"].as_str(), typing["from"]["nick"].as_str()),
        (Some("typing"), Some("Bea"))
    );
    bea.nothing().await;
    for _ in 0..100 {
        bea.send(json!({ "t": "typing", "room": "lobby" }).to_string());
    }
    bea.nothing().await;
    assert_eq!(ada.unread().await, 4, "the burst is five");
}
