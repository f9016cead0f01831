//! HTTP-20: a part after the end.

use gateway_spec::{AppError, Done, Http};
use http::StatusCode;

async fn app(http: Http) -> Result<Done, AppError> {
    let mut writer = http.responder.start(StatusCode::OK).await?;
    let done = writer.finish().await?;
    writer.write("late").await?;
    Ok(done)
}

fn main() {
    let _ = app;
}
