//! A provider returns `Depends<T>`, or a `Result` of it.

use app_router::Router;

struct User;

async fn user() -> User {
    User
}

fn main() {
    let _ = Router::new().provide(user);
}
