//! The sample application.

use std::time::Duration;

use app_router::demo;
use gateway_spec::{Application, BodyLength, Connection, HttpReceive, HttpSend};

use crate::support::{Wire, ask, get};

#[tokio::test]
async fn the_page_links_to_what_exists_and_runs_no_code_but_its_own() {
    let app = demo::app_with_nap(Duration::ZERO);
    let page = get("/").send(&app).await;
    let policy = page.headers.get_str("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    for forbidden in ["<style", " style=", " onclick=", "http:", "https:", "//"] {
        let allowed = page.body.replace("http://host/echo", "");
        assert!(!allowed.contains(forbidden), "{forbidden}");
    }
    let links = ["href=\"", "src=\"", "data-get=\""]
        .iter()
        .flat_map(|attribute| page.body.split(attribute).skip(1));
    let mut tried = 0;
    for link in links
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| !link.starts_with("data:"))
    {
        if link != "events" {
            let answer = get(&format!("/{link}")).send(&app).await;
            let expected = if link.ends_with("seven") { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{link}");
            tried += 1;
        }
    }
    assert_eq!(tried, 13);
}

#[tokio::test]
async fn a_user_is_json() {
    let app = demo::app_with_nap(Duration::ZERO);
    let answer = get("/api/user/7").send(&app).await;
    answer.check(200, r#"{"id":7,"name":"user 7"}"#);
    assert_eq!(
        answer.headers.get_str("content-type"),
        Some("application/json")
    );
    assert_eq!(get("/api/user/-1").send(&app).await.status, 404);
}

#[tokio::test]
async fn the_echo_sends_each_part_before_the_next_comes() {
    let app = demo::app_with_nap(Duration::ZERO);
    let mut request = ask("POST", "/echo");
    request.scope.body = BodyLength::Unknown;
    let (http, mut events) = request.open();
    let client = async {
        let Some(HttpSend::Start {
            head, more: true, ..
        }) = events.sent().await
        else {
            panic!("no head")
        };
        assert_eq!(
            head.headers.get_str("content-type"),
            Some("application/octet-stream")
        );
        for text in ["one", "two", "three"] {
            events.deliver(HttpReceive::Body {
                bytes: text.into(),
                more: true,
            });
            let Some(HttpSend::Body { bytes, more: true }) = events.sent().await else {
                panic!("no echo")
            };
            assert_eq!(bytes, text);
        }
        events.deliver(HttpReceive::Body {
            bytes: "end".into(),
            more: false,
        });
        assert!(
            matches!(events.sent().await, Some(HttpSend::Body { bytes, more: true }) if bytes == "end")
        );
        assert!(matches!(
            events.sent().await,
            Some(HttpSend::Body { more: false, .. })
        ));
    };
    let (result, ()) = tokio::join!(app.call(Connection::Http(http)), client);
    drop(result.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_echo_receives_no_faster_than_the_client_reads() {
    let app = demo::app_with_nap(Duration::ZERO);
    let mut request = ask("POST", "/echo");
    request.scope.body = BodyLength::Unknown;
    let (http, mut events) = request.open();
    const PART: usize = 32 * 1024;
    for _ in 0..64 {
        events.deliver(HttpReceive::Body {
            bytes: vec![0; PART].into(),
            more: true,
        });
    }
    let mut call = Box::pin(app.call(Connection::Http(http)));
    let stuck = tokio::time::timeout(Duration::from_secs(60), &mut call).await;
    assert!(stuck.is_err());
    let Some(HttpSend::Start { .. }) = events.sent().await else {
        panic!("no head")
    };
    let mut waiting = 0;
    while let Ok(Some(HttpSend::Body { bytes, .. })) =
        tokio::time::timeout(Duration::from_secs(1), events.sent()).await
    {
        waiting += bytes.len();
    }
    assert!(
        waiting <= 4 * PART,
        "{waiting} bytes were received ahead of the client"
    );
}

#[tokio::test(start_paused = true)]
async fn events_tick_and_go_on_after_the_last_one_that_the_client_has() {
    let app = demo::app_with_nap(Duration::ZERO);
    for (last, expected) in [
        (None, "data: tick 1\nid: 1\n\ndata: tick 2\nid: 2\n\n"),
        (
            Some("41"),
            "data: tick 42\nid: 42\n\ndata: tick 43\nid: 43\n\n",
        ),
        (
            Some("4294967295"),
            "data: tick 4294967296\nid: 4294967296\n\ndata: tick 4294967297\nid: 4294967297\n\n",
        ),
        (Some("x"), "data: tick 1\nid: 1\n\ndata: tick 2\nid: 2\n\n"),
    ] {
        let mut request = get("/events");
        if let Some(last) = last {
            request
                .scope
                .headers
                .append("last-event-id".parse().unwrap(), last.parse().unwrap());
        }
        let drain = request.drain.clone();
        let stop = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            drain.raise(std::time::Instant::now());
        };
        let (answer, ()) = tokio::join!(request.send(&app), stop);
        answer.check(200, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn naps_are_taken_where_they_say() {
    let app = demo::app_with_nap(Duration::from_millis(1));
    let thread = std::thread::current().name().unwrap().to_owned();
    let sync = get("/sync").send(&app).await;
    assert!(
        sync.body.starts_with("slept on thread router-"),
        "{}",
        sync.body
    );

    let start = tokio::time::Instant::now();
    let blocking = get("/sleep/blocking").send(&app).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "it gave its worker away");
    assert!(blocking.body.contains(&thread), "{}", blocking.body);
    let waited = get("/sleep/async").send(&app).await;
    assert!(start.elapsed() >= Duration::from_millis(1));
    assert!(waited.body.contains(&thread), "{}", waited.body);
}

#[tokio::test]
async fn the_socket_echoes() {
    let app = demo::app_with_nap(Duration::ZERO);
    let (connection, wire) = Wire::open(get("/ws"), &["a", "b"]);
    drop(app.call(connection).await.unwrap());
    assert_eq!(wire.texts(), ["a", "b"]);
}
