//! Fields by their names, and handlers by their paths.

use std::hint::black_box;

use app_router::{Request, Router, Routes};
use bench_contract::Caller;
use bytes::BytesMut;
use gateway_spec::{AppError, Headers};
use http::HeaderName;
use http::header::{ACCEPT_ENCODING, COOKIE, HOST, IF_NONE_MATCH};
use http1::{Connection, Limits, RequestHead};

use crate::http1_cases::{browser, next_head};
use crate::{Case, Work};

pub(crate) const CASES: &[Case] = &[
    ("headers: the first of 15 fields", || field(HOST)),
    ("headers: the 13th of 15 fields", || field(ACCEPT_ENCODING)),
    ("headers: the last of 15 fields", || field(COOKIE)),
    ("headers: none of 15 fields", || field(IF_NONE_MATCH)),
    (
        "router: a plain path among 24 routes, with the call",
        || route("/repos/search"),
    ),
    (
        "router: two parameters among 24 routes, with the call",
        || route("/repos/rust-lang/cargo/issues"),
    ),
    ("router: no such path, with the call", || route("/nowhere")),
];

fn field(name: HeaderName) -> Work {
    let mut head = RequestHead::default();
    let mut input = BytesMut::from(browser().as_bytes());
    next_head(
        &mut Connection::new(Limits::default()),
        &mut input,
        &mut head,
    );
    let headers: Headers = head.headers;
    Box::new(move || {
        black_box(black_box(&headers).get(black_box(&name)));
    })
}

/// Less the contract's own cost, which the case `header` of `bench/run contract` shows.
fn route(path: &'static str) -> Work {
    let caller = Caller::new(path);
    let routes = routes();
    Box::new(move || caller.call(black_box(&routes)))
}

/// As an API has them.
fn routes() -> Routes {
    let mut router = Router::new();
    for path in PATHS {
        router = router.get(path, hello);
    }
    router.build().expect("routes without a conflict")
}

async fn hello(_: Request) -> Result<&'static str, AppError> {
    Ok("Hello, world!")
}

const PATHS: [&str; 24] = [
    "/",
    "/login",
    "/logout",
    "/user",
    "/user/emails",
    "/user/keys",
    "/user/keys/{id}",
    "/users",
    "/users/{user}",
    "/users/{user}/repos",
    "/users/{user}/followers",
    "/orgs/{org}",
    "/orgs/{org}/members",
    "/orgs/{org}/members/{user}",
    "/repos/search",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/issues",
    "/repos/{owner}/{repo}/issues/{number}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{number}",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/commits/{sha}",
    "/events",
    "/static/{*file}",
];
