//! How one connection goes on and ends: limits, heartbeat, slow readers, the drain.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, advance};

use crate::support::{Client, House, rest};

async fn goodbye(client: &mut Client, code: u16) -> serde_json::Value {
    let bye = client.next().await;
    assert_eq!(
        (bye["t"].as_str(), bye["code"].as_u64()),
        (Some("bye"), Some(code.into())),
        "{bye}"
    );
    bye
}

#[tokio::test(start_paused = true)]
async fn too_fast_is_refused_with_a_time_and_goes_on() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    for number in 0..10 {
        ada.say(&format!("m{number}"));
        assert_eq!(ada.next().await["t"], "msg");
        assert_eq!(ada.next().await["t"], "ok");
    }
    ada.say("m10");
    let refused = ada.next().await;
    assert_eq!(refused["code"], 429, "{refused}");
    assert_eq!(
        (&refused["retry"], &refused["after_ms"]),
        (&json!(true), &json!(200))
    );
    advance(Duration::from_millis(200)).await;
    ada.say("m10");
    assert_eq!(ada.next().await["text"], "m10");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_stop_is_sent_away_for_a_while() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    for number in 0..30 {
        ada.say(&format!("m{number}"));
    }
    for _ in 0..20 {
        ada.next().await;
    }
    for _ in 0..20 {
        assert_eq!(ada.next().await["code"], 429);
    }
    let bye = goodbye(&mut ada, 4029).await;
    assert_eq!(
        (&bye["reconnect"], &bye["after_ms"]),
        (&json!(true), &json!(10_000))
    );
    assert_eq!(ada.closed().await.code, 4029);
}

#[tokio::test(start_paused = true)]
async fn twenty_rooms_are_enough() {
    let house = House::new();
    let mut ada = house.connect().await;
    let join = |number: usize| json!({ "t": "join", "room": format!("r{number}"), "nick": "Ada" });
    for number in 0..20 {
        assert_eq!(ada.request(join(number)).await["t"], "ok");
    }
    assert_eq!(ada.request(join(20)).await["code"], 403);
    assert_eq!(ada.request(join(19)).await["code"], 409);
    assert_eq!(
        ada.request(json!({ "t": "leave", "room": "r0" })).await["t"],
        "ok"
    );
    assert_eq!(ada.request(join(20)).await["code"], 429);
    advance(Duration::from_secs(1)).await;
    assert_eq!(ada.request(join(20)).await["t"], "ok");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_speak_the_protocol_is_sent_away_for_good() {
    let house = House::new();
    let long = |length: usize| {
        let frame = format!("{{\"t\":\"pong\",\"x\":\"{}\"}}", "x".repeat(65_536));
        frame[..length - 2].to_owned() + "\"}"
    };
    let nested = |levels: usize| {
        let (open, shut) = ("[".repeat(levels), "]".repeat(levels));
        format!("{{\"id\":1,\"t\":\"ping\",\"x\":{open}{shut}}}")
    };
    let foreign = "not a chat.v1 frame";
    for (message, code, why) in [
        ("hello".into(), 4502, foreign),
        ("[]".into(), 4502, foreign),
        ("".into(), 4502, foreign),
        (nested(10_000).into(), 4502, foreign),
        ("{\"id\":1e400,\"t\":\"ping\"}".into(), 4502, foreign),
        ("{\"t\":\"\\ud83d\"}".into(), 4502, foreign),
        (
            gateway_spec::Message::Binary("{\"t\":\"pong\"}".into()),
            4502,
            foreign,
        ),
        (long(65_537).into(), 1009, "a frame of more than 64 KiB"),
    ] {
        let mut client = house.connect().await;
        client.send(message);
        let bye = goodbye(&mut client, code).await;
        assert_eq!(bye["reconnect"], false);
        assert_eq!((&bye["msg"], bye.get("after_ms")), (&json!(why), None));
        let closed = client.closed().await;
        assert_eq!((closed.code, &*closed.reason), (code, why));
    }
    let mut client = house.connect().await;
    client.send(long(65_536));
    client.nothing().await;
    client.send(nested(100));
    assert_eq!(client.next().await["t"], "ok");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_given_up() {
    let house = House::new();
    let (mut bea, _) = house.join("Bea").await;
    let start = Instant::now();
    assert_eq!(bea.next().await["t"], "ping");
    let asked = Instant::now();
    assert!(
        (20..=30).contains(&(asked - start).as_secs()),
        "{:?}",
        asked - start
    );
    bea.send(json!({ "t": "pong" }).to_string());
    assert_eq!(bea.next().await["t"], "ping");
    assert!((20..=30).contains(&asked.elapsed().as_secs()));
    let asked = Instant::now();
    assert_eq!(goodbye(&mut bea, 4010).await["reconnect"], true);
    assert_eq!(asked.elapsed().as_secs(), 10);
    assert_eq!(bea.closed().await.code, 4010);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_closed_and_nobody_waits_for_it() {
    let house = House::new();
    let (mut slow, _) = house.join("Slow").await;
    slow.stop_reading();
    let text = "x".repeat(4_000);
    let mut said = 0;
    let left = 'speaking: loop {
        let (mut speaker, _) = house.join("Speaker").await;
        for cid in 0..10 {
            let cid = cid.to_string();
            speaker.ask(json!({ "t": "send", "room": "lobby", "cid": cid, "text": text }));
            said += 1;
            assert!(said <= 1024 * 1024 / 4_000 + 1, "a mebibyte is full");
            loop {
                let next = speaker.next().await;
                match next["t"].as_str() {
                    Some("msg") => {}
                    Some("ok") => break,
                    _ => break 'speaking next,
                }
            }
        }
        speaker.leave().await;
    };
    assert_eq!(
        left["leave"]["nick"], "Slow",
        "the room hears of it at once"
    );
    assert!(said > 1024 * 1024 / 4_200, "{said} messages");
    slow.read_on();
    let bye = goodbye(&mut slow, 4008).await;
    assert_eq!(bye["reconnect"], true);
    let close = slow.closed().await;
    assert_eq!((close.code, &*close.reason), (4008, "too slow to keep up"));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_at_all_is_cut_off() {
    let house = House::new();
    let mut client = house.connect().await;
    client.stop_reading();
    client.send("hello");
    client.cut_off().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_drain_what_was_accepted_comes_before_the_bye() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let (mut bea, _) = house.join("Bea").await;
    ada.next().await;
    bea.stop_reading();
    for text in ["one", "two", "three"] {
        ada.say(text);
        assert_eq!(ada.next().await["text"], text);
        assert_eq!(ada.next().await["t"], "ok");
    }
    house.drain();
    rest().await;
    bea.say("too late");
    bea.read_on();
    for text in ["one", "two", "three"] {
        assert_eq!(bea.next().await["text"], text);
    }
    for mut client in [ada, bea] {
        let bye = goodbye(&mut client, 4001).await;
        assert_eq!(bye["reconnect"], true);
        assert!(bye["after_ms"].as_u64().unwrap() <= 5_000);
        assert_eq!(client.closed().await.code, 4001);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_while_their_replies_are_not_read() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    // A page of history is 100 KiB then.
    for number in 0..25 {
        let cid = number.to_string();
        let text = "x".repeat(4_096);
        ada.ask(json!({ "t": "send", "room": "lobby", "cid": cid, "text": text }));
        assert_eq!(ada.next().await["t"], "msg");
        assert_eq!(ada.next().await["t"], "ok");
        advance(Duration::from_millis(200)).await;
    }
    ada.stop_reading();
    let ids: Vec<u64> = (0..20)
        .map(|_| ada.ask(json!({ "t": "history", "room": "lobby" })))
        .collect();
    rest().await;
    ada.read_on();
    for id in ids {
        let page = ada.next().await;
        assert_eq!(
            (&page["id"], page["messages"].as_array().map(Vec::len)),
            (&json!(id), Some(25)),
            "two mebibytes do not wait at once"
        );
    }
}

/// What may be asked so often at once: the frame, and how it is answered before it is too often.
#[tokio::test(start_paused = true)]
async fn every_kind_of_request_has_its_limit() {
    let wrong_room = json!({ "t": "send", "room": "rust", "cid": "c", "text": "hi" });
    let other_key =
        json!({ "t": "join", "room": "rust", "nick": "Ada", "key": "0123456789abcdef" });
    let token =
        json!({ "t": "join", "room": "rust", "nick": "Ada", "token": "guessed, and wrong" });
    for (burst, frame, why) in [
        (20, json!({ "t": "ping" }), None),
        (20, json!({ "t": "sing" }), Some("malformed")),
        (20, json!({ "t": "history", "room": "lobby" }), None),
        (
            20,
            json!({ "t": "mod", "room": "lobby", "act": "list" }),
            None,
        ),
        (
            20,
            json!({ "t": "mod", "room": "lobby", "act": "slow", "every_ms": 0 }),
            None,
        ),
        (20, wrong_room, Some("not-here")),
        (
            20,
            json!({ "t": "leave", "room": "rust" }),
            Some("not-here"),
        ),
        (
            20,
            json!({ "t": "join", "room": "lobby", "nick": "Ada" }),
            Some("already-here"),
        ),
        (20, other_key, Some("other-key")),
        (19, token, Some("token")),
    ] {
        let house = House::new();
        let (mut ada, _) = house.join_as_moderator("Ada").await;
        let mut asked = async || {
            let id = ada.ask(frame.clone());
            loop {
                let answer = ada.next().await;
                if answer["id"] == id || answer["t"] == "bye" {
                    return answer;
                }
            }
        };
        for time in 0..burst {
            assert_eq!(asked().await["why"].as_str(), why, "{frame} {time}");
        }
        for time in 0..20 {
            let refused = asked().await;
            assert_eq!(
                (&refused["code"], &refused["why"], &refused["retry"]),
                (&json!(429), &json!("rate"), &json!(true)),
                "{frame} {time}"
            );
            let wait = refused["after_ms"].as_u64().unwrap();
            assert!((1..=1_000).contains(&wait), "{refused}");
        }
        assert_eq!(ada.next().await["code"], 4029, "{frame}");
    }
}

#[tokio::test(start_paused = true)]
async fn typing_too_often_is_dropped_without_a_word() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let (mut bea, _) = house.join("Bea").await;
    ada.next().await;
    for _ in 0..100 {
        ada.send(json!({ "t": "typing", "room": "lobby" }).to_string());
    }
    for _ in 0..5 {
        assert_eq!(bea.next().await["t"], "typing");
    }
    bea.nothing().await;
    ada.nothing().await;
    assert_eq!(ada.request(json!({ "t": "ping" })).await["t"], "ok");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_with_its_code_and_the_connection_goes_on() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let send =
        |cid: &str, text: &str| json!({ "t": "send", "room": "lobby", "cid": cid, "text": text });
    let join =
        |room: &str, key: &str| json!({ "t": "join", "room": room, "nick": "Ada", "key": key });
    let fit = "x".repeat(4_096);
    for (frame, code, why) in [
        (send("c", &format!("{fit}x")), 413, "too-long"),
        (send("c", " "), 400, "malformed"),
        (send("c", "\u{7}"), 400, "malformed"),
        (send("", "hi"), 400, "malformed"),
        (send(&"c".repeat(65), "hi"), 400, "malformed"),
        (join(&"r".repeat(33), "0123456789abcdef"), 400, "malformed"),
        (join("lobby", "0123456789abcdef"), 409, "already-here"),
        (join("rust", "0123456789abcdef"), 409, "other-key"),
        (json!({ "t": "leave", "room": "rust" }), 404, "not-here"),
    ] {
        let refused = ada.request(frame.clone()).await;
        assert_eq!(
            (&refused["code"], &refused["why"], &refused["retry"]),
            (&json!(code), &json!(why), &json!(false)),
            "{frame}"
        );
    }
    ada.ask(send("c", &fit));
    assert_eq!(ada.next().await["text"], fit.as_str());
    assert_eq!(ada.next().await["t"], "ok");
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_told_begins_anew() {
    let house = House::new();
    let mut ada = house.connect().await;
    let ping = || json!({ "t": "ping" });
    for _ in 0..20 {
        assert_eq!(ada.request(ping()).await["t"], "ok");
    }
    for _ in 0..3 {
        for _ in 0..19 {
            assert_eq!(ada.request(ping()).await["code"], 429);
        }
        advance(Duration::from_millis(200)).await;
        assert_eq!(ada.request(ping()).await["t"], "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn who_still_has_much_to_read_is_not_given_up_for_silence() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    let (mut bea, _) = house.join("Bea").await;
    ada.stop_reading();
    // More than the network takes, and less than is too much.
    for number in 0..50 {
        let text = "x".repeat(4_096);
        bea.ask(json!({ "t": "send", "room": "lobby", "cid": number.to_string(), "text": text }));
        assert_eq!(bea.next().await["t"], "msg");
        assert_eq!(bea.next().await["t"], "ok");
        advance(Duration::from_millis(200)).await;
    }
    for _ in 0..60 {
        advance(Duration::from_secs(2)).await;
        rest().await;
    }
    ada.read_on();
    let (mut said, mut pinged) = (0, 0);
    while said < 50 || pinged == 0 {
        let frame = ada.next().await;
        match frame["t"].as_str() {
            Some("msg") => said += 1,
            Some("ping") => pinged += 1,
            Some("presence") => {}
            _ => panic!("{frame}"),
        }
    }
    ada.send(json!({ "t": "pong" }).to_string());
    let id = ada.ask(json!({ "t": "ping" }));
    loop {
        let frame = ada.next().await;
        assert_ne!(frame["t"], "bye", "{frame}");
        if frame["id"] == id {
            break;
        }
    }
}
