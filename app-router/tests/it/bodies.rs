//! Bodies as handlers read them, and each way in which one can be wrong.

use app_router::{Body, Entered, Form, Json, Query, Router, Status, route};
use bytes::Bytes;
use gateway_spec::BodyError;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_client::TestClient;

use crate::support::{Check, client, issues};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    #[schemars(length(min = 1, max = 5))]
    name: String,
    #[schemars(range(min = 0.0))]
    price: f64,
    #[serde(default)]
    sizes: Vec<u8>,
    seller: Option<Seller>,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Seller {
    id: u32,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "is")]
enum Kind {
    #[default]
    New,
    Used {
        years: u8,
    },
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Dry {
    dry: Option<bool>,
}

fn app() -> TestClient {
    async fn create(Query(dry): Query<Dry>, Json(item): Json<Item>) -> Status<201, Json<Item>> {
        assert!(dry.dry.is_none_or(|dry| !dry));
        Status(Json(item))
    }
    async fn login(Form(login): Form<Login>) -> String {
        format!("{login:?}")
    }
    async fn count(Body(mut body): Body) -> Result<String, BodyError> {
        let mut bytes = 0;
        while let Some(chunk) = body.chunk().await? {
            bytes += chunk.len();
        }
        Ok(format!("{bytes}"))
    }
    client(
        Router::new()
            .body_limit(200)
            .post("/items", create)
            .post("/login", login)
            .post("/text", async |text: String| text)
            .post("/bytes", async |bytes: Bytes| bytes)
            .post(
                "/large",
                route(async |bytes: Bytes| format!("{}", bytes.len())).body_limit(1000),
            )
            .post("/count", count),
    )
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Login {
    user: String,
    #[serde(default)]
    role: Vec<String>,
}

#[tokio::test]
async fn json_is_read_and_written() {
    let app = app();
    let body =
        br#"{"name":"tea","price":3,"sizes":[1],"seller":{"id":7},"kind":{"is":"used","years":2}}"#;
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.shop+json",
    ] {
        let answer = app
            .post("/items")
            .header("content-type", content_type)
            .body(&body[..])
            .send()
            .await
            .unwrap();
        answer.check(
            201,
            r#"{"name":"tea","price":3.0,"sizes":[1],"seller":{"id":7},"kind":{"is":"used","years":2}}"#,
        );
    }
}

#[tokio::test]
async fn each_mistake_in_json_has_its_place() {
    let app = app();
    for (body, expected) in [
        (
            r#"{}"#,
            &[
                "body.name: is missing (missing)",
                "body.price: is missing (missing)",
            ][..],
        ),
        (
            r#"{"name":7,"price":"x","sizes":[1,300,"x"],"seller":{"id":-1},"extra":1}"#,
            &[
                "body.extra: is not known (unknown)",
                "body.name: is not a string (type)",
                "body.price: is not a number (type)",
                "body.seller.id: is not within 0 and 4294967295 (range)",
                "body.sizes.1: is not within 0 and 255 (range)",
                "body.sizes.2: is not an integer (type)",
            ],
        ),
        (r#"[]"#, &["body: is not an object (type)"]),
        (
            r#"{"name":"a","price":1,"seller":3}"#,
            &["body.seller: is none of an object, null (choice)"],
        ),
        (
            r#"{"name":"a","price":1,"kind":{"is":"used"}}"#,
            &["body.kind.years: is missing (missing)"],
        ),
    ] {
        let answer = app
            .post("/items")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(issues(&answer), expected, "{body}");
    }
}

#[tokio::test]
async fn bounds_of_a_schema_are_kept_where_serde_is_content() {
    let app = app();
    let json = |body: &'static str| {
        app.post("/items")
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let wrong = json(r#"{"name":"toolong","price":-1}"#).await.unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        issues(&wrong),
        [
            "body.name: must have at most 5 characters (maxLength)",
            "body.price: is less than 0.0 (minimum)",
        ]
    );
    let wrong = json(r#"{"name":"","price":0}"#).await.unwrap();
    assert_eq!(
        issues(&wrong),
        ["body.name: must have at least 1 character (minLength)"]
    );
    assert_eq!(
        json(r#"{"name":"fives","price":0}"#).await.unwrap().status,
        201
    );
}

#[tokio::test]
async fn what_is_no_json_at_all_is_refused_with_its_line_and_column() {
    let app = app();
    for (body, expected) in [
        (
            "",
            "body: EOF while parsing a value at line 1 column 0 (syntax)",
        ),
        (
            "{\n \"name\": }",
            "body: expected value at line 2 column 10 (syntax)",
        ),
        (
            "{} x",
            "body: trailing characters at line 1 column 4 (syntax)",
        ),
    ] {
        let answer = app
            .post("/items?dry=x")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        // Of the query the mistakes are told too, and the status is that of the body.
        answer.check(400, "the body is not JSON");
        assert_eq!(
            issues(&answer),
            ["query.dry: is not a boolean (type)", expected]
        );
    }
}

#[tokio::test]
async fn the_wrong_type_and_the_wrong_size_have_their_own_statuses() {
    let app = app();
    for (path, content_type) in [
        ("/items", "text/plain"),
        ("/items", ""),
        ("/login", "application/json"),
    ] {
        let answer = app
            .post(path)
            .header("content-type", content_type)
            .body("{}")
            .send()
            .await
            .unwrap();
        answer.check(415, "the body is of a type that is not read here");
        assert!(issues(&answer)[0].starts_with("header.content-type: is not application/"));
    }
    for (path, size, status) in [
        ("/bytes", 200, 200),
        ("/bytes", 201, 413),
        ("/large", 1000, 200),
        ("/large", 1001, 413),
        ("/count", 5000, 200),
    ] {
        let answer = app.post(path).body(vec![b'x'; size]).send().await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{path} {size}");
        if status == 413 {
            let limit = size - 1;
            assert_eq!(
                issues(&answer),
                [format!(
                    "body: the body is larger than {limit} bytes (size)"
                )]
            );
        }
    }
    let announced = app
        .post("/bytes")
        .body_to_come_of(10_000)
        .open()
        .reply()
        .await
        .unwrap();
    assert_eq!(announced.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn forms_and_texts_are_read() {
    let app = app();
    let form = |body: &'static str| {
        app.post("/login")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    form("user=J%C3%B6rg+B&role=a&role=b")
        .await
        .unwrap()
        .check(200, "Login { user: \"Jörg B\", role: [\"a\", \"b\"] }");
    assert_eq!(
        issues(&form("role=a").await.unwrap()),
        ["body.user: is missing (missing)"]
    );
    app.post("/text")
        .body("hé")
        .send()
        .await
        .unwrap()
        .check(200, "hé");
    let broken = app.post("/text").body(&b"ab\xff"[..]).send().await.unwrap();
    broken.check(400, "the body is not text");
    assert_eq!(issues(&broken), ["body: is not UTF-8 at byte 2 (encoding)"]);
}

#[tokio::test]
async fn the_name_of_a_type_is_written_in_any_case_and_may_have_parameters() {
    let app = app();
    for (path, body, names) in [
        (
            "/items",
            r#"{"name":"a","price":1}"#,
            &[
                "application/json; charset=utf-8",
                "APPLICATION/JSON",
                " application/json ;x",
                "application/vnd.shop.item+json",
                "application/Problem+JSON;charset=UTF-8",
            ][..],
        ),
        (
            "/login",
            "user=ada&password=secret",
            &[
                "application/x-www-form-urlencoded; charset=UTF-8",
                "Application/X-WWW-Form-Urlencoded",
            ],
        ),
    ] {
        for name in names {
            let answer = app
                .post(path)
                .header("content-type", name)
                .body(body)
                .send();
            assert!(answer.await.unwrap().status.is_success(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_late_is_told_so() {
    let app = app();
    for (error, status, expected) in [
        (
            BodyError::Malformed,
            400,
            "body: the request body is malformed or cut off (framing)",
        ),
        (
            BodyError::Timeout,
            408,
            "body: the request body did not arrive in time (timeout)",
        ),
    ] {
        let mut exchange = app.post("/bytes").body_to_come().open();
        exchange.send("abc").await.unwrap();
        exchange.fail(error);
        let answer = exchange.reply().await.unwrap();
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(issues(&answer), [expected]);
    }
}

#[tokio::test]
async fn a_form_that_is_shown_again_has_what_was_typed_and_all_that_is_wrong() {
    #[derive(Deserialize, JsonSchema)]
    struct Guest {
        #[schemars(length(min = 1, max = 5))]
        name: String,
        age: u8,
        #[serde(default)]
        likes: Vec<String>,
    }
    async fn sign(form: Entered<Guest>) -> String {
        let typed: Vec<&str> = form.texts("likes").collect();
        let name = form.text("name").unwrap_or("nothing");
        match &form.value {
            Ok(guest) => format!(
                "{} {} {:?}; typed {name} {typed:?}",
                guest.name, guest.age, guest.likes
            ),
            Err(rejection) => {
                let wrong: Vec<String> =
                    rejection.issues().iter().map(ToString::to_string).collect();
                format!("{}: {wrong:?}; typed {name} {typed:?}", rejection.status())
            }
        }
    }
    let app = client(Router::new().body_limit(80).post("/", sign));
    let form = |body: &'static str| {
        let request = app.post("/");
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    let reply = form("name=Ada&age=36&likes=tea&likes=1%2B1").await.unwrap();
    reply.check(
        200,
        "Ada 36 [\"tea\", \"1+1\"]; typed Ada [\"tea\", \"1+1\"]",
    );
    let reply = form("name=Ada+Lovelace&age=old&likes=tea").await.unwrap();
    let text = reply.text().to_owned();
    assert!(
        text.starts_with("422 Unprocessable Entity: [\"body."),
        "{text}"
    );
    assert!(
        text.contains("body.name: ") && text.contains("body.age: "),
        "{text}"
    );
    assert!(text.ends_with("; typed Ada Lovelace [\"tea\"]"), "{text}");
    let reply = form("").await.unwrap();
    assert!(
        reply.text().ends_with("; typed nothing []"),
        "{}",
        reply.text()
    );
    // What is no form, or too long a one, is no page's to show.
    let reply = app.post("/").json(&"Ada").send().await.unwrap();
    assert_eq!(reply.status, 415);
    let long = "name=".to_owned() + &"a".repeat(80);
    let request = app.post("/");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(long).send().await.unwrap().status, 413);
}
