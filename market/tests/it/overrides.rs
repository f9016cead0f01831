//! Another provider in the place of one: a test that needs no login.

use app_router::Depends;
use market::{Account, Visitor};
use serde_json::json;
use test_client::TestClient;

use crate::support::{Person, Place};

#[tokio::test]
async fn a_test_may_say_who_is_logged_in() {
    let place = Place::new();
    let settings = place.settings();
    let ada = async || {
        let name = String::from("Ada");
        Depends::new(Visitor(Some(Account { id: 1, name })))
    };
    let routes = market::routes(&settings)
        .unwrap()
        .with_override(ada)
        .unwrap();
    let market = TestClient::start(market::guarded(routes, settings))
        .await
        .unwrap();
    // The account itself has to be there: items are somebody's.
    Person::sign_up(&market, "Ada").await;
    let draft = json!({ "title": "Lamp", "price": 1 });
    let made = market.post("/api/items").json(&draft).send().await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(market.get("/items/new").send().await.unwrap().status, 200);
    assert_eq!(
        market.delete("/api/items/1").send().await.unwrap().status,
        204
    );
}
