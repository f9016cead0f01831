//! Each answer, to the letter, as axum::serve gives it; but for what stands in `differences`.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderName, Method, Request};

use crate::client::{Answer, Client, Wire};
use crate::differences::IN_HEADS;
use crate::host::Kind;
use crate::site::{Site, run};

/// A request: its name, method and path, its fields, and its body.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const GZIP: (&str, &str) = ("accept-encoding", "gzip");

const CASES: &[Case] = &[
    ("a list", "GET", "/api/notes", &[], ""),
    ("a note", "GET", "/api/notes/1", &[], ""),
    ("no note", "GET", "/api/notes/77", &[], ""),
    ("a wrong number", "GET", "/api/notes/x", &[], ""),
    (
        "a number out of range",
        "GET",
        "/api/notes/99999999999999999999",
        &[],
        "",
    ),
    ("a slash too many", "GET", "/api/notes/", &[], ""),
    ("a wrong query", "GET", "/api/notes?limit=x", &[], ""),
    ("a query of nothing", "GET", "/api/notes?", &[], ""),
    ("HEAD", "HEAD", "/api/notes", &[], ""),
    ("HEAD of nothing", "HEAD", "/nowhere", &[], ""),
    ("HEAD of a stream", "HEAD", "/lines?count=3", &[], ""),
    ("HEAD of a file", "HEAD", "/files/LICENSE-MIT", &[], ""),
    ("HEAD, compressed", "HEAD", "/files/Cargo.lock", &[GZIP], ""),
    (
        "a new note",
        "POST",
        "/api/notes",
        &[JSON],
        r#"{"text":"b"}"#,
    ),
    ("no JSON", "POST", "/api/notes", &[JSON], "{"),
    ("other JSON", "POST", "/api/notes", &[JSON], "[]"),
    ("no body", "POST", "/api/notes", &[JSON], ""),
    (
        "another type",
        "POST",
        "/api/notes",
        &[("content-type", "text/plain")],
        "{}",
    ),
    ("no type", "POST", "/api/notes", &[], "{}"),
    ("a form", "POST", "/api/notes/form", &[FORM], "text=c"),
    ("a wrong form", "POST", "/api/notes/form", &[FORM], "text"),
    (
        "no multipart form",
        "POST",
        "/api/notes/upload",
        &[FORM],
        "text=c",
    ),
    (
        "another note",
        "PUT",
        "/api/notes/1",
        &[JSON],
        r#"{"text":"d"}"#,
    ),
    ("a wrong method", "PATCH", "/api/notes/1", &[JSON], "{}"),
    ("a removal", "DELETE", "/api/notes/1", &[], ""),
    (
        "a removal with a body",
        "DELETE",
        "/api/notes/2",
        &[],
        "because",
    ),
    ("an echo", "POST", "/echo", &[], "hello"),
    ("an echo of nothing", "POST", "/echo", &[], ""),
    ("a count", "POST", "/count", &[], "hello"),
    ("a stream", "GET", "/lines?count=1000", &[], ""),
    ("a stream of nothing", "GET", "/lines?count=0", &[], ""),
    (
        "a stream, compressed",
        "GET",
        "/lines?count=1000",
        &[GZIP],
        "",
    ),
    ("a panic", "GET", "/panic", &[], ""),
    ("a release", "GET", "/release", &[], ""),
    ("a release, compressed", "GET", "/release", &[GZIP], ""),
    ("nothing", "GET", "/nowhere", &[], ""),
    ("nothing, with a body", "POST", "/nowhere", &[], "hello"),
    (
        "a preflight",
        "OPTIONS",
        "/api/notes",
        &[
            ("origin", "http://b"),
            ("access-control-request-method", "PUT"),
        ],
        "",
    ),
    (
        "another origin",
        "GET",
        "/release",
        &[("origin", "http://b")],
        "",
    ),
    ("no socket", "GET", "/socket", &[], ""),
    ("a file", "GET", "/files/LICENSE-MIT", &[], ""),
    (
        "a file, compressed",
        "GET",
        "/files/LICENSE-MIT",
        &[GZIP],
        "",
    ),
    (
        "a part of a file",
        "GET",
        "/files/LICENSE-MIT",
        &[("range", "bytes=0-9")],
        "",
    ),
    (
        "two parts of a file",
        "GET",
        "/files/LICENSE-MIT",
        &[("range", "bytes=0-9,20-29")],
        "",
    ),
    (
        "a part beyond a file",
        "GET",
        "/files/LICENSE-MIT",
        &[("range", "bytes=9999999-")],
        "",
    ),
    (
        "a file that did not change",
        "GET",
        "/files/LICENSE-MIT",
        &[("if-modified-since", "Fri, 31 Dec 2100 00:00:00 GMT")],
        "",
    ),
    ("a folder", "GET", "/files/adapters", &[], ""),
    ("no file", "GET", "/files/nothing", &[], ""),
    ("a file, posted to", "POST", "/files/LICENSE-MIT", &[], ""),
    (
        "the request",
        "GET",
        "/asked?a=%20b",
        &[("user-agent", "it"), ("x-a", "1"), ("x-a", "2")],
        "",
    ),
    (
        "the request below",
        "POST",
        "/asked/a//b/%2e",
        &[("cookie", "a=1; b=2")],
        "hello",
    ),
];

#[test]
fn both_servers_answer_as_axum_serve_does() {
    run(async {
        let mut wrong = Vec::new();
        for wire in [Wire::Http1, Wire::Http2] {
            let answers = |kind| answers(kind, wire);
            let (home, raw, hyper) = tokio::join!(
                answers(Kind::Home),
                answers(Kind::Raw),
                answers(Kind::Hyper)
            );
            for (at, case) in CASES.iter().enumerate() {
                for (server, gateway) in [("raw", &raw[at]), ("hyper", &hyper[at])] {
                    let known = IN_HEADS
                        .iter()
                        .find(|known| known.wire == wire && known.case == case.0);
                    let (only_home, only_gateway) =
                        known.map_or((&[][..], &[][..]), |known| (known.home, known.gateway));
                    if only(&home[at], gateway) != only_home
                        || only(gateway, &home[at]) != only_gateway
                    {
                        let what = format!("{} on {server} over {wire:?}", case.0);
                        let why = known.map_or("there is no reason", |known| known.why);
                        wrong.push(format!(
                            "{what}: {gateway:#?}\nat home: {:#?}\n{why}",
                            home[at]
                        ));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// The lines of one that the other has not.
fn only<'a>(one: &'a BTreeSet<String>, other: &'a BTreeSet<String>) -> Vec<&'a str> {
    let only = one.difference(other);
    only.map(String::as_str).collect()
}

/// The answers to all cases, one after the other.
async fn answers(kind: Kind, wire: Wire) -> Vec<BTreeSet<String>> {
    let site = Site::start(kind, wire);
    site.board.post("a");
    let mut client = site.connect().await;
    let mut answers = Vec::new();
    for case in CASES {
        answers.push(lines(&mut client, case).await);
    }
    answers
}

/// The answer as lines: its status, its fields, its body, its trailers.
async fn lines(client: &mut Client, case: &Case) -> BTreeSet<String> {
    let &(_, method, path, fields, body) = case;
    let mut request: Request<Body> = client
        .request(Method::from_bytes(method.as_bytes()).unwrap(), path)
        .header("x-request-id", "1")
        .body(Body::from(body))
        .unwrap();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let is_http2 = request.uri().scheme().is_some();
    let answer = match client.try_send(request).await {
        Ok(response) => Answer::read(response).await,
        Err(error) => return BTreeSet::from([format!("no answer: {error}")]),
    };
    let mut lines = BTreeSet::from([answer.status.to_string()]);
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let is_length = name == "content-length" && value == answer.body.len().to_string();
        match name.as_str() {
            "date" => {}
            // It is empty by its frames; to say so as well is left to servers.
            "content-length" if is_length && answer.body.is_empty() && is_http2 => {}
            // Addresses are not all of one length.
            "content-length" if is_length => drop(lines.insert("a right length".to_owned())),
            _ => drop(lines.insert(format!("{name}: {}", without_addresses(&value, client)))),
        }
    }
    // How a compressor cuts its blocks depends on how fast it was fed; `layers` unpacks what it gives.
    if answer.field("content-encoding").is_none() {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        // A value to a line.
        let body = match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(json) => serde_json::to_string_pretty(&json).expect("it was JSON"),
            Err(_) => body,
        };
        let body = without_addresses(&body, client);
        lines.extend(body.lines().map(|line| line.trim().to_owned()));
    }
    lines.extend(answer.trailers.map(|trailers| format!("{trailers:?}")));
    lines
}

fn without_addresses(text: &str, client: &Client) -> String {
    text.replace(&client.server.to_string(), "SERVER")
        .replace(&client.address.to_string(), "CLIENT")
}
