//! Bad input of every kind, each with its own 4xx: one table for people who ask what a client is told.

mod bodies;
mod head;
mod json;

use app_router::{
    Cookies, Form, HeaderFields, Json, Multipart, Path, Query, Router, Slashes, Upload, route,
};
use bytes::Bytes;
use gateway_spec::AppError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use test_client::{Reply, TestClient};

use crate::support::{client, issues};

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

/// Sends each body, and holds the answer against what is expected.
async fn check_all(app: &TestClient, wrong: &mut Wrong, cases: &[Case<'_>]) {
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
}
