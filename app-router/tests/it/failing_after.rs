//! What fails or panics after a handler: nothing that was begun is left undone by it.

use app_router::{Background, Depends, FromState, Rejection, Reply, Router, Teardown};
use gateway_spec::{Accept, AppError, Done, WebSocket};
use http::StatusCode;
use test_client::Outcome;

use crate::after::{Inner, Log, app, logged, note};
use crate::support::Check;

/// What is noted of both dependencies when their scopes end so.
fn undone(handler: &str, response: &str) -> Vec<String> {
    vec![
        "outer made".to_owned(),
        "inner made".to_owned(),
        format!("inner: handler {handler}"),
        format!("outer: handler {handler}"),
        format!("inner: response {response}"),
        format!("outer: response {response}"),
    ]
}

#[tokio::test]
async fn what_streams_an_answer_may_fail_and_panic() {
    async fn fails(_: Depends<Inner>) -> Reply {
        Reply::stream(StatusCode::OK, async |mut writer, _| {
            writer.write("x").await?;
            Err(AppError::message("the source broke"))
        })
    }
    async fn panics(_: Depends<Inner>) -> Reply {
        Reply::stream(StatusCode::OK, async |mut writer, _| {
            writer.write("x").await?;
            panic!("in the stream")
        })
    }
    let (app, log) = app(Router::new().get("/fails", fails).get("/panics", panics));
    let fails = app.get("/fails").send().await.unwrap_err();
    let outcome = fails.outcome().await.to_string();
    assert_eq!(outcome, "failed: the source broke");
    assert_eq!(logged(&log), undone("Returned", "Failed"));
    let panics = app.get("/panics").send().await.unwrap_err();
    assert!(matches!(panics.outcome().await, Outcome::Panicked(_)));
    assert_eq!(logged(&log), undone("Returned", "Panicked"));
}

#[tokio::test]
async fn a_sockets_handler_may_fail_and_panic() {
    async fn fails(socket: WebSocket, _: Depends<Inner>) -> Result<Done, AppError> {
        let _open = socket.handshake.accept(Accept::new()).await?;
        Err(AppError::message("the room is gone"))
    }
    async fn panics(socket: WebSocket, _: Depends<Inner>) -> Result<Done, AppError> {
        let _open = socket.handshake.accept(Accept::new()).await?;
        panic!("in the socket")
    }
    let router = Router::new().websocket("/fails", fails);
    let (app, log) = app(router.websocket("/panics", panics));
    for (path, ending) in [("/fails", "Failed"), ("/panics", "Panicked")] {
        let mut open = app.websocket(path).connect().await.unwrap();
        assert_eq!(open.closed().await.code, 1011);
        assert!(!open.outcome().await.is_done());
        assert_eq!(logged(&log), undone(ending, ending), "{path}");
    }
}

#[tokio::test]
async fn teardown_and_background_work_may_panic() {
    async fn before(_: Depends<Inner>, teardown: Teardown) -> &'static str {
        teardown.after_handler(async |_| panic!("in the handler's scope"));
        "never sent"
    }
    async fn after(_: Depends<Inner>, teardown: Teardown, background: Background) -> &'static str {
        teardown.after_response_blocking(|_| panic!("in the response's scope"));
        background.add(async { panic!("in the background") });
        "sent"
    }
    let (app, log) = app(Router::new().get("/before", before).get("/after", after));
    let before = app.get("/before").send().await.unwrap();
    assert_eq!(before.status, StatusCode::INTERNAL_SERVER_ERROR);
    let outcome = before.outcome().await.to_string();
    assert!(
        outcome.contains("panicked: in the handler's scope"),
        "{outcome}"
    );
    assert_eq!(logged(&log), undone("Returned", "Failed"));
    let after = app.get("/after").send().await.unwrap();
    after.check(200, "sent");
    let outcome = after.outcome().await.to_string();
    assert!(outcome.contains("panicked: in the background"), "{outcome}");
    assert_eq!(logged(&log), undone("Returned", "Returned"));
}

#[tokio::test]
async fn of_several_errors_the_first_is_told() {
    async fn handler(teardown: Teardown) -> &'static str {
        teardown.after_response(async |_| Err(AppError::message("the second")));
        teardown.after_response(async |_| Err(AppError::message("the first")));
        "sent"
    }
    let (app, _) = app(Router::new().get("/", handler));
    let outcome = app.get("/").send().await.unwrap().outcome().await;
    assert_eq!(outcome.to_string(), "failed: the first");
}

#[tokio::test]
async fn what_comes_too_late_for_the_handlers_scope_is_undone_with_the_responses() {
    async fn late(teardown: Teardown, FromState(log): FromState<Log>) -> Reply {
        Reply::stream(StatusCode::OK, async move |writer, _| {
            teardown.after_handler(async move |ending| {
                note(&log, format!("late: {ending:?}"));
                Ok(())
            });
            writer.finish().await
        })
    }
    let (app, log) = app(Router::new().get("/", late));
    let answer = app.get("/").send().await.unwrap();
    assert!(answer.outcome().await.is_done());
    assert_eq!(logged(&log), ["late: Returned"]);
}

#[tokio::test]
async fn background_work_is_done_whatever_becomes_of_the_handler() {
    async fn panics(background: Background, FromState(log): FromState<Log>) -> &'static str {
        background.add(async move {
            note(&log, "done");
            Ok(())
        });
        panic!("on purpose")
    }
    async fn fails(background: Background, FromState(log): FromState<Log>) -> Rejection {
        background.add(async move {
            note(&log, "done");
            Ok(())
        });
        Rejection::of(StatusCode::CONFLICT)
    }
    let (app, log) = app(Router::new().get("/panics", panics).get("/fails", fails));
    for (path, status) in [("/panics", 500), ("/fails", 409)] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status, status);
        let _ = answer.outcome().await;
        assert_eq!(logged(&log), ["done"], "{path}");
    }
}
