//! Queries and forms that have parts in common.

use app_router::{Form, Query, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{Check, client, issues};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Shared {
    #[serde(default)]
    skip: u64,
    #[schemars(range(max = 50))]
    limit: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "lowercase")]
enum Order {
    Name,
    Price { above: f64, falling: bool },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Listing {
    q: String,
    #[serde(flatten)]
    shared: Shared,
    #[serde(flatten)]
    order: Order,
}

#[tokio::test]
async fn queries_and_forms_may_have_parts_in_common() {
    let app = client(
        Router::new()
            .get("/", async |Query(listing): Query<Listing>| {
                format!("{listing:?}")
            })
            .post("/", async |Form(listing): Form<Listing>| {
                format!("{listing:?}")
            })
            .get(
                "/apart",
                async |Query(shared): Query<Shared>, Query(order): Query<Order>| {
                    format!("{shared:?} {order:?}")
                },
            ),
    );
    let pairs = "q=7&skip=3&limit=50&by=price&above=1&falling=on";
    let price = "Price { above: 1.0, falling: true }";
    let expected = format!(
        "Listing {{ q: \"7\", shared: Shared {{ skip: 3, limit: Some(50) }}, order: {price} }}"
    );
    let query = app.get(&format!("/?{pairs}")).send().await.unwrap();
    query.check(200, &expected);
    let form = app
        .post("/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(pairs);
    form.send().await.unwrap().check(200, &expected);
    let apart = app.get(&format!("/apart?{pairs}")).send().await.unwrap();
    apart.check(
        200,
        &format!("Shared {{ skip: 3, limit: Some(50) }} {price}"),
    );
    let wrong = app
        .get("/?q=7&skip=x&limit=51&by=name")
        .send()
        .await
        .unwrap();
    assert_eq!(
        issues(&wrong),
        [
            "query.limit: is greater than 50 (maximum)",
            "query.skip: is not an integer (type)"
        ]
    );
}
