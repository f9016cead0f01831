//! What happens beside the answer: events, the export, the count of views, those who look.

use std::time::Duration;

use serde_json::{Value, json};
use test_client::{EventReader, TestClient};

use crate::support::{Person, Place};

async fn events(client: &TestClient, path: &str, last: Option<&str>) -> EventReader {
    let mut request = client.get(path);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let stream = request.stream().await.unwrap();
    assert_eq!(stream.response().unwrap().status, 200);
    stream.events()
}

async fn next(events: &mut EventReader) -> (String, Value, String) {
    let event = events.next().await.unwrap().unwrap();
    (
        event.name,
        serde_json::from_str(&event.data).unwrap(),
        event.id,
    )
}

#[tokio::test]
async fn changes_are_told_to_all_and_what_was_missed_to_those_who_come_back() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let mut first = events(&market, "/api/events", None).await;
    let mut second = events(&market, "/api/events", None).await;
    ada.sell("Lamp").await;
    for events in [&mut first, &mut second] {
        let (name, item, id) = next(events).await;
        assert_eq!(
            (&*name, &item["title"], &*id),
            ("saved", &json!("Lamp"), "1")
        );
    }
    assert_eq!(first.retry(), Some(Duration::from_secs(1)));
    drop(second);
    ada.put("/api/items/1", &json!({ "title": "Old lamp", "price": 1 }))
        .await;
    assert_eq!(next(&mut first).await.1["title"], "Old lamp");
    ada.delete("/api/items/1").await;
    assert_eq!(
        next(&mut first).await,
        ("deleted".into(), json!({ "id": 1 }), "3".into())
    );
    ada.sell("Drill").await;
    assert_eq!(next(&mut first).await.1["title"], "Drill");

    // What became of the lamp in between is one event: it is gone.
    let mut again = events(&market, "/api/events?after=4", Some("1")).await;
    assert_eq!(
        next(&mut again).await,
        ("deleted".into(), json!({ "id": 1 }), "3".into())
    );
    assert_eq!(next(&mut again).await.2, "4");
    let mut listed = events(&market, "/api/events?after=3", None).await;
    assert_eq!(next(&mut listed).await.1["title"], "Drill");
}

#[tokio::test]
async fn who_knows_of_changes_that_never_were_begins_anew() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    for last in ["7", "no number"] {
        let mut reset = events(&market, "/api/events", Some(last)).await;
        let (name, nothing, id) = next(&mut reset).await;
        assert_eq!((&*name, nothing), ("reset", json!({})), "{last}");
        let lamp = json!({ "title": "Lamp", "price": 2 });
        ada.put("/api/items/1", &lamp).await;
        let (name, _, after) = next(&mut reset).await;
        assert_eq!(name, "saved", "and goes on");
        assert_eq!(
            after.parse::<u64>().unwrap(),
            id.parse::<u64>().unwrap() + 1
        );
    }
}

#[tokio::test]
async fn what_was_missed_while_the_server_was_away_is_told_by_the_next() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    ada.delete("/api/items/1").await;
    market.shutdown().await.unwrap();
    let market = place.market().await;
    let mut missed = events(&market, "/api/events", Some("1")).await;
    let deleted = ("deleted".into(), json!({ "id": 1 }), "2".into());
    assert_eq!(next(&mut missed).await, deleted);
}

#[tokio::test]
async fn what_is_done_in_one_process_is_told_in_another() {
    let place = Place::new();
    let (market, other) = (place.market().await, place.market().await);
    let mut stream = events(&other, "/api/events", None).await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let (name, item, id) = next(&mut stream).await;
    assert_eq!(
        (&*name, &item["title"], &*id),
        ("saved", &json!("Lamp"), "1")
    );
    let there = Person {
        client: other.clone(),
        cookie: ada.cookie.clone(),
    };
    assert_eq!(there.sell("Table").await, 2, "both may write");
    assert_eq!(ada.get("/api/items/2").await.status, 200);
}

#[tokio::test]
async fn streams_and_sockets_end_when_the_server_drains() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let mut stream = events(&market, "/api/events", None).await;
    let mut socket = market
        .websocket("/items/1/watchers")
        .connect()
        .await
        .unwrap();
    assert_eq!(socket.text().await.unwrap(), "1");
    market.drain(Duration::from_secs(1));
    assert!(stream.next().await.unwrap().is_none());
    assert!(stream.exchange().outcome().await.is_done());
    assert!(socket.text().await.is_err(), "it is closed");
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn all_items_are_exported_a_line_each() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let none = market.get("/api/items.jsonl").send().await.unwrap();
    assert_eq!(
        (none.header("content-type"), none.text()),
        (Some("application/jsonl"), "")
    );
    // One more than is read at once.
    for number in 1..=101 {
        ada.sell(&format!("Thing {number}")).await;
    }
    let all = market.get("/api/items.jsonl").send().await.unwrap();
    let ids: Vec<u64> = all
        .text()
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, (1..=101).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_view_is_counted_after_the_answer() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    for seen in 0..3 {
        let shown = market.get("/items/1").send().await.unwrap();
        assert!(
            shown.text().contains(&format!("seen {seen} time")),
            "{}",
            shown.text()
        );
        assert!(shown.outcome().await.is_done());
    }
    let item: Value = market.get("/api/items/1").send().await.unwrap().json();
    assert_eq!(item["views"], 3);
}

#[tokio::test]
async fn those_who_look_at_an_item_are_counted() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    ada.sell("Lamp").await;
    let mut first = market
        .websocket("/items/1/watchers")
        .connect()
        .await
        .unwrap();
    assert_eq!(first.text().await.unwrap(), "1");
    let mut second = market
        .websocket("/items/1/watchers")
        .connect()
        .await
        .unwrap();
    assert_eq!(first.text().await.unwrap(), "2");
    assert_eq!(second.text().await.unwrap(), "2");
    second.send("hello?").await.unwrap();
    assert!(second.text().await.is_err(), "nothing is read");
    assert_eq!(first.text().await.unwrap(), "1");
    let denied = market
        .websocket("/items/7/watchers")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 404);
}
