//! What the tests of the router ask for again and again.

use std::sync::Arc;

use app_router::Router;
use gateway_spec::{Capabilities, ConnectionInfo, Events, Http, HttpScope, Scope};
use serde_json::Value;
use test_client::{Reply, TestClient};

/// A client of what this router serves.
#[track_caller]
pub(crate) fn client(router: Router) -> TestClient {
    TestClient::new(router.build().unwrap())
}

pub(crate) trait Check {
    /// That the application answered so.
    fn check(&self, status: u16, body: &str);
}

impl Check for Reply {
    #[track_caller]
    fn check(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), &*said(self)), (status, body));
        assert_eq!(self.answerer, test_client::Answerer::Application);
    }
}

/// The text of an answer; of a problem, its detail or else its title.
fn said(reply: &Reply) -> String {
    // A `HEAD` has the fields and no body.
    if reply.body.is_empty() || reply.header("content-type") != Some("application/problem+json") {
        return reply.text().to_owned();
    }
    let problem: Value = reply.json();
    assert_eq!(problem["status"], reply.status.as_u16());
    let said = problem.get("detail").unwrap_or(&problem["title"]);
    said.as_str().unwrap().to_owned()
}

/// What a problem says is wrong, as `place: text (kind)`.
#[track_caller]
pub(crate) fn issues(reply: &Reply) -> Vec<String> {
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    let problem: Value = reply.json();
    let issue = |issue: &Value| {
        let place: Vec<String> = issue["location"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| match step {
                Value::String(name) => name.clone(),
                other => other.to_string(),
            })
            .collect();
        let text = |name: &str| issue[name].as_str().unwrap().to_owned();
        format!("{}: {} ({})", place.join("."), text("detail"), text("kind"))
    };
    let errors = problem.get("errors").and_then(Value::as_array);
    errors.into_iter().flatten().map(issue).collect()
}

/// An exchange of nobody: for what is called without a client.
pub(crate) fn exchange(target: &str) -> (Http, Events) {
    let info = ConnectionInfo::new(Capabilities::new("memory"));
    let mut scope = HttpScope::new(Arc::new(info));
    scope.uri = target.parse().unwrap();
    Http::in_memory(Scope::new(scope))
}
