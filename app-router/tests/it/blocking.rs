//! Handlers that block, each on a thread of the pool.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use adapters::{Pool, PoolSettings};
use app_router::{Rejection, Reply, Request, Router, Sse};
use gateway_spec::{AppError, Application, Done, SyncBody, SyncHttp};
use http::StatusCode;

use crate::support::{Life, ask, get};

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
    let app = Router::new()
        .pool(Pool::new("reports", PoolSettings::default()))
        .get("/thread", thread_name)
        .post("/shout/{name}", shout)
        .get("/raw", raw)
        .get("/async", async || thread_name())
        .build()
        .unwrap();
    let here = thread_name();
    get("/async").send(&app).await.check(200, &here);
    let there = get("/thread").send(&app).await;
    assert!(there.body.starts_with("reports-"), "{}", there.body);
    assert_eq!(there.label.as_deref(), Some("/thread"));
    ask("POST", "/shout/J%C3%B6rg")
        .with_body(&["hel", "lo"])
        .send(&app)
        .await
        .check(200, "Jörg: HELLO");
    get("/raw").send(&app).await.check(200, "0,1,2,");
    ask("HEAD", "/thread")
        .send(&app)
        .await
        .check(200, &there.body);
}

#[tokio::test]
async fn errors_of_functions_that_block_are_answered_alike() {
    fn number(request: Request<SyncBody>) -> Result<String, AppError> {
        request.params.get::<u8>("n").map(|n| n.to_string())
    }
    let app = Router::new()
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
        .get("/stream", || -> Sse { Sse::produce(async |_| Ok(())) })
        .build()
        .unwrap();
    get("/n/7").send(&app).await.check(200, "7");
    assert_eq!(get("/n/x").send(&app).await.status, 404);
    get("/taken").send(&app).await.check(409, "taken");
    let broken = get("/broken").send(&app).await.result.unwrap_err();
    assert_eq!(broken.status_code(), StatusCode::BAD_GATEWAY);
    let stream = get("/stream").send(&app).await.result.unwrap_err();
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
    let life = Arc::new(Life::default());
    let serve = async {
        get("/").send(&app).await;
        assert_eq!(pool.stats().threads, 1);
        life.stop();
    };
    let (result, ()) = tokio::join!(app.call(life.open()), serve);
    drop(result.unwrap());
    assert_eq!(life.said(), ["started", "stopped"]);
    assert_eq!(
        get("/").send(&app).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
