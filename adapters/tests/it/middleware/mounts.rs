//! Prefixes of the path.

use adapters::middleware::{Mount, Mounted};
use gateway_spec::{
    AppError, Application, Connection, Http, HttpScope, State, WebSocket, application_fn,
};
use http::Method;
use test_client::TestClient;

use super::support::named;

/// Says its name, and what it sees of the path.
fn seeing(name: &'static str) -> impl Application + Clone {
    let see = move |scope: &HttpScope| {
        let query = scope.query().map_or(String::new(), |q| format!("?{q}"));
        let state = scope.state.get::<&str>().copied().unwrap_or("-");
        format!(
            "{name} [{}] [{}{query}] {state}",
            scope.root_path(),
            scope.path()
        )
    };
    application_fn(move |connection: Connection| async move {
        match connection {
            Connection::Http(Http {
                scope, responder, ..
            }) => responder.respond(see(&scope)).await,
            Connection::WebSocket(WebSocket {
                scope, handshake, ..
            }) => handshake.deny(see(&scope)).await,
            Connection::Lifespan(lifespan) => {
                let running = lifespan.started(State::new().with(name));
                running.shutdown_requested().await;
                Ok(running.stopped())
            }
            other => other.refuse().await,
        }
    })
}

fn mounted() -> Mounted {
    Mount::new()
        .at("/api", seeing("api"))
        .at("/api/v2", seeing("v2"))
        .at("/static", seeing("static"))
        .build()
        .unwrap()
}

async fn check(client: &TestClient, path: &str, expected: &str) {
    let reply = client.get(path).send().await.unwrap();
    let seen = match reply.status.as_u16() {
        404 => "404".to_owned(),
        _ => reply.text().to_owned(),
    };
    assert_eq!(seen, expected, "{path}");
    let denied = client.websocket(path).connect().await.unwrap_err();
    let reply = denied.reply().unwrap();
    let seen = match reply.status.as_u16() {
        404 => "404",
        _ => reply.text(),
    };
    assert_eq!(seen, expected, "a socket to {path}");
}

#[tokio::test]
async fn the_longest_prefix_wins_and_ends_at_a_slash() {
    let client = TestClient::new(mounted());
    for (path, expected) in [
        ("/api", "api [/api] [/] -"),
        ("/api/", "api [/api] [/] -"),
        ("/api?q=1", "api [/api] [/?q=1] -"),
        ("/api//", "api [/api] [//] -"),
        ("/api/user", "api [/api] [/user] -"),
        ("/api/v2", "v2 [/api/v2] [/] -"),
        ("/api/v2/user?q=1", "v2 [/api/v2] [/user?q=1] -"),
        ("/api/v20", "api [/api] [/v20] -"),
        ("/apix", "404"),
        ("/ap", "404"),
        ("/API", "404"),
        ("/", "404"),
        ("//api", "404"),
        ("/x/api", "404"),
        ("/static/../api", "static [/static] [/../api] -"),
    ] {
        check(&client, path, expected).await;
    }
}

#[tokio::test]
async fn nothing_is_decoded() {
    let client = TestClient::new(mounted());
    for (path, expected) in [
        ("/api%2Fuser", "404"),
        ("/api%2fv2", "404"),
        ("/%61pi/user", "404"),
        ("/api/a%2Fb/%20", "api [/api] [/a%2Fb/%20] -"),
        ("/api/v2%2Fuser", "api [/api] [/v2%2Fuser] -"),
    ] {
        check(&client, path, expected).await;
    }
}

#[tokio::test]
async fn what_is_below_no_prefix_is_the_fallback_s() {
    let app = Mount::new()
        .at("/api", seeing("api"))
        .fallback(named("never"))
        .fallback(seeing("rest"))
        .build();
    let client = TestClient::new(app.unwrap());
    check(&client, "/api/x", "api [/api] [/x] -").await;
    check(&client, "/apix?q", "rest [] [/apix?q] -").await;
    check(&client, "/", "rest [] [/] -").await;
    let reply = client.options("*").send().await.unwrap();
    assert_eq!(reply.text(), "rest [] [*] -");
    let connect = client.request(Method::CONNECT, "example.org:443");
    let reply = connect.send().await.unwrap();
    assert_eq!(reply.text(), "rest [] [/] -");
}

#[tokio::test]
async fn mounts_in_mounts_add_up_and_each_sees_its_own_state() {
    let inner = Mount::new().at("/b", seeing("b")).build().unwrap();
    let app = Mount::new()
        .at("/a", inner)
        .at("/c", seeing("c"))
        .fallback(seeing("rest"))
        .build()
        .unwrap();
    let client = TestClient::start(app).await.unwrap();
    for (path, expected) in [
        ("/a/b/x", "b [/a/b] [/x] b"),
        ("/c", "c [/c] [/] c"),
        ("/x", "rest [] [/x] rest"),
        ("/a/x", "404"),
        ("/a", "404"),
    ] {
        check(&client, path, expected).await;
    }
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_that_fails_to_start_fails_the_whole() {
    let fails = application_fn(async |_: Connection| Err(AppError::message("no database")));
    let app = Mount::new()
        .at("/a", seeing("a"))
        .at("/b", fails)
        .build()
        .unwrap();
    let error = TestClient::start(app).await.unwrap_err();
    assert_eq!(error.to_string(), "no database");
}

#[tokio::test]
async fn nothing_mounted_is_refused_in_all_its_kinds() {
    let client = TestClient::start(Mount::new().build().unwrap())
        .await
        .unwrap();
    assert!(!client.has_lifespan());
    check(&client, "/", "404").await;
}

#[test]
fn prefixes_that_cannot_be_are_refused_with_what_to_write() {
    for (prefix, why) in [
        ("", "it begins with `/`"),
        ("api", "it begins with `/`"),
        ("/", "there is `fallback`"),
        ("/api/", "without the slash at the end"),
        ("/caf%C3%A9", "one character has many encodings"),
        ("/café", "name it in ASCII"),
        ("/a b", "name it in ASCII"),
        ("/a?b", "name it in ASCII"),
        ("/a#b", "name it in ASCII"),
        ("/{id}", "name it in ASCII"),
        ("/a/../b", "clients take `.` and `..` out"),
        ("/./b", "clients take `.` and `..` out"),
    ] {
        let built = Mount::new().at(prefix, named("x")).build();
        let error = built.unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(prefix), "{error}");
    }
    let twice = Mount::new()
        .at("/api", named("a"))
        .at("/b", named("b"))
        .at("/api", named("c"))
        .build();
    let error = twice.unwrap_err().to_string();
    assert!(error.starts_with("`/api` is mounted twice"), "{error}");
}
