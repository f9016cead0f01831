//! The example `demo`.

#[path = "../../examples/demo/app.rs"]
mod app;

use std::time::Duration;

use gateway_spec::CloseCode;
use test_client::TestClient;

use crate::support::Check;

#[tokio::test]
async fn the_page_links_to_what_exists_and_runs_no_code_but_its_own() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let page = app.get("/").send().await.unwrap();
    let policy = page.headers.get_str("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    for forbidden in ["<style", " style=", " onclick=", "http:", "https:", "//"] {
        let allowed = page.text().replace("http://host/echo", "");
        assert!(!allowed.contains(forbidden), "{forbidden}");
    }
    let links = ["href=\"", "src=\"", "data-get=\""]
        .iter()
        .flat_map(|attribute| page.text().split(attribute).skip(1));
    let mut tried = 0;
    for link in links
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| !link.starts_with("data:"))
    {
        if link != "events" {
            let answer = app.get(&format!("/{link}")).send().await.unwrap();
            let expected = if link.ends_with("seven") { 404 } else { 200 };
            assert_eq!(answer.status, expected, "{link}");
            tried += 1;
        }
    }
    assert_eq!(tried, 13);
}

#[tokio::test]
async fn the_document_says_what_the_application_is_for() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let document: serde_json::Value = app.get("/openapi.json").send().await.unwrap().json();
    let about = document["info"]["description"].as_str();
    assert!(about.is_some_and(|about| about.starts_with("One route for each thing")));
}

#[tokio::test]
async fn a_user_is_json() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let answer = app.get("/api/user/7").send().await.unwrap();
    answer.check(200, r#"{"id":7,"name":"user 7"}"#);
    assert_eq!(
        answer.headers.get_str("content-type"),
        Some("application/json")
    );
    assert_eq!(app.get("/api/user/-1").send().await.unwrap().status, 404);
}

#[tokio::test]
async fn the_echo_sends_each_part_before_the_next_comes() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let mut echo = app.post("/echo").body_to_come().stream().await.unwrap();
    assert_eq!(
        echo.response().unwrap().headers.get_str("content-type"),
        Some("application/octet-stream")
    );
    for text in ["one", "two", "three"] {
        echo.send(text).await.unwrap();
        assert_eq!(echo.chunk().await.unwrap().unwrap(), text);
    }
    echo.finish();
    assert_eq!(echo.chunk().await.unwrap(), None);
    assert!(echo.outcome().await.is_done());
}

#[tokio::test(start_paused = true)]
async fn the_echo_receives_no_faster_than_the_client_reads() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let mut echo = app.post("/echo").body_to_come().open();
    const PART: usize = 32 * 1024;
    let mut sent = 0;
    let stuck = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            echo.send(vec![0; PART]).await.unwrap();
            sent += PART;
        }
    });
    assert!(stuck.await.is_err());
    let waiting = echo.unread();
    assert!(
        waiting <= 4 * PART,
        "{waiting} bytes were received ahead of the client"
    );
    assert!(sent - waiting <= 4 * PART, "{sent} bytes were sent");
}

#[tokio::test(start_paused = true)]
async fn events_tick_and_go_on_after_the_last_one_that_the_client_has() {
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
        let app = TestClient::new(app::app(Duration::ZERO));
        let mut request = app.get("/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let stop = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            app.drain(Duration::ZERO);
        };
        let (answer, ()) = tokio::join!(request.send(), stop);
        answer.unwrap().check(200, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn naps_are_taken_where_they_say() {
    let app = TestClient::new(app::app(Duration::from_millis(1)));
    let thread = std::thread::current().name().unwrap().to_owned();
    let sync = app.get("/sync").send().await.unwrap();
    assert!(
        sync.text().starts_with("slept on thread router-"),
        "{}",
        sync.text()
    );

    let start = tokio::time::Instant::now();
    let blocking = app.get("/sleep/blocking").send().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "it gave its worker away");
    assert!(blocking.text().contains(&thread), "{}", blocking.text());
    let waited = app.get("/sleep/async").send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(1));
    assert!(waited.text().contains(&thread), "{}", waited.text());
}

#[tokio::test]
async fn the_socket_echoes() {
    let app = TestClient::new(app::app(Duration::ZERO));
    let mut socket = app.websocket("/ws").connect().await.unwrap();
    for text in ["a", "b"] {
        socket.send(text).await.unwrap();
        assert_eq!(socket.text().await.unwrap(), text);
    }
    socket.close(CloseCode::NORMAL, "").await;
    assert!(socket.outcome().await.is_done());
}
