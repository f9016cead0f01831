//! A market in a directory of its own, and people who use it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app_router::middleware::{Rate, SessionKey};
use market::Settings;
use serde_json::{Value, json};
use test_client::{Reply, Request, TestClient};

/// Only failures take as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PASSWORD: &str = "correct horse";

/// A market's directory, which goes with the test.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("market-test-{}-{number}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&place.0).unwrap();
        place
    }

    /// Settings for it that let passwords be tried often.
    pub(crate) fn settings(&self) -> Settings {
        let key = SessionKey::from_secret(&[7; 32]).unwrap();
        let settings = Settings::new(self.0.join("market.db"), key);
        settings.with_attempts(Rate::per_minute(1000))
    }

    pub(crate) async fn market(&self) -> TestClient {
        let market = market::market(self.settings());
        TestClient::start(market)
            .await
            .unwrap()
            .with_patience(PATIENCE)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Somebody with an account: a client and its cookie.
pub(crate) struct Person {
    pub(crate) client: TestClient,
    pub(crate) cookie: String,
}

impl Person {
    pub(crate) async fn sign_up(client: &TestClient, name: &str) -> Self {
        let wish = json!({ "name": name, "password": PASSWORD });
        let reply = client.post("/api/accounts").json(&wish).send().await;
        let reply = reply.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
        Self {
            client: client.clone(),
            cookie: cookie_of(&reply).unwrap(),
        }
    }

    /// A request with the cookie.
    pub(crate) fn with(&self, request: Request) -> Request {
        request.header("cookie", &self.cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.with(self.client.get(path)).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, value: &Value) -> Reply {
        let request = self.with(self.client.post(path));
        request.json(value).send().await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, value: &Value) -> Reply {
        let request = self.with(self.client.put(path));
        request.json(value).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.with(self.client.delete(path)).send().await.unwrap()
    }

    pub(crate) async fn form(&self, path: &str, body: &'static str) -> Reply {
        let request = self.with(self.client.post(path));
        page_form(request, body).send().await.unwrap()
    }

    /// Puts an item up; gives its number.
    pub(crate) async fn sell(&self, title: &str) -> u64 {
        let reply = self
            .post("/api/items", &json!({ "title": title, "price": 5 }))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json::<Value>()["id"].as_u64().unwrap()
    }
}

/// A form as a browser sends it.
pub(crate) fn page_form(request: Request, body: &'static str) -> Request {
    request
        .header("accept", "text/html,*/*;q=0.8")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

/// The cookie that an answer sets, as it is sent back.
pub(crate) fn cookie_of(reply: &Reply) -> Option<String> {
    let set = reply.header("set-cookie")?;
    Some(set.split(';').next()?.to_owned())
}

/// What a problem says is wrong, as `place: kind`, in the order of the alphabet.
#[track_caller]
pub(crate) fn issues(reply: &Reply) -> Vec<String> {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{}",
        reply.text()
    );
    let problem: Value = reply.json();
    assert_eq!(problem["status"], reply.status.as_u16());
    let issue = |issue: &Value| {
        let steps = issue["location"].as_array().unwrap().iter();
        let place: Vec<String> = steps
            .map(|step| {
                step.as_str()
                    .map_or_else(|| step.to_string(), str::to_owned)
            })
            .collect();
        format!("{}: {}", place.join("."), issue["kind"].as_str().unwrap())
    };
    let errors = problem["errors"].as_array();
    let mut issues: Vec<String> = errors.into_iter().flatten().map(issue).collect();
    issues.sort();
    issues
}
