//! Paths, methods and what is answered without a handler.

use app_router::{Params, Request, Router, RouterErrorKind, Routes};
use gateway_spec::{AppError, Done, Http, WebSocket};
use http::Method;

use crate::support::{Check, client};

async fn show(request: Request) -> String {
    let params: Vec<String> = request
        .params
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} [{}]", request.params.pattern(), params.join(", "))
}

async fn no_socket(socket: WebSocket) -> Result<Done, AppError> {
    socket.handshake.deny(http::StatusCode::IM_A_TEAPOT).await
}

#[tokio::test]
async fn paths_find_their_patterns() {
    let app = client(
        Router::new()
            .get("/", show)
            .get("/user/{id}", show)
            .get("/user/me", show)
            .get("/user/{id}/post/{post}", show)
            .get("/img-{name}.png", show)
            .get("/files/{*rest}", show)
            .get("/café/{x}", show)
            .get("/deep/{a}/b/{c}/d/{e}/f/{g}/h", show),
    );
    for (path, expected) in [
        ("/", "/ []"),
        ("/?q=1", "/ []"),
        ("/user/7", "/user/{id} [id=7]"),
        ("/user/7?x", "/user/{id} [id=7]"),
        ("/user/me", "/user/me []"),
        ("/user/mee", "/user/{id} [id=mee]"),
        ("/user/7/post/9", "/user/{id}/post/{post} [id=7, post=9]"),
        ("/img-cat.png", "/img-{name}.png [name=cat]"),
        ("/files/a/b//c", "/files/{*rest} [rest=a/b//c]"),
        ("/caf%C3%A9/1", "/café/{x} [x=1]"),
        (
            "/deep/1/b/2/d/3/f/4/h",
            "/deep/{a}/b/{c}/d/{e}/f/{g}/h [a=1, c=2, e=3, g=4]",
        ),
    ] {
        let answer = app.get(path).send().await.unwrap();
        answer.check(200, expected);
        let pattern = expected.split(' ').next();
        assert_eq!(answer.label(), pattern, "{path}");
    }
}

#[tokio::test]
async fn paths_without_a_pattern_are_404_and_a_slash_at_the_end_counts() {
    let app = client(
        Router::new()
            .get("/user/{id}", show)
            .get("/dir/", show)
            .get("/files/{*rest}", show),
    );
    for path in [
        "/",
        "/user",
        "/user/",
        "/user/7/",
        "/user/7/8",
        "/dir",
        "/files",
        "/files/",
        "//user/7",
        "/USER/7",
    ] {
        let answer = app.get(path).send().await.unwrap();
        answer.check(404, "Not Found");
        assert_eq!(answer.label(), None, "{path}");
    }
    app.get("/dir/")
        .send()
        .await
        .unwrap()
        .check(200, "/dir/ []");
}

#[tokio::test]
async fn parameters_are_decoded_once_and_must_be_utf8() {
    let app = client(Router::new().get("/p/{x}", show).get("/f/{*rest}", show));
    for (path, expected) in [
        ("/p/a%20b", "/p/{x} [x=a b]"),
        ("/p/a%2Fb", "/p/{x} [x=a/b]"),
        ("/p/%C3%BC", "/p/{x} [x=ü]"),
        ("/p/%2520", "/p/{x} [x=%20]"),
        ("/p/100%", "/p/{x} [x=100%]"),
        ("/p/%zz", "/p/{x} [x=%zz]"),
        ("/p/a+b", "/p/{x} [x=a+b]"),
        ("/f/a%2F/b%00", "/f/{*rest} [rest=a//b\0]"),
    ] {
        app.get(path).send().await.unwrap().check(200, expected);
    }
    for path in ["/p/%FF", "/p/a%C3", "/f/ok/%80/ok", "/p/%ED%A0%80"] {
        let answer = app.get(path).send().await.unwrap();
        answer.check(400, "Bad Request");
        assert!(answer.label().is_some(), "{path}");
    }
}

#[tokio::test]
async fn methods_have_their_handlers_and_the_rest_is_405_with_allow() {
    let app = client(
        Router::new()
            .get("/a", async || "get")
            .post("/a", async || "post")
            .put("/b", async || "put")
            .patch("/b", async || "patch")
            .delete("/b", async || "delete")
            .route(
                Method::from_bytes(b"REPORT").unwrap(),
                "/b",
                async || "report",
            ),
    );
    for (method, path, expected) in [
        ("GET", "/a", "get"),
        ("POST", "/a", "post"),
        ("PUT", "/b", "put"),
        ("PATCH", "/b", "patch"),
        ("DELETE", "/b", "delete"),
        ("REPORT", "/b", "report"),
    ] {
        app.request(method.parse().unwrap(), path)
            .send()
            .await
            .unwrap()
            .check(200, expected);
    }
    for (method, path, allow) in [
        ("DELETE", "/a", "GET, POST, HEAD, OPTIONS"),
        ("get", "/a", "GET, POST, HEAD, OPTIONS"),
        ("GET", "/b", "PUT, PATCH, DELETE, REPORT, OPTIONS"),
        ("HEAD", "/b", "PUT, PATCH, DELETE, REPORT, OPTIONS"),
    ] {
        let answer = app
            .request(method.parse().unwrap(), path)
            .send()
            .await
            .unwrap();
        let text = if method == "HEAD" {
            ""
        } else {
            "Method Not Allowed"
        };
        answer.check(405, text);
        assert_eq!(
            answer.headers.get_str("allow"),
            Some(allow),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn head_is_get_and_options_is_allow_unless_they_have_handlers() {
    let app = client(
        Router::new()
            .get("/a", async || "get")
            .get("/b", async || "get")
            .route(Method::HEAD, "/b", async || http::StatusCode::ACCEPTED)
            .route(Method::OPTIONS, "/b", async || "mine"),
    );
    // The body is left out (SRV-6), and its length is that of GET.
    let head = app.head("/a").send().await.unwrap();
    head.check(200, "");
    assert_eq!(head.content_length, Some(3));
    app.head("/b").send().await.unwrap().check(202, "");
    app.options("/b").send().await.unwrap().check(200, "mine");
    let options = app.options("/a").send().await.unwrap();
    options.check(204, "");
    assert_eq!(options.headers.get_str("allow"), Some("GET, HEAD, OPTIONS"));
    app.options("*").send().await.unwrap().check(204, "");
    app.options("/none")
        .send()
        .await
        .unwrap()
        .check(404, "Not Found");
}

#[tokio::test]
async fn plain_requests_to_a_path_of_sockets_say_so() {
    let app = client(
        Router::new()
            .websocket("/ws", no_socket)
            .websocket("/both", no_socket)
            .get("/both", async || "page"),
    );
    assert_eq!(app.get("/ws").send().await.unwrap().status, 400);
    let post = app.post("/ws").send().await.unwrap();
    post.check(405, "Method Not Allowed");
    assert_eq!(post.headers.get_str("allow"), Some("GET, OPTIONS"));
    app.get("/both").send().await.unwrap().check(200, "page");
}

#[tokio::test]
async fn raw_handlers_have_the_exchange_and_the_parameters() {
    async fn raw(http: Http, params: Params) -> Result<Done, AppError> {
        let mut writer = http.responder.start(http::StatusCode::OK).await?;
        writer.write(params.get::<String>("x")?).await?;
        writer.write(http.scope.path().to_owned()).await?;
        writer.finish().await
    }
    let app = client(Router::new().get("/raw/{x}", raw));
    app.get("/raw/%41")
        .send()
        .await
        .unwrap()
        .check(200, "A/raw/%41");
}

#[track_caller]
fn refused(router: Router, kind: RouterErrorKind, names: &[&str]) {
    let error = router.build().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for name in names {
        assert!(
            error.to_string().contains(name),
            "{name} is not in: {error}"
        );
    }
}

fn child() -> Routes {
    Router::new().build().unwrap()
}

#[test]
fn conflicts_are_refused_and_name_both_routes_and_where_they_are() {
    let same = Router::new().get("/a/{x}", show).get("/a/{x}", show);
    let here = format!("{}:{}", file!(), line!() - 1);
    refused(same, RouterErrorKind::Conflict, &["`GET /a/{x}`", &here]);

    let names = Router::new().get("/a/{x}", show).post("/a/{y}", show);
    refused(
        names,
        RouterErrorKind::Conflict,
        &["`GET /a/{x}`", "`POST /a/{y}`"],
    );

    let inner = Router::new()
        .get("/a/{x}/b", show)
        .get("/a/{z}/{*rest}", show)
        .get("/a/{z}/{q}", show);
    refused(
        inner,
        RouterErrorKind::Conflict,
        &["/a/{z}/{q}", "/a/{z}/{*rest}"],
    );

    let sockets = Router::new()
        .websocket("/ws", no_socket)
        .websocket("/ws", no_socket);
    refused(sockets, RouterErrorKind::Conflict, &["`WebSocket /ws`"]);

    let mounts = Router::new().mount("/m", child()).mount("/m", child());
    refused(mounts, RouterErrorKind::Conflict, &["`mount /m`"]);

    let elsewhere = Router::new()
        .get("/user/me", show)
        .get("/{x}/b", show)
        .get("/{*all}", show);
    refused(
        elsewhere,
        RouterErrorKind::Conflict,
        &["`GET /{*all}`", "`GET /{x}/b`"],
    );
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    for (pattern, reason) in [
        ("user", "begins with `/`"),
        ("/a?b", "no query"),
        ("/{a}-{b}", "one parameter"),
        ("/{*rest}/more", "last segment"),
        ("/{}", "name in braces"),
        ("/{a", "name in braces"),
        ("/{a}/{a}", "same name"),
    ] {
        refused(
            Router::new().get(pattern, show),
            RouterErrorKind::Pattern,
            &[pattern, reason],
        );
    }
    for prefix in ["m", "/m/", "/{m}"] {
        refused(
            Router::new().mount(prefix, child()),
            RouterErrorKind::Pattern,
            &["mount", prefix],
        );
    }
}
