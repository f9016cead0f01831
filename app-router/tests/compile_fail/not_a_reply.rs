//! A handler returns something that turns into a reply.

use app_router::{Request, Router};

struct User;

async fn user(_: Request) -> User {
    User
}

fn main() {
    let _ = Router::new().get("/", user);
}
