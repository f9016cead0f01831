//! What a handler may be and return, and what it costs.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use app_router::{Json, Redirect, Rejection, Reply, Request, Router};
use gateway_spec::{AppError, Application, Connection, Done, Http, State, application_fn};
use http::StatusCode;
use test_client::Answerer;

use crate::support::{Check, client, exchange};

#[tokio::test]
async fn functions_and_closures_of_every_shape_serve() {
    async fn constant() -> &'static str {
        "constant"
    }
    async fn replying(request: Request) -> Json<String> {
        Json(request.scope.path().to_owned())
    }
    async fn raw(http: Http) -> Result<Done, AppError> {
        http.responder.respond("raw").await
    }
    let greeting = Arc::new(String::from("shared"));
    let app = client(
        Router::new()
            .get("/constant", constant)
            .get("/replying", replying)
            .get("/raw", raw)
            .get("/closure", async |request: Request| {
                request.scope.method.to_string()
            })
            .get("/captures", move || {
                let greeting = Arc::clone(&greeting);
                async move { greeting.to_string() }
            }),
    );
    for (path, expected) in [
        ("/constant", "constant"),
        ("/replying", "\"/replying\""),
        ("/raw", "raw"),
        ("/closure", "GET"),
        ("/captures", "shared"),
    ] {
        app.get(path).send().await.unwrap().check(200, expected);
    }
}

#[tokio::test]
async fn handlers_read_the_body_and_the_state() {
    async fn count(mut request: Request) -> Result<String, AppError> {
        let body = request.body.collect(8).await?;
        Ok(format!(
            "{} + {:?}",
            body.len(),
            request.scope.state.get::<u8>()
        ))
    }
    let app = client(Router::new().post("/", count));
    let request = app
        .post("/")
        .body_chunks(["abc", "de"])
        .state(State::new().with(7_u8));
    request.send().await.unwrap().check(200, "5 + Some(7)");
    let too_large = app
        .post("/")
        .body_chunks(["abcde", "fghi"])
        .send()
        .await
        .unwrap();
    assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_parameter_that_does_not_parse_is_404_and_says_why() {
    async fn user(request: Request) -> Result<String, AppError> {
        let id: u8 = request.params.get("id")?;
        Ok(format!("{id}"))
    }
    async fn typo(request: Request) -> Result<String, AppError> {
        request.params.get("ID")
    }
    let app = client(
        Router::new()
            .get("/user/{id}", user)
            .get("/typo/{id}", typo),
    );
    app.get("/user/7").send().await.unwrap().check(200, "7");
    app.get("/user/%37").send().await.unwrap().check(200, "7");
    let text = "the path's `id` is not valid: number too large to fit in target type";
    app.get("/user/256").send().await.unwrap().check(404, text);
    let typo = app.get("/typo/7").send().await.unwrap();
    assert_eq!(typo.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        typo.outcome().await.to_string(),
        "failed: the route `/typo/{id}` has no parameter `ID`"
    );
}

#[tokio::test]
async fn rejections_are_answered_and_other_errors_are_the_servers() {
    let app = client(
        Router::new()
            .get("/conflict", async || {
                Err::<(), _>(Rejection::new(StatusCode::CONFLICT, "taken")).map(|()| "")
            })
            .get("/broken", async || {
                Err::<&str, _>(std::io::Error::other("disk"))
            })
            .get("/teapot", async || {
                Err::<&str, _>(AppError::status(StatusCode::IM_A_TEAPOT))
            }),
    );
    app.get("/conflict")
        .send()
        .await
        .unwrap()
        .check(409, "taken");
    for (path, status) in [("/broken", 500), ("/teapot", 418)] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.answerer, Answerer::Server);
    }
}

#[tokio::test]
async fn streamed_replies_are_written_and_head_does_not_start_them() {
    async fn count() -> Reply {
        Reply::stream(StatusCode::ACCEPTED, async |mut writer, _drain| {
            for n in 0..40 {
                writer.write(format!("{n},")).await?;
            }
            writer.finish().await
        })
    }
    let app = client(
        Router::new()
            .get("/", count)
            .get("/see", async || Redirect::to("/")),
    );
    let expected: String = (0..40).map(|n| format!("{n},")).collect();
    app.get("/").send().await.unwrap().check(202, &expected);
    app.head("/").send().await.unwrap().check(202, "");
    let see = app.get("/see").send().await.unwrap();
    see.check(303, "");
    assert_eq!(see.headers.get_str("location"), Some("/"));
}

/// Allocations of the second of two calls, without those of the exchange itself.
fn allocations(app: &impl Application, path: &str) -> u64 {
    let call = |http| {
        let mut call = pin!(app.call(Connection::Http(http)));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Done { .. })) => {}
            other => panic!("{other:?}"),
        }
    };
    let (first, _events) = exchange(path);
    call(first);
    let (second, _events) = exchange(path);
    allocation_counter::measure(|| call(second)).count_total
}

#[test]
fn a_route_costs_one_allocation() {
    async fn bare(connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => {
                http.scope.label.set("/");
                http.responder.respond("Hello, world!").await
            }
            other => other.refuse().await,
        }
    }
    async fn two(request: Request) -> &'static str {
        match (
            request.params.text("a").as_deref(),
            request.params.get::<u32>("b"),
        ) {
            (Some("x"), Ok(7)) => "Hello, world!",
            _ => "wrong",
        }
    }
    let app = Router::new()
        .get("/", async || "Hello, world!")
        .get("/two/{a}/{b}", two)
        .build()
        .unwrap();
    let floor = allocations(&application_fn(bare), "/");
    assert_eq!(allocations(&app, "/") - floor, 1);
    assert_eq!(allocations(&app, "/two/x/7") - floor, 1);
}
