//! The lifespan of a service, its state, and the drain.

use std::convert::Infallible;
use std::time::Duration;

use gateway_spec::{AppError, Connection, Done, RequestBody, Scope, State, application_fn};
use http::{Request, Response};
use test_client::TestClient;

use super::support::service;

fn scope_of(request: &Request<RequestBody>) -> Scope {
    request.extensions().get::<Scope>().unwrap().clone()
}

#[tokio::test]
async fn a_service_has_no_lifespan() {
    let app = service(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    let client = TestClient::start(app).await.unwrap();
    assert!(!client.has_lifespan());
    assert_eq!(client.get("/").send().await.unwrap().status, 200);
}

#[tokio::test]
async fn one_that_is_given_is_run_and_its_state_is_in_the_scope() {
    async fn life(connection: Connection) -> Result<Done, AppError> {
        let Connection::Lifespan(lifespan) = connection else {
            panic!("it is called for lifespans alone: {connection:?}");
        };
        let running = lifespan.started(State::new().with("made at startup"));
        running.shutdown_requested().await;
        Ok(running.stopped())
    }
    let app = service(async |request| {
        let made = *scope_of(&request).state.get::<&str>().unwrap();
        Ok::<_, Infallible>(Response::new(String::from(made)))
    });
    let app = app.with_lifespan(application_fn(life));
    let client = TestClient::start(app).await.unwrap();
    assert!(client.has_lifespan());
    assert_eq!(
        client.get("/").send().await.unwrap().text(),
        "made at startup"
    );
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_startup_that_fails_fails() {
    let app = service(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    let life = application_fn(async |_: Connection| Err(AppError::message("no database")));
    let failed = TestClient::start(app.with_lifespan(life)).await;
    assert_eq!(failed.unwrap_err().to_string(), "no database");
}

#[tokio::test]
async fn a_service_sees_the_drain() {
    let app = service(async |request| {
        scope_of(&request).drain().await;
        Ok::<_, Infallible>(Response::new(String::from("draining")))
    });
    let client = TestClient::new(app);
    let exchange = client.get("/").open();
    client.drain(Duration::from_secs(1));
    assert_eq!(exchange.reply().await.unwrap().text(), "draining");
}

#[tokio::test]
async fn a_label_that_the_service_sets_is_the_exchanges() {
    let app = service(async |request| {
        scope_of(&request).label.set("/route/{id}");
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let reply = TestClient::new(app).get("/route/7").send().await.unwrap();
    assert_eq!(reply.label(), Some("/route/{id}"));
}
