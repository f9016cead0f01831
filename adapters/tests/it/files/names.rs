//! What paths name, and what they never do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use adapters::files::{Files, Symlinks};
use adapters::middleware::{Mount, fallback};
use test_client::TestClient;

use super::support::{MODIFIED, Tree, ask, get};
use crate::middleware::support::named;

#[tokio::test]
async fn a_file_is_what_its_path_names() {
    let tree = Tree::new()
        .with("a b/ä.txt", "umlaut")
        .with("empty", "")
        .with("app.js", "let a;");
    let client = tree.client();
    let reply = get(&client, "/a%20b/%C3%A4.txt?v=1", &[]).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "umlaut"));
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.header("content-length"), Some("6"));
    assert_eq!(reply.header("last-modified"), Some(MODIFIED));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    assert!(reply.header("etag").unwrap().starts_with('"'));
    assert_eq!(reply.header("vary"), None);
    assert_eq!(reply.header("cache-control"), None);
    let empty = get(&client, "/empty", &[]).await;
    assert_eq!((empty.status.as_u16(), empty.text()), (200, ""));
    assert_eq!(
        empty.header("content-type"),
        Some("application/octet-stream")
    );
    let script = get(&client, "/app.js", &[]).await;
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=utf-8")
    );
}

#[tokio::test]
async fn head_says_what_get_would() {
    let tree = Tree::new()
        .with("a.txt", "text")
        .with("large", vec![b'x'; 200_000]);
    let client = tree.client();
    for path in ["/a.txt", "/large", "/none"] {
        let whole = get(&client, path, &[]).await;
        let head = ask(&client, "HEAD", path, &[("range", "bytes=0-1")]).await;
        assert_eq!(head.status, whole.status);
        assert!(head.body.is_empty());
        for name in [
            "content-length",
            "content-type",
            "etag",
            "last-modified",
            "accept-ranges",
        ] {
            assert_eq!(head.header(name), whole.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_large_file_is_sent_whole() {
    let content: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let tree = Tree::new().with("large", &content);
    let reply = get(&tree.client(), "/large", &[]).await;
    assert_eq!(reply.header("content-length"), Some("1000003"));
    assert!(reply.body == content);
}

#[tokio::test]
async fn paths_that_no_file_can_have_are_404() {
    let tree = Tree::new()
        .with("served/a.txt", "a")
        .with("secret", "secret");
    let client = TestClient::new(Files::new(tree.path("served")).unwrap());
    for path in [
        "/none",
        "/a.txt/",
        "/a.txt/b",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/..%5csecret",
        "//secret",
        "/./a.txt",
        "//a.txt",
        "/a.txt%00",
        "/%",
        "/a.tx%74%",
        "/a/../../secret",
        "/%c0%ae%c0%ae/secret",
        "/..;/secret",
        "/.%2e/secret",
    ] {
        let reply = get(&client, path, &[]).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (404, ""), "{path}");
    }
    assert_eq!(get(&client, "/%61.tx%74", &[]).await.text(), "a");
    assert_eq!(ask(&client, "OPTIONS", "*", &[]).await.status, 404);
}

#[tokio::test]
async fn a_directory_has_an_index_below_its_slash() {
    let tree = Tree::new()
        .with("index.html", "top")
        .with("docs/index.html", "docs")
        .with("docs/a b/start.txt", "start")
        .with("bare/a.txt", "a");
    let client = tree.client();
    assert_eq!(get(&client, "/", &[]).await.text(), "top");
    let docs = get(&client, "/docs/", &[]).await;
    assert_eq!(
        (docs.text(), docs.header("content-type")),
        ("docs", Some("text/html; charset=utf-8"))
    );
    let redirect = get(&client, "/docs?q=1", &[]).await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.header("location")),
        (307, Some("./docs/?q=1"))
    );
    for path in ["/bare", "/bare/", "/docs/a%20b/"] {
        assert_eq!(get(&client, path, &[]).await.status, 404, "{path}");
    }
    let client = TestClient::new(tree.files().index("start.txt").unwrap());
    assert_eq!(get(&client, "/docs/a%20b/", &[]).await.text(), "start");
    let redirect = get(&client, "/docs/a%20b", &[]).await;
    assert_eq!(redirect.header("location"), Some("./a%20b/"));
    let client = TestClient::new(tree.files().index(None).unwrap());
    for path in ["/", "/docs", "/docs/"] {
        assert_eq!(get(&client, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn below_a_mount_the_directory_itself_has_a_slash_too() {
    let tree = Tree::new()
        .with("index.html", "top")
        .with("a/index.html", "a");
    let app = Mount::new().at("/static", tree.files()).build().unwrap();
    let client = TestClient::new(app);
    assert_eq!(get(&client, "/static/", &[]).await.text(), "top");
    assert_eq!(get(&client, "/static/a/", &[]).await.text(), "a");
    let redirect = get(&client, "/static", &[]).await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.header("location")),
        (307, Some("./static/"))
    );
    let redirect = get(&client, "/static/a", &[]).await;
    assert_eq!(redirect.header("location"), Some("./a/"));
}

#[tokio::test]
async fn other_methods_are_refused_of_what_is_there() {
    let tree = Tree::new().with("a.txt", "a");
    let client = tree.client();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let reply = ask(&client, method, "/a.txt", &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("allow")),
            (405, Some("GET, HEAD"))
        );
        assert_eq!(ask(&client, method, "/none", &[]).await.status, 404);
    }
}

#[tokio::test]
async fn beside_an_application_it_is_first_or_second() {
    let tree = Tree::new().with("a.txt", "a file");
    let client = TestClient::new(fallback(tree.files(), named("the application")));
    assert_eq!(get(&client, "/a.txt", &[]).await.text(), "a file");
    assert_eq!(
        ask(&client, "POST", "/api", &[]).await.text(),
        "the application"
    );
}

#[tokio::test]
async fn hidden_names_are_served_if_asked_for() {
    let tree = Tree::new()
        .with(".git/config", "secret")
        .with(".well-known/security.txt", "contact");
    let client = tree.client();
    assert_eq!(get(&client, "/.git/config", &[]).await.status, 404);
    assert_eq!(
        get(&client, "/.well-known/security.txt", &[]).await.text(),
        "contact"
    );
    let client = TestClient::new(tree.files().hidden());
    assert_eq!(get(&client, "/.git/config", &[]).await.text(), "secret");
}

#[tokio::test]
async fn links_are_followed_by_the_policy() {
    let tree = Tree::new()
        .with("served/a.txt", "a")
        .with("secret", "secret");
    symlink("a.txt", tree.path("served/beside")).unwrap();
    symlink("../secret", tree.path("served/out")).unwrap();
    for (symlinks, beside, out) in [
        (Symlinks::Within, 200, 404),
        (Symlinks::Refused, 404, 404),
        (Symlinks::Anywhere, 200, 200),
    ] {
        let files = Files::new(tree.path("served")).unwrap().symlinks(symlinks);
        let client = TestClient::new(files);
        assert_eq!(
            get(&client, "/beside", &[]).await.status,
            beside,
            "{symlinks:?}"
        );
        assert_eq!(get(&client, "/out", &[]).await.status, out, "{symlinks:?}");
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_not_there() {
    let tree = Tree::new().with("private", "x");
    let path = tree.path("private");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Whoever may read all may read this too.
    if fs::read(&path).is_err() {
        assert_eq!(get(&tree.client(), "/private", &[]).await.status, 404);
    }
}

#[tokio::test]
async fn one_page_is_all_paths_for_a_browser() {
    let tree = Tree::new().with("app.html", "<app>").with("a.txt", "a");
    let client = TestClient::new(tree.files().page("app.html").unwrap());
    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    for path in ["/", "/user/7", "/deep/er/"] {
        let reply = get(&client, path, &browser).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, "<app>"),
            "{path}"
        );
        assert_eq!(reply.header("vary"), Some("accept"));
        assert_eq!(
            get(&client, path, &[("accept", "image/png,*/*")])
                .await
                .status,
            404
        );
        assert_eq!(ask(&client, "POST", path, &browser).await.status, 404);
    }
    assert_eq!(get(&client, "/a.txt", &browser).await.text(), "a");
    for path in ["/../etc/passwd", "/%00"] {
        assert_eq!(get(&client, path, &browser).await.status, 404);
    }
}

#[tokio::test]
async fn what_caches_may_do_is_said_of_every_state() {
    let tree = Tree::new().with("assets/a.css", "a {}").with("b.html", "b");
    let files = tree.files().cache_control(|path| {
        let value = path.starts_with("assets").then_some("max-age=60")?;
        Some(http::HeaderValue::from_static(value))
    });
    let client = TestClient::new(files);
    let reply = get(&client, "/assets/a.css", &[]).await;
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));
    let etag = reply.header("etag").unwrap();
    let again = get(&client, "/assets/a.css", &[("if-none-match", etag)]).await;
    assert_eq!(
        (again.status.as_u16(), again.header("cache-control")),
        (304, Some("max-age=60"))
    );
    assert_eq!(
        get(&client, "/b.html", &[]).await.header("cache-control"),
        None
    );
}

#[tokio::test]
async fn types_can_be_said() {
    let tree = Tree::new().with("a.TXT", "a").with("b.model", "b");
    let model = http::HeaderValue::from_static("model/x");
    let files = tree
        .files()
        .content_type("model", model)
        .charset("iso-8859-1");
    let client = TestClient::new(files);
    let text = get(&client, "/a.TXT", &[]).await;
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=iso-8859-1")
    );
    assert_eq!(
        get(&client, "/b.model", &[]).await.header("content-type"),
        Some("model/x")
    );
}

#[tokio::test]
async fn what_is_cut_short_meanwhile_is_no_whole_answer() {
    let tree = Tree::new().with("shrinks", vec![b'x'; 1_000_000]);
    let mut exchange = tree.client().get("/shrinks").open();
    exchange.head().await.unwrap();
    fs::File::options()
        .write(true)
        .open(tree.path("shrinks"))
        .unwrap()
        .set_len(10)
        .unwrap();
    let broken = exchange.reply().await.unwrap_err();
    assert_eq!(broken.partial().unwrap().status, 200);
}

#[tokio::test]
async fn what_grows_meanwhile_is_sent_as_it_was() {
    let tree = Tree::new().with("grows", vec![b'x'; 500_000]);
    let mut exchange = tree.client().get("/grows").open();
    exchange.head().await.unwrap();
    tree.write("grows", vec![b'x'; 700_000], SystemTime::now());
    let reply = exchange.reply().await.unwrap();
    assert_eq!(reply.body.len(), 500_000);
}

#[tokio::test]
async fn a_file_that_has_just_changed_has_a_weak_tag() {
    let tree = Tree::new();
    tree.write("fresh", "x", SystemTime::now() + Duration::from_secs(60));
    let reply = get(&tree.client(), "/fresh", &[]).await;
    assert!(reply.header("etag").unwrap().starts_with("W/"));
}

#[test]
fn what_cannot_be_served_is_said_before() {
    let tree = Tree::new().with("file", "x");
    let none = Files::new(tree.path("none")).unwrap_err().to_string();
    assert!(
        none.contains("none` is no directory that can be served: No such file"),
        "{none}"
    );
    let file = Files::new(tree.path("file")).unwrap_err().to_string();
    assert!(file.contains("Not a directory"), "{file}");
    for name in ["a/b", "", "..", "a\0"] {
        assert!(tree.files().index(name).is_err(), "{name}");
    }
    for path in ["/app.html", "a/", "", "../x", "a//b"] {
        assert!(tree.files().page(path).is_err(), "{path}");
    }
    assert_eq!(tree.root(), tree.path(""));
}
