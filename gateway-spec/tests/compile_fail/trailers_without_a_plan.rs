//! HTTP-27: trailers of a response that was started without them.

use gateway_spec::{AppError, Done, Http};
use http::{HeaderMap, StatusCode};

async fn app(http: Http) -> Result<Done, AppError> {
    let writer = http.responder.start(StatusCode::OK).await?;
    writer.finish_with_trailers(HeaderMap::new()).await
}

fn main() {
    let _ = app;
}
