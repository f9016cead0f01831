//! What tower-http's layers and services do around an application.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::client::{Answer, Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host, workspace};

on_every_host!(over both:
    a_request_has_an_id,
    a_browser_may_ask_from_elsewhere,
    an_answer_is_compressed_for_who_wants_it,
    a_request_that_takes_too_long_is_given_up,
    a_panic_is_an_answer,
    a_file_is_served_as_it_is,
    a_part_of_a_file_is_served,
    a_file_that_did_not_change_is_not_sent_again,
    a_head_request_has_the_head_alone,
    what_has_no_route_falls_back,
);

async fn send<const N: usize>(
    client: &mut Client,
    method: Method,
    path: &str,
    fields: [(&str, &str); N],
) -> Answer {
    let mut request: Request<Body> = client.request(method, path).body(Body::empty()).unwrap();
    for (name, value) in fields {
        let name: axum::http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    client.ask(request).await
}

async fn a_request_has_an_id(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let first = client.get("/release").await;
    let first = first.field("x-request-id").expect("it was given one");
    let second = client.get("/nowhere").await;
    assert_ne!(second.field("x-request-id").expect("it too"), first);
    let own = send(&mut client, Method::GET, "/asked", [("x-request-id", "17")]).await;
    assert_eq!(own.field("x-request-id"), Some("17"));
}

async fn a_browser_may_ask_from_elsewhere(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let origin = ("origin", "https://example.com");
    let answer = send(&mut client, Method::GET, "/release", [origin]).await;
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.field("access-control-expose-headers"),
        Some("x-request-id")
    );
    let wants = ("access-control-request-method", "DELETE");
    let preflight = send(
        &mut client,
        Method::OPTIONS,
        "/api/notes/1",
        [origin, wants],
    )
    .await;
    assert_eq!(preflight.status, StatusCode::OK);
    assert_eq!(preflight.field("access-control-allow-origin"), Some("*"));
    assert!(preflight.body.is_empty());
}

async fn an_answer_is_compressed_for_who_wants_it(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let gzip = ("accept-encoding", "gzip, br;q=0");
    let plain = client.get("/lines?count=5000").await;
    assert_eq!(plain.field("content-encoding"), None);
    for path in ["/lines?count=5000", "/files/Cargo.lock"] {
        let plain = client.get(path).await;
        let packed = send(&mut client, Method::GET, path, [gzip]).await;
        assert_eq!(packed.field("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(packed.field("content-length"), None, "{path}");
        assert!(
            packed
                .headers
                .get_all("vary")
                .iter()
                .any(|vary| vary == "accept-encoding")
        );
        assert!(packed.body.len() < plain.body.len() / 2);
        let mut unpacked = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(&packed.body[..]);
        reader.read_to_end(&mut unpacked).expect("it is whole");
        assert!(unpacked == plain.body, "{path}");
    }
    let small = send(&mut client, Method::GET, "/release", [gzip]).await;
    assert_eq!(small.field("content-encoding"), None);
    assert_eq!(small.field("content-length"), Some("5"));
}

async fn a_request_that_takes_too_long_is_given_up(kind: Kind, wire: Wire) {
    let site = Site::start_with(kind, wire, |settings| {
        settings.patience = Duration::from_millis(50);
    });
    let mut client = site.connect().await;
    let answer = client.get("/api/notes/next").await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    site.watched_by(0).await;
    // The connection goes on.
    let answer = client.post("/api/notes", "application/json", r#"{"text":"x"}"#);
    assert_eq!(answer.await.status, StatusCode::CREATED);
}

async fn a_panic_is_an_answer(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for _ in 0..3 {
        let answer = client.get("/panic").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.text(), "Service panicked");
    }
    assert_eq!(client.get("/release").await.status, StatusCode::OK);
}

async fn a_file_is_served_as_it_is(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for (file, kind) in [
        ("Cargo.lock", "application/octet-stream"),
        ("adapters/cookbook/src/axum.rs", "text/x-rust"),
        (".ci/structure", "application/octet-stream"),
    ] {
        let answer = client.get(&format!("/files/{file}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert_eq!(answer.field("content-type"), Some(kind));
        let bytes = std::fs::read(workspace().join(file)).expect("it is there");
        assert_eq!(
            answer.field("content-length"),
            Some(bytes.len().to_string().as_str())
        );
        assert!(answer.body == bytes, "{file}");
    }
    let missing = client.get("/files/nothing").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let outside = client.get("/files/%2e%2e/%2e%2e/etc/passwd").await;
    assert_eq!(outside.status, StatusCode::NOT_FOUND);
}

async fn a_part_of_a_file_is_served(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let path = "/files/LICENSE-MIT";
    let whole = client.get(path).await.body;
    let part = send(&mut client, Method::GET, path, [("range", "bytes=10-19")]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.body, whole.slice(10..20));
    let range = format!("bytes 10-19/{}", whole.len());
    assert_eq!(part.field("content-range"), Some(range.as_str()));
    let beyond = send(
        &mut client,
        Method::GET,
        path,
        [("range", "bytes=9999999-")],
    )
    .await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

async fn a_file_that_did_not_change_is_not_sent_again(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let path = "/files/LICENSE-MIT";
    let first = client.get(path).await;
    let modified = first.field("last-modified").expect("files have one");
    let since = ("if-modified-since", modified);
    let second = send(&mut client, Method::GET, path, [since]).await;
    assert_eq!(second.status, StatusCode::NOT_MODIFIED);
    assert!(second.body.is_empty());
    assert_eq!(client.get(path).await.body, first.body);
}

async fn a_head_request_has_the_head_alone(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    site.board.post("one");
    let mut client = site.connect().await;
    for path in ["/api/notes", "/files/Cargo.lock", "/release", "/nowhere"] {
        let get = client.get(path).await;
        let head = send(&mut client, Method::HEAD, path, []).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.field("content-type"), get.field("content-type"));
        assert_eq!(
            head.field("content-length"),
            get.field("content-length"),
            "{path}"
        );
    }
    // A stream is not begun for it.
    let head = send(&mut client, Method::HEAD, "/lines", []).await;
    assert_eq!(head.status, StatusCode::OK);
    site.watched_by(0).await;
}

async fn what_has_no_route_falls_back(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let nothing = client.get("/nowhere?a=b").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(
        nothing.text().ends_with("/nowhere?a=b"),
        "{}",
        nothing.text()
    );
    let nested = client.get("/api/nowhere").await;
    assert_eq!(nested.status, StatusCode::NOT_FOUND);
    let wrong = client.post("/release", "text/plain", "x").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.field("allow"), Some("GET,HEAD"));
    let wrong = send(&mut client, Method::PATCH, "/api/notes/1", []).await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.field("allow"), Some("GET,HEAD,PUT,DELETE"));
}
