//! How requests find their functions, what those are given, and what is told to a client that asked wrongly.

use conformance::{Client, Method, Response, Signal, Subject};
use serde_json::{Value, json};

use crate::app::FILE;
use crate::{asked, chapter, noted, open, posted};

chapter! {
    routes_have_their_arguments,
    methods_without_a_function_are_told_those_that_have_one,
    head_has_the_length_and_no_body,
    a_missing_slash_is_redirected,
    all_that_is_wrong_is_one_answer,
    a_body_that_is_none_is_400,
    a_body_is_looked_at_in_a_time_that_its_length_tells,
    fields_have_the_names_that_clients_send,
    a_refused_body_leaves_the_connection_as_it_was,
    functions_that_block_hold_no_worker,
    a_file_is_sent,
    files_have_ranges,
    the_lifespan_of_a_mounted_application_runs,
}

fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("it is JSON")
}

fn routes_have_their_arguments(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        let response = client.get("/item/7?page=2&tag=hot&tag=caf%C3%A9+noir");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("content-type"), Some("application/json"));
        let expected = json!({ "id": 7, "page": 2, "tag": ["hot", "café noir"] });
        assert_eq!(json_of(&response), expected);
    }
    let body = r#"{ "name": "tea", "price": 3 }"#;
    let response = posted(&mut client, "/item/7?page=2", "application/json", body);
    assert_eq!(
        (response.status, response.text()),
        (200, "7: tea for 3 on 2")
    );
    assert_eq!(client.get("/nowhere").status, 404);
}

fn methods_without_a_function_are_told_those_that_have_one(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = asked(&mut client, "DELETE", "/hello", "");
    assert_eq!(response.status, 405);
    assert_eq!(response.field("allow"), Some("GET, POST, HEAD, OPTIONS"));
    let response = asked(&mut client, "OPTIONS", "/hello", "");
    assert_eq!((response.status, response.body.len()), (204, 0));
    assert_eq!(response.field("allow"), Some("GET, POST, HEAD, OPTIONS"));
    assert_eq!(asked(&mut client, "OPTIONS", "*", "").status, 204);
    assert_eq!(client.get("/hello").text(), "hello");
}

fn head_has_the_length_and_no_body(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    client.send("HEAD /hello HTTP/1.1\r\nhost: test\r\n\r\n");
    let response = client.read_response_to(Method::Head);
    assert_eq!(response.status, 200);
    assert_eq!(response.field("content-length"), Some("5"));
    // What is streamed is not even begun, or this would never end.
    client.send("HEAD /report HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_response_to(Method::Head).status, 200);
    assert_eq!(client.get("/hello").text(), "hello");
}

fn a_missing_slash_is_redirected(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = client.get("/folder?page=2");
    assert_eq!(response.status, 307);
    assert_eq!(response.field("location"), Some("/folder/?page=2"));
    assert_eq!(client.get("/folder/").text(), "in the folder");
    assert_eq!(client.get("/hello/").field("location"), Some("/hello"));
}

/// The place and the kind of each mistake.
fn mistakes(response: &Response) -> Vec<(String, String)> {
    assert_eq!(
        response.field("content-type"),
        Some("application/problem+json")
    );
    let problem = json_of(response);
    assert_eq!(problem["status"], u64::from(response.status));
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let told = |error: &Value| (error["location"].to_string(), error["kind"].to_string());
    errors.iter().map(told).collect()
}

fn all_that_is_wrong_is_one_answer(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let body = r#"{ "name": 1, "price": 0 }"#;
    let response = posted(
        &mut client,
        "/item/seven?page=two",
        "application/json",
        body,
    );
    assert_eq!(response.status, 422);
    let places: Vec<String> = mistakes(&response)
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    let expected = [
        r#"["path","id"]"#,
        r#"["query","page"]"#,
        r#"["body","name"]"#,
        r#"["body","price"]"#,
    ];
    assert_eq!(places, expected);
    let body = r#"{ "name": "tea", "price": 0 }"#;
    let response = posted(&mut client, "/item/7?page=2", "application/json", body);
    let expected = (r#"["body","price"]"#.to_owned(), r#""minimum""#.to_owned());
    assert_eq!(
        (response.status, mistakes(&response)),
        (422, vec![expected])
    );
}

fn a_body_that_is_none_is_400(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for (content_type, body, status) in [("application/json", "{", 400), ("text/plain", "{}", 415)]
    {
        let response = posted(&mut client, "/item/7?page=2", content_type, body);
        assert_eq!(
            (response.status, mistakes(&response).len()),
            (status, 1),
            "{body}"
        );
    }
    let response = posted(&mut client, "/upload", "multipart/form-data", "");
    assert_eq!((response.status, mistakes(&response).len()), (400, 1));
    assert_eq!(client.get("/hello").text(), "hello");
}

/// As deep as JSON may be, where three forms of each value hold the same again.
fn a_body_is_looked_at_in_a_time_that_its_length_tells(subject: &Subject) {
    const DEPTH: usize = 60;
    let server = subject.start();
    let mut client = server.connect();
    let opened = r#"{"kind":"group","of":["#.repeat(DEPTH);
    let body = format!(
        "{opened}{}{}",
        r#"{"kind":"dot","size":0}"#,
        "]}".repeat(DEPTH)
    );
    let response = posted(&mut client, "/shape", "application/json", &body);
    let place = format!(r#"["body",{}"size"]"#, r#""of",0,"#.repeat(DEPTH));
    let expected = (place, r#""minimum""#.to_owned());
    assert_eq!(
        (response.status, mistakes(&response)),
        (422, vec![expected])
    );
}

fn fields_have_the_names_that_clients_send(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let response = asked(&mut client, "GET", "/pages", "x-page: one\r\n");
    let expected = (r#"["header","x-page"]"#.to_owned(), r#""type""#.to_owned());
    assert_eq!(
        (response.status, mistakes(&response)),
        (422, vec![expected])
    );
    // What a proxy takes out by a name does not come in by another.
    let response = asked(&mut client, "GET", "/pages", "x_page: 7\r\n");
    let expected = (
        r#"["header","x-page"]"#.to_owned(),
        r#""missing""#.to_owned(),
    );
    assert_eq!(
        (response.status, mistakes(&response)),
        (422, vec![expected])
    );
    assert_eq!(
        asked(&mut client, "GET", "/pages", "x-page: 7\r\n").text(),
        "7"
    );
}

/// A body over the limit is not read: the answer comes before it.
fn a_refused_body_leaves_the_connection_as_it_was(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let length = 8 << 20;
    client.send(crate::posting("/item/7?page=2", "application/json", length));
    let response = client.read_response();
    assert_eq!(response.status, 413);
    assert_eq!(
        mistakes(&response),
        [(r#"["body"]"#.to_owned(), r#""size""#.to_owned())]
    );
    // Whoever had the limit tells the client whether it may go on.
    if !response.closes() {
        client.send(vec![b' '; length]);
        assert_eq!(client.get("/hello").text(), "hello");
    }
}

fn functions_that_block_hold_no_worker(subject: &Subject) {
    let server = subject.start_with(one_worker());
    let mut held: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut held {
        client.send("GET /blocking HTTP/1.1\r\nhost: test\r\n\r\n");
    }
    assert_eq!(noted(&server, 2), "blocked\nblocked");
    assert_eq!(server.ask("/hello"), "hello");
    open(&server, "any");
    for client in &mut held {
        let response = client.read_response();
        assert_eq!(response.status, 200);
        assert!(
            response.text().starts_with("router-"),
            "{}",
            response.text()
        );
    }
}

fn one_worker() -> conformance::Options {
    conformance::Options::new().arguments(&["--workers", "1"])
}

fn a_file_is_sent(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    for _ in 0..2 {
        let response = client.get("/file");
        assert_eq!((response.status, response.text()), (200, FILE));
        assert_eq!(response.field("content-length"), Some("10"));
        let disposition = response.field("content-disposition").unwrap_or_default();
        let expected = "attachment; filename=\"Digits ___0-9.txt\"; filename*=UTF-8''Digits%20%C2%BB%0D%0A0-9.txt";
        assert_eq!(disposition, expected);
    }
    client.send("HEAD /file HTTP/1.1\r\nhost: test\r\n\r\n");
    let head = client.read_response_to(Method::Head);
    assert_eq!(head.field("content-length"), Some("10"));
}

fn files_have_ranges(subject: &Subject) {
    let server = subject.start();
    let mut client = server.connect();
    let path = "/files/digits.txt";
    let response = asked(&mut client, "GET", path, "range: bytes=2-4\r\n");
    assert_eq!((response.status, response.text()), (206, "234"));
    assert_eq!(response.field("content-range"), Some("bytes 2-4/10"));
    let response = asked(&mut client, "GET", path, "range: bytes=10-\r\n");
    assert_eq!(response.status, 416);
    let whole = client.get(path);
    assert_eq!((whole.status, whole.text()), (200, FILE));
    let tag = whole.field("etag").expect("a file has one").to_owned();
    let again = asked(
        &mut client,
        "GET",
        path,
        &format!("if-none-match: {tag}\r\n"),
    );
    assert_eq!(again.status, 304);
}

fn the_lifespan_of_a_mounted_application_runs(subject: &Subject) {
    let mut server = subject.start();
    let seen = server.ask("/mounted/below/it");
    assert_eq!(seen, "/below/it below /mounted: made at startup");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let stopped = "the mounted application stopped in order";
    assert!(server.log().iter().any(|line| line == stopped));
}
