//! Handlers that block, each on a thread of the pool.

use std::io::Write;
use std::thread;

use adapters::{Pool, PoolSettings};
use app_router::{Event, Rejection, Reply, Request, Router, Sse};
use gateway_spec::{AppError, Done, SyncBody, SyncHttp};
use http::StatusCode;
use test_client::TestClient;

use crate::support::{Check, client};

fn thread_name() -> String {
    thread::current().name().unwrap_or("none").to_owned()
}

fn shout(mut request: Request<SyncBody>) -> Result<String, AppError> {
    let name: String = request.params.get("name")?;
    let body = request.body.collect(100)?;
    Ok(format!(
        "{name}: {}",
        String::from_utf8_lossy(&body).to_uppercase()
    ))
}

fn raw(http: SyncHttp) -> Result<Done, AppError> {
    let mut writer = http.responder.start(StatusCode::OK)?;
    for n in 0..3 {
        write!(writer, "{n},")?;
    }
    writer.finish()
}

#[tokio::test]
async fn plain_functions_run_on_threads_of_the_pool() {
    let app = client(
        Router::new()
            .pool(Pool::new("reports", PoolSettings::default()))
            .get("/thread", thread_name)
            .post("/shout/{name}", shout)
            .get("/raw", raw)
            .get("/async", async || thread_name()),
    );
    let here = thread_name();
    app.get("/async").send().await.unwrap().check(200, &here);
    let there = app.get("/thread").send().await.unwrap();
    assert!(there.text().starts_with("reports-"), "{}", there.text());
    assert_eq!(there.label(), Some("/thread"));
    app.post("/shout/J%C3%B6rg")
        .body_chunks(["hel", "lo"])
        .send()
        .await
        .unwrap()
        .check(200, "Jörg: HELLO");
    app.get("/raw").send().await.unwrap().check(200, "0,1,2,");
    app.head("/thread").send().await.unwrap().check(200, "");
}

#[tokio::test]
async fn errors_of_functions_that_block_are_answered_alike() {
    fn number(request: Request<SyncBody>) -> Result<String, AppError> {
        request.params.get::<u8>("n").map(|n| n.to_string())
    }
    let app = client(
        Router::new()
            .get("/n/{n}", number)
            .get("/taken", || {
                Err::<&str, _>(AppError::from(Rejection::new(
                    StatusCode::CONFLICT,
                    "taken",
                )))
            })
            .get("/broken", || {
                Err::<&str, _>(AppError::status(StatusCode::BAD_GATEWAY))
            })
            .get("/events", || -> Sse {
                Sse::produce(async |events| Ok(events.send(Event::data(thread_name())).await?))
            })
            .get("/stream", |_: Request<SyncBody>| -> Sse {
                Sse::produce(async |_| Ok(()))
            }),
    );
    app.get("/n/7").send().await.unwrap().check(200, "7");
    assert_eq!(app.get("/n/x").send().await.unwrap().status, 404);
    app.get("/taken").send().await.unwrap().check(409, "taken");
    let broken = app.get("/broken").send().await.unwrap();
    assert_eq!(broken.status, StatusCode::BAD_GATEWAY);
    // Made on a thread, and written by the worker.
    let here = format!("data: {}\n\n", thread_name());
    app.get("/events").send().await.unwrap().check(200, &here);
    let stream = app.get("/stream").send().await.unwrap().outcome().await;
    assert!(
        stream.to_string().contains("cannot return a stream"),
        "{stream}"
    );
    let _: fn(StatusCode) -> Reply =
        |status| Reply::stream(status, async |writer, _| writer.finish().await);
}

#[tokio::test]
async fn the_pool_stops_with_the_routers_lifespan() {
    let pool = Pool::new("stops", PoolSettings::default());
    let app = Router::new()
        .pool(pool.clone())
        .get("/", thread_name)
        .build()
        .unwrap();
    let app = TestClient::start(app).await.unwrap();
    app.get("/").send().await.unwrap();
    assert_eq!(pool.stats().threads, 1);
    app.shutdown().await.unwrap();
    assert_eq!(
        app.get("/").send().await.unwrap().status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
