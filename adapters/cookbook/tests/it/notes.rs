//! JSON and forms in, JSON out, and what axum's extractors say to wrong ones.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, Wire};
use crate::host::Kind;
use crate::site::{Site, on_every_host};

on_every_host!(over both:
    a_note_lives,
    a_list_follows_its_query,
    a_wrong_parameter_is_explained,
    wrong_json_is_explained,
    a_form_is_decoded,
    a_multipart_form_is_read_part_by_part,
    a_body_over_the_default_limit_is_refused,
);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

async fn a_note_lives(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let created = client.post("/api/notes", JSON, r#"{"text": "milk, bread"}"#);
    let created = created.await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.field("location"), Some("/api/notes/1"));
    assert_eq!(created.json(), json!({"id": 1, "text": "milk, bread"}));

    let shown = client.get("/api/notes/1").await;
    assert_eq!(shown.status, StatusCode::OK);
    assert_eq!(shown.json(), created.json());

    let replaced = ask(&mut client, Method::PUT, r#"{"text": "müsli"}"#).await;
    assert_eq!(replaced.json(), json!({"id": 1, "text": "müsli"}));

    let removed = ask(&mut client, Method::DELETE, "").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert!(removed.body.is_empty());
    let gone = client.get("/api/notes/1").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

async fn ask(client: &mut Client, method: Method, body: &'static str) -> crate::client::Answer {
    let request = client.request(method, "/api/notes/1");
    let request = request.header("content-type", JSON).body(Body::from(body));
    client.ask(request.unwrap()).await
}

async fn a_list_follows_its_query(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    for text in ["one", "two", "three"] {
        site.board.post(text);
    }
    let mut client = site.connect().await;
    let all = client.get("/api/notes").await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    let some = client.get("/api/notes?after=1&limit=1").await.json();
    assert_eq!(some, json!([{"id": 2, "text": "two"}]));
    assert_eq!(client.get("/api/notes?after=3").await.json(), json!([]));
}

async fn a_wrong_parameter_is_explained(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let wrong = client.get("/api/notes/seven").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.text(), "Invalid URL: Cannot parse `seven` to a `u64`");
    let wrong = client.get("/api/notes?limit=-1").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.text().contains("limit: invalid digit"),
        "{}",
        wrong.text()
    );
}

async fn wrong_json_is_explained(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    for (kind, body, status, says) in [
        (JSON, "{", StatusCode::BAD_REQUEST, "EOF while parsing"),
        (JSON, "", StatusCode::BAD_REQUEST, "EOF while parsing"),
        (
            JSON,
            "{}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "missing field `text`",
        ),
        (
            "text/plain",
            "{}",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type",
        ),
    ] {
        let answer = client.post("/api/notes", kind, body).await;
        assert_eq!(answer.status, status, "{kind} {body}");
        assert!(answer.text().contains(says), "{}", answer.text());
    }
}

async fn a_form_is_decoded(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let posted = client.post("/api/notes/form", FORM, "text=caf%C3%A9+%26+tea");
    let posted = posted.await;
    assert_eq!(posted.status, StatusCode::SEE_OTHER);
    let location = posted.field("location").expect("it says where");
    let note = client.get(location).await;
    assert_eq!(note.json(), json!({"id": 1, "text": "café & tea"}));
    let empty = client.post("/api/notes/form", FORM, "").await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let other = client.post("/api/notes/form", JSON, "{}").await;
    assert_eq!(other.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

async fn a_multipart_form_is_read_part_by_part(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let file = "x".repeat(40_000);
    let body = format!(
        "--cut\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nholidays\r\n\
         --cut\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"sea.png\"\r\n\
         content-type: image/png\r\n\r\n{file}\r\n--cut--\r\n"
    );
    let kind = "multipart/form-data; boundary=cut";
    let uploaded = client.post("/api/notes/upload", kind, body).await;
    assert_eq!(
        uploaded.json(),
        json!([
            {"field": "title", "file": null, "kind": null, "bytes": 8},
            {"field": "photo", "file": "sea.png", "kind": "image/png", "bytes": 40_000},
        ])
    );
    let cut = client.post("/api/notes/upload", kind, "--cut\r\ncontent-dis");
    let cut = cut.await;
    assert_eq!(cut.status, StatusCode::BAD_REQUEST, "{}", cut.text());
}

async fn a_body_over_the_default_limit_is_refused(kind: Kind, wire: Wire) {
    let site = Site::start(kind, wire);
    let mut client = site.connect().await;
    let note = |bytes: usize| {
        let frame = r#"{"text":""}"#.len();
        format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - frame))
    };
    let limit = cookbook::axum::NOTE_BYTES;
    let fits = client.post("/api/notes", JSON, note(limit)).await;
    assert_eq!(fits.status, StatusCode::CREATED);
    // One byte, so that nothing is left unread: axum::serve may reset the connection over more.
    let over = client.post("/api/notes", JSON, note(limit + 1)).await;
    assert_eq!(over.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut client = site.connect().await;
    let body = note(limit + 1);
    let (first, last) = body.split_at(limit);
    let parts = [first.to_owned(), last.to_owned()].map(Ok::<_, std::convert::Infallible>);
    let parts = Body::from_stream(futures_util::stream::iter(parts));
    let over = client.post("/api/notes", JSON, parts).await;
    assert_eq!(over.status, StatusCode::PAYLOAD_TOO_LARGE);
}
