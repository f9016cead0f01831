//! A handler takes a `Request`, and one that blocks a `Request<SyncBody>`.

use app_router::{Request, Router};

async fn number(_: u32) -> &'static str {
    "a number is no request"
}

fn blocks(_: Request) -> &'static str {
    "neither async, nor on a thread of its own"
}

fn main() {
    let _ = Router::new().get("/number", number).get("/blocks", blocks);
}
