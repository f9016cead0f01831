//! Dependencies: each made once, at the same time where they can, and refused when they cannot be.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use app_router::{
    Depends, HeaderFields, Path, Query, Rejection, Router, RouterErrorKind, Routes, route,
};
use gateway_spec::{Accept, AppError, CloseCode, Done, Http, SyncHttp, WebSocket};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_client::TestClient;
use tokio::sync::Barrier;

use crate::support::{Check, client, issues};

struct Config(&'static str);
struct User(String);
struct Left(String);
struct Right(String);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Sent {
    user: Option<String>,
    age: Option<u8>,
}

#[tokio::test]
async fn each_is_made_once_a_request_whoever_needs_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let config = move || {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        async move { Depends::new(Config(if n == 0 { "first" } else { "later" })) }
    };
    async fn left(config: Depends<Config>) -> Depends<Left> {
        Depends::new(Left(format!("left {}", config.0)))
    }
    async fn right(config: Depends<Config>) -> Result<Depends<Right>, AppError> {
        Ok(Depends::new(Right(format!("right {}", config.0))))
    }
    async fn both(left: Depends<Left>, right: Depends<Right>, again: Depends<Left>) -> String {
        assert!(std::ptr::eq(&*left, &*again));
        format!("{}, {}", left.0, right.0)
    }
    let app = client(
        Router::new()
            .provide(left)
            .provide(right)
            .provide(config)
            .get("/", both)
            .get("/none", async || "none"),
    );
    app.get("/none").send().await.unwrap().check(200, "none");
    assert_eq!(made.load(Ordering::SeqCst), 0);
    app.get("/")
        .send()
        .await
        .unwrap()
        .check(200, "left first, right first");
    app.get("/")
        .send()
        .await
        .unwrap()
        .check(200, "left later, right later");
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn those_that_do_not_need_each_other_are_made_at_the_same_time() {
    // Each waits for the other to have begun.
    let barrier = Arc::new(Barrier::new(2));
    let meet = |barrier: &Arc<Barrier>| {
        let barrier = Arc::clone(barrier);
        async move {
            barrier.wait().await;
        }
    };
    let (a, b) = (Arc::clone(&barrier), barrier);
    let app = client(
        Router::new()
            .provide(move || {
                let met = meet(&a);
                async move {
                    met.await;
                    Depends::new(Left(String::from("l")))
                }
            })
            .provide(move || {
                let met = meet(&b);
                async move {
                    met.await;
                    Depends::new(Right(String::from("r")))
                }
            })
            .get("/", async |left: Depends<Left>, right: Depends<Right>| {
                format!("{}{}", left.0, right.0)
            }),
    );
    app.get("/").send().await.unwrap().check(200, "lr");
}

fn on_thread() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn functions_that_block_are_made_in_the_pool_and_wait_without_a_thread() {
    fn user() -> Depends<User> {
        Depends::new(User(on_thread()))
    }
    fn left(user: Depends<User>) -> Depends<Left> {
        Depends::new(Left(format!("{} {}", user.0, on_thread())))
    }
    fn show(left: Depends<Left>) -> String {
        format!("{} {}", left.0, on_thread())
    }
    let one = adapters::PoolSettings::default().with_threads(std::num::NonZeroUsize::MIN);
    let app = client(
        Router::new()
            .pool(adapters::Pool::new("one", one))
            .provide(user)
            .provide(left)
            .get("/", show),
    );
    app.get("/")
        .send()
        .await
        .unwrap()
        .check(200, "one-0 one-0 one-0");
}

async fn user(HeaderFields(sent): HeaderFields<Sent>) -> Result<Depends<User>, Rejection> {
    match sent.user {
        Some(name) => Ok(Depends::new(User(name))),
        None => Err(Rejection::of(StatusCode::UNAUTHORIZED)),
    }
}

async fn greet(user: Depends<User>, Path(times): Path<u8>) -> String {
    format!("{} {times}", user.0)
}

#[tokio::test]
async fn what_a_provider_says_no_to_is_answered_and_what_it_cannot_read_is_told_with_the_rest() {
    let app = client(Router::new().provide(user).get("/{times}", greet));
    app.get("/2")
        .header("user", "ada")
        .send()
        .await
        .unwrap()
        .check(200, "ada 2");
    let unknown = app.get("/x").send().await.unwrap();
    unknown.check(401, "Unauthorized");
    assert!(issues(&unknown).is_empty());
    let wrong = app.get("/x").header("age", "old").send().await.unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        issues(&wrong),
        [
            "header.age: is not an integer (type)",
            "path.times: is not an integer (type)"
        ]
    );
}

#[tokio::test]
async fn handlers_that_answer_by_themselves_and_sockets_have_them_too() {
    async fn raw(http: Http, user: Depends<User>) -> Result<Done, AppError> {
        http.responder.respond(user.0.clone()).await
    }
    fn blocking(http: SyncHttp, user: Depends<User>) -> Result<Done, AppError> {
        http.responder.respond(user.0.clone())
    }
    async fn socket(
        socket: WebSocket,
        user: Depends<User>,
        Query(sent): Query<Sent>,
    ) -> Result<Done, AppError> {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.send(format!("{} {:?}", user.0, sent.age)).await?;
        socket.close(CloseCode::NORMAL, "").await
    }
    let app = client(
        Router::new()
            .provide(user)
            .get("/raw", raw)
            .get("/blocking", blocking)
            .websocket("/ws", socket),
    );
    for path in ["/raw", "/blocking"] {
        app.get(path)
            .header("user", "ada")
            .send()
            .await
            .unwrap()
            .check(200, "ada");
        app.get(path)
            .send()
            .await
            .unwrap()
            .check(401, "Unauthorized");
    }
    let mut open = app
        .websocket("/ws?age=7")
        .header("user", "ada")
        .connect()
        .await
        .unwrap();
    assert_eq!(open.text().await.unwrap(), "ada Some(7)");
    for (path, status) in [("/ws", 401), ("/ws?age=x", 401)] {
        let denied = app.websocket(path).connect().await.unwrap_err();
        assert_eq!(denied.reply().unwrap().status.as_u16(), status);
    }
    let denied = app
        .websocket("/ws?age=x")
        .header("user", "ada")
        .connect()
        .await
        .unwrap_err();
    assert_eq!(
        issues(denied.reply().unwrap()),
        ["query.age: is not an integer (type)"]
    );
}

#[tokio::test]
async fn what_is_required_and_not_taken_has_its_arguments_checked() {
    struct Checked;
    async fn checked(_: Query<Page>) -> Depends<Checked> {
        Depends::new(Checked)
    }
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "that it can be read is enough")]
    struct Page {
        page: u8,
    }
    let guarded = route(async || "in").requires::<Checked>();
    let app = client(Router::new().provide(checked).get("/", guarded));
    app.get("/?page=1").send().await.unwrap().check(200, "in");
    let wrong = app.get("/?page=x").send().await.unwrap();
    assert_eq!(issues(&wrong), ["query.page: is not an integer (type)"]);
}

#[track_caller]
fn refused(router: Router, expected: &[&str]) -> RouterErrorKind {
    let error = router.build().unwrap_err();
    for part in expected {
        assert!(error.to_string().contains(part), "{error}");
    }
    error.kind()
}

#[test]
fn a_graph_that_cannot_be_made_is_refused_when_the_router_is_built() {
    async fn left(_: Depends<Right>) -> Depends<Left> {
        Depends::new(Left(String::new()))
    }
    async fn right(_: Depends<Left>) -> Depends<Right> {
        Depends::new(Right(String::new()))
    }
    async fn again() -> Depends<Left> {
        Depends::new(Left(String::new()))
    }
    async fn reads(_: String) -> Depends<User> {
        Depends::new(User(String::new()))
    }
    let kind = refused(
        Router::new().get("/x/{times}", greet),
        &[
            "`GET /x/{times}`",
            "needs `Depends<it::depends::User>`",
            "nothing provides it",
        ],
    );
    assert_eq!(kind, RouterErrorKind::Dependency);
    let kind = refused(
        Router::new().provide(left).provide(right),
        &["`it::depends::Left`, which needs `it::depends::Right`, which needs `it::depends::Left`"],
    );
    assert_eq!(kind, RouterErrorKind::Dependency);
    let kind = refused(
        Router::new().provide(left),
        &[
            "provider of it::depends::Left",
            "needs `Depends<it::depends::Right>`",
        ],
    );
    assert_eq!(kind, RouterErrorKind::Dependency);
    let kind = refused(
        Router::new().provide(again).provide(again),
        &["both make the same type"],
    );
    assert_eq!(kind, RouterErrorKind::Conflict);
    let kind = refused(
        Router::new()
            .provide(reads)
            .post("/", async |_: String, _: Depends<User>| ""),
        &["takes the body twice"],
    );
    assert_eq!(kind, RouterErrorKind::Arguments);
    let kind = refused(
        Router::new().websocket("/", async |socket: WebSocket, _: String| {
            socket.handshake.deny(StatusCode::GONE).await
        }),
        &["takes a body by `String`, and a WebSocket has none"],
    );
    assert_eq!(kind, RouterErrorKind::Arguments);
}

#[tokio::test]
async fn tests_put_another_provider_in_the_place_of_one() {
    fn app() -> Routes {
        async fn config() -> Depends<Config> {
            panic!("not in a test")
        }
        async fn user(config: Depends<Config>) -> Depends<User> {
            Depends::new(User(config.0.to_owned()))
        }
        let inner = Router::new().get("/{times}", greet);
        Router::new()
            .provide(config)
            .provide(user)
            .nest("/in", inner)
            .build()
            .unwrap()
    }
    let fake = app()
        .with_override(async || Depends::new(Config("fake")))
        .unwrap();
    TestClient::new(fake)
        .get("/in/1")
        .send()
        .await
        .unwrap()
        .check(200, "fake 1");
    // One that needs something else than what it replaces.
    async fn named(HeaderFields(sent): HeaderFields<Sent>) -> Depends<User> {
        Depends::new(User(sent.user.unwrap_or_default()))
    }
    let other = app().with_override(named).unwrap();
    TestClient::new(other)
        .get("/in/1")
        .header("user", "eve")
        .send()
        .await
        .unwrap()
        .check(200, "eve 1");
    let unknown = app()
        .with_override(async || Depends::new(Left(String::new())))
        .unwrap_err();
    assert!(
        unknown.to_string().contains("is in the place of none"),
        "{unknown}"
    );
    let missing = app()
        .with_override(async |_: Depends<Left>| Depends::new(Config("")))
        .unwrap_err();
    assert_eq!(missing.kind(), RouterErrorKind::Dependency);
}

#[tokio::test]
async fn one_that_refuses_stops_what_was_not_begun_and_lets_the_others_end() {
    let log: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (ended, begun) = (Arc::clone(&log), Arc::clone(&log));
    struct Slow;
    struct Never;
    let app = client(
        Router::new()
            .provide(async || -> Result<Depends<User>, Rejection> {
                Err(Rejection::of(StatusCode::FORBIDDEN))
            })
            .provide(move || {
                let log = Arc::clone(&ended);
                async move {
                    tokio::task::yield_now().await;
                    log.lock().unwrap().push("slow ended");
                    Depends::new(Slow)
                }
            })
            .provide(move |_: Depends<Slow>| {
                begun.lock().unwrap().push("never begun");
                async { Depends::new(Never) }
            })
            .get("/", async |_: Depends<Never>, _: Depends<User>| "never"),
    );
    app.get("/").send().await.unwrap().check(403, "Forbidden");
    assert_eq!(*log.lock().unwrap(), ["slow ended"]);
}
