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

/// How long the shutdown may take: until then open streams and sockets may go on, however long they would.
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
    serve_for(native, listener, stopped, GRACE).await
}

/// The same with another time for the shutdown.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_for(
    app: impl Application,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> Result<(), AppError> {
    let (service, running) = into_service(app).start().await?;
    let drain = running.drain();
    let router = router(service).into_make_service_with_connect_info::<SocketAddr>();
    let stopping = drain.clone();
    let stopped = async move {
        stopped.await;
        // What is open learns that it is to end.
        stopping.raise(Instant::now() + grace);
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
    // Axum waits for its connections without end: one that does not go is left at the deadline.
    let overdue = async {
        let deadline = drain.wait().await;
        tokio::time::sleep_until(deadline.into()).await;
    };
    let served: io::Result<()> = tokio::select! {
        served = served.into_future() => served,
        () = overdue => Ok(()),
    };
    // Also after an error: the application has started, and is to stop.
    let deadline = drain.value().unwrap_or_else(|| Instant::now() + grace);
    let stopped = running.shutdown(deadline).await;
    served?;
    stopped
}
