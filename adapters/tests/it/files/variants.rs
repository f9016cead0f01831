//! Variants that were coded beforehand.

use adapters::ContentCoding::{Brotli, Gzip, Zstd};
use test_client::TestClient;

use super::support::{Tree, ask, get};

fn tree() -> Tree {
    Tree::new()
        .with("a.css", "plain")
        .with("a.css.br", "brotli")
        .with("a.css.gz", "gzip")
        .with("bare.css", "bare")
        .with("docs/index.html", "index")
        .with("docs/index.html.zst", "coded index")
        .with("odd.css", "odd")
        .with("odd.css.br/x", "a directory")
        .with("alone.css.br", "alone")
}

fn client(tree: &Tree) -> TestClient {
    TestClient::new(tree.files().precompressed([Brotli, Zstd, Gzip]))
}

#[tokio::test]
async fn the_variant_is_what_the_client_would_rather_have() {
    let tree = tree();
    let client = client(&tree);
    for (accepted, expected, coding) in [
        ("gzip, br", "brotli", Some("br")),
        ("gzip", "gzip", Some("gzip")),
        ("br;q=0.5, gzip", "gzip", Some("gzip")),
        ("zstd", "plain", None),
        ("zstd, gzip;q=0.1", "gzip", Some("gzip")),
        ("*", "brotli", Some("br")),
        ("br;q=0", "plain", None),
        ("identity, br;q=0.5", "plain", None),
        ("identity;q=0, zstd", "plain", None),
        ("", "plain", None),
    ] {
        let reply = get(&client, "/a.css", &[("accept-encoding", accepted)]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, expected),
            "{accepted}"
        );
        assert_eq!(reply.header("content-encoding"), coding, "{accepted}");
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
        assert_eq!(
            reply.header("content-type"),
            Some("text/css; charset=utf-8")
        );
        assert_eq!(
            reply.header("content-length"),
            Some(&*expected.len().to_string())
        );
    }
    let plain = get(&client, "/a.css", &[]).await;
    assert_eq!(
        (plain.text(), plain.header("vary")),
        ("plain", Some("accept-encoding"))
    );
}

#[tokio::test]
async fn each_variant_has_its_own_tag_and_parts() {
    let tree = tree();
    let client = client(&tree);
    let brotli = get(&client, "/a.css", &[("accept-encoding", "br")]).await;
    let etag = brotli.header("etag").unwrap();
    let plain = get(&client, "/a.css", &[]).await;
    assert_ne!(plain.header("etag"), Some(etag));
    let fields = [("accept-encoding", "br"), ("if-none-match", etag)];
    let same = get(&client, "/a.css", &fields).await;
    assert_eq!(
        (same.status.as_u16(), same.header("vary")),
        (304, Some("accept-encoding"))
    );
    assert_eq!(get(&client, "/a.css", &fields[1..]).await.status, 200);
    let fields = [
        ("accept-encoding", "br"),
        ("range", "bytes=1-3"),
        ("if-range", etag),
    ];
    let part = get(&client, "/a.css", &fields).await;
    assert_eq!(
        (part.text(), part.header("content-encoding")),
        ("rot", Some("br"))
    );
    assert_eq!(get(&client, "/a.css", &fields[1..]).await.text(), "plain");
}

#[tokio::test]
async fn where_there_is_no_variant_nothing_varies() {
    let tree = tree();
    let client = client(&tree);
    for (path, expected) in [("/bare.css", "bare"), ("/odd.css", "odd")] {
        let reply = get(&client, path, &[("accept-encoding", "br")]).await;
        assert_eq!((reply.text(), reply.header("vary")), (expected, None));
    }
    assert_eq!(
        get(&client, "/alone.css", &[("accept-encoding", "br")])
            .await
            .status,
        404
    );
    let index = get(&client, "/docs/", &[("accept-encoding", "zstd")]).await;
    assert_eq!(
        (index.text(), index.header("content-type")),
        ("coded index", Some("text/html; charset=utf-8"))
    );
    let head = ask(&client, "HEAD", "/docs/", &[("accept-encoding", "zstd")]).await;
    assert_eq!(head.header("content-length"), Some("11"));
    // Asked for by its own name it is what it is.
    let own = get(&client, "/a.css.gz", &[("accept-encoding", "gzip")]).await;
    assert_eq!((own.text(), own.header("content-encoding")), ("gzip", None));
    assert_eq!(own.header("content-type"), Some("application/gzip"));
    let without = get(&tree.client(), "/a.css", &[("accept-encoding", "br")]).await;
    assert_eq!((without.text(), without.header("vary")), ("plain", None));
}
