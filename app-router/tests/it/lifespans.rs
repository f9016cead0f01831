//! The lifespans of what is mounted, run by the router's own.

use std::sync::{Arc, Mutex};

use app_router::{Depends, Request, Router, Routes};
use gateway_spec::{AppError, Application, Connection, Done, Lifespan, State, application_fn};
use test_client::TestClient;

use crate::support::exchange;

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: String) {
    log.lock().unwrap().push(what);
}

/// What an application does with its lifespan.
#[derive(Clone, Copy)]
enum Does {
    Lives,
    Refuses,
    FailsToStart,
    ForgetsToStart,
    EndsAtOnce,
    FailsWhileServing,
    FailsToStop,
    ForgetsToStop,
}

/// An application that serves its state, and notes what becomes of its lifespan.
fn app(name: &'static str, does: Does, log: &Log) -> impl Application {
    let log = Arc::clone(log);
    application_fn(move |connection: Connection| {
        let log = Arc::clone(&log);
        async move {
            match connection {
                Connection::Lifespan(lifespan) => live(name, does, &log, lifespan).await,
                Connection::Http(http) => {
                    let text = format!("{:?}", http.scope.state.get::<&str>());
                    http.responder.respond(text).await
                }
                other => other.refuse().await,
            }
        }
    })
}

async fn live(
    name: &'static str,
    does: Does,
    log: &Log,
    lifespan: Lifespan,
) -> Result<Done, AppError> {
    note(log, format!("{name} starts"));
    // Startup takes its time.
    tokio::task::yield_now().await;
    match does {
        Does::Refuses => return Ok(lifespan.refuse()),
        Does::FailsToStart => return Err(AppError::message(format!("{name} cannot start"))),
        Does::ForgetsToStart => {
            drop(lifespan);
            return std::future::pending().await;
        }
        _ => {}
    }
    note(log, format!("{name} started"));
    let running = lifespan.started(State::new().with(name));
    match does {
        Does::EndsAtOnce => return Ok(running.stopped()),
        Does::FailsWhileServing => {
            tokio::task::yield_now().await;
            return Err(AppError::message(format!("{name} broke")));
        }
        _ => {}
    }
    running.shutdown_requested().await;
    note(log, format!("{name} stops"));
    tokio::task::yield_now().await;
    match does {
        Does::FailsToStop => Err(AppError::message(format!("{name} cannot stop"))),
        Does::ForgetsToStop => {
            let (done, _) = (gateway_done().await, running);
            Ok(done)
        }
        _ => {
            note(log, format!("{name} stopped"));
            Ok(running.stopped())
        }
    }
}

/// A `Done` of something else.
async fn gateway_done() -> Done {
    let (http, _events) = exchange("/");
    http.responder.abort()
}

fn routes(log: &Log, children: &[(&'static str, &'static str, Does)]) -> Routes {
    let mut router = Router::new().get("/", async |request: Request| {
        format!("{:?}", request.scope.state.get::<u8>())
    });
    for (prefix, name, does) in children {
        router = router.mount(prefix, app(name, *does, log));
    }
    router.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn they_start_in_order_stop_in_reverse_and_each_has_its_own_state() {
    let log = Log::default();
    let inner = routes(&log, &[("/x", "inner", Does::Lives)]);
    let own = |lifespan: Lifespan| async {
        let running = lifespan.started(State::new().with(7_u8));
        running.shutdown_requested().await;
        Ok(running.stopped())
    };
    let app = Router::new()
        .lifespan(own)
        .get("/", async |request: Request| {
            format!("{:?}", request.scope.state.get::<u8>())
        })
        .mount("/a", app("a", Does::Lives, &log))
        .mount("/quiet", app("quiet", Does::Refuses, &log))
        .mount("/inner", inner)
        .mount("/b", app("b", Does::Lives, &log))
        .build()
        .unwrap();
    let app = TestClient::start(app).await.unwrap();
    for (path, expected) in [
        ("/", "Some(7)"),
        ("/a", "Some(\"a\")"),
        ("/quiet", "None"),
        ("/inner", "None"),
        ("/inner/x", "Some(\"inner\")"),
        ("/b", "Some(\"b\")"),
    ] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.text(), expected, "{path}");
    }
    app.shutdown().await.unwrap();
    let expected = [
        "a starts",
        "a started",
        "quiet starts",
        "inner starts",
        "inner started",
        "b starts",
        "b started",
        "b stops",
        "b stopped",
        "inner stops",
        "inner stopped",
        "a stops",
        "a stopped",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_stops_those_before_it_and_starts_none_after() {
    for (does, why) in [
        (Does::FailsToStart, "b cannot start"),
        (
            Does::ForgetsToStart,
            "an application ended its lifespan before it had started",
        ),
    ] {
        let log = Log::default();
        let app = routes(
            &log,
            &[
                ("/a", "a", Does::Lives),
                ("/b", "b", does),
                ("/c", "c", Does::Lives),
            ],
        );
        let error = TestClient::start(app).await.unwrap_err();
        assert_eq!(error.to_string(), why);
        assert_eq!(
            *log.lock().unwrap(),
            ["a starts", "a started", "b starts", "a stops", "a stopped"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_while_serving_ends_them_all() {
    for (does, result) in [
        (Does::EndsAtOnce, Ok(())),
        (Does::FailsWhileServing, Err("b broke".to_owned())),
    ] {
        let log = Log::default();
        let app = routes(&log, &[("/a", "a", Does::Lives), ("/b", "b", does)]);
        let app = TestClient::start(app).await.unwrap();
        let ended = app.ended_early().await;
        assert_eq!(ended.map_err(|error| error.to_string()), result);
        let log = log.lock().unwrap();
        assert_eq!(log[4..], ["a stops", "a stopped"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_stop_is_an_error_and_the_others_stop_all_the_same() {
    for (does, why) in [
        (Does::FailsToStop, "b cannot stop"),
        (
            Does::ForgetsToStop,
            "an application dropped its lifespan without having stopped",
        ),
    ] {
        let log = Log::default();
        let app = routes(&log, &[("/a", "a", Does::Lives), ("/b", "b", does)]);
        let app = TestClient::start(app).await.unwrap();
        let error = app.shutdown().await.unwrap_err();
        assert_eq!(error.to_string(), why);
        assert_eq!(
            log.lock().unwrap()[4..],
            ["b stops", "a stops", "a stopped"]
        );
    }
}

#[tokio::test]
async fn a_router_with_nothing_to_start_has_no_lifespan() {
    let app = TestClient::start(routes(&Log::default(), &[]));
    assert!(!app.await.unwrap().has_lifespan());
}

/// What blocks has a pool, which stops with the server: whether it is a handler or what one needs.
#[tokio::test]
async fn a_router_with_something_that_blocks_has_a_lifespan() {
    struct Made;
    for (router, expected) in [
        (Router::new().get("/", async || ""), false),
        (Router::new().get("/", || ""), true),
        (
            Router::new()
                .provide(async || Depends::new(Made))
                .get("/", async |_: Depends<Made>| ""),
            false,
        ),
        (
            Router::new()
                .provide(|| Depends::new(Made))
                .get("/", async |_: Depends<Made>| ""),
            true,
        ),
        // Nobody needs it.
        (
            Router::new()
                .provide(|| Depends::new(Made))
                .get("/", async || ""),
            false,
        ),
    ] {
        let app = TestClient::start(router.build().unwrap()).await.unwrap();
        assert_eq!(app.has_lifespan(), expected);
    }
}
