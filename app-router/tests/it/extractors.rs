//! What handlers read of the head, and all that is wrong with it in one answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use adapters::middleware::{RequestId, request_id};
use app_router::{
    Client, Cookies, Extract, FromState, HeaderFields, Issue, LastEventId, Params, Part, Path,
    Query, Rejection, Request, RequestParts, Router, RouterErrorKind,
};
use gateway_spec::{AppError, Scope, State};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use test_client::TestClient;

use crate::support::{Check, client, issues};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Post {
    user: String,
    post: u16,
}

#[tokio::test]
async fn paths_are_read_as_values_tuples_and_structs() {
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        Red,
        Green,
    }
    let app = client(
        Router::new()
            .get("/one/{id}", async |Path(id): Path<u64>| format!("{id}"))
            .get("/text/{id}", async |Path(id): Path<String>| id)
            .get("/two/{a}/{b}", async |Path((a, b)): Path<(String, i8)>| {
                format!("{a} {b}")
            })
            .get("/post/{user}/{post}", async |Path(post): Path<Post>| {
                format!("{post:?}")
            })
            .get("/color/{color}", async |Path(color): Path<Color>| {
                format!("{color:?}")
            })
            .get(
                "/map/{a}/{b}",
                async |Path(map): Path<HashMap<String, String>>| {
                    format!("{} {}", map["a"], map["b"])
                },
            )
            .get("/tail/{*rest}", async |Path(rest): Path<Vec<String>>| {
                rest.join("|")
            }),
    );
    for (path, expected) in [
        ("/one/7", "7"),
        ("/one/%37", "7"),
        ("/text/a%2Fb", "a/b"),
        ("/two/x/-1", "x -1"),
        ("/post/ada/9", "Post { user: \"ada\", post: 9 }"),
        ("/color/red", "Red"),
        ("/map/1/2", "1 2"),
        ("/tail/a/b", "a/b"),
    ] {
        app.get(path).send().await.unwrap().check(200, expected);
    }
    for (path, expected) in [
        ("/one/x", &["path.id: is not an integer (type)"][..]),
        (
            "/one/-1",
            &["path.id: is not within 0 and 18446744073709551615 (range)"],
        ),
        (
            "/two/x/200",
            &["path.b: is not within -128 and 127 (range)"],
        ),
        ("/post/ada/x", &["path.post: is not an integer (type)"]),
        (
            "/color/blue",
            &["path.color: is none of \"red\", \"green\" (enum)"],
        ),
    ] {
        let answer = app.get(path).send().await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(issues(&answer), expected, "{path}");
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Search {
    q: String,
    #[serde(default)]
    tag: Vec<String>,
    #[schemars(range(min = 1, max = 100))]
    page: Option<u32>,
    #[serde(default)]
    exact: bool,
}

async fn search(Query(search): Query<Search>) -> String {
    let Search {
        q,
        tag,
        page,
        exact,
    } = search;
    format!("{q} {tag:?} {page:?} {exact}")
}

#[tokio::test]
async fn queries_have_lists_options_and_truth_values() {
    let app = client(Router::new().get("/", search));
    for (query, expected) in [
        ("?q=a+b%26", "a b& [] None false"),
        ("?q=&tag=x&exact=on&tag=y", " [\"x\", \"y\"] None true"),
        (
            "?tag=x&q=%C3%A9&page=7&exact=0&unknown=1",
            "é [\"x\"] Some(7) false",
        ),
        ("?q=a&page=", "a [] None false"),
        ("?q=a&exact=true", "a [] None true"),
        ("?q=a&exact=1", "a [] None true"),
        ("?q=a&exact=yes", "a [] None true"),
        ("?q=a&exact=false", "a [] None false"),
        ("?q=a&exact=off", "a [] None false"),
        ("?q=a&exact=no", "a [] None false"),
    ] {
        app.get(&format!("/{query}"))
            .send()
            .await
            .unwrap()
            .check(200, expected);
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_query_is_told_at_once() {
    let app = client(Router::new().get("/", search));
    for (query, expected) in [
        ("", &["query.q: is missing (missing)"][..]),
        (
            "?page=x&exact=maybe",
            &[
                "query.q: is missing (missing)",
                "query.exact: is not a boolean (type)",
                "query.page: is not an integer (type)",
            ],
        ),
        ("?q=a&q=b", &["query.q: is not a string (type)"]),
        ("?q=a&page=0", &["query.page: is less than 1 (minimum)"]),
        (
            "?q=a&page=101",
            &["query.page: is greater than 100 (maximum)"],
        ),
        (
            "?q=a&page=-1",
            &["query.page: is not within 0 and 4294967295 (range)"],
        ),
    ] {
        let answer = app.get(&format!("/{query}")).send().await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(issues(&answer), expected, "{query}");
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Caller {
    x_version: u8,
    user_agent: Option<String>,
    #[serde(default)]
    x_many: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Jar {
    theme: String,
    seen: Option<u32>,
}

#[tokio::test]
async fn fields_and_cookies_are_read_by_name() {
    let app = client(
        Router::new()
            .get("/h", async |HeaderFields(caller): HeaderFields<Caller>| {
                format!("{caller:?}")
            })
            .get("/c", async |Cookies(jar): Cookies<Jar>| format!("{jar:?}")),
    );
    let fields = app
        .get("/h")
        .header("X-Version", "3")
        .header("User-Agent", "me")
        .header("x-many", "1")
        .header("x-many", "2");
    fields.send().await.unwrap().check(
        200,
        "Caller { x_version: 3, user_agent: Some(\"me\"), x_many: [1, 2] }",
    );
    let wrong = app
        .get("/h")
        .header("x-many", "1")
        .header("x-many", "y")
        .send()
        .await
        .unwrap();
    assert_eq!(
        issues(&wrong),
        [
            "header.x-version: is missing (missing)",
            "header.x-many.1: is not an integer (type)"
        ]
    );
    let cookies = app
        .get("/c")
        .header("cookie", "theme=d%20k; seen=2; other=1")
        .header("cookie", "theme=late");
    cookies
        .send()
        .await
        .unwrap()
        .check(200, "Jar { theme: \"d k\", seen: Some(2) }");
    let wrong = app
        .get("/c")
        .header("cookie", "seen=x; ;;=")
        .send()
        .await
        .unwrap();
    assert_eq!(
        issues(&wrong),
        [
            "cookie.theme: is missing (missing)",
            "cookie.seen: is not an integer (type)"
        ]
    );
}

#[tokio::test]
async fn failures_of_all_arguments_are_one_answer() {
    async fn all(
        _: Path<u8>,
        _: Query<Search>,
        _: HeaderFields<Caller>,
        _: Cookies<Jar>,
    ) -> &'static str {
        "all"
    }
    let app = client(Router::new().get("/{id}", all));
    let answer = app.get("/x?page=0").send().await.unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        issues(&answer),
        [
            "path.id: is not an integer (type)",
            "query.q: is missing (missing)",
            "query.page: is less than 1 (minimum)",
            "header.x-version: is missing (missing)",
            "cookie.theme: is missing (missing)",
        ]
    );
}

#[tokio::test]
async fn the_request_itself_and_who_asks_are_arguments() {
    async fn all(
        method: Method,
        scope: Scope,
        params: Params,
        Client(address): Client,
        LastEventId(last): LastEventId,
        FromState(number): FromState<Arc<u64>>,
        request: Request,
    ) -> String {
        let address = address
            .and_then(|address| address.tcp())
            .map(|address| address.to_string());
        let id = params.text("id").unwrap_or_default().into_owned();
        format!(
            "{method} {} {id} {address:?} {last:?} {number} {}",
            scope.path(),
            request.params.pattern()
        )
    }
    async fn id(id: RequestId) -> String {
        id.to_string()
    }
    let router = Router::new().get("/{id}", all).get("/", id);
    let app = TestClient::new(request_id(router.build().unwrap()))
        .with_address(SocketAddr::from(([192, 0, 2, 1], 99)))
        .with_state(State::new().with(Arc::new(7_u64)));
    app.get("/x")
        .header("last-event-id", "41")
        .send()
        .await
        .unwrap()
        .check(200, "GET /x x Some(\"192.0.2.1:99\") Some(\"41\") 7 /{id}");
    let named = app.get("/").send().await.unwrap();
    assert_eq!(named.header("x-request-id"), Some(named.text()));
}

#[tokio::test]
async fn a_state_that_is_not_there_is_the_applications_mistake() {
    let app = client(Router::new().get("/", async |_: FromState<u64>| "never"));
    let answer = app.get("/").send().await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let outcome = answer.outcome().await.to_string();
    assert!(outcome.contains("the state has no `u64`"), "{outcome}");
}

#[tokio::test]
async fn a_failure_may_be_left_to_the_handler_and_extractors_may_be_ones_own() {
    struct Tenant(String);
    impl Extract for Tenant {
        async fn extract(request: &RequestParts) -> Result<Self, AppError> {
            match request.scope().headers.get_str("x-tenant") {
                Some("closed") => Err(Rejection::new(StatusCode::GONE, "it moved").into()),
                Some("broken") => Err(AppError::message("the list of tenants is lost")),
                Some(name) => Ok(Self(name.to_owned())),
                None => Err(Issue::new(Part::Header, "x-tenant", "is needed").into()),
            }
        }
    }
    async fn show(tenant: Tenant, _: Query<Search>) -> String {
        tenant.0
    }
    async fn maybe(search: Result<Query<Search>, Rejection>) -> String {
        match search {
            Ok(Query(search)) => search.q,
            Err(rejection) => format!("{} of them", rejection.issues().len()),
        }
    }
    let app = client(Router::new().get("/", show).get("/maybe", maybe));
    app.get("/?q=1")
        .header("x-tenant", "ada")
        .send()
        .await
        .unwrap()
        .check(200, "ada");
    // The status that says more, and the issues of all.
    let gone = app
        .get("/")
        .header("x-tenant", "closed")
        .send()
        .await
        .unwrap();
    gone.check(410, "it moved");
    assert_eq!(issues(&gone), ["query.q: is missing (missing)"]);
    let both = app.get("/").send().await.unwrap();
    assert_eq!(
        issues(&both),
        [
            "header.x-tenant: is needed (value)",
            "query.q: is missing (missing)"
        ]
    );
    let broken = app
        .get("/")
        .header("x-tenant", "broken")
        .send()
        .await
        .unwrap();
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    app.get("/maybe?q=x").send().await.unwrap().check(200, "x");
    app.get("/maybe?page=x")
        .send()
        .await
        .unwrap()
        .check(200, "2 of them");
}

#[test]
fn arguments_that_can_never_be_read_are_refused_when_the_router_is_built() {
    async fn two(_: Path<(u8, u8)>) {}
    async fn one(_: Path<u8>) {}
    async fn named(_: Path<Post>) {}
    async fn twice(_: String, _: Request) {}
    async fn reply_of<T>(function: impl AsyncFn(T), value: T) -> &'static str {
        function(value).await;
        ""
    }
    for (router, expected) in [
        (
            Router::new().get("/{a}", async |path: Path<(u8, u8)>| {
                reply_of(two, path).await
            }),
            "reads 2 of its parameters, and there are 1",
        ),
        (
            Router::new().get("/{a}/{b}", async |path: Path<u8>| reply_of(one, path).await),
            "reads 1 of its parameters, and there are 2",
        ),
        (
            Router::new().get("/{user}/{id}", async |path: Path<Post>| {
                reply_of(named, path).await
            }),
            "reads `post`, which is none of its parameters",
        ),
        (
            Router::new().post("/", async |text: String, request: Request| {
                twice(text, request).await;
                ""
            }),
            "takes the body twice, by `String` and by `Request`",
        ),
    ] {
        let error = router.build().unwrap_err();
        assert_eq!(error.kind(), RouterErrorKind::Arguments);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("extractors.rs:"), "{error}");
    }
}
