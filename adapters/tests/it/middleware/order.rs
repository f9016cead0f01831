//! One wrapper inside of another.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::middleware::{
    Cors, Hosts, LoggedEvent, Mount, Panic, RequestId, cancel_on_disconnect, catch_panic, cors,
    fallback, limit_body, log_events, request_id, timeout,
};
use gateway_spec::{AppError, Application, BoxApplication, Connection, Gone, Http, Response};
use http::StatusCode;
use test_client::{Answerer, Reply, TestClient};

use super::support::{Work, asked, http_app, named};

const ORIGIN: &str = "https://app.example";

/// As the front page recommends, outermost last.
fn stack(app: impl Application) -> impl Application {
    let app = cancel_on_disconnect(app);
    let app = limit_body(app, 10);
    let app = timeout(app, Duration::from_secs(10)).whole(Duration::from_secs(60));
    let app = fallback(app, named("fallback"));
    let app = Mount::new().at("/app", app).build().unwrap();
    let app = Hosts::new().host("testserver", app).build().unwrap();
    let page = |panic: Panic| {
        let text = format!("<h1>{}</h1>", panic.text());
        Response::html(text).with_status(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let app = catch_panic(app, page);
    let app = cors(app, Cors::new().origins([ORIGIN]).credentials()).unwrap();
    let app = request_id(app);
    log_events(app, |_: &LoggedEvent<'_>| ())
}

fn client(app: impl Application) -> TestClient {
    TestClient::new(stack(app))
}

/// An answer of this status that a page of the origin may read and whoever reads the log can find.
#[track_caller]
fn check(reply: &Reply, status: u16, text: &str) {
    assert_eq!((reply.status.as_u16(), reply.text()), (status, text));
    assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(reply.header("vary"), Some("origin"));
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(reply.answerer, Answerer::Application);
}

async fn get(client: &TestClient, target: &str) -> Reply {
    let request = client.get(target).header("origin", ORIGIN);
    request.send().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_the_answer_has_all_fields() {
    let answers = http_app(async |http: Http| {
        let id = http.scope.extensions.get::<RequestId>().is_some();
        let text = format!(
            "{} below {}: {id}",
            http.scope.path(),
            http.scope.root_path()
        );
        http.responder.respond(text).await
    });
    let reply = get(&client(answers.clone()), "/app/x").await;
    check(&reply, 200, "/x below /app: true");

    let slow = client(http_app(async |_: Http| pending().await));
    let reply = get(&slow, "/app/x").await;
    check(&reply, 503, "503 Service Unavailable\n");
    assert!(reply.outcome().await.is_done());

    let large = client(answers.clone())
        .post("/app")
        .header("origin", ORIGIN);
    let reply = large.body("12345678901").send().await.unwrap();
    check(&reply, 413, "413 Payload Too Large\n");

    let reading = client(http_app(async |mut http: Http| {
        http.body.collect(1000).await?;
        http.responder.respond("never").await
    }));
    let large = reading.post("/app").header("origin", ORIGIN);
    let reply = large.body_chunks(["12345", "678901"]).send().await.unwrap();
    check(&reply, 413, "413 Payload Too Large\n");
    let error = reply.outcome().await;
    assert_eq!(
        error.to_string(),
        "failed: the request body is larger than 10 bytes"
    );

    let panicking = client(http_app(async |http: Http| {
        let _http = http;
        panic!("oops")
    }));
    check(&get(&panicking, "/app").await, 500, "<h1>oops</h1>");

    let failing = client(http_app(async |_: Http| Err(AppError::message("broken"))));
    check(
        &get(&failing, "/app").await,
        500,
        "500 Internal Server Error\n",
    );

    let refusing = client(http_app(async |http: Http| {
        Connection::Http(http).refuse().await
    }));
    check(&get(&refusing, "/app").await, 200, "fallback");
    check(&get(&refusing, "/elsewhere").await, 404, "");
    let elsewhere = refusing
        .get("/app")
        .without_header("host")
        .header("host", "evil.example")
        .header("origin", ORIGIN);
    let reply = elsewhere.send().await.unwrap();
    check(&reply, 421, "421 Misdirected Request\n");

    let preflight = refusing
        .options("/app")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PUT");
    check(&preflight.send().await.unwrap(), 204, "");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_noticed_by_the_innermost_and_told_to_the_outermost() {
    let work = Work::default();
    let watched = work.clone();
    let client = client(http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let _http = http;
            let _doing = work.begin();
            pending().await
        }
    }));
    let exchange = asked(client.get("/app").open(), &work).await;
    let outcome = exchange.reset().outcome().await;
    assert_eq!(outcome.gone(), Some(Gone::PeerReset));
    assert!(work.was_dropped());
    // Nobody answers a client that half-closed, though three wrappers could.
    let mut exchange = asked(client.get("/app").open(), &work).await;
    exchange.half_close();
    assert!(exchange.reply().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_order_of_a_timeout_and_a_panic_does_not_matter() {
    let late = http_app(async |http: Http| {
        let _http = http;
        tokio::time::sleep(Duration::from_secs(5)).await;
        panic!("late")
    });
    let second = Duration::from_secs(1);
    let page = |_: Panic| Response::from(StatusCode::IM_A_TEAPOT);
    let inside = catch_panic(timeout(late.clone(), second), page);
    let outside = timeout(catch_panic(late.clone(), page), second);
    for app in [BoxApplication::new(inside), BoxApplication::new(outside)] {
        let reply = TestClient::new(app).get("/").send().await.unwrap();
        assert_eq!(reply.status, 503);
    }
    let patient = Duration::from_secs(60);
    let inside = catch_panic(timeout(late.clone(), patient), page);
    let outside = timeout(catch_panic(late, page), patient);
    for app in [BoxApplication::new(inside), BoxApplication::new(outside)] {
        let reply = TestClient::new(app).get("/").send().await.unwrap();
        assert_eq!(reply.status, 418);
    }
}

#[tokio::test(start_paused = true)]
async fn what_answers_outside_of_what_changes_heads_lacks_its_fields() {
    let slow = http_app(async |_: Http| pending().await);
    let second = Duration::from_secs(1);
    let outside = timeout(request_id(slow.clone()), second);
    let reply = TestClient::new(outside).get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-request-id")),
        (503, None)
    );
    let inside = request_id(timeout(slow, second));
    let reply = TestClient::new(inside).get("/").send().await.unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.header("x-request-id").is_some());
}

#[tokio::test(start_paused = true)]
async fn of_two_timeouts_the_shorter_one_answers() {
    for (inner, outer, status) in [(1, 2, 418), (2, 1, 504)] {
        let app = http_app(async |_: Http| pending().await);
        let app = timeout(app, Duration::from_secs(inner)).answer(StatusCode::IM_A_TEAPOT);
        let app = timeout(app, Duration::from_secs(outer)).answer(StatusCode::GATEWAY_TIMEOUT);
        let reply = TestClient::new(app).get("/").send().await.unwrap();
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn a_log_shows_what_passes_where_it_stands() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = |name: &'static str| {
        let lines = Arc::clone(&lines);
        move |event: &LoggedEvent<'_>| {
            lines.lock().unwrap().push(format!("{name} {}", event.text));
        }
    };
    let app = http_app(async |_: Http| Err(AppError::message("broken")));
    let app = log_events(app, log("inner"));
    let app = request_id(app);
    let app = log_events(app, log("outer"));
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    reply.outcome().await;
    let expected = [
        "outer GET / HTTP/1.1, 1 field, no body",
        "inner GET / HTTP/1.1, 1 field, no body",
        "inner dropped without an end",
        "inner failed: broken",
        "outer start 500, 2 fields, 26 bytes, the end",
        "outer failed: broken",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}
