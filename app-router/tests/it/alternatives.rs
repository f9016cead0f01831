//! What is checked of values that may have one of several forms: enums, however they are told apart.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use app_router::{Json, Router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_client::Reply;

use crate::support::{Check, client, issues};

/// Several forms of it hold the same again.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Shape {
    Dot {
        #[schemars(range(min = 1))]
        size: u8,
    },
    Group {
        of: Vec<Self>,
    },
    Clip {
        of: Vec<Self>,
    },
    Mask {
        of: Vec<Self>,
    },
}

/// A name that its schema does not tell, beside a bound that it does.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Renamed {
    #[serde(alias = "title")]
    name: String,
    #[schemars(range(min = 1))]
    count: u8,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Label {
    Short(#[schemars(length(max = 3))] String),
    Long(#[schemars(length(min = 9))] String),
    Numbers(#[schemars(length(max = 2))] Vec<u8>),
}

async fn posted(path: &str, body: String) -> Reply {
    let app = client(
        Router::new()
            .post("/shape", async |_: Json<Shape>| "")
            .post("/renamed", async |_: Json<Renamed>| "")
            .post("/label", async |_: Json<Label>| ""),
    );
    app.post(path)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap()
}

/// The answer to a body, which must come: on a thread of its own, as nothing else stops one that computes.
#[track_caller]
fn answered(path: &'static str, body: String) -> Reply {
    let (answered, answer) = mpsc::channel::<Box<Reply>>();
    thread::spawn(move || {
        let answer = test_client::run(posted(path, body));
        // Whoever has given up does not take it.
        let _ = answered.send(Box::new(answer));
    });
    *answer
        .recv_timeout(Duration::from_secs(30))
        .expect("a body is looked at in a time that its length tells")
}

#[test]
fn values_deep_within_alternatives_are_looked_at_once() {
    const DEPTH: usize = 60;
    let nested = |inner: &str| {
        let opened = r#"{"kind":"group","of":["#.repeat(DEPTH);
        format!("{opened}{inner}{}", "]}".repeat(DEPTH))
    };
    let place = format!("body{}", ".of.0".repeat(DEPTH));
    answered("/shape", nested(r#"{"kind":"dot","size":1}"#)).check(200, "");
    for (inner, expected) in [
        (
            r#"{"kind":"dot","size":0}"#,
            "size: is less than 1 (minimum)",
        ),
        (
            r#"{"kind":"dot","size":"1"}"#,
            "size: is not an integer (type)",
        ),
        (r#"{"kind":"dot"}"#, "size: is missing (missing)"),
    ] {
        let answer = answered("/shape", nested(inner));
        assert_eq!(issues(&answer), [format!("{place}.{expected}")]);
    }
}

#[test]
fn a_bound_of_the_form_that_serde_takes_is_kept() {
    for fits in [r#""abc""#, r#""abcdefghi""#, "[1, 2]"] {
        answered("/label", fits.to_owned()).check(200, "");
    }
    for (fails, expected) in [
        // Both forms that are texts have a bound that it breaks; the first is the one that it would be.
        (
            r#""abcd""#,
            "body: must have at most 3 characters (maxLength)",
        ),
        ("[1, 2, 3]", "body: must have at most 2 items (maxItems)"),
        ("1", "body: is none of a string, a string, a list (choice)"),
    ] {
        let answer = answered("/label", fails.to_owned());
        assert_eq!(issues(&answer), [expected]);
    }
}

/// Serde knows more than a schema: of what it took, only bounds are checked.
#[test]
fn a_name_that_serde_knows_is_no_mistake() {
    for fits in [r#"{"name":"a","count":1}"#, r#"{"title":"a","count":1}"#] {
        answered("/renamed", fits.to_owned()).check(200, "");
    }
    let answer = answered("/renamed", r#"{"title":"a","count":0}"#.to_owned());
    assert_eq!(issues(&answer), ["body.count: is less than 1 (minimum)"]);
}
