//! Bad input of every kind, each with its own 4xx: one table for people who ask what a client is told.

use app_router::{
    Cookies, Form, HeaderFields, Json, Multipart, Path, Query, Router, Slashes, Upload, route,
};
use bytes::Bytes;
use gateway_spec::AppError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use test_client::{Reply, TestClient};

use crate::support::{Check, client, issues};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    count: u8,
    #[serde(default)]
    flag: bool,
    within: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Head {
    x_count: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Jar {
    count: u8,
}

async fn upload(mut form: Multipart) -> Result<String, AppError> {
    let mut bytes = 0;
    while let Some(part) = form.next().await? {
        bytes += Upload::collect(part, 50).await?.len();
    }
    Ok(bytes.to_string())
}

fn app() -> TestClient {
    client(
        Router::new()
            .body_limit(4096)
            .slashes(Slashes::Strict)
            .post("/json", async |_: Json<Item>| "")
            .post("/any", async |Json(value): Json<Value>| value.to_string())
            .post("/form", async |_: Form<Item>| "")
            .post("/text", async |text: String| text)
            .post("/bytes", async |bytes: Bytes| bytes)
            .post("/none", route(async |_: Bytes| "").body_limit(0))
            .post("/upload", upload)
            .get("/query", async |_: Query<Item>| "")
            .get("/head", async |_: HeaderFields<Head>| "")
            .get("/jar", async |_: Cookies<Jar>| "")
            .get("/path/{count}", async |_: Path<u8>| "")
            .get("/text/{text}", async |Path(text): Path<String>| text),
    )
}

/// What was answered otherwise than expected: all of a table at once.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, what: &str, answer: &Reply, status: u16, expected: &[&str]) {
        let (found, said) = (answer.status.as_u16(), issues(answer));
        if found != status || said != expected {
            self.0.push(format!(
                "{what}: {found} {said:?}, not {status} {expected:?}"
            ));
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || self.0.is_empty(),
            "{}",
            self.0.join("\n")
        );
    }
}

/// Path, content type, body; status and issues of the answer.
type Case<'a> = (&'a str, &'a str, &'a [u8], u16, &'a [&'a str]);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=B";

#[tokio::test]
async fn each_wrong_body_has_its_status() {
    let (app, mut wrong) = (app(), Wrong::default());
    let long = "x".repeat(4097);
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let nested = format!(
        "{}{{}}{}",
        r#"{"name":"a","count":1,"within":"#.repeat(50),
        "}".repeat(50)
    );
    let cases: &[Case<'_>] = &[
        // What is no JSON is a 400 with the place, in every way in which it can be none.
        (
            "/json",
            JSON,
            b"",
            400,
            &["body: EOF while parsing a value at line 1 column 0 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"{",
            400,
            &["body: EOF while parsing an object at line 1 column 1 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"{'a':1}",
            400,
            &["body: key must be a string at line 1 column 2 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"{\"a\":1,}",
            400,
            &["body: trailing comma at line 1 column 8 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"[1 2]",
            400,
            &["body: expected `,` or `]` at line 1 column 4 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"NaN",
            400,
            &["body: expected value at line 1 column 1 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"01",
            400,
            &["body: invalid number at line 1 column 2 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"1e999",
            400,
            &["body: number out of range at line 1 column 5 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"\"\xff\"",
            400,
            &["body: invalid unicode code point at line 1 column 2 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"\"\\ud800\"",
            400,
            &["body: unexpected end of hex escape at line 1 column 8 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"\xef\xbb\xbf{}",
            400,
            &["body: expected value at line 1 column 1 (syntax)"],
        ),
        (
            "/json",
            JSON,
            b"a=1",
            400,
            &["body: expected value at line 1 column 1 (syntax)"],
        ),
        (
            "/any",
            JSON,
            deep.as_bytes(),
            400,
            &["body: recursion limit exceeded at line 1 column 128 (syntax)"],
        ),
        // What is JSON and not what is asked for is a 422 with each place.
        (
            "/json",
            JSON,
            b"null",
            422,
            &["body: is not an object (type)"],
        ),
        (
            "/json",
            JSON,
            b"{}",
            422,
            &[
                "body.name: is missing (missing)",
                "body.count: is missing (missing)",
            ],
        ),
        (
            "/json",
            JSON,
            br#"{"name":1,"count":"1","flag":1}"#,
            422,
            &[
                "body.count: is not an integer (type)",
                "body.flag: is not a boolean (type)",
                "body.name: is not a string (type)",
            ],
        ),
        (
            "/json",
            JSON,
            br#"{"name":"a","count":256}"#,
            422,
            &["body.count: is not within 0 and 255 (range)"],
        ),
        (
            "/json",
            JSON,
            br#"{"name":"a","count":1.5}"#,
            422,
            &["body.count: is not an integer (type)"],
        ),
        (
            "/json",
            JSON,
            br#"{"name":"a","count":1,"more":1}"#,
            422,
            &["body.more: is not known (unknown)"],
        ),
        (
            "/json",
            JSON,
            br#"{"name":"a","count":1,"count":2}"#,
            422,
            &["body: duplicate field `count` at line 1 column 29 (value)"],
        ),
        (
            "/json",
            JSON,
            br#"{"name":"a","count":1,"within":{"name":"b"}}"#,
            422,
            &["body.within.count: is missing (missing)"],
        ),
        // The type.
        (
            "/json",
            "",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            FORM,
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            "text/json",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/json",
            "application/jsonp",
            b"{}",
            415,
            &["header.content-type: is not application/json (content-type)"],
        ),
        (
            "/form",
            JSON,
            b"name=a",
            415,
            &["header.content-type: is not application/x-www-form-urlencoded (content-type)"],
        ),
        (
            "/upload",
            FORM,
            b"name=a",
            415,
            &["header.content-type: is not multipart/form-data (content-type)"],
        ),
        // Forms.
        (
            "/form",
            FORM,
            b"",
            422,
            &[
                "body.name: is missing (missing)",
                "body.count: is missing (missing)",
            ],
        ),
        (
            "/form",
            FORM,
            b"name=a&count=x&flag=7",
            422,
            &[
                "body.count: is not an integer (type)",
                "body.flag: is not a boolean (type)",
            ],
        ),
        (
            "/form",
            FORM,
            b"name=a&name=b&count=1",
            422,
            &["body.name: is not a string (type)"],
        ),
        // The size.
        (
            "/text",
            "",
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/bytes",
            "",
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/none",
            "",
            b"x",
            413,
            &["body: the body is larger than 0 bytes (size)"],
        ),
        (
            "/json",
            JSON,
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        (
            "/form",
            FORM,
            long.as_bytes(),
            413,
            &["body: the body is larger than 4096 bytes (size)"],
        ),
        // Text.
        (
            "/text",
            "",
            b"a\xffb",
            400,
            &["body: is not UTF-8 at byte 1 (encoding)"],
        ),
        // Forms with files.
        (
            "/upload",
            "multipart/form-data",
            b"",
            400,
            &["body: its content type has no boundary (multipart)"],
        ),
        (
            "/upload",
            PARTS,
            b"",
            400,
            &["body: incomplete multipart stream (multipart)"],
        ),
        (
            "/upload",
            PARTS,
            b"--B\r\n\r\nx",
            400,
            &["body: incomplete multipart stream (multipart)"],
        ),
    ];
    for (path, kind, body, status, expected) in cases {
        let answer = app
            .post(path)
            .header("content-type", kind)
            .body(body.to_vec())
            .send()
            .await
            .unwrap();
        let what = format!(
            "{path} {kind} {}",
            String::from_utf8_lossy(&body[..body.len().min(60)])
        );
        wrong.check(&what, &answer, *status, expected);
    }
    // As deep as that is nothing.
    let answer = app
        .post("/json")
        .header("content-type", JSON)
        .body(nested)
        .send()
        .await
        .unwrap();
    let within = ".within".repeat(50);
    wrong.check(
        "nested",
        &answer,
        422,
        &[
            &format!("body{within}.name: is missing (missing)"),
            &format!("body{within}.count: is missing (missing)"),
        ],
    );
    // Where there is no type whose fields could be named twice, the last one counts.
    let twice = app
        .post("/any")
        .header("content-type", JSON)
        .body(r#"{"a":1,"a":2}"#)
        .send()
        .await
        .unwrap();
    twice.check(200, r#"{"a":2}"#);
    let part = format!(
        "--B\r\ncontent-disposition: form-data; name=\"f\"\r\n\r\n{}\r\n--B--\r\n",
        "x".repeat(51)
    );
    let answer = app
        .post("/upload")
        .header("content-type", PARTS)
        .body(part)
        .send()
        .await
        .unwrap();
    wrong.check(
        "a large part",
        &answer,
        413,
        &["body.f: is larger than 50 bytes (size)"],
    );
}

#[tokio::test]
async fn each_wrong_path_and_method_has_its_status() {
    let (app, mut wrong) = (app(), Wrong::default());
    for (method, path, status, said) in [
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/path", 404, "Not Found"),
        ("GET", "/path/", 404, "Not Found"),
        ("GET", "/path/1/", 404, "Not Found"),
        ("GET", "/json", 405, "Method Not Allowed"),
        ("BREW", "/json", 405, "Method Not Allowed"),
        // UTF-8 is what text is; what is none is no path of ours.
        ("GET", "/text/%FF", 400, "Bad Request"),
        ("GET", "/text/%C3%28", 400, "Bad Request"),
        ("GET", "/text/%ED%A0%80", 400, "Bad Request"),
    ] {
        let answer = app
            .request(method.parse().unwrap(), path)
            .send()
            .await
            .unwrap();
        answer.check(status, said);
        let allow = answer.header("allow");
        assert_eq!(allow, (status == 405).then_some("POST, OPTIONS"), "{path}");
    }
    // A `%` that encodes nothing is a `%`.
    for (path, text) in [
        ("/text/100%", "100%"),
        ("/text/%zz", "%zz"),
        ("/text/%C3%A9", "é"),
    ] {
        app.get(path).send().await.unwrap().check(200, text);
    }
    for (path, expected) in [
        ("/path/x", "path.count: is not an integer (type)"),
        ("/path/256", "path.count: is not within 0 and 255 (range)"),
        ("/path/1%2F2", "path.count: is not an integer (type)"),
        ("/path/%31x", "path.count: is not an integer (type)"),
    ] {
        wrong.check(path, &app.get(path).send().await.unwrap(), 422, &[expected]);
    }
}

#[tokio::test]
async fn each_wrong_value_of_the_head_has_its_place() {
    let (app, mut wrong) = (app(), Wrong::default());
    for (query, expected) in [
        (
            "",
            &[
                "query.name: is missing (missing)",
                "query.count: is missing (missing)",
            ][..],
        ),
        ("name=a&count=", &["query.count: is not an integer (type)"]),
        (
            "name=a&count=1&count=2",
            &["query.count: is not an integer (type)"],
        ),
        (
            "name=a&count=1&flag=maybe",
            &["query.flag: is not a boolean (type)"],
        ),
        (
            "name=a&count=1&more=1",
            &["query.more: is not known (unknown)"],
        ),
        (
            "name=a&count=%ZZ",
            &["query.count: is not an integer (type)"],
        ),
        ("&&=&name", &["query.count: is missing (missing)"]),
    ] {
        let answer = app.get(&format!("/query?{query}")).send().await.unwrap();
        wrong.check(query, &answer, 422, expected);
    }
    for (path, field, value, expected) in [
        (
            "/head",
            "x",
            &b""[..],
            "header.x_count: is missing (missing)",
        ),
        (
            "/head",
            "x-count",
            b"one",
            "header.x_count: is not an integer (type)",
        ),
        // What is no text is not there.
        (
            "/head",
            "x-count",
            b"\xff",
            "header.x_count: is missing (missing)",
        ),
        ("/jar", "cookie", b"", "cookie.count: is missing (missing)"),
        (
            "/jar",
            "cookie",
            b"count=x",
            "cookie.count: is not an integer (type)",
        ),
        (
            "/jar",
            "cookie",
            b"count",
            "cookie.count: is missing (missing)",
        ),
        (
            "/jar",
            "cookie",
            b"\xff=1; count=1",
            "cookie.count: is missing (missing)",
        ),
    ] {
        let answer = app.get(path).header(field, value).send().await.unwrap();
        wrong.check(expected, &answer, 422, &[expected]);
    }
}
