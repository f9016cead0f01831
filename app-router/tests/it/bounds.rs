//! The bounds of schemas: each is in the document and is kept, in bodies and in what is text. What is not kept is said
//! here too.

use app_router::{Form, Json, OpenApi, Path, Query, Router, RouterErrorKind};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_client::TestClient;

use crate::support::{client, issues};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Code(#[schemars(regex(pattern = "^[a-z]{2}$"))] String);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Green,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct All {
    #[schemars(range(min = 2))]
    least: Option<u64>,
    #[schemars(range(max = 9))]
    most: Option<i32>,
    #[schemars(extend("exclusiveMinimum" = 0.5))]
    above: Option<f64>,
    #[schemars(extend("exclusiveMaximum" = 10))]
    below: Option<f32>,
    #[schemars(extend("multipleOf" = 0.1))]
    tenths: Option<f64>,
    #[schemars(extend("multipleOf" = 3))]
    threes: Option<u64>,
    #[schemars(length(min = 2, max = 3))]
    text: Option<String>,
    #[schemars(regex(pattern = r"^\d+$"))]
    digits: Option<String>,
    code: Option<Code>,
    #[schemars(length(min = 1, max = 2), inner(range(max = 5)))]
    list: Option<Vec<u8>>,
    #[schemars(extend("uniqueItems" = true))]
    set: Option<Vec<Value>>,
    #[schemars(extend("minProperties" = 1, "maxProperties" = 2))]
    map: Option<serde_json::Map<String, Value>>,
    color: Option<Color>,
    small: Option<u8>,
    // Words for people and for generators of clients.
    #[schemars(email)]
    email: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    date: Option<String>,
}

fn app() -> TestClient {
    client(
        Router::new()
            .post("/json", async |_: Json<All>| "")
            .post("/form", async |_: Form<Text>| "")
            .get("/query", async |_: Query<Text>| "")
            .get("/filled", async |_: Query<Filled>| "")
            .post("/filled", async |_: Form<Filled>| "")
            .get("/path/{code}/{n}", async |_: Path<Place>| ""),
    )
}

#[tokio::test]
async fn each_bound_is_kept_in_json() {
    let app = app();
    for (name, fits, fails, expected) in [
        (
            "least",
            json!([2, u64::MAX]),
            json!(1),
            "is less than 2 (minimum)",
        ),
        (
            "most",
            json!([9, -9]),
            json!(10),
            "is greater than 9 (maximum)",
        ),
        (
            "above",
            json!([0.6, 1]),
            json!(0.5),
            "is not greater than 0.5 (exclusiveMinimum)",
        ),
        (
            "below",
            json!([9.9]),
            json!(10),
            "is not less than 10 (exclusiveMaximum)",
        ),
        // No `f64` is a tenth.
        (
            "tenths",
            json!([0.3, 0.7, 1, 1234.5, -0.1, 0]),
            json!(0.35),
            "is no multiple of 0.1 (multipleOf)",
        ),
        // No `f64` has so many digits.
        (
            "threes",
            json!([9_007_199_254_740_993_u64 * 3, 0]),
            json!(9_007_199_254_740_993_u64 * 3 + 1),
            "is no multiple of 3 (multipleOf)",
        ),
        (
            "text",
            json!(["ab", "äöü"]),
            json!("a"),
            "must have at least 2 characters (minLength)",
        ),
        (
            "text",
            json!([null]),
            json!("abcd"),
            "must have at most 3 characters (maxLength)",
        ),
        (
            "digits",
            json!(["7"]),
            json!("٣"),
            r"does not match ^\d+$ (pattern)",
        ),
        (
            "code",
            json!(["ab"]),
            json!("a"),
            "does not match ^[a-z]{2}$ (pattern)",
        ),
        (
            "list",
            json!([[5], [1, 2]]),
            json!([]),
            "must have at least 1 item (minItems)",
        ),
        (
            "list",
            json!([null]),
            json!([1, 2, 3]),
            "must have at most 2 items (maxItems)",
        ),
        (
            "set",
            json!([[1, "1", [1], {"a": 1}]]),
            json!([{"a": [1], "b": 2}, 3, {"b": 2, "a": [1]}]),
            "has an item twice (uniqueItems)",
        ),
        (
            "map",
            json!([{"a": 1}]),
            json!({}),
            "must have at least 1 member (minProperties)",
        ),
        (
            "map",
            json!([{"a": 1, "b": 2}]),
            json!({"a": 1, "b": 2, "c": 3}),
            "must have at most 2 members (maxProperties)",
        ),
        (
            "color",
            json!(["red"]),
            json!("blue"),
            r#"is none of "red", "green", null (choice)"#,
        ),
        (
            "small",
            json!([255]),
            json!(256),
            "is not within 0 and 255 (range)",
        ),
    ] {
        let post = |value: &Value| {
            app.post("/json")
                .header("content-type", "application/json")
                .body(json!({ name: value }).to_string())
                .send()
        };
        for value in fits.as_array().unwrap() {
            assert_eq!(
                post(value).await.unwrap().status,
                StatusCode::OK,
                "{name}: {value}"
            );
        }
        let answer = post(&fails).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{name}: {fails}"
        );
        assert_eq!(issues(&answer), [format!("body.{name}: {expected}")]);
    }
    let within = app
        .post("/json")
        .header("content-type", "application/json")
        .body(r#"{"list":[6]}"#);
    assert_eq!(
        issues(&within.send().await.unwrap()),
        ["body.list.0: is greater than 5 (maximum)"]
    );
    // A `format` that is no range of integers is not checked: a type that reads it is.
    let words = app
        .post("/json")
        .header("content-type", "application/json")
        .body(r#"{"email":"x","date":"x"}"#);
    assert_eq!(words.send().await.unwrap().status, StatusCode::OK);
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Text {
    #[schemars(range(min = 2), extend("multipleOf" = 2))]
    n: Option<u64>,
    #[schemars(regex(pattern = "^[a-z]+$"), length(max = 3))]
    word: Option<String>,
    #[serde(default)]
    #[schemars(length(min = 2), inner(regex(pattern = "^x")), extend("uniqueItems" = true))]
    tag: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    code: Code,
    #[schemars(range(max = 3))]
    n: u8,
}

#[tokio::test]
async fn bounds_are_kept_in_text() {
    let app = app();
    for (pairs, expected) in [
        ("n=4&word=ab&tag=x1&tag=x2", &[][..]),
        ("", &[]),
        (
            "n=1",
            &[
                "n: is less than 2 (minimum)",
                "n: is no multiple of 2 (multipleOf)",
            ],
        ),
        (
            "word=ABCD",
            &[
                "word: must have at most 3 characters (maxLength)",
                "word: does not match ^[a-z]+$ (pattern)",
            ],
        ),
        ("tag=x1", &["tag: must have at least 2 items (minItems)"]),
        ("tag=x&tag=x", &["tag: has an item twice (uniqueItems)"]),
        ("tag=x&tag=y", &["tag.1: does not match ^x (pattern)"]),
    ] {
        let query = app.get(&format!("/query?{pairs}")).send().await.unwrap();
        let form = app
            .post("/form")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(pairs)
            .send()
            .await
            .unwrap();
        for (part, answer) in [("query", query), ("body", form)] {
            if expected.is_empty() {
                assert_eq!(answer.status, StatusCode::OK, "{part} {pairs}");
                continue;
            }
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{part} {pairs}"
            );
            let expected: Vec<String> = expected
                .iter()
                .map(|text| format!("{part}.{text}"))
                .collect();
            assert_eq!(issues(&answer), expected, "{pairs}");
        }
    }
    assert_eq!(
        app.get("/path/ab/3").send().await.unwrap().status,
        StatusCode::OK
    );
    let answer = app.get("/path/abc/4").send().await.unwrap();
    assert_eq!(
        issues(&answer),
        [
            "path.code: does not match ^[a-z]{2}$ (pattern)",
            "path.n: is greater than 3 (maximum)"
        ]
    );
}

/// What may be left out, and has bounds where it is not.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Filled {
    #[schemars(length(min = 1))]
    name: String,
    #[schemars(length(max = 2))]
    tag: Vec<String>,
    #[schemars(length(min = 1))]
    note: Option<String>,
    #[schemars(range(min = 0.5))]
    price: f64,
    size: f32,
}

impl Default for Filled {
    fn default() -> Self {
        Self {
            name: "tea".to_owned(),
            tag: Vec::new(),
            note: None,
            price: 1.0,
            size: 1.0,
        }
    }
}

#[tokio::test]
async fn what_is_left_empty_and_what_is_no_number_keeps_no_bound() {
    let app = app();
    for (pairs, expected) in [
        ("", &[][..]),
        // Nothing was filled in: `None`.
        ("note=", &[]),
        ("price=5e-1&size=1", &[]),
        (
            "name=",
            &["name: must have at least 1 character (minLength)"],
        ),
        ("tag=&tag=", &[]),
        (
            "tag=&tag=&tag=",
            &["tag: must have at most 2 items (maxItems)"],
        ),
        ("price=", &["price: is not a number (type)"]),
        (
            "price=NaN&size=nan",
            &[
                "price: is not a number (type)",
                "size: is not a number (type)",
            ],
        ),
        ("price=inf", &["price: is not a number (type)"]),
        ("price=1e999", &["price: is not a number (type)"]),
        (
            "size=1e39",
            &["size: is not within -3.4028235e38 and 3.4028235e38 (range)"],
        ),
    ] {
        let query = app.get(&format!("/filled?{pairs}")).send().await.unwrap();
        let form = app
            .post("/filled")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(pairs);
        for (part, answer) in [("query", query), ("body", form.send().await.unwrap())] {
            if expected.is_empty() {
                assert_eq!(answer.status, StatusCode::OK, "{part} {pairs}");
                continue;
            }
            let expected: Vec<String> = expected
                .iter()
                .map(|text| format!("{part}.{text}"))
                .collect();
            assert_eq!(issues(&answer), expected, "{pairs}");
        }
    }
}

#[tokio::test]
async fn a_long_list_of_its_own_items_is_looked_at_once() {
    // Each item against each would be 5,000,000,000 comparisons.
    let items: Vec<u32> = (0..100_000).collect();
    let app = client(
        Router::new()
            .body_limit(10_000_000)
            .post("/", async |_: Json<All>| ""),
    );
    let answer = app
        .post("/")
        .header("content-type", "application/json")
        .body(json!({ "set": items }).to_string());
    assert_eq!(answer.send().await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn bounds_are_in_the_document() {
    let app = client(
        Router::new()
            .openapi(OpenApi::new("", ""))
            .post("/", async |_: Json<All>| "")
            .get("/", async |_: Query<Text>| ""),
    );
    let document: Value = app.get("/openapi.json").send().await.unwrap().json();
    let fields = &document["components"]["schemas"]["All"]["properties"];
    assert_eq!(fields["digits"]["pattern"], r"^\d+$");
    assert_eq!(fields["text"]["maxLength"], 3);
    assert_eq!(fields["email"]["format"], "email");
    let parameters = &document["paths"]["/"]["get"]["parameters"];
    assert_eq!(parameters[0]["schema"]["multipleOf"], 2);
    assert_eq!(parameters[1]["schema"]["items"]["pattern"], "^x");
    assert_eq!(parameters[2]["schema"]["pattern"], "^[a-z]+$");
}

#[test]
fn a_pattern_that_cannot_be_checked_is_refused_when_the_router_is_built() {
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "it is never read")]
    struct Wrong {
        #[schemars(regex(pattern = "(?=a)"))]
        text: String,
    }
    for router in [
        Router::new().post("/", async |_: Json<Wrong>| ""),
        Router::new().get("/", async |_: Query<Wrong>| ""),
        Router::new().get("/{text}", async |_: Path<Wrong>| ""),
    ] {
        let error = router.build().unwrap_err();
        assert_eq!(error.kind(), RouterErrorKind::Schema);
        let text = error.to_string();
        assert!(
            text.contains("Wrong`: the pattern `(?=a)` cannot be checked:"),
            "{text}"
        );
        assert!(text.contains("bounds.rs:"), "{text}");
    }
}
