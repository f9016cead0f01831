//! Server-sent events: what is sent when, and how the stream ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app_router::{Event, LastEventId, Router, Sse};
use gateway_spec::{AppError, Gone};
use test_client::{Exchange, Peer, TestClient, Why};

use crate::support::{Check, client};

/// Ticks each second, and says when its source was dropped.
fn ticking() -> (TestClient, Arc<AtomicBool>) {
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
    (client(Router::new().get("/", ticks)), dropped)
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn stream(app: &TestClient, peer: Peer) -> Exchange {
    let stream = app.get("/").peer(peer).stream().await.unwrap();
    let head = stream.response().unwrap();
    assert_eq!(head.status, 200);
    let field = |name: &str| head.headers.get_str(name);
    assert_eq!(field("content-type"), Some("text/event-stream"));
    assert_eq!(field("cache-control"), Some("no-cache"));
    stream
}

async fn text(stream: &mut Exchange) -> String {
    let part = stream.chunk().await.unwrap().unwrap();
    String::from_utf8(part.to_vec()).unwrap()
}

async fn ended(mut stream: Exchange) {
    assert_eq!(stream.chunk().await.unwrap(), None);
    assert!(stream.outcome().await.is_done());
}

#[tokio::test(start_paused = true)]
async fn each_event_is_sent_by_itself_and_drain_ends_the_stream_cleanly() {
    let (app, dropped) = ticking();
    let mut stream = stream(&app, Peer::new()).await;
    assert_eq!(text(&mut stream).await, "data: tick\ndata: 1\nid: 1\n\n");
    assert_eq!(text(&mut stream).await, "data: tick\ndata: 2\nid: 2\n\n");
    assert!(!dropped.load(Ordering::Relaxed));
    app.drain(Duration::ZERO);
    ended(stream).await;
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_ends_the_stream_and_is_no_error_of_the_app() {
    let (app, dropped) = ticking();
    let mut stream = stream(&app, Peer::new()).await;
    text(&mut stream).await;
    // The stream is idle by then: it flushed, and waits for its source.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = tokio::time::Instant::now();
    let outcome = stream.reset().outcome().await;
    assert_eq!(outcome.gone(), Some(Gone::PeerReset));
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "it waited for the next event"
    );
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stopped_sending_gets_a_clean_end() {
    let (app, _dropped) = ticking();
    ended(stream(&app, Peer::new().half_close_after_sending(0)).await).await;
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
    let app = client(Router::new().get("/", quiet));
    let answer = app.get("/").send().await.unwrap();
    answer.check(200, ": keep-alive\n\n: keep-alive\n\ndata: late\n\n");
}

#[tokio::test(start_paused = true)]
async fn silence_may_last_for_ever() {
    async fn quiet() -> Sse {
        let produce = Sse::produce(async |events| {
            events.send(Event::data("early")).await?;
            tokio::time::sleep(Duration::from_secs(3600)).await;
            events.send(Event::data("late")).await?;
            Ok(())
        });
        produce.with_keep_alive(Duration::MAX)
    }
    let app = client(Router::new().get("/", quiet));
    let patient = app.with_patience(Duration::from_secs(7200));
    let answer = patient.get("/").send().await.unwrap();
    answer.check(200, "data: early\n\ndata: late\n\n");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_source_cuts_the_stream_off_after_what_was_sent() {
    async fn fails() -> Sse {
        Sse::produce(async |events| {
            events.send(Event::data("last")).await?;
            Err(AppError::message("the source broke"))
        })
    }
    let app = client(Router::new().get("/", fails));
    let broken = app.get("/").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(
        broken.outcome().await.to_string(),
        "failed: the source broke"
    );
    assert_eq!(broken.partial().unwrap().text(), "data: last\n\n");
}

#[tokio::test(start_paused = true)]
async fn head_gets_the_head_of_a_stream_and_no_stream() {
    let (app, _dropped) = ticking();
    let answer = app.head("/").send().await.unwrap();
    answer.check(200, "");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_goes_on_after_the_last_event_that_it_has() {
    async fn counted(LastEventId(last): LastEventId) -> Sse {
        let first = last
            .and_then(|id| id.parse::<u64>().ok())
            .map_or(0, |id| id + 1);
        Sse::produce(async move |events| {
            for n in first.. {
                let event = Event::json(&n)?.with_id(n).with_name("n");
                events
                    .send(event.with_retry(Duration::from_secs(3)))
                    .await?;
                if n % 3 == 2 {
                    tokio::time::sleep(Duration::from_secs(40)).await;
                }
            }
            Ok(())
        })
    }
    let app = client(Router::new().get("/", counted));
    let mut events = app.get("/").stream().await.unwrap().events();
    for n in 0..3 {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(
            (event.name, event.data, event.id),
            (String::from("n"), format!("{n}"), format!("{n}"))
        );
    }
    assert_eq!(events.retry(), Some(Duration::from_secs(3)));
    let last = events.last_event_id().to_owned();
    drop(events.into_exchange());
    let again = app.get("/").header("last-event-id", last);
    let mut events = again.stream().await.unwrap().events();
    assert_eq!(events.next().await.unwrap().unwrap().data, "3");
    assert_eq!(events.comments(), 0);
    for expected in ["4", "5", "6"] {
        assert_eq!(events.next().await.unwrap().unwrap().data, expected);
    }
    // Forty seconds of silence, with a comment each fifteen.
    assert_eq!(events.comments(), 2);
}

#[tokio::test]
async fn an_id_left_empty_is_none() {
    let router = Router::new().get("/", async |last: LastEventId| format!("{:?}", last.0));
    let app = client(router);
    for (field, expected) in [
        (None, "None"),
        (Some(&b""[..]), "None"),
        (Some(b"\xff"), "None"),
        (Some(b"7"), "Some(\"7\")"),
    ] {
        let request = app.get("/");
        let request = match field {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.text(), expected);
    }
}
