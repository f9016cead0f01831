//! The page and its headers.

use http::{Method, StatusCode};

use crate::support::House;

#[tokio::test]
async fn the_page_and_its_files_are_served_with_headers_that_keep_them_safe() {
    let house = House::new();
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/?room=rust", "text/html; charset=utf-8"),
        ("/chat.css", "text/css; charset=utf-8"),
        ("/address.js", "text/javascript; charset=utf-8"),
        ("/chat.js", "text/javascript; charset=utf-8"),
        ("/compose.js", "text/javascript; charset=utf-8"),
        ("/conversation.js", "text/javascript; charset=utf-8"),
        ("/link.js", "text/javascript; charset=utf-8"),
        ("/memory.js", "text/javascript; charset=utf-8"),
        ("/moderation.js", "text/javascript; charset=utf-8"),
        ("/outbox.js", "text/javascript; charset=utf-8"),
        ("/rooms.js", "text/javascript; charset=utf-8"),
        ("/side.js", "text/javascript; charset=utf-8"),
        ("/state.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert!(!reply.body.is_empty(), "{path}");
        for (name, value) in [
            ("content-type", content_type),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
            (
                "content-security-policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn every_file_that_the_page_names_is_served() {
    let house = House::new();
    let (page, script) = (house.get("/").await, house.get("/chat.js").await);
    let quoted = page.text().split('"').chain(script.text().split('"'));
    let local = quoted.filter_map(|text| text.strip_prefix("./"));
    let mut named = 0;
    for path in local {
        let reply = house.get(&format!("/{path}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        named += 1;
    }
    assert!(named >= 8, "only {named} files found");
}

#[tokio::test]
async fn the_page_has_nothing_that_its_own_policy_forbids() {
    let house = House::new();
    let reply = house.get("/").await;
    let page = reply.text();
    for forbidden in [
        "<style",
        " style=",
        " onclick=",
        "javascript:",
        "http://",
        "https://",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(
        page.matches("<script").count(),
        page.matches("<script type=\"module\" src=").count()
    );
    for path in [
        "/address.js",
        "/chat.js",
        "/compose.js",
        "/conversation.js",
        "/link.js",
        "/memory.js",
        "/moderation.js",
        "/outbox.js",
        "/rooms.js",
        "/side.js",
        "/state.js",
    ] {
        let script = house.get(path).await;
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!script.text().contains(forbidden), "{forbidden} in {path}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_the_file_is_not_sent_it_again() {
    let house = House::new();
    let first = house.get("/chat.js").await;
    let tag: &'static str = first.header("etag").unwrap().to_owned().leak();
    let listed: &'static str = format!("\"other\", W/{tag}").leak();
    for (known, expected) in [
        (tag, StatusCode::NOT_MODIFIED),
        (listed, StatusCode::NOT_MODIFIED),
        ("*", StatusCode::NOT_MODIFIED),
        ("\"other\"", StatusCode::OK),
    ] {
        let fields = [("if-none-match", known)];
        let reply = house.ask(Method::GET, "/chat.js", &fields).await;
        assert_eq!(
            (reply.status, reply.body.is_empty()),
            (expected, expected != StatusCode::OK),
            "{known}"
        );
        assert_eq!(reply.header("etag"), Some(tag));
    }
    let other = house.get("/chat.css").await;
    assert_ne!(other.header("etag"), Some(tag));
}

#[tokio::test]
async fn methods_and_paths_that_are_not_there_say_so() {
    let house = House::new();
    let rows = [
        (Method::HEAD, "/", StatusCode::OK, None),
        (
            Method::POST,
            "/",
            StatusCode::METHOD_NOT_ALLOWED,
            Some(("allow", "GET, HEAD")),
        ),
        (
            Method::DELETE,
            "/chat.js",
            StatusCode::METHOD_NOT_ALLOWED,
            Some(("allow", "GET, HEAD")),
        ),
        (
            Method::GET,
            "/healthz",
            StatusCode::OK,
            Some(("cache-control", "no-store")),
        ),
        (
            Method::POST,
            "/healthz",
            StatusCode::METHOD_NOT_ALLOWED,
            Some(("allow", "GET, HEAD")),
        ),
        (
            Method::GET,
            "/ws",
            StatusCode::UPGRADE_REQUIRED,
            Some(("upgrade", "websocket")),
        ),
        (Method::GET, "/index.html", StatusCode::NOT_FOUND, None),
        (Method::POST, "/nowhere", StatusCode::NOT_FOUND, None),
        (Method::GET, "/../chat.js", StatusCode::NOT_FOUND, None),
    ];
    for (method, path, status, field) in rows {
        let reply = house.ask(method.clone(), path, &[]).await;
        assert_eq!(reply.status, status, "{method} {path}");
        if let Some((name, value)) = field {
            assert_eq!(reply.header(name), Some(value), "{method} {path}");
        }
    }
}
