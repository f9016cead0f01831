//! Bodies that should be JSON: what is none is a 400 with the place, in every way in which it can be none; what is JSON and not
//! what is asked for a 422 with each place.

use app_router::{Json, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, JSON, Wrong, app, check_all};
use crate::support::{Check, client, issues};

#[tokio::test]
async fn what_is_no_json_is_400_with_the_place() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let cases: &[Case<'_>] = &[
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
    ];
    check_all(&app(), &mut Wrong::default(), cases).await;
}

#[tokio::test]
async fn what_is_not_asked_for_is_422_with_each_place() {
    let cases: &[Case<'_>] = &[
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
    ];
    check_all(&app(), &mut Wrong::default(), cases).await;
}

#[tokio::test]
async fn how_deep_a_value_lies_is_nothing() {
    let (app, mut wrong) = (app(), Wrong::default());
    let nested = format!(
        "{}{{}}{}",
        r#"{"name":"a","count":1,"within":"#.repeat(50),
        "}".repeat(50)
    );
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
}

#[tokio::test]
async fn where_no_field_could_be_named_twice_the_last_one_counts() {
    let app = app();
    let twice = app
        .post("/any")
        .header("content-type", JSON)
        .body(r#"{"a":1,"a":2}"#)
        .send()
        .await
        .unwrap();
    twice.check(200, r#"{"a":2}"#);
}

/// An answer is not much larger than its request, and no client reads more.
#[tokio::test]
async fn no_more_than_32_mistakes_are_told() {
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Many {
        numbers: Vec<u8>,
    }
    let app = client(Router::new().post("/", async |_: Json<Many>| ""));
    for (count, told) in [(31, 31), (32, 32), (33, 32), (5000, 32)] {
        let numbers = vec!["x"; count];
        let answer = app
            .post("/")
            .header("content-type", JSON)
            .body(serde_json::json!({ "numbers": numbers }).to_string())
            .send();
        let found = issues(&answer.await.unwrap());
        assert_eq!(found.len(), told);
        assert_eq!(found[0], "body.numbers.0: is not an integer (type)");
    }
}
