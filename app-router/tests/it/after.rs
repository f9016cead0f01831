//! Teardown in its two scopes, and work in the background.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use app_router::{
    Background, Depends, Ending, FromState, Path, Rejection, Reply, Router, Teardown,
};
use gateway_spec::{Accept, AppError, CloseCode, Done, State, WebSocket};
use http::StatusCode;
use test_client::{Outcome, TestClient};
use tokio::sync::Notify;

use crate::support::Check;

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

pub(crate) fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

/// Something that is undone in both scopes, and notes when.
pub(crate) struct Outer;
pub(crate) struct Inner;

async fn outer(teardown: Teardown, FromState(log): FromState<Log>) -> Depends<Outer> {
    note(&log, "outer made");
    let ended = Arc::clone(&log);
    teardown.after_handler(async move |ending| {
        note(&ended, format!("outer: handler {ending:?}"));
        Ok(())
    });
    teardown.after_response_blocking(move |ending| {
        note(&log, format!("outer: response {ending:?}"));
        Ok(())
    });
    Depends::new(Outer)
}

fn inner(_: Depends<Outer>, teardown: Teardown, FromState(log): FromState<Log>) -> Depends<Inner> {
    note(&log, "inner made");
    let ended = Arc::clone(&log);
    teardown.after_handler_blocking(move |ending| {
        note(&ended, format!("inner: handler {ending:?}"));
        Ok(())
    });
    teardown.after_response(async move |ending| {
        note(&log, format!("inner: response {ending:?}"));
        Ok(())
    });
    Depends::new(Inner)
}

pub(crate) fn app(router: Router) -> (TestClient, Log) {
    let log = Log::default();
    let routes = router.provide(outer).provide(inner).build().unwrap();
    let app = TestClient::new(routes).with_state(State::new().with(Arc::clone(&log)));
    (app, log)
}

pub(crate) fn logged(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn what_was_made_is_undone_in_reverse_before_and_after_the_answer() {
    async fn stream(_: Depends<Inner>, FromState(log): FromState<Log>) -> Reply {
        note(&log, "handler");
        Reply::stream(StatusCode::OK, async move |mut writer, _| {
            note(&log, "stream");
            writer.write("x").await?;
            writer.finish().await
        })
    }
    let (app, log) = app(Router::new().get("/", stream));
    let answer = app.get("/").send().await.unwrap();
    answer.check(200, "x");
    assert!(answer.outcome().await.is_done());
    assert_eq!(
        logged(&log),
        [
            "outer made",
            "inner made",
            "handler",
            "inner: handler Returned",
            "outer: handler Returned",
            "stream",
            "inner: response Returned",
            "outer: response Returned",
        ]
    );
}

#[tokio::test]
async fn errors_and_panics_undo_too() {
    async fn fails(_: Depends<Inner>) -> Result<&'static str, Rejection> {
        Err(Rejection::of(StatusCode::CONFLICT))
    }
    async fn panics(_: Depends<Inner>) -> &'static str {
        panic!("on purpose")
    }
    async fn never(_: Depends<Inner>, _: Path<u8>) -> &'static str {
        "never"
    }
    let (app, log) = app(Router::new()
        .get("/fails", fails)
        .get("/panics", panics)
        .get("/unread/{n}", never));
    let made = ["outer made", "inner made"];
    let fails = app.get("/fails").send().await.unwrap();
    fails.check(409, "Conflict");
    assert!(fails.outcome().await.is_done());
    // The answer to a failure was sent, so the response's scope ends well.
    let torn_down = [
        "inner: handler Failed",
        "outer: handler Failed",
        "inner: response Returned",
        "outer: response Returned",
    ];
    assert_eq!(logged(&log), [&made[..], &torn_down].concat());
    let unread = app.get("/unread/x").send().await.unwrap();
    assert_eq!(unread.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unread.outcome().await.is_done());
    assert_eq!(logged(&log), [&made[..], &torn_down].concat());
    let panics = app.get("/panics").send().await.unwrap();
    assert_eq!(panics.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(matches!(panics.outcome().await, Outcome::Panicked(_)));
    let torn_down = [
        "inner: handler Panicked",
        "outer: handler Panicked",
        "inner: response Panicked",
        "outer: response Panicked",
    ];
    assert_eq!(logged(&log), [&made[..], &torn_down].concat());
}

#[tokio::test]
async fn an_error_of_the_handlers_scope_is_answered_and_one_of_the_responses_is_logged() {
    struct Commit;
    async fn commit(teardown: Teardown) -> Depends<Commit> {
        teardown.after_handler(async |ending| match ending {
            Ending::Returned => {
                Err(Rejection::new(StatusCode::CONFLICT, "somebody was faster").into())
            }
            Ending::Failed | Ending::Panicked => Ok(()),
        });
        teardown.after_response(async |_| Err(AppError::message("the file stays")));
        Depends::new(Commit)
    }
    let app = Router::new()
        .provide(commit)
        .get("/", async |_: Depends<Commit>| "bought");
    let app = TestClient::new(app.build().unwrap());
    let answer = app.get("/").send().await.unwrap();
    answer.check(409, "somebody was faster");
    assert_eq!(answer.outcome().await.to_string(), "failed: the file stays");
}

#[tokio::test]
async fn a_sockets_scopes_end_with_its_handler() {
    async fn socket(
        socket: WebSocket,
        _: Depends<Inner>,
        FromState(log): FromState<Log>,
    ) -> Result<Done, AppError> {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.send("open").await?;
        note(&log, "handler");
        socket.close(CloseCode::NORMAL, "").await
    }
    let (app, log) = app(Router::new().websocket("/", socket));
    let mut open = app.websocket("/").connect().await.unwrap();
    assert_eq!(open.text().await.unwrap(), "open");
    assert_eq!(open.closed().await.code, 1000);
    assert!(open.outcome().await.is_done());
    assert_eq!(
        logged(&log),
        [
            "outer made",
            "inner made",
            "handler",
            "inner: handler Returned",
            "outer: handler Returned",
            "inner: response Returned",
            "outer: response Returned",
        ]
    );
}

#[tokio::test]
async fn background_work_runs_after_the_answer_in_order_and_before_the_responses_scope() {
    async fn work(
        background: Background,
        _: Depends<Outer>,
        FromState(log): FromState<Log>,
    ) -> &'static str {
        let (first, second) = (Arc::clone(&log), Arc::clone(&log));
        let more = background.clone();
        background.add(async move {
            note(&first, "first");
            more.add_blocking(move || {
                note(&log, "third");
                Ok(())
            });
            Err(AppError::message("the mail was not sent"))
        });
        background.add_blocking(move || {
            note(&second, "second");
            Ok(())
        });
        "accepted"
    }
    let (app, log) = app(Router::new().get("/", work));
    let answer = app.get("/").send().await.unwrap();
    answer.check(200, "accepted");
    assert_eq!(
        answer.outcome().await.to_string(),
        "failed: the mail was not sent"
    );
    assert_eq!(
        logged(&log),
        [
            "outer made",
            "outer: handler Returned",
            "first",
            "second",
            "third",
            "outer: response Returned"
        ]
    );
}

#[tokio::test]
async fn the_answer_does_not_wait_for_the_background_and_the_call_does() {
    let go = Arc::new(Notify::new());
    let waits = Arc::clone(&go);
    let app = Router::new().get("/", move |background: Background| {
        let waits = Arc::clone(&waits);
        background.add(async move {
            waits.notified().await;
            Ok(())
        });
        async { "accepted" }
    });
    let app = TestClient::new(app.build().unwrap()).with_patience(Duration::from_secs(30));
    let exchange = app.get("/").stream().await.unwrap();
    let outcome = exchange.outcome_now();
    assert!(outcome.is_none(), "{outcome:?}");
    go.notify_one();
    assert!(exchange.outcome().await.is_done());
}
