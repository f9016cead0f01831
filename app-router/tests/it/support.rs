//! What the tests of the router ask for again and again.

use std::sync::Arc;

use app_router::Router;
use gateway_spec::{Capabilities, ConnectionInfo, Events, Http, HttpScope, Scope};
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
        assert_eq!((self.status.as_u16(), self.text()), (status, body));
        assert_eq!(self.answerer, test_client::Answerer::Application);
    }
}

/// An exchange of nobody: for what is called without a client.
pub(crate) fn exchange(target: &str) -> (Http, Events) {
    let info = ConnectionInfo::new(Capabilities::new("memory"));
    let mut scope = HttpScope::new(Arc::new(info));
    scope.uri = target.parse().unwrap();
    Http::in_memory(Scope::new(scope))
}
