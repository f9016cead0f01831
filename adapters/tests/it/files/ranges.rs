//! Parts of files.

use test_client::{Reply, TestClient};

use super::support::{BEFORE, MODIFIED, Tree, ask, get};

const CONTENT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

fn client() -> (Tree, TestClient) {
    let long: String = CONTENT.repeat(1000);
    let tree = Tree::new()
        .with("a.txt", CONTENT)
        .with("long.txt", long)
        .with("empty.txt", "");
    let client = tree.client();
    (tree, client)
}

async fn range(client: &TestClient, path: &str, range: &str) -> Reply {
    get(client, path, &[("range", range)]).await
}

#[tokio::test]
async fn one_part_is_sent_as_it_is() {
    let (_tree, client) = client();
    for (asked, expected, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/36"),
        ("bytes=30-", "uvwxyz", "bytes 30-35/36"),
        ("bytes=-2", "yz", "bytes 34-35/36"),
        ("bytes=-100", CONTENT, "bytes 0-35/36"),
        ("bytes=35-900", "z", "bytes 35-35/36"),
        ("bytes=0-1,1-2", "012", "bytes 0-2/36"),
    ] {
        let reply = range(&client, "/a.txt", asked).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (206, expected),
            "{asked}"
        );
        assert_eq!(reply.header("content-range"), Some(content_range));
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(
            reply.header("content-length"),
            Some(&*expected.len().to_string())
        );
        assert_eq!(reply.header("last-modified"), Some(MODIFIED));
        assert!(reply.header("etag").is_some());
    }
    let large = range(&client, "/long.txt", "bytes=35-").await;
    assert_eq!(large.header("content-range"), Some("bytes 35-35999/36000"));
    assert!(large.text().starts_with("z0123") && large.body.len() == 35_965);
}

#[tokio::test]
async fn several_parts_are_a_multipart() {
    let (_tree, client) = client();
    let reply = range(&client, "/long.txt", "bytes=0-2, 1000-1001,-1").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-range")),
        (206, None)
    );
    let content_type = reply.header("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, content: &str| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes {range}/36000\r\n\r\n{content}"
        )
    };
    let parts = [
        part("0-2", "012"),
        part("1000-1001", "st"),
        part("35999-35999", "z"),
    ];
    assert_eq!(
        reply.text(),
        format!("{}\r\n--{boundary}--\r\n", parts.concat())
    );
    assert_eq!(
        reply.header("content-length"),
        Some(&*reply.body.len().to_string())
    );
    let again = range(&client, "/long.txt", "bytes=0-2, 1000-1001").await;
    assert_ne!(again.header("content-type"), Some(content_type));
}

#[tokio::test]
async fn what_is_behind_the_end_is_416() {
    let (_tree, client) = client();
    let reply = range(&client, "/a.txt", "bytes=36-").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-range")),
        (416, Some("bytes */36"))
    );
    assert_eq!(reply.text(), "416 Range Not Satisfiable\n");
}

#[tokio::test]
async fn what_is_no_range_is_not_seen() {
    let (_tree, client) = client();
    for asked in ["bytes=3-1", "lines=0-1", "bytes=", "nonsense"] {
        let reply = range(&client, "/a.txt", asked).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text()),
            (200, CONTENT),
            "{asked}"
        );
    }
    let twice = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
    assert_eq!(get(&client, "/a.txt", &twice).await.status, 200);
    assert_eq!(range(&client, "/empty.txt", "bytes=0-").await.status, 200);
    let head = ask(&client, "HEAD", "/a.txt", &[("range", "bytes=0-1")]).await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length")),
        (200, Some("36"))
    );
}

#[tokio::test]
async fn a_part_is_given_only_of_what_the_client_has() {
    let (_tree, client) = client();
    let etag = get(&client, "/a.txt", &[])
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let weak = format!("W/{etag}");
    for (value, status) in [
        (&*etag, 206),
        (MODIFIED, 206),
        (&*weak, 200),
        ("\"another\"", 200),
        (BEFORE, 200),
        ("nonsense", 200),
    ] {
        let fields = [("range", "bytes=0-3"), ("if-range", value)];
        assert_eq!(
            get(&client, "/a.txt", &fields).await.status,
            status,
            "{value}"
        );
    }
    // Without a range it says nothing.
    assert_eq!(
        get(&client, "/a.txt", &[("if-range", "\"x\"")])
            .await
            .status,
        200
    );
}
