//! What is read from a request has a schema, of which the document and the text of mistakes are made.

use app_router::{Json, Router, check};

#[derive(serde::Deserialize)]
struct Item {
    id: u64,
}

async fn create(Json(item): Json<Item>) -> String {
    item.id.to_string()
}

fn main() {
    let _ = Router::new().post("/", check(create));
}
