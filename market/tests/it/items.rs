//! Items as programs use them: looked for, put up, changed, taken away, and refused.

use serde_json::{Value, json};
use test_client::Reply;

use crate::support::{Person, Place, issues};

fn titles(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let page: Value = reply.json();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_item_is_put_up_changed_and_taken_away_by_its_owner() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let draft = json!({ "title": "  Lamp ", "description": "Red", "price": 12, "tags": ["tools", "home", "home"] });
    let reply = ada.post("/api/items", &draft).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("location"), Some("/items/1"));
    let mut item: Value = reply.json();
    let created = item["created"].take();
    assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
    let expected = json!({
        "id": 1, "title": "Lamp", "description": "Red", "price": 12, "tags": ["home", "tools"], "owner": "Ada",
        "picture": null, "views": 0, "created": null,
    });
    assert_eq!(item, expected);

    let reply = ada
        .put("/api/items/1", &json!({ "title": "Old lamp", "price": 0 }))
        .await;
    assert_eq!(reply.status, 200);
    let shown: Value = market.get("/api/items/1").send().await.unwrap().json();
    assert_eq!(shown, reply.json::<Value>());
    let left = (&shown["title"], &shown["description"], &shown["tags"]);
    assert_eq!(left, (&json!("Old lamp"), &json!(""), &json!([])));

    assert_eq!(ada.delete("/api/items/1").await.status, 204);
    for reply in [
        ada.delete("/api/items/1").await,
        ada.get("/api/items/1").await,
    ] {
        assert_eq!(reply.status, 404);
    }
    assert_eq!(
        ada.sell("Next").await,
        2,
        "a number stands for one item for ever"
    );
}

#[tokio::test]
async fn nobody_and_others_may_look_and_not_touch() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let bea = Person::sign_up(&market, "Bea").await;
    ada.sell("Lamp").await;
    let draft = json!({ "title": "Mine now", "price": 1 });
    assert_eq!(bea.put("/api/items/1", &draft).await.status, 403);
    assert_eq!(bea.delete("/api/items/1").await.status, 403);
    assert_eq!(bea.delete("/api/items/1/picture").await.status, 403);
    let client = market.clone();
    let nobody = Person {
        client,
        cookie: "a=b".into(),
    };
    assert_eq!(nobody.put("/api/items/1", &draft).await.status, 401);
    assert_eq!(nobody.delete("/api/items/1").await.status, 401);
    assert_eq!(nobody.post("/api/items", &draft).await.status, 401);
    assert_eq!(titles(&nobody.get("/api/items").await), ["Lamp"]);
    assert_eq!(nobody.get("/api/items/1").await.status, 200);
}

#[tokio::test]
async fn each_mistake_has_its_status_and_its_place() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let long = "a".repeat(2001);
    for (draft, expected) in [
        (
            json!({ "title": "", "description": long, "price": -1, "tags": ["books", "toys", "tools", "music"], "x": 1 }),
            vec![
                "body.description: maxLength",
                "body.price: range",
                "body.tags: maxItems",
                "body.title: minLength",
                "body.x: unknown",
            ],
        ),
        (
            json!({ "title": 7, "price": "12", "tags": ["books", "cars"] }),
            vec![
                "body.price: type",
                "body.tags.1: choice",
                "body.title: type",
            ],
        ),
        (
            json!({}),
            vec!["body.price: missing", "body.title: missing"],
        ),
        (
            json!({ "title": " \n", "price": 1 }),
            vec!["body.title: blank"],
        ),
        (
            json!({ "title": "a\nb", "description": "a\n\u{0}", "price": 1 }),
            vec!["body.description: text", "body.title: line"],
        ),
        (
            json!({ "title": "a", "price": 1_000_001 }),
            vec!["body.price: maximum"],
        ),
        (json!(null), vec!["body: type"]),
    ] {
        let reply = ada.post("/api/items", &draft).await;
        assert_eq!(reply.status, 422, "{draft}");
        assert_eq!(issues(&reply), expected, "{draft}");
    }
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = ada.with(market.post("/api/items"));
        let request = request.header("content-type", content_type).body(body);
        let reply = request.send().await.unwrap();
        (reply.status.as_u16(), issues(&reply))
    };
    let one = |issue: &str| vec![issue.to_owned()];
    assert_eq!(
        send("application/json", b"{\"title\":".to_vec()).await,
        (400, one("body: syntax"))
    );
    assert_eq!(
        send("text/plain", b"{}".to_vec()).await,
        (415, one("header.content-type: content-type"))
    );
    assert_eq!(
        send("application/json", vec![b' '; 1024 * 1024 + 1]).await,
        (413, one("body: size"))
    );
    assert!(
        titles(&ada.get("/api/items").await).is_empty(),
        "nothing came of them"
    );

    for (path, status, expected) in [
        ("/api/items/7", 404, vec![]),
        ("/api/items/seven", 422, vec!["path.id: type"]),
        ("/api/items/99999999999", 422, vec!["path.id: range"]),
        (
            "/api/items?page=0&tag=cars&tag=toys",
            422,
            vec!["query.page: minimum", "query.tag.0: choice"],
        ),
        ("/api/events?after=x", 422, vec!["query.after: type"]),
        ("/api/items/7/picture", 404, vec![]),
        ("/api/nothing", 404, vec![]),
    ] {
        let reply = ada.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), issues(&reply)),
            (
                status,
                expected.iter().map(|&issue| issue.to_owned()).collect()
            ),
            "{path}"
        );
    }
    let wrong = market.patch("/api/items/1").send().await.unwrap();
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("allow")),
        (405, Some("GET, PUT, DELETE, HEAD, OPTIONS"))
    );
}

#[tokio::test]
async fn items_are_found_by_words_by_tags_and_page_by_page() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    for (title, description, tags) in [
        ("Red lamp", "for the desk", json!(["home"])),
        ("100% wool", "", json!(["clothes"])),
        ("Drill", "a red one", json!(["tools", "home"])),
    ] {
        let draft = json!({ "title": title, "description": description, "price": 1, "tags": tags });
        assert_eq!(ada.post("/api/items", &draft).await.status, 201);
    }
    for (query, expected) in [
        ("", vec!["Drill", "100% wool", "Red lamp"]),
        ("q=RED", vec!["Drill", "Red lamp"]),
        ("q=0%25", vec!["100% wool"]),
        ("q=_", vec![]),
        ("tag=home", vec!["Drill", "Red lamp"]),
        ("tag=home&tag=tools&tag=home", vec!["Drill"]),
        ("tag=home&tag=clothes", vec![]),
        ("q=desk&tag=home&page=1", vec!["Red lamp"]),
        ("page=2", vec![]),
    ] {
        let reply = ada.get(&format!("/api/items?{query}")).await;
        assert_eq!(titles(&reply), expected, "{query}");
    }
    for number in 0..10 {
        ada.sell(&format!("Thing {number}")).await;
    }
    let second: Value = ada.get("/api/items?page=2").await.json();
    assert_eq!(
        (&second["pages"], &second["total"], &second["page"]),
        (&json!(2), &json!(13), &json!(2))
    );
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_document_has_all_routes_of_programs_and_the_page_can_show_it() {
    let place = Place::new();
    let market = place.market().await;
    let document: Value = market.get("/openapi.json").send().await.unwrap().json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/api/accounts",
        "/api/events",
        "/api/items",
        "/api/items.jsonl",
        "/api/items/{id}",
        "/api/items/{id}/picture",
        "/api/session",
        "/items/{id}/watchers",
    ];
    assert_eq!(paths, expected);
    let create = &document["paths"]["/api/items"]["post"]["responses"];
    for status in ["201", "401", "422"] {
        assert!(create.get(status).is_some(), "{create}");
    }
    let page = market
        .get("/docs")
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    assert_eq!(
        page.headers.get_all("content-security-policy").count(),
        1,
        "its own, and no other's"
    );
}
