//! Accounts: made, logged in and out, guessed at, and used from other sites.

use app_router::middleware::Rate;
use serde_json::{Value, json};
use test_client::TestClient;

use crate::support::{PASSWORD, Person, Place, cookie_of, issues};

async fn log_in(client: &TestClient, name: &str, password: &str) -> test_client::Reply {
    let credentials = json!({ "name": name, "password": password });
    let request = client.post("/api/session").json(&credentials);
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_account_is_made_logged_out_and_in_again_also_after_a_restart() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    assert_eq!(
        ada.get("/api/session").await.json::<Value>(),
        json!({ "name": "Ada" })
    );

    let out = ada.delete("/api/session").await;
    assert_eq!(out.status, 204);
    assert_eq!(cookie_of(&out).as_deref(), Some("session="));
    let nobody = market.get("/api/session").send().await.unwrap();
    assert_eq!(nobody.status, 401);
    assert_eq!(
        nobody.header("www-authenticate"),
        Some("Cookie realm=\"market\"")
    );

    let again = log_in(&market, " ada ", PASSWORD).await;
    assert_eq!(again.json::<Value>(), json!({ "name": "Ada" }));
    let cookie = cookie_of(&again).unwrap();
    market.shutdown().await.unwrap();
    let client = place.market().await;
    let ada = Person { client, cookie };
    assert_eq!(
        ada.get("/api/session").await.status,
        200,
        "the key and the account are still there"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_alike() {
    let place = Place::new();
    let market = place.market().await;
    Person::sign_up(&market, "Ada").await;
    let mut said = Vec::new();
    for (name, password) in [("Ada", "wrong horse"), ("Bea", PASSWORD), ("Ada", "")] {
        let reply = log_in(&market, name, password).await;
        assert_eq!(reply.status, 403, "{name} {password}");
        assert!(reply.header("set-cookie").is_none());
        said.push(reply.text().to_owned());
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
}

#[tokio::test]
async fn all_that_is_wrong_with_an_account_is_told_at_once() {
    let place = Place::new();
    let market = place.market().await;
    Person::sign_up(&market, "Ada").await;
    let sign_up = async |wish: Value| {
        let request = market.post("/api/accounts").json(&wish);
        let reply = request.send().await.unwrap();
        (reply.status.as_u16(), issues(&reply))
    };
    let all = |issues: &[&str]| {
        issues
            .iter()
            .map(|&issue| issue.to_owned())
            .collect::<Vec<_>>()
    };
    for (wish, status, expected) in [
        (
            json!({ "name": "A", "password": "short", "admin": true }),
            422,
            all(&[
                "body.admin: unknown",
                "body.name: minLength",
                "body.password: minLength",
            ]),
        ),
        (
            json!({ "name": 7 }),
            422,
            all(&["body.name: type", "body.password: missing"]),
        ),
        (
            json!({ "name": "   ", "password": PASSWORD }),
            422,
            all(&["body.name: name"]),
        ),
        (
            json!({ "name": "Ada\u{202e}", "password": PASSWORD }),
            422,
            all(&["body.name: name"]),
        ),
        (
            json!({ "name": "aDA", "password": PASSWORD }),
            409,
            all(&["body.name: taken"]),
        ),
        (json!([]), 422, all(&["body: type"])),
    ] {
        assert_eq!(sign_up(wish.clone()).await, (status, expected), "{wish}");
    }
}

#[tokio::test]
async fn a_name_is_one_however_it_is_written() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, " Ａda  Lovelace").await;
    assert_eq!(
        ada.get("/api/session").await.json::<Value>()["name"],
        "Ada Lovelace"
    );
    let again = json!({ "name": "Ada\u{a0}Lovelace", "password": PASSWORD });
    let again = market.post("/api/accounts").json(&again).send().await;
    assert_eq!(again.unwrap().status, 409);
    let there = log_in(&market, "ada   LOVELACE ", PASSWORD).await;
    assert_eq!(there.status, 200, "{}", there.text());
    // What nobody can be called is asked for like any other.
    assert_eq!(log_in(&market, "A!", PASSWORD).await.status, 403);
}

#[tokio::test]
async fn cookies_that_are_not_ours_are_none() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let (payload, _) = ada.cookie.rsplit_once('.').unwrap();
    for cookie in [
        format!("{payload}.AAAA"),
        payload.to_owned(),
        "session=".to_owned(),
    ] {
        let client = market.clone();
        let forged = Person { client, cookie };
        assert_eq!(forged.get("/api/session").await.status, 401);
    }
}

#[tokio::test]
async fn other_sites_can_do_nothing_in_somebodys_name() {
    let place = Place::new();
    let market = place.market().await;
    let ada = Person::sign_up(&market, "Ada").await;
    let id = ada.sell("Lamp").await;
    let path = format!("/api/items/{id}");
    for (field, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let request = ada.with(market.delete(&path)).header(field, value);
        assert_eq!(request.send().await.unwrap().status, 403, "{field}");
        let socket = market
            .websocket(&format!("/items/{id}/watchers"))
            .header(field, value);
        let denied = socket.connect().await.unwrap_err();
        assert_eq!(denied.reply().unwrap().status, 403, "{field}");
    }
    assert_eq!(ada.get(&path).await.status, 200, "it is still there");
    let own = ada
        .with(market.delete(&path))
        .header("sec-fetch-site", "same-origin");
    assert_eq!(own.send().await.unwrap().status, 204);
}

#[tokio::test]
async fn passwords_cannot_be_tried_for_long_and_all_else_can_be_asked() {
    let place = Place::new();
    let settings = place.settings().with_attempts(Rate::per_minute(2));
    let market = TestClient::start(market::market(settings)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(log_in(&market, "Ada", "a guess").await.status, 403);
    }
    let refused = log_in(&market, "Ada", "a guess").await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    let form = market.post("/login").header("accept", "text/html");
    let refused = form.send().await.unwrap();
    assert_eq!(refused.status, 429, "the form has no count of its own");
    assert!(
        refused.text().contains("<h1>Too Many Requests</h1>"),
        "{}",
        refused.text()
    );
    assert!(
        refused.header("retry-after").is_some(),
        "a page says when, too"
    );
    for _ in 0..5 {
        for path in ["/api/items", "/login"] {
            assert_eq!(market.get(path).send().await.unwrap().status, 200, "{path}");
        }
    }
}
