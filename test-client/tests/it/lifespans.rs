//! The lifespan, as a server runs it.

use std::time::Duration;

use gateway_spec::{
    AppError, Application, Connection, Done, Lifespan, Running, State, application_fn,
};
use test_client::TestClient;

fn app<F, Fut>(live: F) -> impl Application
where
    F: Fn(Lifespan) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection| {
        let live = live.clone();
        async move {
            match connection {
                Connection::Lifespan(lifespan) => live(lifespan).await,
                Connection::Http(http) => {
                    let text = format!("{:?}", http.scope.state.get::<u8>());
                    http.responder.respond(text).await
                }
                other => other.refuse().await,
            }
        }
    })
}

async fn until_shutdown(running: Running) -> Result<Done, AppError> {
    running.shutdown_requested().await;
    Ok(running.stopped())
}

#[tokio::test]
async fn its_state_is_in_every_scope_and_it_stops_when_asked() {
    let live = async |lifespan: Lifespan| {
        tokio::task::yield_now().await;
        let drain = lifespan.scope.drain();
        let running = lifespan.started(State::new().with(7_u8));
        drain.await;
        until_shutdown(running).await
    };
    let client = TestClient::start(app(live)).await.unwrap();
    assert_eq!(client.get("/").send().await.unwrap().text(), "Some(7)");
    assert_eq!(client.state().get::<u8>(), Some(&7));
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_that_is_refused_is_none() {
    let client = TestClient::start(app(async |lifespan: Lifespan| Ok(lifespan.refuse())))
        .await
        .unwrap();
    assert_eq!(client.get("/").send().await.unwrap().text(), "None");
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failed_startup_says_why() {
    let fails = app(async |_: Lifespan| Err(AppError::message("no database")));
    let panics = app(async |_: Lifespan| panic!("a bug"));
    let forgets = app(async |lifespan: Lifespan| {
        drop(lifespan);
        let (http, _) = gateway_spec::Http::in_memory(gateway_spec::Scope::new(
            gateway_spec::HttpScope::new(std::sync::Arc::new(gateway_spec::ConnectionInfo::new(
                gateway_spec::Capabilities::new("elsewhere"),
            ))),
        ));
        Ok(http.responder.abort())
    });
    let text = |started: Result<TestClient, AppError>| started.unwrap_err().to_string();
    assert_eq!(text(TestClient::start(fails).await), "no database");
    assert_eq!(text(TestClient::start(panics).await), "panicked: a bug");
    assert!(text(TestClient::start(forgets).await).contains("LIFE-3"));
}

#[tokio::test(start_paused = true)]
async fn what_ends_early_or_badly_is_told() {
    let early = async |lifespan: Lifespan| {
        let running = lifespan.started(State::new());
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(running);
        Err(AppError::message("it broke"))
    };
    let client = TestClient::start(app(early)).await.unwrap();
    let error = client.ended_early().await.unwrap_err();
    assert_eq!(error.to_string(), "it broke");

    let at_once = async |lifespan: Lifespan| Ok(lifespan.started(State::new()).stopped());
    let client = TestClient::start(app(at_once)).await.unwrap();
    client.ended_early().await.unwrap();

    let never = async |lifespan: Lifespan| {
        let _running = lifespan.started(State::new());
        std::future::pending().await
    };
    let client = TestClient::start(app(never)).await.unwrap();
    let error = client.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), "it did not stop within the grace period");

    let bad = async |lifespan: Lifespan| {
        let running = lifespan.started(State::new());
        running.shutdown_requested().await;
        Err(AppError::message("it cannot stop"))
    };
    let client = TestClient::start(app(bad)).await.unwrap();
    let error = client.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), "it cannot stop");
}
