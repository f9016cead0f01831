//! APP-2: a second answer.

use gateway_spec::{AppError, Done, Http};

async fn app(http: Http) -> Result<Done, AppError> {
    http.responder.respond("one").await?;
    http.responder.respond("two").await
}

fn main() {
    let _ = app;
}
