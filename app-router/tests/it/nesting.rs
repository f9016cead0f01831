//! Routers within routers, slashes at the end, names and addresses.

use adapters::middleware::Hosts;
use adapters::{Pool, PoolSettings};
use app_router::{
    Depends, Path, Redirect, Router, RouterErrorKind, Slashes, UrlError, Urls, route,
};
use gateway_spec::{AppError, Done, Lifespan, WebSocket};
use http::StatusCode;

use crate::support::{Check, client};

async fn show(path: app_router::Params) -> String {
    let params: Vec<String> = path
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} [{}]", path.pattern(), params.join(", "))
}

#[tokio::test]
async fn nested_routes_are_the_routers_own() {
    struct Shared(&'static str);
    let posts = Router::new().get("/", show).get("/{post}", show).get(
        "/of/{post}",
        async |Path((user, post)): Path<(u8, u8)>, shared: Depends<Shared>| {
            format!("{user} {post} {}", shared.0)
        },
    );
    let mounted = Router::new().get("/x", async || "mounted");
    let inner = Router::new()
        .nest("/b", Router::new().get("/c", show))
        .mount("/m", mounted.build().unwrap());
    let app = client(
        Router::new()
            .provide(async || Depends::new(Shared("s")))
            .get("/", show)
            .nest("/user/{user}/post", posts)
            .nest(
                "/",
                Router::new()
                    .get("/flat", show)
                    .body_limit(3)
                    .post("/flat", async |text: String| text),
            )
            .nest("/a", inner),
    );
    for (path, expected) in [
        ("/", "/ []"),
        ("/user/1/post", "/user/{user}/post [user=1]"),
        (
            "/user/1/post/2",
            "/user/{user}/post/{post} [user=1, post=2]",
        ),
        ("/user/1/post/of/2", "1 2 s"),
        ("/flat", "/flat []"),
        ("/a/b/c", "/a/b/c []"),
        ("/a/m/x", "mounted"),
    ] {
        app.get(path).send().await.unwrap().check(200, expected);
    }
    assert_eq!(
        app.get("/user/1/post/").send().await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    app.post("/flat")
        .body("abc")
        .send()
        .await
        .unwrap()
        .check(200, "abc");
    assert_eq!(
        app.post("/flat").body("abcd").send().await.unwrap().status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[test]
fn what_cannot_be_nested_is_refused() {
    async fn life(lifespan: Lifespan) -> Result<Done, AppError> {
        Ok(lifespan.refuse())
    }
    for (router, kind, expected) in [
        (
            Router::new().nest("/a", Router::new().lifespan(life)),
            RouterErrorKind::Nested,
            "build it, and mount it",
        ),
        (
            Router::new().nest("/a/", Router::new()),
            RouterErrorKind::Pattern,
            "does not end with it",
        ),
        (
            Router::new()
                .get("/a/b", show)
                .nest("/a", Router::new().get("/b", show)),
            RouterErrorKind::Conflict,
            "`GET /a/b`",
        ),
        (
            Router::new().nest(
                "/{a}",
                Router::new().mount("/m", Router::new().build().unwrap()),
            ),
            RouterErrorKind::Pattern,
            "a mount's prefix has no parameters",
        ),
        // Not `/ab`.
        (
            Router::new().nest("/a", Router::new().get("b", show)),
            RouterErrorKind::Pattern,
            "`GET b` (",
        ),
        (
            Router::new().nest(
                "/a",
                Router::new().mount("b", Router::new().build().unwrap()),
            ),
            RouterErrorKind::Pattern,
            "a pattern begins with `/`",
        ),
    ] {
        let error = router.build().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn slashed(slashes: Slashes) -> test_client::TestClient {
    async fn socket(socket: WebSocket) -> Result<Done, AppError> {
        socket.handshake.deny(StatusCode::IM_A_TEAPOT).await
    }
    let inner = Router::new()
        .slashes(slashes)
        .get("/in", show)
        .build()
        .unwrap();
    client(
        Router::new()
            .slashes(slashes)
            .get("/item/{id}", show)
            .post("/dir/", show)
            .get("/dir/", show)
            .get("/tail/{*rest}", show)
            .websocket("/ws/", socket)
            .mount("/m", inner),
    )
}

#[tokio::test]
async fn a_slash_too_many_or_too_few_is_as_the_router_says() {
    let strict = slashed(Slashes::Strict);
    let redirect = slashed(Slashes::Redirect);
    let ignore = slashed(Slashes::Ignore);
    for (path, target, served) in [
        ("/item/7/", "/item/7", "/item/{id} [id=7]"),
        ("/item/7/?q=1", "/item/7?q=1", "/item/{id} [id=7]"),
        ("/dir", "/dir/", "/dir/ []"),
        ("/m/in/", "/m/in", "/in []"),
    ] {
        strict
            .get(path)
            .send()
            .await
            .unwrap()
            .check(404, "Not Found");
        let sent = redirect.get(path).send().await.unwrap();
        sent.check(307, "");
        assert_eq!(sent.header("location"), Some(target));
        ignore.get(path).send().await.unwrap().check(200, served);
    }
    assert_eq!(
        redirect.post("/dir").body("x").send().await.unwrap().status,
        307
    );
    ignore
        .post("/dir")
        .send()
        .await
        .unwrap()
        .check(200, "/dir/ []");
    for app in [&strict, &redirect, &ignore] {
        for path in ["/nowhere/", "/tail/"] {
            app.get(path).send().await.unwrap().check(404, "Not Found");
        }
        // Another host's address, if it were sent back.
        assert_ne!(app.get("//evil.example/").send().await.unwrap().status, 307);
    }
    for (app, status) in [(&strict, 404), (&redirect, 404), (&ignore, 418)] {
        let denied = app.websocket("/ws").connect().await.unwrap_err();
        assert_eq!(denied.reply().unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_path_that_looks_like_another_host_is_not_redirected_to() {
    let app = client(
        Router::new()
            .slashes(Slashes::Redirect)
            .get("/{a}", show)
            .get("//{b}", show),
    );
    assert_eq!(
        app.get("/x/").send().await.unwrap().status,
        StatusCode::TEMPORARY_REDIRECT
    );
    for path in ["//evil.example/", "/\\evil.example/"] {
        app.get(path).send().await.unwrap().check(404, "Not Found");
    }
}

#[tokio::test]
async fn names_make_paths() {
    async fn links(urls: Urls) -> Result<String, UrlError> {
        urls.path("file", &[("name", "a/b c"), ("user", "é/")])
    }
    async fn go(urls: Urls) -> Result<Redirect, UrlError> {
        Ok(Redirect::to(urls.path("home", &[])?))
    }
    let router = || {
        Router::new()
            .get("/", route(show).name("home"))
            .get("/é/{user}/{*name}", route(show).name("file"))
            .get("/links", links)
            .get("/go", go)
    };
    let app = client(Router::new().mount("/m", router().build().unwrap()));
    app.get("/m/links")
        .send()
        .await
        .unwrap()
        .check(200, "/m/%C3%A9/%C3%A9%2F/a/b%20c");
    let go = app.get("/m/go").send().await.unwrap();
    assert_eq!(go.header("location"), Some("/m/"));
    let routes = router().build().unwrap();
    let path = routes
        .path_of("file", &[("user", "u"), ("name", "n")])
        .unwrap();
    assert_eq!(path, "/%C3%A9/u/n");
    for (name, params, expected) in [
        ("nobody", &[][..], "no route is named `nobody`"),
        ("file", &[("user", "u")], "its `name` is not given"),
        ("home", &[("x", "1")], "has no `x`"),
        (
            "file",
            &[("user", ".."), ("name", "n")],
            "`..` cannot stand for `user`",
        ),
        (
            "file",
            &[("user", ""), ("name", "n")],
            "`` cannot stand for `user`",
        ),
    ] {
        let error = routes.path_of(name, params).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let twice = router()
        .get("/other", route(show).name("home"))
        .build()
        .unwrap_err();
    assert_eq!(twice.kind(), RouterErrorKind::Conflict);
    assert!(
        twice.to_string().contains("cannot be named `home`"),
        "{twice}"
    );
}

#[tokio::test]
async fn each_host_has_a_router_of_its_own() {
    let api = Router::new().get("/", async || "api").build().unwrap();
    let site = Router::new().get("/", async || "site").build().unwrap();
    let hosts = Hosts::new()
        .host("api.example", api)
        .otherwise(site)
        .build()
        .unwrap();
    let app = Router::new()
        .get("/health", async || "well")
        .mount("/", hosts)
        .build()
        .unwrap();
    let app = test_client::TestClient::new(app);
    for (host, path, expected) in [
        ("api.example", "/", "api"),
        ("API.example:8080", "/", "api"),
        ("shop.example", "/", "site"),
        ("api.example", "/health", "well"),
    ] {
        let request = app.get(path).without_header("host").header("host", host);
        request.send().await.unwrap().check(200, expected);
    }
}

#[tokio::test]
async fn what_says_more_of_a_route_counts() {
    let inner = Router::new()
        .body_limit(3)
        .post("/inner", async |text: String| text)
        .post("/route", route(async |text: String| text).body_limit(5));
    let outer = Router::new()
        .body_limit(1)
        .post("/outer", async |text: String| text)
        .nest("/", inner);
    let app = client(outer);
    for (path, limit) in [("/outer", 1), ("/inner", 3), ("/route", 5)] {
        for (length, status) in [(limit, 200), (limit + 1, 413)] {
            let answer = app.post(path).body("x".repeat(length)).send().await;
            assert_eq!(answer.unwrap().status, status, "{path} {length}");
        }
    }
}

#[tokio::test]
async fn the_pool_of_a_nested_router_serves_where_there_is_no_other() {
    fn thread() -> String {
        let thread = std::thread::current();
        thread.name().unwrap_or_default().to_owned()
    }
    let pool = |name| Pool::new(name, PoolSettings::default());
    let nested = || Router::new().pool(pool("nested")).get("/", thread);
    for (router, expected) in [
        (Router::new().nest("/a", nested()), "nested-"),
        (
            Router::new().pool(pool("outer")).nest("/a", nested()),
            "outer-",
        ),
    ] {
        let answer = client(router).get("/a").send().await.unwrap();
        assert!(answer.text().starts_with(expected), "{}", answer.text());
    }
}

#[tokio::test]
async fn nested_routers_may_share_a_provider_and_have_no_two_for_a_type() {
    struct Unit(&'static str);
    async fn meters() -> Depends<Unit> {
        Depends::new(Unit("m"))
    }
    fn lengths() -> Router {
        Router::new()
            .provide(meters)
            .get("/", async |unit: Depends<Unit>| unit.0)
    }
    let app = client(Router::new().nest("/a", lengths()).nest("/b", lengths()));
    for path in ["/a", "/b"] {
        app.get(path).send().await.unwrap().check(200, "m");
    }
    let other = Router::new().provide(async || Depends::new(Unit("ft")));
    let error = Router::new()
        .nest("/a", lengths())
        .nest("/b", other)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), RouterErrorKind::Conflict);
    assert!(
        error.to_string().contains("both make the same type"),
        "{error}"
    );
}
