//! Kick, ban, mute and slow mode, as moderators order them in a room.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, House, MODERATORS};

const KEY: &str = "0123456789abcdef";

fn order(act: &str, fields: Value) -> Value {
    let mut frame = json!({ "t": "mod", "room": "lobby", "act": act });
    frame
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    frame
}

/// The next frame of this kind; others are passed over.
async fn next(client: &mut Client, kind: &str) -> Value {
    loop {
        let frame = client.next().await;
        if frame["t"] == kind {
            return frame;
        }
    }
}

async fn ordered(client: &mut Client, frame: Value) -> Value {
    let id = client.ask(frame);
    loop {
        let frame = client.next().await;
        if frame["id"] == id {
            return frame;
        }
    }
}

async fn join_with_key(house: &House) -> (Client, Value) {
    let mut client = house.connect().await;
    let join = json!({ "t": "join", "room": "lobby", "nick": "Ada", "key": KEY });
    let welcome = client.request(join).await;
    (client, welcome)
}

#[tokio::test(start_paused = true)]
async fn guests_moderate_nobody_and_a_wrong_token_opens_nothing() {
    let house = House::new();
    let (mut ada, welcome) = house.join("Ada").await;
    let user = &welcome["me"]["user"];
    for (act, fields) in [("kick", json!({ "user": user })), ("list", json!({}))] {
        assert_eq!(
            ada.request(order(act, fields)).await["why"],
            "moderators-only"
        );
    }
    let mut bea = house.connect().await;
    let join =
        json!({ "t": "join", "room": "lobby", "nick": "Bea", "token": "guessed, and wrong" });
    assert_eq!(bea.request(join).await["why"], "token");
    assert_eq!(welcome["me"].get("mod"), None);
    let (_, moderator) = house.join_as_moderator("Cy").await;
    assert_eq!(moderator["me"]["mod"], true);
    assert_eq!(ada.next().await["join"]["mod"], true);
}

#[tokio::test(start_paused = true)]
async fn a_kick_takes_all_tabs_out_for_a_while_and_leaves_the_connection() {
    let house = House::new();
    let (mut first, welcome) = join_with_key(&house).await;
    let (mut second, _) = join_with_key(&house).await;
    let (mut bea, _) = house.join_as_moderator("Bea").await;
    let kick = order(
        "kick",
        json!({ "user": welcome["me"]["user"], "for_ms": 60_000, "reason": "calm down" }),
    );
    assert_eq!(ordered(&mut bea, kick.clone()).await["t"], "ok");
    for tab in [&mut first, &mut second] {
        let told = next(tab, "mod").await;
        assert_eq!(
            (&told["act"], &told["user"]["nick"], &told["by"]),
            (&json!("kick"), &json!("Ada"), &json!("Bea"))
        );
        let out = tab.next().await;
        assert_eq!(
            (&out["t"], &out["why"], &out["retry"], &out["msg"]),
            (
                &json!("out"),
                &json!("kicked"),
                &json!(true),
                &json!("calm down")
            )
        );
        assert!(out["after_ms"].as_u64().unwrap() <= 60_000);
        tab.nothing().await;
    }
    let said = first
        .request(json!({ "t": "send", "room": "lobby", "cid": "c", "text": "hi" }))
        .await;
    assert_eq!(said["why"], "not-here");
    let back = first
        .request(json!({ "t": "join", "room": "lobby", "nick": "Ada" }))
        .await;
    assert_eq!(
        (&back["why"], &back["retry"]),
        (&json!("kicked"), &json!(true))
    );
    assert_eq!(ordered(&mut bea, kick).await["why"], "nobody");
    let unban = order("unban", json!({ "user": welcome["me"]["user"] }));
    assert_eq!(ordered(&mut bea, unban).await["t"], "ok");
    let back = first
        .request(json!({ "t": "join", "room": "lobby", "nick": "Ada" }))
        .await;
    assert_eq!(
        (&back["t"], &back["presence"]["count"]),
        (&json!("ok"), &json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn the_muted_read_and_slow_mode_slows_guests_down() {
    let house = House::new();
    let (mut ada, welcome) = join_with_key(&house).await;
    let (mut bea, _) = house.join_as_moderator("Bea").await;
    let user = &welcome["me"]["user"];
    ordered(&mut bea, order("mute", json!({ "user": user }))).await;
    assert_eq!(next(&mut ada, "mod").await["act"], "mute");
    let say = |cid: &str| json!({ "t": "send", "room": "lobby", "cid": cid, "text": cid });
    let refused = ada.request(say("a")).await;
    assert_eq!(
        (&refused["why"], &refused["retry"]),
        (&json!("muted"), &json!(false))
    );
    bea.say("listen!");
    assert_eq!(next(&mut ada, "msg").await["text"], "listen!");
    let listed = ordered(&mut bea, order("list", json!({}))).await;
    assert_eq!(
        (&listed["mutes"][0]["user"], &listed["mutes"][0]["by"]),
        (user, &json!("Bea"))
    );
    ordered(&mut bea, order("unmute", json!({ "user": user }))).await;
    ordered(&mut bea, order("slow", json!({ "every_ms": 3_600_000 }))).await;
    assert_eq!(next(&mut ada, "mod").await["act"], "unmute");
    assert_eq!(next(&mut ada, "mod").await["every_ms"], 3_600_000);
    assert_eq!(ordered(&mut ada, say("b")).await["t"], "ok");
    let refused = ordered(&mut ada, say("c")).await;
    assert_eq!(
        (&refused["code"], &refused["why"]),
        (&json!(429), &json!("slow-mode"))
    );
    assert_eq!(ordered(&mut ada, say("b")).await["t"], "ok", "said again");
    for cid in ["d", "e"] {
        assert_eq!(ordered(&mut bea, say(cid)).await["t"], "ok");
    }
    let (_, newcomer) = house.join("Cy").await;
    assert_eq!(newcomer["slow_ms"], 3_600_000);
}

#[tokio::test(start_paused = true)]
async fn who_is_muted_before_the_answer_came_still_gets_it() {
    let house = House::new();
    let (mut ada, welcome) = join_with_key(&house).await;
    let (mut bea, _) = house.join_as_moderator("Bea").await;
    let user = welcome["me"]["user"].clone();
    ada.say("one");
    let first = next(&mut ada, "ok").await;
    ordered(&mut bea, order("mute", json!({ "user": user }))).await;
    next(&mut ada, "mod").await;
    ada.say("one");
    let again = next(&mut ada, "ok").await;
    assert_eq!((&again["o"], &again["ts"]), (&first["o"], &first["ts"]));
    ada.say("two");
    assert_eq!(next(&mut ada, "err").await["why"], "muted");
}

#[tokio::test(start_paused = true)]
async fn patience_with_slow_mode_is_no_flood() {
    let house = House::new();
    let (mut bea, _) = house.join_as_moderator("Bea").await;
    let (mut ada, _) = house.join("Ada").await;
    ordered(&mut bea, order("slow", json!({ "every_ms": 3_600_000 }))).await;
    ada.say("0");
    next(&mut ada, "ok").await;
    for number in 1..30 {
        tokio::time::advance(Duration::from_millis(200)).await;
        ada.say(&number.to_string());
        assert_eq!(next(&mut ada, "err").await["why"], "slow-mode");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_tab_with_the_token_makes_its_user_a_moderator_and_that_is_told() {
    let house = House::new();
    let (mut bea, _) = house.join("Bea").await;
    let (mut first, welcome) = join_with_key(&house).await;
    assert_eq!(welcome["me"].get("mod"), None);
    let mut second = house.connect().await;
    let join =
        json!({ "t": "join", "room": "lobby", "nick": "Ada", "key": KEY, "token": MODERATORS });
    assert_eq!(second.request(join).await["me"]["mod"], true);
    for told in [&mut bea, &mut first] {
        loop {
            let frame = next(told, "presence").await;
            if frame["join"]["mod"] == true {
                assert_eq!(frame["count"], 2);
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_is_a_line_of_two_hundred_characters() {
    let house = House::new();
    let (_ada, welcome) = join_with_key(&house).await;
    let (mut bea, _) = house.join_as_moderator("Bea").await;
    let user = &welcome["me"]["user"];
    for (reason, why) in [
        ("\u{e9}".repeat(200), None),
        ("\u{e9}".repeat(201), Some("malformed")),
        ("two\nlines".to_owned(), Some("malformed")),
    ] {
        let mute = order("mute", json!({ "user": user, "reason": reason }));
        assert_eq!(
            ordered(&mut bea, mute).await["why"].as_str(),
            why,
            "{reason}"
        );
    }
}
