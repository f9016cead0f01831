//! Applications of one closure.

use gateway_spec::{AppError, Application, Connection, Done, Http, WebSocket, application_fn};
use test_client::TestClient;

/// A client of an application that serves requests by this function.
pub(crate) fn http<F, Fut>(serve: F) -> TestClient
where
    F: Fn(Http) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    TestClient::new(of(serve))
}

fn of<F, Fut>(serve: F) -> impl Application
where
    F: Fn(Http) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection| {
        let serve = serve.clone();
        async move {
            match connection {
                Connection::Http(http) => serve(http).await,
                other => other.refuse().await,
            }
        }
    })
}

/// A client of an application that serves sockets by this function.
pub(crate) fn websocket<F, Fut>(serve: F) -> TestClient
where
    F: Fn(WebSocket) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    TestClient::new(application_fn(move |connection| {
        let serve = serve.clone();
        async move {
            match connection {
                Connection::WebSocket(socket) => serve(socket).await,
                other => other.refuse().await,
            }
        }
    }))
}
