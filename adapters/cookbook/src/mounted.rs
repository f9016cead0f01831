//! An application of the contract inside of axum: for whoever has an axum application and wants one more thing in it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use adapters::tower::{IntoService, into_service};
use axum::Router;
use axum::routing::get;
use gateway::{AppError, Application};
use tokio::net::TcpListener;

use crate::native::Native;

/// How long open streams and sockets may go on after the shutdown began.
const GRACE: Duration = Duration::from_secs(30);

/// An axum application with another application in it: below `/native`, and wherever axum has no route.
pub fn router(native: IntoService<impl Application>) -> Router {
    Router::new()
        .route("/axum", get(async || "axum's own"))
        .nest_service("/native", native.clone())
        .fallback_service(native)
}

/// Serves it as axum is served, with the lifespan of the application around it.
///
/// # Errors
///
/// What the application failed with in its startup or its shutdown.
pub async fn serve(
    native: Native,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), AppError> {
    let (service, running) = into_service(native).start().await?;
    let drain = running.drain();
    let router = router(service).into_make_service_with_connect_info::<SocketAddr>();
    let stopped = async move {
        stopped.await;
        // What is open learns that it is to end.
        drain.raise(Instant::now() + GRACE);
    };
    let served: io::Result<()> = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await;
    served?;
    running.shutdown(Instant::now() + GRACE).await
}
