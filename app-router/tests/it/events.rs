//! Server-sent events: what is sent when, and how the stream ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use app_router::{Event, Router, Routes, Sse};
use gateway_spec::{AppError, Application, Connection, Events, Gone, HttpSend};

use crate::support::{ask, get};

/// Ticks each second, and says when its source was dropped.
fn ticking() -> (Routes, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let ticks = move || {
        let guard = OnDrop(Arc::clone(&flag));
        async move {
            Sse::produce(async move |events| {
                let _guard = guard;
                for n in 1.. {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    events
                        .send(Event::data(format!("tick\n{n}")).with_id(n))
                        .await?;
                }
                Ok(())
            })
        }
    };
    (Router::new().get("/", ticks).build().unwrap(), dropped)
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn head(events: &mut Events) {
    let Some(HttpSend::Start {
        head,
        body,
        more: true,
        ..
    }) = events.sent().await
    else {
        panic!("no head");
    };
    assert_eq!(head.status, 200);
    assert_eq!(
        head.headers.get_str("content-type"),
        Some("text/event-stream")
    );
    assert_eq!(head.headers.get_str("cache-control"), Some("no-cache"));
    assert!(body.is_empty());
}

async fn text(events: &mut Events) -> String {
    match events.sent().await {
        Some(HttpSend::Body { bytes, more: true }) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn ended(events: &mut Events) {
    assert!(
        matches!(events.sent().await, Some(HttpSend::Body { bytes, more: false }) if bytes.is_empty())
    );
    assert!(events.sent().await.is_none());
    assert_eq!(events.aborted(), None);
}

#[tokio::test(start_paused = true)]
async fn each_event_is_sent_by_itself_and_drain_ends_the_stream_cleanly() {
    let (app, dropped) = ticking();
    let request = get("/");
    let drain = request.drain.clone();
    let (http, mut events) = request.open();
    let client = async {
        head(&mut events).await;
        assert_eq!(text(&mut events).await, "data: tick\ndata: 1\nid: 1\n\n");
        assert_eq!(text(&mut events).await, "data: tick\ndata: 2\nid: 2\n\n");
        assert!(!dropped.load(Ordering::Relaxed));
        drain.raise(Instant::now());
        ended(&mut events).await;
    };
    let (result, ()) = tokio::join!(app.call(Connection::Http(http)), client);
    drop(result.unwrap());
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_ends_the_stream_and_is_no_error_of_the_app() {
    let (app, dropped) = ticking();
    let (http, mut events) = get("/").open();
    let client = async {
        head(&mut events).await;
        text(&mut events).await;
        // The stream is idle by then: it flushed, and waits for its source.
        tokio::time::sleep(Duration::from_millis(100)).await;
        events.disconnect(Gone::PeerReset);
        let start = tokio::time::Instant::now();
        (events, start)
    };
    let (result, (events, start)) = tokio::join!(app.call(Connection::Http(http)), client);
    assert_eq!(result.unwrap_err().gone(), Some(Gone::PeerReset));
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "it waited for the next event"
    );
    assert!(dropped.load(Ordering::Relaxed));
    drop(events);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stopped_sending_gets_a_clean_end() {
    let (app, _dropped) = ticking();
    let (http, mut events) = get("/").open();
    let client = async {
        head(&mut events).await;
        events.disconnect(Gone::HalfClosed);
        ended(&mut events).await;
    };
    let (result, ()) = tokio::join!(app.call(Connection::Http(http)), client);
    drop(result.unwrap());
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments() {
    async fn quiet() -> Sse {
        let produce = Sse::produce(async |events| {
            tokio::time::sleep(Duration::from_secs(25)).await;
            events.send(Event::data("late")).await?;
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(())
        });
        produce.with_keep_alive(Duration::from_secs(10))
    }
    let app = Router::new().get("/", quiet).build().unwrap();
    let answer = get("/").send(&app).await;
    answer.check(200, ": keep-alive\n\n: keep-alive\n\ndata: late\n\n");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_source_cuts_the_stream_off_after_what_was_sent() {
    async fn fails() -> Sse {
        Sse::produce(async |events| {
            events.send(Event::data("last")).await?;
            Err(AppError::message("the source broke"))
        })
    }
    let app = Router::new().get("/", fails).build().unwrap();
    let answer = get("/").send(&app).await;
    assert_eq!(answer.result.unwrap_err().to_string(), "the source broke");
    assert_eq!(answer.body, "data: last\n\n");
}

#[tokio::test(start_paused = true)]
async fn head_gets_the_head_of_a_stream_and_no_stream() {
    let (app, _dropped) = ticking();
    let answer = ask("HEAD", "/").send(&app).await;
    answer.check(200, "");
    assert_eq!(
        answer.headers.get_str("content-type"),
        Some("text/event-stream")
    );
}
