//! What a user sees who does one of the things of the README's table of troubles, and that its remedy is one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use adapters::tower::from_service;
use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Router};
use gateway::{AppError, Connection, Done, Scope, application_fn};
use server_host::Settings;
use server_raw::Raw;
use tokio::sync::watch;

use crate::client::{Client, Wire};
use crate::host::{Host, Kind, Service};
use crate::site::on_every_host;

on_every_host!(over http1:
    what_was_made_on_a_runtime_of_main_works,
    what_the_lifespan_made_is_found,
);

fn message_of(panics: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn a_launcher_within_a_runtime_is_told() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let message = message_of(|| {
        let _ = runtime.block_on(async {
            // What `gateway::run` calls, once it has read its flags and begun to log.
            let mut settings = Settings::default();
            settings.bind = vec![([127, 0, 0, 1], 0).into()];
            server_host::serve(Raw, from_service(Router::new()), settings, |_| {})
        });
    });
    assert!(
        message.starts_with("Cannot start a runtime from within a runtime"),
        "{message}"
    );
}

#[test]
fn a_task_before_there_is_a_runtime_is_told() {
    let message = message_of(|| drop(tokio::spawn(async {})));
    assert!(
        message.starts_with("there is no reactor running"),
        "{message}"
    );
}

/// A router whose state was made by a runtime that somebody else drives: a connection pool, a background task.
async fn what_was_made_on_a_runtime_of_main_works(kind: Kind, wire: Wire) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (asks, mut asked) = watch::channel(0);
    let (answers, answered) = watch::channel(0);
    // As a pool's, its task serves handlers that run elsewhere.
    runtime.spawn(async move {
        while asked.changed().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            answers.send_replace(*asked.borrow_and_update() * 2);
        }
    });
    type Pool = (watch::Sender<i32>, watch::Receiver<i32>);
    let double = async |State((asks, mut answered)): State<Pool>| {
        asks.send_replace(21);
        let answer = answered.wait_for(|answer| *answer == 42).await;
        answer.map_or_else(|_| "gone".to_owned(), |answer| answer.to_string())
    };
    let router = Router::new()
        .route("/", get(double))
        .with_state((asks, answered));
    let host = Host::start(kind, router, |_| {});
    let mut client = Client::connect(host.address, wire).await;
    assert_eq!(client.get("/").await.text(), "42");
    runtime.shutdown_background();
}

struct Pool(&'static str);

/// A router whose pool is made by a lifespan.
struct Pooled;

impl Service for Pooled {
    async fn serve_at_home(
        self,
        listener: tokio::net::TcpListener,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) {
        let router = Router::new().route("/", get(async || "a pool"));
        router.serve_at_home(listener, stopped).await;
    }

    fn into_application(self) -> impl gateway::Application {
        async fn live(connection: Connection) -> Result<Done, AppError> {
            let Connection::Lifespan(lifespan) = connection else {
                return connection.refuse().await;
            };
            let running = lifespan.started(gateway::State::new().with(Pool("a pool")));
            running.shutdown_requested().await;
            Ok(running.stopped())
        }
        let show = async |Extension(scope): Extension<Scope>| {
            scope.state.get::<Pool>().map_or("none", |pool| pool.0)
        };
        from_service(Router::new().route("/", get(show))).with_lifespan(application_fn(live))
    }
}

async fn what_the_lifespan_made_is_found(kind: Kind, wire: Wire) {
    let host = Host::start(kind, Pooled, |_| {});
    let mut client = Client::connect(host.address, wire).await;
    assert_eq!(client.get("/").await.text(), "a pool");
}
