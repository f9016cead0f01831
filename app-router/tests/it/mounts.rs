//! Applications below a prefix.

use app_router::{Request, Router};
use gateway_spec::{Application, Connection, application_fn};

use crate::support::get;

async fn paths(request: Request) -> String {
    format!("{} | {}", request.scope.root_path(), request.scope.path())
}

fn foreign() -> impl Application {
    application_fn(async |connection: Connection| match connection {
        Connection::Http(http) => {
            let text = format!("{} + {}", http.scope.root_path(), http.scope.path());
            http.responder.respond(text).await
        }
        other => other.refuse().await,
    })
}

#[tokio::test]
async fn a_mount_has_everything_below_its_prefix_and_routes_win() {
    let app = Router::new()
        .get("/app/own", async || "own")
        .get("/app/{x}/own", async || "own too")
        .post("/app/post", async || "posted")
        .mount("/app", foreign())
        .mount("/app/deeper", foreign())
        .mount("/é", foreign())
        .build()
        .unwrap();
    for (path, expected, label) in [
        ("/app", "/app + /", "/app"),
        ("/app/", "/app + /", "/app"),
        ("/app/x/y%2F", "/app + /x/y%2F", "/app"),
        ("/app//x", "/app + //x", "/app"),
        ("/app/own", "own", "/app/own"),
        ("/app/1/own", "own too", "/app/{x}/own"),
        ("/app/1/other", "/app + /1/other", "/app"),
        ("/app/deeper/x", "/app/deeper + /x", "/app/deeper"),
        ("/%C3%A9/x", "/%C3%A9 + /x", "/é"),
    ] {
        let answer = get(path).send(&app).await;
        answer.check(200, expected);
        assert_eq!(answer.label.as_deref(), Some(label), "{path}");
    }
    assert_eq!(get("/app/post").send(&app).await.status, 405);
    for path in ["/apple", "/ap", "/"] {
        get(path).send(&app).await.check(404, "Not Found");
    }
}

#[tokio::test]
async fn a_router_in_a_router_has_the_whole_label() {
    let innermost = Router::new()
        .get("/", paths)
        .get("/x/{y}", paths)
        .build()
        .unwrap();
    let inner = Router::new().mount("/b", innermost).build().unwrap();
    let app = Router::new().mount("/a", inner).build().unwrap();
    for (path, expected, label) in [
        ("/a/b", "/a/b | /", "/a/b/"),
        ("/a/b/x/7", "/a/b | /x/7", "/a/b/x/{y}"),
    ] {
        let answer = get(path).send(&app).await;
        answer.check(200, expected);
        assert_eq!(answer.label.as_deref(), Some(label));
    }
    get("/a/c").send(&app).await.check(404, "Not Found");
}

#[tokio::test]
async fn a_mount_at_the_root_has_what_no_route_has() {
    let app = Router::new()
        .get("/", async || "page")
        .get("/{x}", async || "one")
        .mount("/", foreign())
        .build()
        .unwrap();
    get("/").send(&app).await.check(200, "page");
    get("/a").send(&app).await.check(200, "one");
    get("/a/b").send(&app).await.check(200, " + /a/b");
}
