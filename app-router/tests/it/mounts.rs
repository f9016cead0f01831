//! Applications below a prefix.

use app_router::{Request, Router};
use gateway_spec::{Application, Connection, application_fn};

use crate::support::{Check, client};

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
    let app = client(
        Router::new()
            .get("/app/own", async || "own")
            .get("/app/{x}/own", async || "own too")
            .post("/app/post", async || "posted")
            .mount("/app", foreign())
            .mount("/app/deeper", foreign())
            .mount("/é", foreign()),
    );
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
        let answer = app.get(path).send().await.unwrap();
        answer.check(200, expected);
        assert_eq!(answer.label(), Some(label), "{path}");
    }
    assert_eq!(app.get("/app/post").send().await.unwrap().status, 405);
    for path in ["/apple", "/ap", "/"] {
        app.get(path).send().await.unwrap().check(404, "Not Found");
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
    let app = client(Router::new().mount("/a", inner));
    for (path, expected, label) in [
        ("/a/b", "/a/b | /", "/a/b/"),
        ("/a/b/x/7", "/a/b | /x/7", "/a/b/x/{y}"),
    ] {
        let answer = app.get(path).send().await.unwrap();
        answer.check(200, expected);
        assert_eq!(answer.label(), Some(label));
    }
    app.get("/a/c")
        .send()
        .await
        .unwrap()
        .check(404, "Not Found");
}

#[tokio::test]
async fn a_mount_at_the_root_has_what_no_route_has() {
    let app = client(
        Router::new()
            .get("/", async || "page")
            .get("/{x}", async || "one")
            .mount("/", foreign()),
    );
    app.get("/").send().await.unwrap().check(200, "page");
    app.get("/a").send().await.unwrap().check(200, "one");
    app.get("/a/b").send().await.unwrap().check(200, " + /a/b");
}
