//! The host's routes.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use app_ws_chat::Chat;

use crate::support::House;

#[tokio::test(start_paused = true)]
async fn only_the_host_is_answered() {
    let house = House::new();
    for fields in [
        &[][..],
        &[("authorization", "Bearer moderators-of-the-house")],
    ] {
        for path in ["/admin/metrics", "/admin/nowhere"] {
            let reply = house.ask(Method::GET, path, fields).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path} {fields:?}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
    }
    let nobodys = House::of(Chat::new());
    let reply = nobodys
        .ask_as_host(Method::GET, "/admin/metrics", &Value::Null)
        .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "there is no host");

    let get = Method::GET;
    for (method, path, status) in [
        (get.clone(), "/admin/nowhere", StatusCode::NOT_FOUND),
        (Method::POST, "/admin/rooms", StatusCode::METHOD_NOT_ALLOWED),
        (get.clone(), "/admin/mod", StatusCode::METHOD_NOT_ALLOWED),
        (get.clone(), "/admin/people", StatusCode::BAD_REQUEST),
        (
            get.clone(),
            "/admin/rules?room=%00",
            StatusCode::BAD_REQUEST,
        ),
        (get.clone(), "/admin/audit?limit=x", StatusCode::BAD_REQUEST),
        (get, "/admin/rooms", StatusCode::OK),
    ] {
        let reply = house.ask_as_host(method, path, &Value::Null).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_sees_what_is_going_on() {
    let house = House::new();
    let (mut ada, _) = house.join("Ada").await;
    ada.say("hi");
    ada.next().await;
    ada.next().await;
    let look = async |path: &str| {
        let reply = house.ask_as_host(Method::GET, path, &Value::Null).await;
        reply.text().to_owned()
    };
    assert_eq!(
        look("/admin/rooms").await,
        r#"{"rooms":[{"connections":1,"room":"lobby","users":1}]}"#
    );
    assert!(
        look("/admin/people?room=lobby")
            .await
            .contains(r#""nick":"Ada""#)
    );
    let metrics = look("/admin/metrics").await;
    for line in [
        "chat_connections 1",
        "chat_rooms 1",
        "chat_messages_total 1",
        "chat_joins_total 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in {metrics}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_moderates_one_room_or_all_and_it_is_written_down() {
    let house = House::new();
    let (mut ada, welcome) = house.join("Ada").await;
    let user = &welcome["me"]["user"];
    let order = async |body: Value| {
        house
            .ask_as_host(Method::POST, "/admin/mod", &body)
            .await
            .status
    };
    assert_eq!(
        order(json!({ "room": "lobby", "act": "mute", "user": user })).await,
        StatusCode::NO_CONTENT
    );
    let told = ada.next().await;
    assert_eq!(
        (&told["act"], &told["by"]),
        (&json!("mute"), &json!("host"))
    );
    assert_eq!(
        order(json!({ "act": "ban", "user": user, "reason": "spam" })).await,
        StatusCode::NO_CONTENT
    );
    let bye = ada.next().await;
    assert_eq!(
        (&bye["code"], &bye["reconnect"]),
        (&json!(4501), &json!(false))
    );
    assert_eq!(ada.closed().await.code, 4501);
    for (body, status) in [
        (json!({}), StatusCode::BAD_REQUEST),
        (json!([]), StatusCode::BAD_REQUEST),
        (
            json!({ "act": "slow", "every_ms": 5 }),
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "room": "lobby", "act": "kick", "user": user }),
            StatusCode::NOT_FOUND,
        ),
        (
            json!({ "act": "ban", "user": user, "x": "x".repeat(16 * 1024) }),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        assert_eq!(order(body.clone()).await, status, "{body}");
    }
    let look = async |path: &str| -> Value {
        let reply = house.ask_as_host(Method::GET, path, &Value::Null).await;
        serde_json::from_str(reply.text()).unwrap()
    };
    let audit = look("/admin/audit?limit=5").await;
    let acts: Vec<_> = audit["rulings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["act"])
        .collect();
    assert_eq!(acts, ["ban", "mute"]);
    assert_eq!(look("/admin/rules").await["bans"][0]["reason"], "spam");
    assert_eq!(
        look("/admin/rules?room=lobby").await["mutes"][0]["user"],
        *user
    );
}

#[tokio::test(start_paused = true)]
async fn a_ban_from_the_house_keeps_the_user_out_of_every_room() {
    let house = House::new();
    let key = "0123456789abcdef";
    let join = |room: &str| json!({ "t": "join", "room": room, "nick": "Ada", "key": key });
    let mut ada = house.connect().await;
    let user = ada.request(join("lobby")).await["me"]["user"].clone();
    for act in ["ban", "unban"] {
        let body = json!({ "act": act, "user": user });
        house.ask_as_host(Method::POST, "/admin/mod", &body).await;
        let mut again = house.connect().await;
        let expected = if act == "ban" {
            json!("banned")
        } else {
            Value::Null
        };
        assert_eq!(again.request(join("rust")).await["why"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_muted_here_or_everywhere_neither_says_anything_nor_is_seen_to_write() {
    for room in [json!("lobby"), Value::Null] {
        let house = House::new();
        let (mut bea, _) = house.join("Bea").await;
        let (mut ada, welcome) = house.join("Ada").await;
        bea.next().await;
        let user = &welcome["me"]["user"];
        for act in ["mute", "unmute"] {
            let body = json!({ "act": act, "user": user, "room": room });
            house.ask_as_host(Method::POST, "/admin/mod", &body).await;
            if !room.is_null() {
                assert_eq!(ada.next().await["act"], act);
                assert_eq!(bea.next().await["act"], act);
            }
            ada.send(json!({ "t": "typing", "room": "lobby" }).to_string());
            if act == "mute" {
                bea.nothing().await;
                ada.say("hello?");
                assert_eq!(ada.next().await["why"], "muted", "{room}");
            } else {
                assert_eq!(bea.next().await["t"], "typing", "{room}");
            }
        }
    }
}
