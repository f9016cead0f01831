//! A handler takes what can be read from a request; `check` names the argument that cannot.

use app_router::{Path, Router, check};

async fn number(_: Path<u32>, _: u32) -> &'static str {
    "a number is no part of a request"
}

fn main() {
    let _ = Router::new().get("/number/{n}", number);
    let _ = check(number);
}
